"""`python search/run.py`: what it prints of a plan and of a search, and one line for each mistake in its input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT
from search.options import SearchOptions
from search.planning.plan import make_plan
from search.replaying.curves import CurveTable
from search.run import main
from search.running.settings_files import write_settings


@dataclass(frozen=True)
class Mistake:
    """What a user does wrong, and what the message must name."""

    name: str
    says: tuple[str, ...]
    flags: dict[str, Any] = field(default_factory=dict)
    space: str = ""
    damage: Callable[[Path], None] = lambda study: None


def write(name: str, text: str) -> Callable[[Path], None]:
    return lambda study: (study / name).write_text(text, encoding="utf-8") and None


def another_format(study: Path) -> None:
    config = json.loads((study / "config.json").read_text(encoding="utf-8"))
    (study / "config.json").write_text(json.dumps({**config, "format": 1}), encoding="utf-8")


MISTAKES = (
    Mistake("no trials", ("`--trials` is 0, but must be at least 1",), {"trials": 0}),
    Mistake("grace beyond the horizon", ("`--grace-steps` is 30, but must be at most the horizon (9)",), {"grace_steps": 30}),
    Mistake("nothing to search", ("space.toml", "every parameter is fixed; leave at least one"),
            space="model='small-2m'\nload_in_4bit=false\nlora_rank=8\nlearning_rate=1e-3\noversampling=1\nanswers='json'\n"),
    Mistake("an unknown knob", ("line 2", "`rank` is no hyperparameter; known are model, load_in_4bit, lora_rank"), space="rank = [8]\n"),
    Mistake("an empty choice", ("line 2", "`lora_rank` is an empty list"), space="lora_rank = []\n"),
    Mistake("a range upside down", ("`learning_rate` has low 0.1 and high 0.01; low must be below high",),
            space="learning_rate = {low = 0.1, high = 0.01}\n"),
    Mistake("no TOML at all", ("space.toml", "not valid TOML"), space="lora_rank = [8\n"),
    Mistake("a model that is nowhere", ("`model` is 'small-9m'",), space="model = 'small-9m'\n"),
    Mistake("a results folder inside a file", ("`--results-dir`", "must be a folder"), {"results_dir": Path("FILE/results")}),
    Mistake("a folder that is no study", ("exists and is no study; choose another --study",), {"study": "strange"}),
    Mistake("a study of another version", ("was made by another version", "format 1", "choose another --study"),
            {"study": "old"}, damage=another_format),
    Mistake("a study with another seed", ("`--seed` is 7, but the study was started with 42",), {"study": "old", "seed": 7}),
    Mistake("a database that is text", ("study.db is damaged", "put a copy back"), {"study": "old"}, damage=write("study.db", "no database " * 99)),
    Mistake("a torn config", ("config.json line 1 is damaged", "choose another --study"), {"study": "old"}, damage=write("config.json", '{"form')),
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Data, a file, a folder that is no study, and a study that has begun."""
    (tmp_path / "d").mkdir()
    for split in ("train", "validation"):
        rows = [json.dumps({"input": f"text {number}"}) + "\n" for number in range(9)]
        (tmp_path / "d" / f"merged_pii_dataset_{split}.jsonl").write_text("".join(rows), encoding="utf-8")
    (tmp_path / "FILE").touch()
    (tmp_path / "results" / "strange").mkdir(parents=True)
    (tmp_path / "results" / "strange" / "thesis.txt").touch()
    plan = make_plan(base_options(tmp_path, study="old"))
    plan.files.root.mkdir()
    write_settings(plan)
    return tmp_path


def base_options(home: Path, **flags: Any) -> SearchOptions:
    options = SearchOptions(
        results_dir=home / "results",
        data_dir=home / "d",
        preset="cpu",
        horizon_steps=9,
        evaluation_documents=8,
    )
    paths = {name: home / value for name, value in flags.items() if isinstance(value, Path)}
    return replace(options, **{**flags, **paths})


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_named_with_a_way_out_and_changes_nothing(home: Path, mistake: Mistake) -> None:
    mistake.damage(home / "results" / "old")
    flags = dict(mistake.flags)
    if mistake.space:
        (home / "space.toml").write_text("[space]\n" + mistake.space, encoding="utf-8")
        flags["space"] = Path("space.toml")
    before = contents(home)
    with pytest.raises(ValueError) as error:
        make_plan(base_options(home, **flags))
    for part in mistake.says:
        assert part in str(error.value)
    assert contents(home) == before


def test_all_mistakes_are_found_at_once_by_the_command(home: Path) -> None:
    (home / "space.toml").write_text("[space]\nrank = [8]\nlora_rank = []\n", encoding="utf-8")
    flags = [
        "--trials", "0", "--reduction-factor", "1", "--min-precision", "2", "--space", str(home / "space.toml"),
        "--data-dir", str(home / "nowhere"), "--preset", "cpu", "--results-dir", str(home / "FILE" / "results"),
    ]  # fmt: skip
    command = [sys.executable, str(ROOT / "search" / "run.py"), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    named = (
        "--trials",
        "--reduction-factor",
        "--min-precision",
        "--data-dir",
        "--results-dir",
        "`rank`",
        "`lora_rank`",
    )
    assert [name for name in named if name not in done.stderr] == []
    assert "Traceback" not in done.stderr


def test_a_plan_is_made_without_the_libraries_of_trials_where_there_is_no_gpu() -> None:
    code = "import sys, search.planning.plan, search.running.driver; print({'torch', 'ray', 'optuna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# --- what it prints ---


def test_a_plan_is_printed_with_a_forecast_and_nothing_is_started(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        "--plan",
        "--preset",
        "cpu",
        "--trials",
        "3",
        "--horizon-steps",
        "9",
        "--data-dir",
        str(home / "d"),
    ]
    monkeypatch.setattr(sys, "argv", ["run.py", *flags, "--results-dir", str(home / "new")])
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line.split()[0] for line in lines if line[:1].isalpha()]
    assert heads == [
        "study", "preset", "workers", "data", "space", "rates", "first", "rungs", "budget", "models", "audit", "expected", "confirm", "if", "disk", "first",
    ]  # fmt: skip
    numbers = json.loads(lines[-1])
    assert (numbers["study"], numbers["trials"], numbers["rungs"]) == ("study-001", 3, [1, 2, 8, 9])
    assert list((home / "new").iterdir()) == []


def test_a_search_ends_with_the_winner_the_next_command_and_one_line_for_machines(
    tmp_path: Path,
    curve_table: CurveTable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    curve_table.save(tmp_path / "table.npz")
    flags = [
        "--simulate",
        str(tmp_path / "table.npz"),
        "--trials",
        "4",
        "--study",
        "s",
        "--results-dir",
        str(tmp_path),
    ]
    monkeypatch.setattr(sys, "argv", ["run.py", *flags])
    assert main() == 0
    *_, winner, report, following, last = capsys.readouterr().out.splitlines()
    summary = json.loads(last)
    recall, (low, high) = summary["micro_recall"], summary["micro_recall_ci"]
    assert winner.startswith(
        f"best trial {summary['best_trial']}: recall {recall:.3f} (95 % interval {low:.3f}-{high:.3f})"
    )
    assert report == f"report: {tmp_path / 's' / 'report.html'}"
    assert following == f"next: python search/retrain.py {tmp_path / 's' / 'best.json'}"
    assert Path(summary["best_json"]).is_file()
