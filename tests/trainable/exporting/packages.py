"""Skips aloud where an optional package of the exports is missing."""

from __future__ import annotations

import pytest

WHY = "THE EXPORT IS NOT TESTED: it needs the `export` extra: pip install -e '.[export]'"


def needs(*names: str) -> None:
    """Skip the test unless all packages can be imported."""
    for name in names:
        pytest.importorskip(name, reason=WHY)
