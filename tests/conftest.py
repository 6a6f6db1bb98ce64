"""Fixtures that several files of tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

# Read when torch is first imported. Two threads that wait for each other on a busy machine are ten times slower
# than one, and one gives the same bits everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_SAMPLE_DIR = Path(__file__).resolve().parent.parent / "data" / "sample"
_REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference" / "cpu"


@pytest.fixture(scope="session")
def sample_head(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Return a function that writes the first documents of one part of the sample corpus to a file of their own."""

    def head(part: str, n_documents: int) -> Path:
        path = tmp_path_factory.mktemp(part) / f"{part}.jsonl"
        with (_SAMPLE_DIR / f"{part}.jsonl").open(encoding="utf-8") as file:
            path.write_text("".join(islice(file, n_documents)), encoding="utf-8")
        return path

    return head


@pytest.fixture
def reference_study(_reference_study: Path, tmp_path: Path) -> Path:
    """The published CPU search as the folder it was, to change at will."""
    import shutil

    return Path(shutil.copytree(_reference_study, tmp_path / "study-001"))


@pytest.fixture(scope="session")
def _reference_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Turn the trials.csv of the published CPU search back into an Optuna study, once."""
    import csv
    import json
    import shutil
    from dataclasses import asdict
    from datetime import datetime, timedelta

    import optuna

    from search.options import SearchOptions
    from search.space import default_space
    from trainable.config import TrialSettings

    source, root = _REFERENCE, tmp_path_factory.mktemp("reference") / "study-001"
    shutil.copytree(source, root)
    best = json.loads((root / "best.json").read_text(encoding="utf-8"))
    settings = TrialSettings(
        backend="peft", train_file=str(_SAMPLE_DIR / "train.jsonl"), token_cache="-", checkpoint_dir="-",
        validation_file=str(_SAMPLE_DIR / "validation.jsonl"), rungs=(17, 51, 153),
        evaluation_documents=(150, 150, 300), min_precision=0.85,
    )  # fmt: skip
    space = default_space("cpu", 42)
    options = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(SearchOptions(trials=20)).items()
    }
    content = {
        "options": options, "preset": {"name": "cpu"}, "concurrent_trials": 2, "space": asdict(space),
        "trial_settings": asdict(settings), "provenance": best["provenance"],
    }  # fmt: skip
    (root / "config.json").write_text(json.dumps(content), encoding="utf-8")
    study = optuna.create_study(
        study_name="study-001", storage=f"sqlite:///{root / 'study.db'}", direction="maximize"
    )
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
            plan = {"plan": row["plan"]} if row["plan"] else {}
            completed = row["state"] == "completed"
            seconds = sum(float(row[name]) for name in ("load_s", "train_s", "generate_s"))
            trial = optuna.trial.create_trial(
                state=optuna.trial.TrialState.COMPLETE if completed else optuna.trial.TrialState.PRUNED,
                value=attributes["score"], params=params, distributions=distributions,
                intermediate_values=scores[row["trial"]],
                user_attrs={**attributes, **plan, "ray_trial_id": row["trial"], "outcome": row["state"]},
            )  # fmt: skip
            trial.datetime_start, trial.datetime_complete = began, began + timedelta(seconds=seconds)
            began += timedelta(seconds=seconds / 2)  # two trials ran at a time
            study.add_trial(trial)
    return root
