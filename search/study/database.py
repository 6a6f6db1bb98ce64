"""What study.db tells without Optuna: trials that have ended, damage."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing

from search.study.files import StudyFiles
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
    """Return one line for each reason why the study's files cannot be used, without touching them."""
    problems = [
        f"{path} must be writable; change its permissions, or choose another --study"
        for path in (files.root, files.database, files.rungs)
        if path.exists() and not os.access(path, os.W_OK)
    ]
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
    return problems
