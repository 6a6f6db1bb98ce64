"""When the parts of a start began and ended, in the search's process and in a worker's, by the same clock."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.files.whole import written_whole

FIRST_STEP_FILE = "first_step.json"
"""In the folder of a trial: what its worker did until the trial's first step. In that of a study: the whole start."""
FIRST_STEP = "first step"
"""The last part; it ends with the first optimizer step."""


class Timeline:
    """Notes when each part was done for the first time; later times do not count.

    Args:
        began: When all of it began, in seconds since the epoch (none: now).

    Attributes:
        parts: Beginning and end by name, in seconds since the epoch.
    """

    def __init__(self, began: float | None = None) -> None:
        self.began = time.time() if began is None else began
        self.parts: dict[str, tuple[float, float]] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note what is done inside as a part."""
        began = time.time()
        yield
        self.add(name, began)

    def add(self, name: str, began: float) -> None:
        """Note a part that ends now."""
        self.parts.setdefault(name, (began, time.time()))

    def save(self, path: Path) -> None:
        """Write the parts; a reader never sees half of them."""
        with written_whole(path) as file:
            json.dump(self.parts, file)


WORKER = Timeline()
"""Of this process, where it runs trials."""


def process_began() -> float:
    """Return when this process was started, in seconds since the epoch; now, where the system does not tell."""
    status = Path("/proc/self/stat")  # proc(5): field 22, in ticks after boot
    if not status.is_file():
        return time.time()
    after_boot = int(status.read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + after_boot
