r"""Synthetic extraction tasks without any personal data, from which the small base models learn to extract.

A sample is a system message that says what to extract, a text, and the strings to list with their labels.
Values are written by templates: `{h2-5}` is 2 to 5 Han characters, `d` digits, `n` digits without a leading
zero, `U`/`l` upper/lower-case letters, `m` letters and digits, `x` hex digits, `w`/`W` made-up words (`W`
capitalised, separated by spaces), `i` an integer of a range, `I` the same with two digits, `{a|b}` a choice.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data.entities import Entity

TASK_LABELS = (
    "PERSON", "PHONE", "LANDLINE", "ID_NUMBER", "BANK_CARD",
    "EMAIL", "ADDRESS", "LICENSE_PLATE", "PASSPORT", "SOCIAL_ACCOUNT",
)  # fmt: skip
"""Labels of the task that the base models must not know."""

_PERSONAL = re.compile(
    r"\d{15}|\d{17}[\dXx]|[3-6]\d{15,18}|1[3-9]\d{9}|0\d{9,11}|[\w.]+@[\w-]+(?:\.[a-z]{2,})+|@\w+|[A-Z]{1,2}\d{7,8}"
    r"|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z].{4,7}"
)
_NOT_IN_CARRIER = re.compile(
    r"[《》【】〖〗“”「」『』\"#@%％¥￥$€£/\\_=+~^*<>{}|\[\]℃`（）()-]|https?|[a-z]\.[a-z]|\d[\d.,:：]{4,}"
    r"|\d+[月点时:：比]\d|\d\s*(?:元|万|亿|公|千|平|毫|厘|米|克|吨|k|m|c|G|M|H|号|世)|第.{1,3}[章节行页]"
)
_SLOT = re.compile(r"\{(?:([hdnUlmxwWiI])(\d+)(?:-(\d+))?|([^{}]*\|[^{}]*))\}")
_CLAUSE_END = re.compile(r"[，。；！？,.;!?]\s*")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of string: its Chinese name, its own label, templates of values, and cues around a value."""

    name: str
    label: str
    values: tuple[str, ...]
    cues: tuple[str, ...] = ("{}",)


@dataclass(frozen=True, slots=True)
class Carriers:
    """Real sentences in Chinese and English, and Han characters to draw from with their weights summed up."""

    zh: tuple[str, ...]
    en: tuple[str, ...]
    han: str
    rare_han: str


Piece = tuple[str, str, str, str]
"""Text before a value, the value, text after it, and its label (empty: not to be extracted)."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a sample asks for: its system message, the label of each kind, and kinds to ignore."""

    system: str
    labels: dict[Kind, str]
    others: list[Kind]


@dataclass(frozen=True, slots=True)
class Sample:
    """One task: the system message, the text, and what to extract with offsets into the text."""

    system: str
    text: str
    entities: tuple[Entity, ...]


