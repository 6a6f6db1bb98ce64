"""Show a study in the browser, running or finished: `python search/watch.py study-001`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data.terminal import parsed, run_command
from search.study.files import StudyFiles
from search.watching.addresses import tensorboard_command


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Serve a study's curves, states, importances and notes on 127.0.0.1, read-only, until Ctrl-C."""

    study: Annotated[str, tyro.conf.Positional]
    """Name of the study, or its folder."""
    results_dir: Path = Path("results")
    """Folder of all studies."""
    port: int = 0
    """Where to listen (0: the first free port from 8080 on)."""


def study_files(options: WatchOptions) -> StudyFiles:
    """Return the files of the study that was asked for.

    Raises:
        FileNotFoundError: Lists the studies there are.
    """
    for root in (options.results_dir / options.study, Path(options.study)):
        if (root / "study.db").is_file() or (root / "config.json").is_file():
            return StudyFiles(root.resolve())
    known = sorted(path.parent.name for path in options.results_dir.glob("*/study.db"))
    raise FileNotFoundError(
        f"no study {options.study!r}; there are: {', '.join(known) or f'none in {options.results_dir}'}"
    )


def main() -> int:
    """Serve until interrupted; return the exit code."""
    options = parsed(tyro.cli(WatchOptions))
    try:
        files = study_files(options)
        from search.study.database import check_study

        if files.config.is_file():  # the database alone can be looked at too
            check_study(files.root)
        from search.watching.study_server import StudyServer

        server = StudyServer(files.database, options.port)
    except (OSError, ValueError) as error:
        print(f"cannot start:\n{error}", file=sys.stderr)
        return 2
    print(f"study page {server.url} (Ctrl-C ends it)")
    if files.tensorboard.is_dir():
        print(f"curves     {tensorboard_command(files)}")
    print(json.dumps({"study": files.root.name, "url": server.url}), flush=True)
    try:
        server.wait()
    except KeyboardInterrupt:
        server.close()
    return 0


if __name__ == "__main__":
    run_command(main, goes_on=True)
