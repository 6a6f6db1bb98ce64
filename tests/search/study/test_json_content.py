"""The types of config.json and metrics.json name what those files really hold."""

from __future__ import annotations

import json
from pathlib import Path

from data.files.own_json import shape_problems
from data.paths import ROOT
from search.study.json_content import BestJson, ConfigJson, RetrainJson


def test_config_json_holds_what_its_type_names(reference_study: Path) -> None:
    config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
    assert shape_problems(ConfigJson, config) == []
    del config["trial_settings"]["rungs"], config["provenance"]["data"]["train"]["sha256"]
    assert shape_problems(ConfigJson, {**config, "audit": {"verdict": 1, "documents": {}, "findings": []}}) == [
        ".trial_settings.rungs is missing", ".provenance.data.train.sha256 is missing", ".audit.verdict is 1",
    ]  # fmt: skip


def test_the_published_best_json_and_metrics_json_hold_what_their_types_name() -> None:
    reference = ROOT / "results" / "reference" / "cpu"
    for file, kind in (("best.json", BestJson), ("retrain/metrics.json", RetrainJson)):
        content = json.loads((reference / file).read_text(encoding="utf-8"))
        assert shape_problems(kind, content) == []
        assert shape_problems(kind, {**content, "config": 1}) == [".config is 1"]
