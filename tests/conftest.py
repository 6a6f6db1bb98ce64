"""Fixtures that several files of tests share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from data.paths import ROOT
from search.replaying.curves import CurveTable

# Read when torch is first imported. Two threads that wait for each other on a busy machine are ten times slower
# than one, and one gives the same bits everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)

_NEED_TRANSFORMERS = (
    "tests/trainable/", "tests/bench/", "tests/search/planning/", "tests/search/test_run",
    "tests/search/running/test_confirming.py", "tests/search/watching/test_forecast.py", "tests/whole/test_knob_everywhere.py", "tests/data/formats/test_hub.py",
)  # fmt: skip
_SAMPLE_DIR = ROOT / "data" / "sample"
_REFERENCE = ROOT / "results" / "reference" / "cpu"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for the whole fast tier, one for chosen files and for tests that start Ray or train."""
    return 2 if "not slow" in config.option.markexpr and not config.option.file_or_dir else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let one process begin with the tests that need transformers and PEFT, and the others end with them.

    To import the two takes twelve seconds where there is no bytecode yet, and five where there is.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _assign_work_unit(self, node: Any) -> None:
            first = node is self.nodes[0]
            own = [file for file in self.workqueue if file.startswith(_NEED_TRANSFORMERS) == first]
            if own:
                self.workqueue.move_to_end(own[0], last=False)
            super()._assign_work_unit(node)

    return Scheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Put the temporary files of the fast tier into memory: on a busy disk a study waits for every line it writes."""
    memory = Path("/dev/shm")
    if "not slow" in config.option.markexpr and memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


@pytest.fixture(scope="session")
def help_of() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Return a function that runs a script with --help, once, and has Python list its imports on stderr."""

    @cache
    def run(script: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-X", "importtime", str(ROOT / script), "--help"]
        return subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "100"})

    return run


