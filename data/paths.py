"""Where the project lies on disk; every path to one of its own files starts here."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: the folder that holds `data/`, `trainable/` and `search/`."""
