"""How every command runs: it prints what any terminal can show, and ends quietly on Ctrl-C and when nobody reads its output."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from collections.abc import Callable
from typing import IO, NoReturn, TypeVar

T = TypeVar("T")
CLOSED = 141
"""Exit code of a command whose output was closed, as shells report it of others."""
INTERRUPTED = 130
"""That of one which was ended by Ctrl-C."""
_ERRORS = "pii_tuner_escape"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that move the cursor, colour, hide or reorder what is shown; tab and line feed are harmless."""


def run_command(main: Callable[[], int | None], goes_on: bool = False, results: bool = False) -> NoReturn:
    r"""Run a command and exit with its code.

    Characters that the encoding of the terminal lacks are printed as in JSON (`\u5f20`), and so are control
    characters once the flags have been read with `parsed`.

    Args:
        main: Returns the exit code; None is 0.
        goes_on: Go on without output where that is closed, as a search does; other commands end.
        results: Standard output is for the results of the command, which are not changed.
    """
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _Printed(sys.stderr, goes_on=True)
    if isinstance(sys.stdout, io.TextIOWrapper) and not results:
        sys.stdout = _Printed(sys.stdout, goes_on)
    try:
        try:
            code: str | int | None = main()
        except SystemExit as error:
            code = error.code
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
        sys.stdout.flush()
    except BrokenPipeError:
        to_nowhere(sys.stdout)
        code = CLOSED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.stderr.flush()
    sys.exit(code)


def parsed(flags: T) -> T:
    """Return the flags that `tyro.cli` has read; from now on control characters are escaped in what is printed.

    Its help, which it prints before it returns, may be in colour.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Printed):
            stream.escapes = True
    return flags


def plain_stdout() -> IO[str]:
    """Return standard output for what draws on the terminal itself."""
    return sys.stdout.drawn() if isinstance(sys.stdout, _Printed) else sys.stdout


def to_nowhere(stream: IO[str]) -> None:
    """Let whatever is still written to a stream vanish."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def escaped(text: str) -> str:
    r"""Return a text with its control characters as in JSON.

    Example:
        >>> escaped("PER\x1b[31m")
        'PER\\u001b[31m'
    """
    return _CONTROL.sub(lambda match: _as_in_json(match[0]), text)


class _Printed(io.TextIOWrapper):
    """A stream for people that can print any character and outlives its reader, if it shall."""

    def __init__(self, stream: io.TextIOWrapper, goes_on: bool) -> None:
        codecs.register_error(_ERRORS, _escape_what_cannot_be_encoded)
        super().__init__(
            stream.buffer, encoding=stream.encoding, errors=_ERRORS, newline="\n",
            line_buffering=stream.isatty() or stream is sys.__stderr__,
        )  # fmt: skip
        self._under, self._goes_on = stream, goes_on  # kept, or the buffer would be closed with it
        self.escapes = False
        self._drawn: _Printed | None = None

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        self._outliving(lambda: super(_Printed, self).write(escaped(text) if self.escapes else text))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._outliving(super().flush)

    def drawn(self) -> IO[str]:
        """Return the same stream, which escapes nothing."""
        self._drawn = self._drawn or _Printed(
            self, self._goes_on
        )  # kept: its end would close the buffer of both
        return self._drawn

    def _outliving(self, action: Callable[[], object]) -> None:
        try:
            action()
        except BrokenPipeError:
            if not self._goes_on:
                raise
            to_nowhere(self)


def _as_in_json(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _escape_what_cannot_be_encoded(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return _as_in_json(error.object[error.start : error.end]), error.end