# fmt: off
_YEAR, _MONTH, _DAY, _CN = "20{d2}", "{i1-12}", "{i1-28}", "{一|二|三|四|五|六|七|八|九|十|十二}"
KINDS: tuple[Kind, ...] = (
    Kind("编号", "CODE", ("{U2-3}-{d3-6}", "{U1-2}{d2-3}-{d2-4}", "{U3}_{d3}{U1}"), ("{}", "编号{}", "编号为{}的", "No. {}", "（{}）", " {} ")),
    Kind("书名", "BOOK", ("《{h2-8}》", "《{h2-4}：{h2-6}》", "《{W1-3}》"), ("{}", "读完了{}", "{}一书", "摘自{}，")),
    Kind("话题", "TOPIC", ("#{h2-6}#", "#{w1}{d0-2}", "#{h2-4}{w1}#"), ("{}", " {} ", "话题{}")),
    Kind("价格", "PRICE", ("¥{n1-5}.{d2}", "{n1-4}元", "${n1-3}.{d2}", "{n1-3}.{d1}万元", "{n1}，{d3}元"), ("{}", "售价{}", "共计{}", "花了{}", "for {}")),
    Kind("版本", "VERSION", ("v{n1}.{d1}.{d1}", "{n1}.{d1-2}.{d1-2}-rc{n1}", "V{n1}.{d1}"), ("{}", "升级到{}", "版本 {} ", "release {} ")),
    Kind("备注", "NOTE", ("【{h3-10}】", "【{h2-4}{d1-3}】", "[{W1-3}]"), ("{}", "备注{}")),
    Kind("引语", "QUOTE", ("“{h3-14}”", "“{h2-5}，{h3-6}”", "“{w2-5}”"), ("{}", "写着{}", "答道：{}", "said {} ")),
    Kind("单号", "ORDER", ("{d8-10}", "{d12-14}", "{d4} {d4} {d4}", "{d4}-{d4}-{d4}", "{U2}{d10-13}", "9{d3} {d4} {d4} {d4}", "9{d3}-{d4}-{d4}-{d4}", "9{d3} {d4} {d4} {d4} {d3}"), ("单号{}", "单号：{}", "订单 {} 已发出", "流水{}", "order {} ", "{}")),
    Kind("路径", "PATH", ("/{w1}/{w1}/{w1}", "/{w1}/{w1}.{w1}", "~/{w1}/{h2-4}", "{U1}:\\{w1}\\{w1}"), (" {} ", "位于{}", "目录{}", "in {} ")),
    Kind("文件", "FILE", ("{w1}_{d2}.{pdf|docx|txt|csv}", "{h2-6}.{xlsx|pptx|pdf|zip}", "{w1}.{py|md|json|log}"), ("{}", "附件{}", "打开{}", "文件 {} ", "file {} ")),
    Kind("日期", "DATE", (f"{_YEAR}年{_MONTH}月{_DAY}日", f"{_YEAR}-{{I1-12}}-{{I1-28}}", f"{_MONTH}月{_DAY}日", f"{_YEAR}/{_MONTH}/{_DAY}", "{Jan|Mar|Jul|Oct} {i1-28}, 20{d2}"), ("{}", "于{}", "截止{}", "on {} ", "自{}起")),
    Kind("时间", "TIME", ("{I0-23}:{I0-59}", "{上午|下午|凌晨|晚上}{i1-12}点{i1-59}分", "{i1-12}:{I0-59} {am|pm}"), ("{}", "定在{}", "at {} ")),
    Kind("尺寸", "MEASURE", ("{n1-3}{kg|cm|km|ml|克|公斤|毫米|平方米|公里}", "{n1-2}.{d1}{kg|cm|米|吨}", "{n1-2}×{n1-2}cm"), ("{}", "重{}", "长{}", "about {} ")),
    Kind("化学式", "FORMULA", ("{Na|K|Ca|Fe|Cu|Mg|Al}{|2|3}{SO|NO|CO|PO}{3|4}", "C{n1-2}H{n1-2}O{n1}", "{Ca|Mg|Al}({OH|NO3}){2|3}"), ("{}", "加入{}", "of {} ")),
    Kind("书号", "ISBN", ("978-{d1}-{d3-4}-{d4-5}-{d1}", "978{d10}"), ("{}", "ISBN {}", "ISBN：{}")),
    Kind("色值", "COLOR", ("#{x6}", "0x{x4-8}", "rgb({i0-255},{i0-255},{i0-255})"), ("{}", "颜色{}", "colour {} ")),
    Kind("坐标", "COORD", ("{n2}.{d4}°{N|S},{n2}.{d4}°{E|W}", "({n1-2}.{d2}, {n1-2}.{d2})", "北纬{n2}度"), ("{}", "坐标{}", "near {} ")),
    Kind("比例", "PERCENT", ("{i1-99}%", "{i1-99}.{d1}%", "百分之{二|三|五|七}十", "{三|五|八}成"), ("{}", "增长{}", "占{}", "by {} ")),
    Kind("型号", "MODEL", ("{W1}-{d2-4}", "{U1-2}{d3-4} {Pro|Max|Plus|Lite}", "{W1} {n1}{s|x|}", "{U2}{d2}{U1}{d2}"), ("{}", "型号{}", "换成{}", "model {} ")),
    Kind("歌名", "SONG", ("{h2-6}", "{W2-4}", "{h1-3}的{h1-3}"), ("歌曲{}响起", "单曲{}上线", "唱了一首{}，", "歌名：{}", "the song {} ,")),
    Kind("菜名", "DISH", ("{h1-3}{炒|烧|炖|拌|焖}{h1-2}", "{h1-3}{汤|面|饭|饼|粥|糕|羹}"), ("点了一份{}", "招牌菜{}", "{}很好吃", "做{}，", "{}")),
    Kind("植物", "PLANT", ("{h1-3}{花|草|树|藤|竹|兰|蕨|莓}",), ("种着{}", "一株{}", "{}开了", "名为{}的植物", "{}")),
    Kind("机构", "FIRM", ("{h2-4}{研究所|协会|俱乐部|工作室|基金会|合作社|联盟}", "{W1-2} {Inc|Ltd|Group|Labs}", "{h2}{h2}有限公司"), ("{}", "由{}主办", "{}宣布", "加入{}，", "with {} ")),
    Kind("字段", "FIELD", ("{w1}={m3-8}", "{w1}={d1-4}", "{w1}_{w1}={w1}"), (" {} ", "设置{}", "with {} ")),
    Kind("范围", "RANGE", ("{n1-2}-{n2-3}页", "{n2}~{n3}", "{n1-2}至{n2}行"), ("{}", "见{}", "范围{}")),
    Kind("商品", "PRODUCT", ("{h2-4}{牌|型|款}", "{h2-3}{剂|膏|片|丸}"), ("商品{}", "采购的{}", "新品{}已上架", "{}缺货", "{}")),
    Kind("密钥", "KEY", ("{m8-24}", "sk-{m12-20}", "{m4}-{m4}-{m4}", "{x8}-{x4}-{x4}"), ("key={}", "密钥 {} 已更新", "token: {}", "口令：{}")),
    Kind("网址", "LINK", ("https://{w1}.{com|cn|io|net}/{w1}", "http://{w1}.{w1}.cn/{w1}?id={d3}", "www.{w1}.{com|org}"), ("{}", "链接 {} ", "见{}", "visit {} ")),
    Kind("主机", "HOST", ("{w1}.{w1}.{cn|org|io|net}", "{w1}{d2}.{w1}.local", "{w1}-{w1}.{io|dev}"), ("主机{}", "登录{}", "host {} ", "{}")),
    Kind("网段", "NET", ("{i1-254}.{i0-255}.{i0-255}.{i1-254}", "10.{i0-255}.0.0/{i8-30}"), ("{}", "来自{}", "from {} ")),
    Kind("硬件码", "HARDWARE", ("{x2}:{x2}:{x2}:{x2}:{x2}:{x2}", "SN{d8}{U1}"), ("{}", "设备{}", "device {} ")),
    Kind("软件包", "PACKAGE", ("@{w1}/{w1}-{w1}", "{w1}.{w1}@{n1}.{d1}.{d1}", "{w1}_{w1}{d1-3}@{n1}.{d1}", "{w1}@{w1}#{d2}"), ("{}", "安装{}", "依赖 {} ", "install {} ")),
    Kind("班次", "TRIP", ("{U2}{d3-4}", "{G|D|K|T}{n2-4}次", "{n3}路"), ("{}", "乘坐{}", "改签{}", "take {} ")),
    Kind("比分", "SCORE", ("{i0-9}比{i0-9}", "{i0-99}–{i0-99}"), ("{}", "以{}获胜", "won {} ")),
    Kind("章节", "CHAPTER", (f"第{_CN}章第{_CN}节", f"第{_CN}章", "第{n1-2}.{n1}节", "Chapter {n1-2}"), ("{}", "参见{}", "see {} ")),
    Kind("库位", "SLOT", ("{h2-3}{库|仓}{U1}区{n1-2}排{n1-2}号", "{h2}仓{h2}区{h2-3}架{n1-3}格{n1-2}层", "{东|西|南|北}库{h2-3}区{n1-3}号架{n1-2}层{n3}格", "{h2-3}{矿|田|井}{n1-2}段{n1-3}号桩"), ("放在{}", "存放于{}，", "位置：{}", "移到{}。", "{}")),
    Kind("山川", "PEAK", ("{h1-3}{山|峰|岭|河|湖|溪|谷|岛}",), ("登上{}", "流经{}", "{}脚下", "在{}一带", "{}")),
    Kind("奖项", "AWARD", ("{h2-5}{奖|杯|勋章}", "{W1-2} {Prize|Award|Cup}"), ("获得{}", "{}揭晓", "won the {} ", "{}")),
    Kind("课程", "COURSE", ("{h2-5}{学|论|概论|导引|原理}", "{h2-4}{一|二|上|下}册"), ("选修{}", "课程{}", "讲授{}，", "{}")),
    Kind("文号", "DOCREF", ("（20{d2}）{h1}{字|发}第{d2-5}号", "{h1-2}{字|发}〔20{d2}〕{n1-3}号"), ("{}", "根据{}", "文号{}")),
    Kind("频率", "FREQ", ("{n1-3}.{d1}{MHz|GHz|Hz}", "{n1-3}{dB|kHz}"), ("{}", "频率{}", "at {} ")),
    Kind("温度", "TEMP", ("{i1-40}℃", "-{i1-30}℃", "零下{i1-30}度", "{i20-99}°F"), ("{}", "气温{}", "加热到{}")),
    Kind("品牌", "BRAND", ("{瑞|恒|鼎|泰|昌|盛|隆|兴|祥|裕|聚|鸿|尚|优|凯|诺|维|菲|奥|科|迪|朗|索|雅|美|佳|宝|利|源|丰}{h1-2}",), ("品牌{}", "{}旗舰店", "选了{}，", "换用{}的", "{}和", "找到{}，", "{}：")),
    Kind("船名", "SHIP", ("{h2-3}号", "{h2-3}轮", "MV {W1-2}"), ("乘{}出海", "货船{}", "{}靠港", "aboard {} ")),
    Kind("算式", "EQUATION", ("{l1}={n1}{l1}+{n1}", "{n1-2}×{n1-2}={n2-3}", "{l1}({l1})={l1}^{n1}"), (" {} ", "已知{}", "where {} ")),
    Kind("批次", "BATCH", ("20{d2}{I1-12}{I1-28}{U1}{d2}", "批{d4}-{n1}", "LOT{d4-7}"), ("批次{}", "{}", "lot {} ")),
    Kind("快捷键", "SHORTCUT", ("{Ctrl|Alt|Shift}+{U1}", "Ctrl+{Alt|Shift}+{U1}", "F{i1-12}键"), ("按{}", " {} ", "press {} ")),
    Kind("变量", "VARIABLE", ("{w1}_{w1}_{w1}", "{l2-4}{W1}", "{U3-5}_{U3-6}"), (" {} ", "变量{}", "set {} ")),
    Kind("命令", "COMMAND", ("`{w1} --{w1} {w1}`", "`{w1} -{l1} {d1-3}`"), ("{}", "执行{}", "run {} ")),
    Kind("错误码", "ERROR", ("E{d4}", "ERR_{U3-6}", "错误{d3}", "0x8{x7}"), ("{}", "报{}", "失败，{}", "failed: {} ")),
    Kind("术语", "TERM", ("（{W1-2}）", "（{h2-5}）", "({w1-2})"), ("{}",)),
    Kind("标记", "MARK", (":{w1}:", "<{w1}>", "[[{h2-4}]]", "{{{w1}}}"), (" {} ", "标记{}", "{}")),
    Kind("暗语", "PHRASE", ("{w1}-{w1}-{w1}", "{h4}，{h4}", "{w2-3}"), ("暗语：{}", "暗语是{}。", "passphrase {} ,")),
    Kind("队名", "TEAM", ("{h2-3}队", "{h2}{猛虎|雄鹰|飞龙|海狮}", "{W1} {Lions|Hawks|Bears}"), ("{}", "击败{}", "{}夺冠", "beat {} ")),
    Kind("展品", "EXHIBIT", ("{h1-2}{纹|釉|彩}{h1-2}{瓶|碗|鼎|壶}", "{h2-4}图"), ("展出{}", "一件{}", "{}", "题为{}的")),
    Kind("星体", "STAR", ("{h2}座{α|β|γ|δ}", "{HD|NGC|M} {d2-5}", "{h2-3}星"), ("观测{}", "{}", "发现{}。", "of {} ")),
)
_ALL_ZH = ("抽取文本中的要素，以 JSON 输出。", "列出下文里的全部要素。", "请标注文中出现的要素，只输出 JSON。", "要素抽取。结果写成 JSON 对象。", "你负责整理文本，找出其中的要素，用 JSON 给出列表。")
_ALL_EN = ("Extract all items from the text as JSON.", "List every item in the message below. Reply in JSON only.")
_TOPIC_SYS = ("抽取与{}有关的要素，以 JSON 输出。", "你是{}助手。找出文中的{}信息，并以 JSON 给出列表。", "{}要素抽取。", "从下面的文本中识别{}信息，输出 JSON。", "任务：{}。只输出 JSON，没有则给空列表。")
_NAMED_SYS = ("只抽取：{}。其余忽略。", "从文本中找出 {}，以 JSON 输出。", "要抽取的类别：{}", "你是信息抽取助手，类别有 {}。按出现顺序列出，没有则返回空列表。", "Extract only {}. Answer in JSON.", "类别表：\n{}\n输出 JSON。", "Find {} in the text.")
_FIELDS_SYS = ("把每个字段的名称和取值列出，以 JSON 输出。", "逐项抄录字段名与内容。", "表单转 JSON：类型为字段名。", "List each field with its value as JSON.")
_TOPICS = ("物流", "图书", "运维", "餐饮", "地理", "影音", "教学", "科研", "采购", "软件", "赛事", "档案", "天文", "仓储", "制造", "航运")
_COUNTS = ("{i2-99}{人|次|名|遍|位|个|天|岁}", "{n1-3} {times|people|days}", "{一|两|三|几}{次|个|天}", "等{i2-9}项")
_SEPARATORS = ("-", " ", "_", ".", "/", ":", "")
_FORM_VALUES = ("{h2-12}", "{h2-4}", "{d8-10}", "{d12-14}", "{m6-16}", "{W1-3}", "{h2-3} {d3-6}", "9{d15-18}", "{w1}.{w1}@{w1}")
_ONSETS = ["b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "ch", "sh", "st", "tr"]
_RHYMES = ["a", "e", "i", "o", "u", "ai", "an", "en", "er", "in", "on"]
_UPPER, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
_ALPHABETS = {"d": _DIGITS, "U": _UPPER, "l": _UPPER.lower(), "m": _UPPER + _UPPER.lower() + _DIGITS, "x": _DIGITS + "abcdef"}
# fmt: on


def read_carriers(zh: Path, en: Path) -> Carriers:
    """Read sentences that hold none of the kinds above.

    Args:
        zh: CoNLL-U-like file with `# text = ` lines.
        en: CoNLL file, one token and tag a line, an empty line after each sentence.

    Raises:
        OSError: When a file cannot be read.
        ValueError: When a file yields fewer than 100 sentences.
    """
    chinese = [
        line[9:].strip() for line in zh.read_text("utf-8").splitlines() if line.startswith("# text = ")
    ]
    blocks = re.split(r"\n\s*\n", en.read_text("utf-8"))
    english = [" ".join(line.split("\t")[0] for line in block.splitlines()) for block in blocks]
    english = [re.sub(r"(?:^|\s)(?:\S*[@#]\S*|http\S*|RT)(?=\s|$)", "", line).strip() for line in english]
    kept = []
    for path, lines in ((zh, chinese), (en, english)):
        clean = [line for line in lines if len(line) > 8 and _is_plain(line)]
        if len(clean) < 100:
            raise ValueError(
                f"`{path}` gives {len(clean)} sentences, but must give at least 100: check its format"
            )
        kept.append(tuple(clean))
    counts = Counter(char for char in "".join(chinese) if "\u4e00" <= char <= "\u9fff")
    natural = "".join(char * min(20, count) for char, count in sorted(counts.items()))
    return Carriers(kept[0], kept[1], natural + _gb2312(0xB0, 0xD8) * 4, _gb2312(0xD8, 0xF8))


def _is_plain(line: str) -> bool:
    return not _NOT_IN_CARRIER.search(line) and not any(word in line for word in (*TASK_LABELS, "PII"))


def _is_personal(value: str) -> bool:
    return bool(_PERSONAL.fullmatch(re.sub(r"(?<=\d)[ -](?=\d)", "", value)))


def _gb2312(first: int, end: int) -> str:
    """Return the Han characters of some rows of GB 2312: 0xB0-0xD7 hold the common ones, 0xD8-0xF7 the rest."""
    cells = (bytes((row, cell)) for row in range(first, end) for cell in range(0xA1, 0xFF))
    return "".join(cell.decode("gb2312", "ignore") for cell in cells)


class Writer:
    """Draws everything random of one stream of samples; the same seed gives the same samples."""

    def __init__(self, carriers: Carriers, seed: str) -> None:
        self.rng = random.Random(seed)
        self.carriers = carriers

    def sample(self) -> Sample:
        """Return one task; about one in five has nothing to extract."""
        if self.rng.random() < 0.12:
            return self._form()
        task = self._task()
        count = self.rng.choices(range(9), (22, 22, 20, 14, 9, 5, 4, 2, 2))[0]
        kinds = list(task.labels)
        strings = [(kind, task.labels[kind]) for kind in self.rng.choices(kinds, k=count)]
        others = self.rng.choices(task.others, k=self.rng.randint(0, 4)) if task.others else []
        pieces = [self._piece(kind, label) for kind, label in strings + [(kind, "") for kind in others]]
        pieces += [self.rng.choice(pieces) for _ in range(len(pieces)) if self.rng.random() < 0.07]
        pieces += [
            ("", self.fill(self.rng.choice(_COUNTS)), "", "") for _ in range(self.rng.choice((0, 0, 1, 2)))
        ]
        self.rng.shuffle(pieces)
        text, entities = _join(self._lines(pieces) if self.rng.random() < 0.2 else self._prose(pieces))
        return Sample(task.system, text, entities)

    def fill(self, template: str) -> str:
        """Replace each slot of a template by random characters; never returns what looks like personal data."""
        while True:
            value = _SLOT.sub(self._slot, template)
            if not _is_personal(value):
                return value

    def _slot(self, match: re.Match[str]) -> str:
        code, low, high, choice = match.groups()
        rng = self.rng
        if choice is not None:
            return rng.choice(choice.split("|"))
        if code in "iI":
            return format(rng.randint(int(low), int(high)), "d" if code == "i" else "02d")
        count = rng.randint(int(low), int(high or low))
        if code in "wW":
            words = ["".join(map(rng.choice, (_ONSETS, _RHYMES) * rng.randint(1, 3))) for _ in range(count)]
            return " ".join(words if code == "w" else map(str.capitalize, words))
        if code == "n":
            return str(rng.randrange(10 ** (count - 1), 10**count))
        return "".join(self._han() if code == "h" else rng.choice(_ALPHABETS[code]) for _ in range(count))

    def _han(self) -> str:
        share = self.rng.random()
        if share < 0.01:
            return chr(self.rng.randint(0x4E00, 0x9FA5))
        return self.rng.choice(self.carriers.han if share < 0.93 else self.carriers.rare_han)

    def _task(self) -> Task:
        """Draw what to extract: kinds named in the system message, those of a topic, or all."""
        share, rng = self.rng.random(), self.rng
        if share < 0.5:
            kinds = rng.sample(KINDS, rng.randint(1, 5))
            kinds = [self._pattern() if rng.random() < 0.25 else kind for kind in kinds]
            own_labels = rng.random() < 0.2
            labels: dict[Kind, str] = {}
            for kind in kinds:
                label = rng.choice((kind.name, kind.label)) if own_labels else self._label(kind)
                labels[kind] = label if label not in labels.values() else label + str(len(labels))
            arrow = rng.choice(("→{}", "=>{}", ":{}", "：{}", "={}", "（{}）", " 记作 {}"))
            named = [self._describe(kind) + arrow.format(label) for kind, label in labels.items()]
            listed = rng.choice(("，", "、", "; ", "\n", " / ")).join(
                labels.values() if own_labels else named
            )
            others = [kind for kind in (*rng.sample(KINDS, 8), self._pattern()) if kind not in labels]
            return Task(rng.choice(_NAMED_SYS).format(listed), labels, others)
        if share < 0.8:
            topic = rng.choice(_TOPICS)
            labels = _topic_labels(topic)
            return Task(
                rng.choice(_TOPIC_SYS).replace("{}", topic), labels, [k for k in KINDS if k not in labels]
            )
        return Task(rng.choice(_ALL_ZH * 2 + _ALL_EN), {kind: kind.label for kind in KINDS}, [])

    def _pattern(self) -> Kind:
        while True:
            parts = [
                f"{{{self.rng.choice('UdlhUd')}{self.rng.randint(1, 5)}}}"
                for _ in range(self.rng.randint(2, 3))
            ]
            template = self.rng.choice(_SEPARATORS).join(parts)
            # A pattern such as 15 digits always looks personal: `fill` would never come back.
            if not _is_personal(_SLOT.sub(self._slot, template)):
                return Kind("", "", (template,), ("{}，", " {} ", "（{}）", "：{}。"))

    def _label(self, kind: Kind) -> str:
        own = (kind.label, kind.label.lower(), kind.label.title(), kind.name) if kind.label else ()
        made = (
            "{U3-8}",
            "{l3-8}",
            "{W1}_{W1}",
            "T{n1}",
            "类{n1}",
            "{U1}{d1}",
            "{h2-4}",
            "{U2-5}_{U2-6}",
            "{U4-9}",
        )
        label = self.fill(self.rng.choice((*own, *made)))
        return label if label.upper() not in TASK_LABELS else "LABEL"

    def _describe(self, kind: Kind) -> str:
        if not kind.label or self.rng.random() < 0.15:
            return self.rng.choice(("如 ", "形如 ", "like ")) + self.fill(self.rng.choice(kind.values))
        return kind.name if self.rng.random() < 0.75 else kind.label.lower()

    def _piece(self, kind: Kind, label: str) -> Piece:
        before, after = self.rng.choice(kind.cues).split("{}")
        return before, self.fill(self.rng.choice(kind.values)), after, label

    def _host(self) -> str:
        rng = self.rng
        count = rng.choices((1, 2, 3, 4, rng.randint(5, 12)), (35, 30, 17, 8, 10))[0]
        if rng.random() < 0.12:
            words = [self.fill(rng.choice(("{h1-4}", "{h2}", "{w1}", "{W1}"))) for _ in range(count * 7)]
            return rng.choice((" ", "，", "、", ", ")).join(words)
        share_zh = rng.choice((1.0, 1.0, 1.0, 0.0, 0.6))
        lines = [
            rng.choice(self.carriers.zh if rng.random() < share_zh else self.carriers.en)
            for _ in range(count)
        ]
        if rng.random() < 0.35:
            lines = [_CLAUSE_END.split(line)[0] + rng.choice("，。 ") for line in lines]
        return rng.choice(("", "", "\n", " ")).join(lines)

    def _prose(self, pieces: list[Piece]) -> list[Piece]:
        """Set pieces into carrier sentences; bare ones only between clauses, where their edges can be seen."""
        host = self._host()
        ends = [0, *(match.end() for match in _CLAUSE_END.finditer(host)), len(host)]
        inside = [len(piece[0]) > 0 and self.rng.random() < 0.4 for piece in pieces]
        cuts = [self.rng.randint(0, len(host)) if free else self.rng.choice(ends) for free in inside]
        placed: list[Piece] = []
        at = 0
        for cut, piece in sorted(zip(cuts, pieces, strict=True), key=lambda pair: pair[0]):
            # Two pieces at one cut would touch.
            gap = host[at:cut] or ("，" if placed else "")
            placed += [(gap, "", "", ""), piece]
            at = cut
        return [*placed, (host[at:], "", "", "")]

    def _lines(self, pieces: list[Piece]) -> list[Piece]:
        join = self.rng.choice(("\n", "\n", "；", "，", " | "))
        lines: list[Piece] = []
        for before, value, after, label in pieces:
            lead = self.fill("{h2-4}") + self.rng.choice("：:") if before in ("", " ") else before
            lines.append((lead, value, after.strip() + join, label))
            if self.rng.random() < 0.3:
                lines.append((_CLAUSE_END.split(self._host())[0] + join, "", "", ""))
        return lines or [(self._host(), "", "", "")]

    def _form(self) -> Sample:
        """Return a form whose fields are to be copied, each name as the label of its value."""
        rng = self.rng
        between, end = rng.choice(("：", ": ", "=", "\t")), rng.choice(("\n", "\n", "；\n", " | "))
        pieces: list[Piece] = []
        for _ in range(rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8))):
            key = self.fill(
                rng.choice(("{h2-4}", "{h2-4}", "{w1}", "{W1}", "{U3-6}", rng.choice(KINDS).name))
            )
            kind = rng.choice(KINDS)
            value = self.fill(rng.choice((*_FORM_VALUES, *kind.values)))
            pieces.append((key + between, value, end, key))
        notes = [
            (_CLAUSE_END.split(self._host())[0] + end, "", "", "")
            for _ in range(rng.randint(0, 2) or not pieces)
        ]
        for note in notes:
            pieces.insert(rng.randint(0, len(pieces)), note)
        return Sample(rng.choice(_FIELDS_SYS), *_join(pieces))


@cache
def _topic_labels(topic: str) -> dict[Kind, str]:
    """Return the kinds of a topic; the same in each process, so that the model can learn them by heart."""
    rng = random.Random(topic)
    return {
        kind: rng.choice((kind.label, kind.name, kind.label.lower()))
        for kind in rng.sample(KINDS, rng.randint(5, 14))
    }


def _join(pieces: Sequence[Piece]) -> tuple[str, tuple[Entity, ...]]:
    """Concatenate pieces and give the labelled values their offsets; edges of the text are stripped."""
    text = ""
    entities: list[Entity] = []
    for before, value, after, label in pieces:
        text = (text + before) if text else before.lstrip()
        if label:
            entities.append(Entity(label, value, len(text), len(text) + len(value)))
        text += value + after
    return text.rstrip(), tuple(entities)
