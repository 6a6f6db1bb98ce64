"""Kill the leading process of a search with signal 9 again and again; compare with a search that was left alone.

`python tests/bench/bench_kills.py --kills 10 --trials 6` prints a table, one row a kill, and as its last line
one JSON object. Both searches train for real on the sample corpus, one trial at a time, with equal seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.paths import ROOT

SPACE = "[space]\nmodel = 'small-2m'\nload_in_4bit = false\n"
SIZES = {"train": 64, "validation": 8, "test": 8}
LIMIT_S = 600


@dataclass(frozen=True)
class Kill:
    """One kill: when, and what the study looked like just after it."""

    moment: str
    after_s: float
    ended: int
    running: int
    decisions: int


def prepare(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "space.toml").write_text(SPACE, encoding="utf-8")
    for split, count in SIZES.items():
        lines = (ROOT / "data" / "sample" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(True)
        target = folder / "data" / f"merged_pii_dataset_{split}.jsonl"
        target.write_text("".join(lines[:count]), encoding="utf-8")


def command(folder: Path, study: str, trials: int, seed: int) -> list[str]:
    return [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", str(trials), "--horizon-steps", "9",
        "--evaluation-documents", "8", "--preset", "cpu", "--concurrent-trials", "1", "--no-dashboard",
        "--seed", str(seed), "--data-dir", str(folder / "data"), "--space", str(folder / "space.toml"),
        "--results-dir", str(folder / "results"), "--study", study,
    ]  # fmt: skip


def finish(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


def trials_of(study: Path) -> list[dict[str, Any]]:
    """Everything of a study that an interruption must not change."""
    import optuna

    if not (study / "study.db").is_file():
        return []
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{study / 'study.db'}")
    try:
        found = optuna.load_study(study_name=study.name, storage=storage).trials
    except KeyError:
        return []
    return [
        {"number": trial.number, "params": trial.params, "state": trial.state.name, "scores": trial.intermediate_values,
         "outcome": trial.user_attrs.get("outcome"), "recall": trial.user_attrs.get("micro_recall")}
        for trial in found if trial.state.name != "WAITING"
    ]  # fmt: skip


def lines_of(journal: Path) -> list[str]:
    return journal.read_text(encoding="utf-8").splitlines() if journal.is_file() else []


IsTime = Callable[[float], bool]


def _database_made(study: Path) -> IsTime:
    return lambda seconds: (study / "study.db").is_file()


def _checkpoint_being_written(study: Path) -> IsTime:
    return lambda seconds: any(study.glob("checkpoints/*/.state.pt.tmp"))


def _rung_decided(study: Path) -> IsTime:
    before = len(lines_of(study / "rungs.jsonl"))
    return lambda seconds: len(lines_of(study / "rungs.jsonl")) > before


def _end_decided(study: Path) -> IsTime:
    def ends() -> int:
        return sum('"decision": "continued"' not in line for line in lines_of(study / "rungs.jsonl"))

    before = ends()
    return lambda seconds: ends() > before


NASTY: tuple[tuple[str, Callable[[Path], IsTime]], ...] = (
    ("the database has just been made", _database_made),
    ("a checkpoint is being written", _checkpoint_being_written),
    ("a rung has just been decided", _rung_decided),
    ("a trial's end has just been decided, Optuna not told", _end_decided),
)


def moments(
    count: int, rng: random.Random, trial_s: float, skipped: int = 0
) -> list[tuple[str, Callable[[Path], IsTime]]]:
    """Return when to kill: first the nasty moments, then random ones within about the time of a trial."""

    def after_a_start(limit: float) -> Callable[[Path], IsTime]:
        def watch(study: Path) -> IsTime:
            seen: list[float] = []

            def is_time(seconds: float) -> bool:
                if not seen and (study / "ray" / "tune").is_dir():
                    seen.append(seconds)  # Tune has begun
                return bool(seen) and seconds > seen[0] + limit

            shutil.rmtree(study / "ray", ignore_errors=True)
            return is_time

        return watch

    chance = [("at random", after_a_start(rng.uniform(0, trial_s))) for _ in range(count)]
    return [*NASTY, *chance][skipped : skipped + count]


def kill_once(
    arguments: list[str], study: Path, moment: str, is_time: Callable[[float], bool]
) -> Kill | None:
    """Start the search and kill it at the moment; none if it ended before."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = time.monotonic()
    while process.poll() is None and not is_time(time.monotonic() - started):
        time.sleep(0.01)
    seconds = time.monotonic() - started
    if process.poll() is not None:
        return None
    process.send_signal(signal.SIGKILL)
    process.wait()
    trials = trials_of(study)
    states = [trial["state"] for trial in trials]
    return Kill(moment, seconds, len(states) - states.count("RUNNING"), states.count("RUNNING"),
                len(lines_of(study / "rungs.jsonl")))  # fmt: skip


def tear_last_line(journal: Path) -> None:
    """Leave what a power cut in the middle of a write leaves."""
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"trial": "t0')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="how often to kill")
    parser.add_argument("--skip", type=int, default=0, help="how many of the nasty moments to leave out")
    parser.add_argument("--trials", type=int, default=6, help="trials of each search")
    parser.add_argument("--seed", type=int, default=42, help="seed of the searches and of the random moments")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    prepare(folder)
    started = time.monotonic()
    alone = finish(command(folder, "alone", given.trials, given.seed))
    alone_s = time.monotonic() - started
    study, arguments = folder / "results" / "killed", command(folder, "killed", given.trials, given.seed)
    kills: list[Kill] = []
    print(f"| # | killed | after s | trials ended | running | rung decisions |\n|{'---|' * 6}")
    for moment, watch in moments(given.kills, random.Random(given.seed), alone_s / given.trials, given.skip):
        kill = kill_once(arguments, study, moment, watch(study))
        if kill is None:
            print(f"the search ended before kill {len(kills) + 1}; give it more --trials")
            break
        kills.append(kill)
        print(
            f"| {len(kills)} | {moment} | {kill.after_s:.1f} | {kill.ended} | {kill.running} | {kill.decisions} |",
            flush=True,
        )
        if moment == NASTY[2][0]:
            tear_last_line(study / "rungs.jsonl")
    started = time.monotonic()
    killed = finish(arguments)
    expected, found = trials_of(folder / "results" / "alone"), trials_of(study)
    decisions = [
        sorted(
            (line["trial"], line["rung"], line["decision"])
            for line in map(json.loads, lines_of(path / "rungs.jsonl"))
        )
        for path in (folder / "results" / "alone", study)
    ]
    result = {
        "kills": len(kills), "trials": len(found), "expected_trials": len(expected),
        "same_configs": [trial["params"] for trial in found] == [trial["params"] for trial in expected],
        "same_trials": found == expected, "same_decisions": decisions[0] == decisions[1],
        "same_winner": killed["best_trial"] == alone["best_trial"] and killed["score"] == alone["score"],
        "left_running": sum(trial["state"] == "RUNNING" for trial in found),
        "alone_s": round(alone_s, 1), "last_run_s": round(time.monotonic() - started, 1), "folder": str(folder),
    }  # fmt: skip
    print(f"{os.cpu_count()} cores")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
