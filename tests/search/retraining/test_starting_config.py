"""A config by its name or from a file: what it becomes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.paths import ROOT
from search.planning.space import default_space, fix
from search.retraining.starting_config import starting_config
from trainable.config import TrialConfig

SPACE = default_space("cpu", 42)


def test_a_starting_config_is_what_a_search_tries_first() -> None:
    config = starting_config("conservative", SPACE, 7, "--config")
    assert config == TrialConfig("small-2m", False, 12, 3e-3, 1, lora_dropout=0.0, effective_batch=16, seed=7)
    assert starting_config("all of it (tags)", SPACE, 7, "--config").tagged


def test_what_a_study_has_fixed_counts_for_its_starting_configs_too() -> None:
    assert starting_config("conservative", fix(SPACE, {"lora_rank": 8}), 7, "--config").lora_rank == 8


def test_what_a_file_leaves_out_is_as_in_the_conservative_config(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('lora_rank = 32\nlearning_rate = 1e-3\ntarget_modules = ["q_proj"]\n', encoding="utf-8")
    conservative = starting_config("conservative", SPACE, 7, "--config")
    expected = conservative.with_changes(lora_rank=32, learning_rate=1e-3, target_modules=("q_proj",))
    assert starting_config(str(file), SPACE, 7, "--config") == expected


def test_best_json_of_a_study_is_such_a_file() -> None:
    best = ROOT / "results" / "reference" / "cpu" / "best.json"
    stored = json.loads(best.read_text(encoding="utf-8"))["config"]
    assert starting_config(str(best), SPACE, 7, "--config") == TrialConfig.from_dict(stored)


def test_a_name_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="`--compare` is 'careful', but must be a starting config") as raised:
        starting_config("careful", SPACE, 7, "--compare")
    assert "'bigger model'" in str(raised.value)


def test_all_problems_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    values = {
        "rank": 8, "lora_rank": 2.5, "learning_rate": -1, "target_modules": "q_proj", "init_adapter": 3, "seed": -1,
        "model": None, "lora_alpha": None,
    }  # fmt: skip
    file.write_text(json.dumps({"config": values}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.json") as raised:
        starting_config(str(file), SPACE, 7, "--config")
    told = str(raised.value).splitlines()[1:]
    names = ("rank", "lora_rank", "learning_rate", "target_modules", "init_adapter", "seed", "model")
    assert [line.split("`")[1] for line in told] == list(names)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.toml", b"lora_rank", "not valid TOML"), ("a.json", b"{", "not valid JSON"), ("a.toml", b"a = '\xff'", "not UTF-8"),
        ("a.json", b"[1]", "must hold hyperparameters by name"), ("a.toml", b"", "must hold hyperparameters by name"),
        ("a.toml", b"effective_batch = 10\nmicro_batch = 3", "must divide"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_config_is_named(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=told) as raised:
        starting_config(str(tmp_path / name), SPACE, 7, "--config")
    assert str(tmp_path / name) in str(raised.value)
