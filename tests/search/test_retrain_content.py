"""What metrics.json holds beside epochs and test: files without these parts are read as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.files.own_json import DamagedFile, checked
from search.retrain_content import OperatingPointJson, RetrainExtras

_POINT: OperatingPointJson = {
    "target": "recall=0.9", "problem": "", "min_confidence": 0.5, "min_confidence_by_type": {"NAME": 0.25}, "list_bias": 0.0,
    "validation": {"micro_recall": 0.9}, "test": None, "intervals": {}, "gain": {},
}  # fmt: skip


def test_parts_may_be_absent_and_damage_in_them_is_told() -> None:
    for content in ({}, {"operating_point": _POINT}):
        checked(content, RetrainExtras, Path("metrics.json"), "write it again")
    damaged = {"operating_point": {**_POINT, "min_confidence": "high"}}
    with pytest.raises(DamagedFile, match="min_confidence"):
        checked(damaged, RetrainExtras, Path("metrics.json"), "write it again")
