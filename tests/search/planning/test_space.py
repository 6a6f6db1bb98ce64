"""The search space: the four starting configs, narrowing by TOML, and errors that name their line."""

from __future__ import annotations

import pickle
from pathlib import Path

import optuna
import pytest

from search.planning.space import SpaceSampler, default_space, fix, read_space, suggest
from trainable.config import TrialConfig
from trainable.knob import Choice, Range

STARTING_CONFIGS = {
    "conservative": ("Qwen3-0.6B", False, 12, 1),
    "oversampling": ("Qwen3-0.6B", False, 12, 3),
    "bigger model": ("Qwen3-1.7B", True, 12, 1),
    "all of it": ("Qwen3-1.7B", True, 16, 3),
}


def toml(folder: Path, text: str) -> Path:
    file = folder / "space.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems_of(folder: Path, text: str) -> str:
    with pytest.raises(ValueError) as error:
        read_space(toml(folder, text), default_space("gpu", 42))
    return str(error.value)


# --- the default ---


def test_the_gpu_space_contains_the_four_starting_configs() -> None:
    space = fix(default_space("gpu", 42), {"answers": "json"})
    fitting = space.fitting_starting_configs()
    assert list(fitting) == list(STARTING_CONFIGS)
    for name, (model, load_in_4bit, rank, oversampling) in STARTING_CONFIGS.items():
        config = TrialConfig.from_dict({**space.fixed, **fitting[name]})
        expected = (model, load_in_4bit, rank, 2 * rank, oversampling)
        found = (config.model, config.load_in_4bit, config.lora_rank, config.alpha, config.oversampling)
        assert found == expected
        assert (config.learning_rate, config.lora_dropout, config.effective_batch) == (1.5e-4, 0.1, 32)


def test_the_cpu_space_has_the_same_starting_configs_on_the_bundled_models() -> None:
    space = fix(default_space("cpu", 42), {"answers": "json"})
    assert list(space.fitting_starting_configs()) == list(STARTING_CONFIGS)
    assert space.models() == ("small-2m", "small-4m")


@pytest.mark.parametrize("preset", ["cpu", "gpu"])
def test_whatever_the_sampler_suggests_is_a_valid_config(preset: str) -> None:
    space = default_space(preset, 42)
    sampler = SpaceSampler(space, {})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        trial = study.ask()
        constants = sampler(trial)
        config = TrialConfig.from_dict({**constants, **trial.params})
        assert set(trial.params) == set(space.parameters)
        assert all(value in space.parameters[name] for name, value in trial.params.items())
        assert config.seed == 42


def test_the_sampler_survives_pickling() -> None:
    sampler = SpaceSampler(default_space("cpu", 1), {"settings_file": "x"})
    assert pickle.loads(pickle.dumps(sampler)) == sampler


# --- narrowing ---


def test_a_list_is_a_choice_a_table_a_range_and_a_value_is_fixed(tmp_path: Path) -> None:
    text = (
        "[space]\nlora_rank = [8, 16]\nlearning_rate = { low = 1e-5, high = 1e-4, log = true }\nmodel = 'm'\n"
    )
    space = read_space(toml(tmp_path, text), default_space("gpu", 42))
    assert space.parameters["lora_rank"] == Choice((8, 16))
    assert space.parameters["learning_rate"] == Range(1e-5, 1e-4, log=True)
    assert space.fixed["model"] == "m"
    assert "model" not in space.parameters
    assert space.models() == ("m",)
    assert space.parameters["oversampling"] == default_space("gpu", 42).parameters["oversampling"]


def test_a_list_of_one_value_is_fixed(tmp_path: Path) -> None:
    space = read_space(toml(tmp_path, "[space]\nlora_rank = [16]\n"), default_space("gpu", 42))
    assert space.fixed["lora_rank"] == 16
    assert "lora_rank" not in space.parameters


