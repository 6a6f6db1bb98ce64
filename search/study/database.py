"""What study.db tells without Optuna: trials that have ended, damage, and whether it goes with the journals."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from search.study.config_file import read_config
from search.study.confirming_runs import read_runs
from search.study.files import StudyFiles
from search.study.journal import read_decisions
from search.study.storage import connect
from trainable.trial.result import Outcome

_ENDED = ("COMPLETE", "PRUNED", "FAIL")


def ended_trials(files: StudyFiles) -> int:
    """Return how many trials of a study have ended, whatever their outcome; refused ones never began.

    Raises:
        sqlite3.Error: If the database cannot be read.
    """
    if not files.database.is_file():
        return 0
    with closing(connect(files.database)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'trials'").fetchone():
            return 0
        marks = ", ".join("?" * len(_ENDED))
        row = database.execute(
            f"SELECT COUNT(*) FROM trials WHERE state IN ({marks}) AND trial_id NOT IN (SELECT trial_id FROM "
            "trial_user_attributes WHERE key = 'outcome' AND value_json = ?)",
            (*_ENDED, json.dumps(Outcome.REFUSED)),
        ).fetchone()
    return int(row[0])


def database_problems(files: StudyFiles) -> list[str]:
    """Return one line for each reason why a search cannot go on with the study's files, without touching them."""
    problems = [
        f"{path} must be writable; change its permissions, or choose another --study"
        for path in (files.root, files.database, files.rungs)
        if path.exists() and not os.access(path, os.W_OK)
    ]
    return problems + damage(files)


def check_study(root: Path) -> None:
    """Check all files of a study that a reader needs.

    Raises:
        ValueError: Lists what is damaged, one file a line.
    """
    files = StudyFiles(root)
    read_config(files)
    if problems := damage(files):
        raise ValueError("\n".join(problems))


def damage(files: StudyFiles) -> list[str]:
    """Return one line for each damaged file of a study, and for each that does not go with the others."""
    problems: list[str] = []
    decided: set[str] = set()
    try:
        decided = {decision.trial for decision in read_decisions(files.rungs)}
    except ValueError as error:
        problems.append(str(error))
    try:
        decided |= {run.trial for run in read_runs(files.confirmations)}
    except ValueError as error:
        problems.append(str(error))
    try:
        ended_trials(files)
        if files.database.is_file():
            with closing(connect(files.database)) as database:
                found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found)
    except sqlite3.Error as error:
        problems.append(
            f"{files.database} is damaged ({' '.join(str(error).split())}); put a copy back (`sqlite3 study.db .recover` may help), "
            "or choose another --study"
        )
    return problems or _mismatch(files, decided)


def _mismatch(files: StudyFiles, decided: set[str]) -> list[str]:
    """Compare the database with the trials that the journals name: each is written as soon as the other is.

    A crash can leave one trial with a score and without a decision, no more.
    """
    known, scored = _named_trials(files)
    if lost := sorted(decided - known):
        return [
            f"{files.database} {'lacks' if files.database.is_file() else 'is missing, with'} {len(lost)} trials that "
            f"{files.rungs.name} tells of, the first is {lost[0]}; put a copy of it back, or choose another --study"
        ]
    silent = sorted(scored - decided) if files.rungs.is_file() else []
    if len(silent) > 1:
        return [
            f"{files.rungs} lacks the decisions about {len(silent)} trials of {files.database.name}, the first is {silent[0]}; "
            "put a copy of it back, or choose another --study"
        ]
    return []


def _named_trials(files: StudyFiles) -> tuple[set[str], set[str]]:
    """Return the names of all trials in the database, and of those with a score."""
    if not files.database.is_file():
        return set(), set()
    with closing(connect(files.database)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'trials'").fetchone():
            return set(), set()
        named = "SELECT value_json FROM trial_user_attributes WHERE key = 'ray_trial_id'"
        scored = f"{named} AND trial_id IN (SELECT trial_id FROM trial_intermediate_values)"
        found = [{str(json.loads(row[0])) for row in database.execute(query)} for query in (named, scored)]
    return found[0], found[1]
