"""The types of config.json and metrics.json name what those files really hold."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from data.paths import ROOT
from search.study.json_content import BestJson, ConfigJson, RetrainJson


def problems(kind: Any, value: object, place: str = "") -> list[str]:
    """What of a value is not as its type says."""
    if is_typeddict(kind):
        if not isinstance(value, dict):
            return [f"{place} is {value!r}"]
        hints = get_type_hints(kind, include_extras=True)
        required = [
            name for name, hint in hints.items() if kind.__total__ and get_origin(hint) is not NotRequired
        ]
        missing = [f"{place}.{name} is missing" for name in required if name not in value]
        known = [(hints[name], value[name], f"{place}.{name}") for name in hints if name in value]
        return [*missing, *(line for each in known for line in problems(*each))]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        return problems(inner[0], value, place)
    if origin in (Union, types.UnionType):
        return [] if any(not problems(each, value, place) for each in inner) else [f"{place} is {value!r}"]
    if origin is dict and isinstance(value, dict):
        return [line for key, each in value.items() for line in problems(inner[1], each, f"{place}.{key}")]
    if origin in (list, tuple) and isinstance(value, list):
        return [line for each in value for line in problems(inner[0], each, place)]
    right = isinstance(value, (int, float) if kind is float else origin or kind)
    return [] if right else [f"{place} is {value!r}"]


def test_config_json_holds_what_its_type_names(reference_study: Path) -> None:
    config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
    assert problems(ConfigJson, config) == []
    del config["trial_settings"]["rungs"], config["provenance"]["data"]["train"]["sha256"]
    assert problems(ConfigJson, {**config, "audit": {"verdict": 1, "documents": {}, "findings": []}}) == [
        ".trial_settings.rungs is missing", ".provenance.data.train.sha256 is missing", ".audit.verdict is 1",
    ]  # fmt: skip


def test_the_published_best_json_and_metrics_json_hold_what_their_types_name() -> None:
    reference = ROOT / "results" / "reference" / "cpu"
    for file, kind in (("best.json", BestJson), ("retrain/metrics.json", RetrainJson)):
        content = json.loads((reference / file).read_text(encoding="utf-8"))
        assert problems(kind, content) == []
        assert problems(kind, {**content, "config": 1}) == [".config is 1"]
