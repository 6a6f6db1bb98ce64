"""Going on with a study: which one is meant, and whether what is asked for now agrees with how it was started."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from data.corpus import CorpusFiles
from data.files.checksum import file_checksum
from data.files.own_json import DamagedFile, read_own
from search.options import SearchOptions
from search.planning.continued_space import stored_space
from search.planning.documents import Documents
from search.planning.trial_settings import system_prompt
from search.study.config_file import read_config
from search.study.database import database_problems, ended_trials
from search.study.files import StudyFiles, next_study_name
from search.study.json_content import (
    ConfigJson,
    PendingJson,
    ProvenanceJson,
    Value,
    as_number,
)
from search.study.lock import is_held
from trainable.config import TrialSettings
from trainable.model.adapters import WEIGHTS_FILE
from trainable.model.kept_adapter import mend_winner

MAY_CHANGE = frozenset(
    {"trials", "study", "results_dir", "data_dir", "space", "goals", "resume", "plan", "address", "gpus", "concurrent_trials", "confirm", "dashboard", "track"}
)  # fmt: skip
"""Options that a study may be continued with although it was started with others; checksums tell whether data that
lie elsewhere now are the same, and a space may become wider (search/planning/continued_space.py)."""
_WHERE_ONLY = MAY_CHANGE - {"trials", "data_dir", "space"}


def choose_study(options: SearchOptions) -> StudyFiles:
    """Return the study that is meant: the named one, an interrupted one of the same command, or the next free name.

    Raises:
        ValueError: If `--resume` names no study.
    """
    results_dir = options.results_dir.resolve()
    if options.study:
        files = StudyFiles(results_dir / options.study)
        if options.resume and not files.config.is_file():
            raise ValueError(_unknown_study(results_dir))
        return files
    for files in () if options.simulate else _newest_first(results_dir):  # a simulation starts anew
        if _is_interrupted(files) and (options.resume or _same_command(options, files)):
            return files
    if options.resume:
        raise ValueError(_unknown_study(results_dir))
    return StudyFiles(results_dir / next_study_name(results_dir))


def stored_options(options: SearchOptions, files: StudyFiles) -> SearchOptions:
    """Return the options of a study that goes on: the stored ones, and of those given now what may change.

    A flag that is left at its default counts as not given.

    Raises:
        ValueError: Lists everything that does not agree, one a line.
    """
    config = read_config(files)
    problems = [
        f"`{_flag(name)}` is {now}, but the study was started with {before}; leave the flag out, or choose another --study"
        for name, now, before in _differences(options, config)
    ]
    problems += database_problems(files)
    if problems:
        raise ValueError("\n".join(problems))
    given = {
        name: getattr(options, name)
        for name in MAY_CHANGE
        if getattr(options, name) != getattr(SearchOptions(), name)
    }
    saved = dict(config["options"])
    if config["preset"]["name"] == "cpu":  # GPUs are counted anew
        saved["concurrent_trials"] = config["concurrent_trials"]
    names = {field.name for field in fields(SearchOptions)}
    values: dict[str, Any] = {name: _typed(name, saved[name]) for name in names & set(saved)}
    values["preset"] = config["preset"]["name"]  # whatever this machine would choose now
    own = {"study": files.root.name, "results_dir": files.root.parent, "resume": True, "plan": options.plan}
    return SearchOptions(**{**values, **given, **own})


def changed_inputs(files: StudyFiles, corpus: CorpusFiles) -> list[str]:
    """Return one line for each file that is not what it was when the study was started."""
    source = read_config(files)["provenance"]
    problems, known = _changed_adapter(files, source), source["data"]
    for split, path in corpus.by_name().items():
        if split in known and known[split]["sha256"] != file_checksum(path):
            problems.append(
                f"{path} has changed since the study was started, so its trials would not compare; "
                "put the old file back, or choose another --study"
            )
    return problems


def changed_system_prompt(options: SearchOptions, files: StudyFiles, documents: Documents) -> list[str]:
    """Return a line if the text of `--system-prompt`, wherever the file lies, is not the study's.

    Raises:
        ValueError: If the file cannot be read, or is empty.
    """
    if options.system_prompt is None:
        return []
    stored = TrialSettings.load(files.trial_settings).system_prompt
    if system_prompt(options.system_prompt, documents) == stored:
        return []
    return [
        f"`--system-prompt` {options.system_prompt} holds another text than the study was started with; leave the flag "
        "out, or choose another --study"
    ]


def _changed_adapter(files: StudyFiles, source: ProvenanceJson) -> list[str]:
    """Return in one line why the adapter that trials start from is not what it was; nothing if it is, or there is none."""
    init_adapter = stored_space(files).fixed.get("init_adapter")
    weights = Path(str(init_adapter)) / WEIGHTS_FILE
    if init_adapter is None or (
        weights.is_file() and source.get("init_adapter") in (None, file_checksum(weights))
    ):
        return []
    state = "has changed since the study was started" if weights.is_file() else "is gone"
    return [f"{weights} of `--init-adapter` {state}; put the old file back, or choose another --study"]


def _differences(options: SearchOptions, config: ConfigJson) -> list[tuple[str, object, object]]:
    """Return name, value now and value then of each option that was given and does not agree."""
    default = asdict(SearchOptions())
    found = []
    for name, value in asdict(options).items():
        now, before = _plain(value), config["options"].get(name, _plain(default[name]))
        if name == "preset" and now == config["preset"]["name"]:
            continue
        if (
            name == "system_prompt"
        ):  # the file may lie elsewhere now: `changed_system_prompt` compares its text
            continue
        if name not in MAY_CHANGE and now not in (before, _plain(default[name])):
            found.append((name, now, before))
    return found


def _same_command(options: SearchOptions, files: StudyFiles) -> bool:
    """Return whether the study was started with exactly these options, and nobody runs it."""
    stored = read_config(files)["options"]
    now = {name: _plain(value) for name, value in asdict(options).items() if name not in _WHERE_ONLY}
    return all(stored.get(name) == value for name, value in now.items()) and not is_held(files.lock)


def _is_interrupted(files: StudyFiles) -> bool:
    return _harmless(
        lambda: (
            ended_trials(files) < (as_number(read_config(files)["options"]["trials"]) or 0)
            or _confirms(files)
        )
    )


def _confirms(files: StudyFiles) -> bool:
    """Return whether a search whose trials have ended was interrupted while it confirmed the best."""
    if not files.best.is_file():
        return False
    confirmation = read_own(files.best, PendingJson, mend_winner(files.best)).get("confirmation")
    return bool(confirmation and confirmation["pending"])


def _harmless(question: Callable[[], bool]) -> bool:
    """Answer no for a study that cannot be read, and say so: it may be the one that was meant."""
    try:
        return question()
    except (OSError, DamagedFile, sqlite3.Error) as error:
        print(f"passed over: {error}", file=sys.stderr)
    except ValueError:  # another version's
        pass
    return False


def _newest_first(results_dir: Path) -> list[StudyFiles]:
    configs = sorted(results_dir.glob("*/config.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [StudyFiles(path.parent) for path in configs]


def _unknown_study(results_dir: Path) -> str:
    known = sorted(path.parent.name for path in results_dir.glob("*/config.json"))
    return f"`--resume` needs `--study` to name one of: {', '.join(known) or 'none in ' + str(results_dir)}"


def _plain(value: object) -> object:
    return str(value.resolve()) if isinstance(value, Path) else value


def _typed(name: str, value: Value) -> Value | Path:
    kinds = {field.name: str(field.type) for field in fields(SearchOptions)}
    return Path(value) if isinstance(value, str) and "Path" in kinds[name] else value


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
