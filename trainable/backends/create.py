"""A backend by its name."""

from __future__ import annotations

from trainable.model.backend import Backend

BACKENDS = ("unsloth", "peft")


def create_backend(name: str) -> Backend:
    """Build a backend; it owns the process, since unsloth patches transformers for good.

    Raises:
        ValueError: If `name` is not one of `BACKENDS`.
    """
    if name == "unsloth":
        from trainable.backends.unsloth_backend import UnslothBackend

        return UnslothBackend()
    if name == "peft":
        from trainable.backends.peft_backend import PeftBackend

        return PeftBackend()
    raise ValueError(f"`backend` is {name!r}, but must be one of {', '.join(BACKENDS)}")
