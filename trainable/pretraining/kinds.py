r"""The tables of the synthetic extraction tasks: kinds of strings, their templates, and wordings of system messages.

Values are written by templates: `{h2-5}` is 2 to 5 Han characters, `d` digits, `n` digits without a leading
zero, `U`/`l` upper/lower-case letters, `m` letters and digits, `x` hex digits, `w`/`W` made-up words (`W`
capitalised, separated by spaces), `i` an integer of a range, `I` the same with two digits, `{a|b}` a choice.
"""

from __future__ import annotations

from dataclasses import dataclass

TASK_LABELS = (
    "PERSON", "PHONE", "LANDLINE", "ID_NUMBER", "BANK_CARD",
    "EMAIL", "ADDRESS", "LICENSE_PLATE", "PASSPORT", "SOCIAL_ACCOUNT",
)  # fmt: skip
"""Labels of the task that the base models must not know."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of string: its Chinese name, its own label, templates of values, and cues around a value."""

    name: str
    label: str
    values: tuple[str, ...]
    cues: tuple[str, ...] = ("{}",)


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
ALL_ZH = ("抽取文本中的要素，以 JSON 输出。", "列出下文里的全部要素。", "请标注文中出现的要素，只输出 JSON。", "要素抽取。结果写成 JSON 对象。", "你负责整理文本，找出其中的要素，用 JSON 给出列表。")
ALL_EN = ("Extract all items from the text as JSON.", "List every item in the message below. Reply in JSON only.")
TOPIC_SYS = ("抽取与{}有关的要素，以 JSON 输出。", "你是{}助手。找出文中的{}信息，并以 JSON 给出列表。", "{}要素抽取。", "从下面的文本中识别{}信息，输出 JSON。", "任务：{}。只输出 JSON，没有则给空列表。")
NAMED_SYS = ("只抽取：{}。其余忽略。", "从文本中找出 {}，以 JSON 输出。", "要抽取的类别：{}", "你是信息抽取助手，类别有 {}。按出现顺序列出，没有则返回空列表。", "Extract only {}. Answer in JSON.", "类别表：\n{}\n输出 JSON。", "Find {} in the text.")
FIELDS_SYS = ("把每个字段的名称和取值列出，以 JSON 输出。", "逐项抄录字段名与内容。", "表单转 JSON：类型为字段名。", "List each field with its value as JSON.")
TOPICS = ("物流", "图书", "运维", "餐饮", "地理", "影音", "教学", "科研", "采购", "软件", "赛事", "档案", "天文", "仓储", "制造", "航运")
COUNTS = ("{i2-99}{人|次|名|遍|位|个|天|岁}", "{n1-3} {times|people|days}", "{一|两|三|几}{次|个|天}", "等{i2-9}项")
SEPARATORS = ("-", " ", "_", ".", "/", ":", "")
FORM_VALUES = ("{h2-12}", "{h2-4}", "{d8-10}", "{d12-14}", "{m6-16}", "{W1-3}", "{h2-3} {d3-6}", "9{d15-18}", "{w1}.{w1}@{w1}")
ONSETS = ["b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "ch", "sh", "st", "tr"]
RHYMES = ["a", "e", "i", "o", "u", "ai", "an", "en", "er", "in", "on"]
_UPPER, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
ALPHABETS = {"d": _DIGITS, "U": _UPPER, "l": _UPPER.lower(), "m": _UPPER + _UPPER.lower() + _DIGITS, "x": _DIGITS + "abcdef"}
# fmt: on
