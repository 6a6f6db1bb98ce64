"""Reads the real sentences that carry the synthetic tasks, and drops those that could be taken for a task."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from trainable.pretraining.kinds import TASK_LABELS

_NOT_IN_CARRIER = re.compile(
    r"[《》【】〖〗“”「」『』\"#@%％¥￥$€£/\\_=+~^*<>{}|\[\]℃`（）()-]|https?|[a-z]\.[a-z]|\d[\d.,:：]{4,}"
    r"|\d+[月点时:：比]\d|\d\s*(?:元|万|亿|公|千|平|毫|厘|米|克|吨|k|m|c|G|M|H|号|世)|第.{1,3}[章节行页]"
)


@dataclass(frozen=True, slots=True)
class Carriers:
    """Real sentences in Chinese and English, and Han characters to draw from, repeated by their weight."""

    zh: tuple[str, ...]
    en: tuple[str, ...]
    han: str
    rare_han: str


def read_carriers(zh: Path, en: Path) -> Carriers:
    """Read the sentences that contain none of the kinds.

    Args:
        zh: CoNLL-U-like file with `# text = ` lines.
        en: CoNLL file, one token and tag a line, an empty line after each sentence.

    Raises:
        OSError: When a file cannot be read.
        ValueError: When a file has fewer than 100 such sentences.
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


def _gb2312(first: int, end: int) -> str:
    """Return the Han characters of some rows of GB 2312: 0xB0-0xD7 hold the common ones, 0xD8-0xF7 the rest."""
    cells = (bytes((row, cell)) for row in range(first, end) for cell in range(0xA1, 0xFF))
    return "".join(cell.decode("gb2312", "ignore") for cell in cells)
