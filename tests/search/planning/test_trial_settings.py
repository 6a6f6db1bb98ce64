"""What every trial of a new study is told: its rungs, documents, threads and share of the GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data.corpus import CorpusFiles
from data.entities import Entity, Example
from data.files.jsonl import write_examples
from data.prompt import SYSTEM_PROMPT
from search.cluster.nodes import Node
from search.options import SearchOptions
from search.planning.cards import Card
from search.planning.documents import Documents
from search.planning.preset import Preset
from search.planning.seats import seats_of
from search.planning.space import default_space, fix
from search.planning.trial_settings import ends_of_turn, planned_rungs, planned_settings, system_prompt
from search.study.files import StudyFiles
from tests.families import save_family
from trainable.config import TrialSettings
from trainable.knob import Choice

CPU = Preset("cpu", "peft", "asked for", 162, 300)
GPU = Preset("gpu", "unsloth", "found", 1800, 500)


def settings_of(
    folder: Path, head: Callable[[str, int], Path], preset: Preset = CPU, **changes: object
) -> TrialSettings:
    corpus = CorpusFiles(head("train", 20), head("validation", 10), None, bundled=False)
    options = replace(SearchOptions(), **changes)
    rungs = planned_rungs(options, preset, 2400, 16)
    space = fix(default_space(preset.name, 42), {"model": "small-2m"})
    cards = (Card("0", "L4", 24.0),) if preset is GPU else ()
    seats = seats_of(options, preset is GPU, cards, lambda: 24.0)
    return planned_settings(options, preset, space, StudyFiles(folder), rungs, Documents(corpus), seats)


def test_the_horizon_is_about_an_epoch_within_the_limit_of_the_preset() -> None:
    assert planned_rungs(SearchOptions(), CPU, 2400, 16) == (17, 34, 136, 153)
    assert planned_rungs(SearchOptions(), CPU, 100_000, 16)[-1] == 162
    assert planned_rungs(SearchOptions(), GPU, 100_000, 32)[-1] == 1800
    assert planned_rungs(SearchOptions(horizon_steps=90), CPU, 2400, 16)[-1] == 90


def test_a_reduction_factor_makes_a_ladder_of_its_own() -> None:
    options = SearchOptions(horizon_steps=81, reduction_factor=3)
    assert planned_rungs(options, CPU, 2400, 16) == (9, 27, 81)
    assert planned_rungs(replace(options, grace_steps=3), CPU, 2400, 16) == (3, 9, 27, 81)


def test_a_first_rung_beyond_the_horizon_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`--grace-steps` is 10, but must be at most the horizon \(9\)"):
        planned_rungs(SearchOptions(horizon_steps=9, grace_steps=10), CPU, 2400, 16)


def test_all_documents_decide_where_the_score_does_and_a_quarter_where_losses_do(
    tmp_path: Path, sample_head: Callable[[str, int], Path]
) -> None:
    settings = settings_of(tmp_path, sample_head)
    assert settings.judges == ("validation_loss", "mean_validation_loss", "score", "score")
    assert settings.evaluation_documents == (3, 3, 10, 10)
    fewer = settings_of(tmp_path, sample_head, evaluation_documents=4, reduction_factor=2)
    assert set(fewer.judges) == {"score"}
    assert set(fewer.evaluation_documents) == {4}


def test_requirements_are_those_of_the_flags(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> None:
    flags = {"min_precision": 0.9, "min_json_valid": 0.99, "min_recall": "PHONE=0.9,EMAIL=0.8"}
    settings = settings_of(tmp_path, sample_head, **flags)
    assert settings.min_type_recall == (("EMAIL", 0.8), ("PHONE", 0.9))
    assert (settings.requirements.micro_precision, settings.requirements.json_valid_rate) == (0.9, 0.99)


def test_a_trial_on_a_cpu_has_one_thread_and_one_on_a_gpu_its_share_of_the_card(
    tmp_path: Path, sample_head: Callable[[str, int], Path]
) -> None:
    alone = settings_of(tmp_path, sample_head)
    assert (alone.threads, alone.gpus, alone.vram_gib) == (1, 0, None)
    shared = settings_of(tmp_path, sample_head, GPU, trials_per_gpu="2", vram_gb=24.0)
    assert (shared.backend, shared.gpus, shared.vram_gib) == ("unsloth", 0.5, 12.0)
    assert shared.threads >= 1


def test_private_files_lie_in_the_folder_of_the_study(
    tmp_path: Path, sample_head: Callable[[str, int], Path]
) -> None:
    settings = settings_of(tmp_path, sample_head)
    assert (settings.token_cache, settings.checkpoint_dir) == (
        str(tmp_path / "tokens"),
        str(tmp_path / "checkpoints"),
    )


def test_a_system_message_of_ones_own_names_the_entity_types(tmp_path: Path) -> None:
    train = tmp_path / "train.jsonl"
    write_examples(train, [Example("1", "Ann, 12", (Entity("NAME", "Ann", 0, 3), Entity("AGE", "12", 5, 7)))])
    file = tmp_path / "prompt.txt"
    file.write_text("\nFind {types} in the text.\n", encoding="utf-8")
    read = Documents(CorpusFiles(train, train, None, bundled=False))
    assert system_prompt(file, read) == "Find AGE, NAME in the text."
    assert system_prompt(None, read) == SYSTEM_PROMPT


def test_the_end_of_a_turn_of_every_base_but_ours_is_stored_with_the_study(
    tmp_path: Path, sample_head: Callable[[str, int], Path]
) -> None:
    settings = settings_of(tmp_path, sample_head)
    assert (settings.ends_of_turn, settings.in_turn) == ((), True)
    folders = [str(save_family(name, tmp_path / name)) for name in ("llama3", "gemma3")]
    space = default_space("cpu", 42)
    choice = {**space.parameters, "model": Choice(("small-2m", *folders))}
    assert ends_of_turn(replace(space, parameters=choice).models()) == (
        (folders[0], "<|eot_id|>"),
        (folders[1], "<end_of_turn>"),
    )


@pytest.mark.parametrize(
    ("content", "message"), [("  \n", "is empty"), (None, "must be a text file in UTF-8")]
)
def test_a_system_message_that_cannot_be_used_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "prompt.txt"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        system_prompt(file, Documents(CorpusFiles(tmp_path, tmp_path, None, bundled=False)))


def test_threads_of_trials_on_a_cluster_suit_its_fullest_node(
    tmp_path: Path, sample_head: Callable[[str, int], Path]
) -> None:
    nodes = [Node("1", "a", "10.0.0.1", 14.0, 7.0), Node("2", "b", "10.0.0.2", 14.0, 1.0)]
    corpus = CorpusFiles(sample_head("train", 10), sample_head("validation", 10), None, bundled=False)
    space, files = default_space("gpu", 42), StudyFiles(tmp_path)
    threads = {}
    for per_gpu in ("1", "2"):
        options = SearchOptions(address="auto", trials_per_gpu=per_gpu)
        seats = seats_of(options, True, (), lambda: 24.0, nodes)
        fixed = fix(space, {"model": "small-2m"})
        settings = planned_settings(options, GPU, fixed, files, (9,), Documents(corpus), seats, nodes)
        threads[len(seats)] = settings.threads
    assert threads == {8: 2, 16: 1}