@pytest.mark.parametrize(
    ("entry", "values"),
    [("[8, 8.0, 16]", (8, 16)), ("[8.0, 16.0]", (8, 16)), ("[16, 8, 16, 16.0]", (16, 8))],
)
def test_equal_values_of_a_choice_are_one_and_whole_numbers_are_written_as_such(
    tmp_path: Path, entry: str, values: tuple[int, ...]
) -> None:
    space = read_space(toml(tmp_path, f"[space]\nlora_rank = {entry}\n"), default_space("cpu", 42))
    assert space.parameters["lora_rank"] == Choice(values)
    assert [type(value) for value in values] == [int, int]
    assert all(type(value) is int for value in space.parameters["lora_rank"].values)  # type: ignore[union-attr]


def test_a_choice_of_one_value_written_twice_is_fixed(tmp_path: Path) -> None:
    text = "[space]\nlora_rank = [8, 8.0]\nmodel = ['small-2m', 'small-2m']\n"
    space = read_space(toml(tmp_path, text), default_space("cpu", 42))
    assert (space.fixed["lora_rank"], space.fixed["model"]) == (8, "small-2m")


def test_ends_of_a_range_are_of_the_kind_of_the_hyperparameter(tmp_path: Path) -> None:
    text = (
        "[space]\nlora_rank = { low = 8.0, high = 16 }\nweight_decay = { low = 0, high = 1 }\n"
        "oversampling = { low = 1, high = 3 }\n"
    )
    parameters = read_space(toml(tmp_path, text), default_space("cpu", 42)).parameters
    assert [parameters[name].whole for name in ("lora_rank", "weight_decay", "oversampling")] == [  # type: ignore[union-attr]
        True, False, True,
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_bytes(b"\xef\xbb\xbf[space]\nlora_rank = [8, 16]\n")
    assert read_space(file, default_space("cpu", 42)).parameters["lora_rank"] == Choice((8, 16))


def test_a_parameter_outside_the_default_space_can_be_searched(tmp_path: Path) -> None:
    space = read_space(toml(tmp_path, "[space]\nlora_dropout = [0.0, 0.1]\n"), default_space("gpu", 42))
    assert space.parameters["lora_dropout"] == Choice((0.0, 0.1))
    assert "lora_dropout" not in space.fixed


def test_starting_configs_are_cut_to_what_is_searched_and_listed_once() -> None:
    values = {"model": "Qwen3-0.6B", "load_in_4bit": False, "lora_rank": 12, "answers": "json"}
    space = fix(default_space("gpu", 42), values)
    fitting = space.fitting_starting_configs()
    assert fitting == {
        "conservative": {"learning_rate": 1.5e-4, "oversampling": 1},
        "oversampling": {"learning_rate": 1.5e-4, "oversampling": 3},
    }


def test_starting_configs_outside_a_narrowed_space_are_left_out(tmp_path: Path) -> None:
    space = read_space(toml(tmp_path, "[space]\nlora_rank = [16, 32]\n"), default_space("gpu", 42))
    assert list(space.fitting_starting_configs()) == ["all of it", "all of it (tags)"]


@pytest.mark.parametrize("preset", ["cpu", "gpu"])
def test_each_starting_config_that_writes_has_a_sister_that_tags_where_both_are_searched(preset: str) -> None:
    space = default_space(preset, 42)
    fitting = space.fitting_starting_configs()
    written = [name for name in fitting if not name.endswith(" (tags)")]
    assert list(fitting) == [*written, *(f"{name} (tags)" for name in written)]
    for name in written:
        sister = fitting[f"{name} (tags)"]
        assert {**fitting[name], "answers": "tags"} == sister
        assert fitting[name]["answers"] == "json"
    assert list(fix(space, {"answers": "tags"}).fitting_starting_configs()) == written


def test_a_range_of_whole_numbers_gives_whole_numbers() -> None:
    trial = optuna.create_study().ask()
    assert isinstance(suggest(trial, "oversampling", Range(1, 4)), int)
    assert isinstance(suggest(trial, "other", Range(1.0, 4.0)), float)


# --- what is refused ---


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("rank = 8", "`rank` is no hyperparameter"),
        ("lora_rank = []", "`lora_rank` is an empty list"),
        ("lora_rank = [8, 0]", "`lora_rank` is 0, but must be above 0"),
        ("lora_rank = 'eight'", "`lora_rank` has the value 'eight' of the wrong kind"),
        ("load_in_4bit = 1", "`load_in_4bit` has the value 1 of the wrong kind"),
        ("lora_rank = true", "`lora_rank` has the value True of the wrong kind"),
        ("oversampling = { low = 3 }", "must have low and high"),
        ("oversampling = { low = 3, high = 1 }", "low must be below high"),
        ("learning_rate = { low = 0, high = 1, log = true }", "above 0 if log"),
        ("lora_dropout = { low = 0.0, high = 1.5 }", "`lora_dropout` is 1.5, but must be in [0, 1)"),
        ("lora_rank = { low = 8, high = 9.5 }", "`lora_rank` has the value 9.5, but must be a whole number"),
        ("lora_rank = 8.5", "`lora_rank` has the value 8.5, but must be a whole number"),
        ("lora_alpha = [8, 16.25]", "`lora_alpha` has the value 16.25, but must be a whole number"),
        ("lora_rank = inf", "`lora_rank` has the value inf, but must be a finite number"),
        ("learning_rate = { low = 1e-5, high = inf }", "has the value inf, but must be a finite number"),
        ("weight_decay = [0.1, nan]", "`weight_decay` has the value nan, but must be a finite number"),
        (f"weight_decay = 1{'0' * 400}", "but must be a finite number"),
        ("learning_rate = { low = '1', high = 2 }", "`learning_rate` has the value '1' of the wrong kind"),
        ("model = { low = 'a', high = 'b' }", "`model` is no number, so it has no range"),
        ("load_in_4bit = { low = false, high = true }", "`load_in_4bit` is no number, so it has no range"),
        (
            "oversampling = { low = 1, high = 2, log = 'false' }",
            "has log 'false', but must have true or false",
        ),
        ("optimizer = 'sgd'", "`optimizer` is 'sgd', but must be adamw or adamw_8bit"),
    ],
)
def test_every_error_names_its_line(tmp_path: Path, entry: str, complaint: str) -> None:
    message = problems_of(tmp_path, f"# a comment\n\n[space]\n{entry}\n")
    assert str(tmp_path / "space.toml") in message
    assert "  line 4: " in message
    assert complaint in message


@pytest.mark.parametrize("text", ["", "# nothing\n", "space = 5\n", "[other]\nx = 1\n"])
def test_a_file_without_the_table_is_refused(tmp_path: Path, text: str) -> None:
    assert "must have a table [space]" in problems_of(tmp_path, text)


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_bytes("[space]\nmodel = '张'\n".encode("utf-16"))
    with pytest.raises(ValueError, match="not UTF-8; save it as UTF-8"):
        read_space(file, default_space("cpu", 42))


def test_all_problems_come_in_one_error(tmp_path: Path) -> None:
    message = problems_of(tmp_path, "[space]\nrank = 8\nlora_rank = 0\n\noversampling = []\n[other]\nx = 1\n")
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == [
        "`other` is unknown; the file has one table, [space]", "line 2", "line 3", "line 5",
    ]  # fmt: skip


def test_text_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in problems_of(tmp_path, "[space]\nlora_rank = = 8\n")


def test_a_space_with_nothing_to_search_is_refused(tmp_path: Path) -> None:
    text = "[space]\nmodel='m'\nload_in_4bit=false\nlora_rank=8\nlearning_rate=1e-4\noversampling=1\nanswers='json'\n"
    assert "leave at least one to search" in problems_of(tmp_path, text)
