"""A missing package of the exports is an error that says how to get it."""

from __future__ import annotations

import sys

import pytest

from trainable.exporting.packages import optional


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ValueError, match=r"needs the package xllamacpp .*pip install -e '\.\[export\]'"):
        optional("xllamacpp")


def test_an_installed_package_is_imported() -> None:
    assert optional("json") is sys.modules["json"]
