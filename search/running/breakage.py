"""What people are told when the search itself breaks, and what they can do."""

from __future__ import annotations

from search.study.files import StudyFiles
from trainable.trial.faults import is_full_disk, write_traceback

_GOES_ON = "repeat the command; trials that have ended stay, running ones go on from their last rung"


class SearchBroke(RuntimeError):
    """The process that leads the search could not go on; the message says what to do."""


def ray_broke(died: str) -> str:
    """Return in words that Ray has lost a process of its own, and what to do."""
    return f"the search broke: Ray cannot go on, {died}; {_GOES_ON}"


def what_broke(error: Exception, files: StudyFiles) -> str:
    """Return in words what stopped the search and what to do; the traceback goes to errors/search.txt."""
    if is_full_disk(error):
        return f"no space left for {files.root}: make room, then {_GOES_ON}"
    write_traceback(error, files.errors / "search.txt")
    first = (str(error).strip().splitlines() or [""])[-1]
    return (
        f"the search broke: {type(error).__name__}: {first}\ntraceback in {files.errors / 'search.txt'}; "
        f"mend what it names, then {_GOES_ON}"
    )
