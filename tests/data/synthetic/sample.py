"""The committed sample corpus, record by record, as the tests of it look at it."""

from __future__ import annotations

import json
from typing import Any

from data.entities import locate
from data.paths import ROOT
from data.synthetic.corpus import SPLITS
from data.synthetic.skeletons import families

SAMPLE = ROOT / "data" / "sample"
MASK = "\u241f"


def read(split: str) -> list[dict[str, Any]]:
    lines = (SAMPLE / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


CORPUS = {split: read(split) for split in SPLITS}
KINDS = {family.family: family for split in SPLITS for family in families(split)}


def items(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entity["type"], entity["text"]) for entity in record["output"]["entities"]]


def mask(record: dict[str, Any]) -> str:
    """The text with every labelled value masked."""
    text, start = "", 0
    entities, _ = locate(record["input"], items(record))
    for entity in entities:
        text += record["input"][start : entity.start] + MASK
        start = entity.end
    return text + record["input"][start:]


REMAINDERS = {record["id"]: mask(record) for records in CORPUS.values() for record in records}


def everything() -> list[dict[str, Any]]:
    return [record for records in CORPUS.values() for record in records]
