"""A backend by its name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trainable.backends.create import BACKENDS, create_backend


def test_the_plain_backend_is_made_by_its_name() -> None:
    from trainable.backends.peft_backend import PeftBackend

    backend = create_backend("peft")
    assert isinstance(backend, PeftBackend)
    assert backend.name == "peft"


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="`backend` is 'jax', but must be one of unsloth, peft"):
        create_backend("jax")


def test_the_names_are_known_without_the_libraries() -> None:
    code = "import sys, trainable.backends.create; print({'unsloth', 'torch', 'peft'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert BACKENDS == ("unsloth", "peft")