@pytest.fixture(scope="session")
def empty_study_db(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a study.db without a study; making its tables takes longer than most tests."""
    from search.study.storage import open_storage

    path = tmp_path_factory.mktemp("empty") / "study.db"
    open_storage(str(path)).engine.dispose()
    return path.read_bytes()


@pytest.fixture(scope="session")
def sample_head(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Return a function that writes the first documents of one part of the sample corpus to a file of their own."""

    def head(part: str, n_documents: int) -> Path:
        path = tmp_path_factory.mktemp(part) / f"{part}.jsonl"
        with (_SAMPLE_DIR / f"{part}.jsonl").open(encoding="utf-8") as file:
            path.write_text("".join(islice(file, n_documents)), encoding="utf-8")
        return path

    return head


@pytest.fixture(scope="session")
def small_corpus(sample_head: Callable[[str, int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of training and validation data with the first documents of the sample; to read only."""
    folder = tmp_path_factory.mktemp("corpus")
    for part, n_documents in (("train", 120), ("validation", 40)):
        sample_head(part, n_documents).rename(folder / f"{part}.jsonl")
    return folder


@pytest.fixture
def reference_study(_reference_study: Path, tmp_path: Path) -> Path:
    """The published CPU search as the folder it was, to change at will."""
    return Path(shutil.copytree(_reference_study, tmp_path / "study-001"))


@pytest.fixture(scope="session")
def _reference_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Turn the trials.csv of the published CPU search back into an Optuna study, once."""
    import optuna

    root = tmp_path_factory.mktemp("reference") / "study-001"
    shutil.copytree(_REFERENCE, root)
    best = json.loads((root / "best.json").read_text(encoding="utf-8"))
    (root / "config.json").write_text(json.dumps(_reference_config(best)), encoding="utf-8")
    study = optuna.create_study(
        study_name="study-001", storage=f"sqlite:///{root / 'study.db'}", direction="maximize"
    )
    _add_reference_trials(study, root, best)
    return root


def _reference_config(best: dict[str, Any]) -> dict[str, Any]:
    """What config.json of the published search would hold."""
    from search.options import SearchOptions
    from search.planning.space import default_space
    from search.study.files import STUDY_FORMAT
    from trainable.config import TrialSettings

    settings = TrialSettings(
        backend="peft", train_file=str(_SAMPLE_DIR / "train.jsonl"), token_cache="-", checkpoint_dir="-",
        validation_file=str(_SAMPLE_DIR / "validation.jsonl"), rungs=(17, 34, 136, 153),
        evaluation_documents=(75, 75, 300, 300), judges=("validation_loss", "train_loss", "score", "score"), min_precision=0.85,
    )  # fmt: skip
    options = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(SearchOptions(trials=20, confirm="auto")).items()
    }
    return {
        "format": STUDY_FORMAT, "options": options, "preset": {"name": "cpu"}, "concurrent_trials": 2, "space": asdict(default_space("cpu", 42)),
        "trial_settings": asdict(settings), "provenance": best["provenance"],
    }  # fmt: skip


def _add_reference_trials(study: Any, root: Path, best: dict[str, Any]) -> None:
    """Add every row of trials.csv, with its scores at the rungs; a table made before calls starting configs plans."""
    import csv
    from datetime import datetime, timedelta

    import optuna

    lines = [json.loads(line) for line in (root / "rungs.jsonl").read_text(encoding="utf-8").splitlines()]
    scores: dict[str, dict[int, float]] = {}
    for line in lines:
        scores.setdefault(line["trial"], {})[line["step"]] = line["score"]
    distributions = {
        "model": optuna.distributions.CategoricalDistribution(("small-2m", "small-4m")),
        "load_in_4bit": optuna.distributions.CategoricalDistribution((False, True)),
        "lora_rank": optuna.distributions.CategoricalDistribution((8, 12, 16, 32, 64)),
        "learning_rate": optuna.distributions.FloatDistribution(3e-4, 3e-2, log=True),
        "oversampling": optuna.distributions.IntDistribution(1, 4),
    }
    began = datetime(2026, 11, 23, 21, 3, 21)
    with (root / "trials.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            params = {
                "model": row["model"], "load_in_4bit": row["load_in_4bit"] == "True", "lora_rank": int(row["lora_rank"]),
                "learning_rate": float(row["learning_rate"]), "oversampling": int(row["oversampling"]),
            }  # fmt: skip
            names = list(row)[list(row).index("score") :]
            attributes = {name: float(row[name]) for name in names if row[name]}
            if row["trial"] == best["trial"]:
                attributes = best["validation"]
            name = row.get("starting_config", row.get("plan", ""))
            start = {"starting_config": name} if name else {}
            completed = row["state"] == "completed"
            seconds = sum(float(row[name]) for name in ("load_s", "train_s", "generate_s"))
            trial = optuna.trial.create_trial(
                state=optuna.trial.TrialState.COMPLETE if completed else optuna.trial.TrialState.PRUNED,
                value=attributes["score"], params=params, distributions=distributions,
                intermediate_values=scores[row["trial"]],
                user_attrs={**attributes, **start, "ray_trial_id": row["trial"], "outcome": row["state"]},
            )  # fmt: skip
            trial.datetime_start, trial.datetime_complete = began, began + timedelta(seconds=seconds)
            began += timedelta(seconds=seconds / 2)  # two trials ran at a time
            study.add_trial(trial)


@pytest.fixture(scope="session")
def curve_table() -> CurveTable:
    """Learning curves that look like recorded ones: models of two sizes whose curves cross, noise from seeds and documents."""
    return made_up_curves(configs=60, documents=120, seed=0)


def made_up_curves(configs: int, documents: int, seed: int) -> CurveTable:
    """Draw random configs of the CPU space and the answers of adapters that learn at their own pace.

    The bigger model and lower rates learn slower and end higher; too high a rate diverges. Documents differ
    in how hard they are, alike for all configs, so that differences between configs are less noisy than scores.
    """
    rng = np.random.default_rng(seed)
    steps, kinds = np.arange(17, 154, 17), ["EMAIL", "PERSON", "PHONE"]
    drawn = [
        {
            "model": str(rng.choice(["small-2m", "small-4m"])), "load_in_4bit": bool(rng.integers(2)),
            "lora_rank": int(rng.choice([8, 12, 16, 32, 64])), "learning_rate": float(np.exp(rng.uniform(*np.log([3e-4, 3e-2])))),
            "oversampling": float(rng.uniform(1, 4)), "seed": 42,
        }
        for _ in range(configs)
    ]  # fmt: skip
    hard = rng.normal(0, 1, documents)
    gold = rng.integers(0, 3, (documents, len(kinds))).astype(np.uint8)
    shape = (configs, 2, len(steps), documents)
    tp, fp = np.zeros((*shape, len(kinds)), np.uint8), np.zeros((*shape, len(kinds)), np.uint8)
    loss, answer_loss = np.zeros(shape[:3], np.float32), np.zeros(shape, np.float16)
    for place, config in enumerate(drawn):
        big, rate = config["model"] == "small-4m", np.log(config["learning_rate"] / 4e-3)
        end = 1.0 + 0.6 * big - 0.35 * (rate + 0.5 * big) ** 2 + 0.15 * np.log2(config["lora_rank"] / 16)
        pace = 25.0 * (1 + 0.8 * big) * np.exp(-0.4 * rate)
        for replica in range(2):
            level = end + 0.12 * config["oversampling"] + rng.normal(0, 0.06) - 3.5 * np.exp(-steps / pace)
            share = 1 / (1 + np.exp(-(level[:, None] - hard)))
            tp[place, replica] = rng.binomial(gold, share[..., None])
            fp[place, replica] = rng.binomial(1, (1 - share[..., None]) * 0.3 * np.ones(len(kinds)))
            loss[place, replica] = np.exp(-level) if config["learning_rate"] < 0.025 else np.nan
            answer_loss[place, replica] = 20 * np.log1p(np.exp(hard - level[:, None]))
    return CurveTable(
        tp_by_type=tp, fp_by_type=fp, fp_other=np.zeros(shape, np.uint8), valid=np.ones(shape, bool),
        truncated=np.zeros(shape, bool), train_loss=loss, gold_by_type=gold,
        answer_loss=answer_loss, answer_tokens=np.full(documents, 20, np.int32),
        document_length=np.full(documents, 100, np.int32), document_language=np.full(documents, "zh"),
        steps=steps.astype(np.int32), seeds=np.array([42, 43], np.int32), types=np.array(kinds),
        configs=np.array([json.dumps(config) for config in drawn]), meta=np.array("{}"),
    )  # fmt: skip
