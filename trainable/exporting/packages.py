"""The optional packages that an export needs, with an error that says how to get them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def optional(name: str) -> Any:
    """Import a package of the extra `export`.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(
            f"this export needs the package {name} ({error}); install it with: pip install -e '.[export]'"
        ) from error
