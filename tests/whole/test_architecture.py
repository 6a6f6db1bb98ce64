"""ARCHITECTURE.md: every folder is in the map, and what it and CONTRIBUTING.md name exists."""

from __future__ import annotations

import ast
import re

import pytest

from data.paths import ROOT

PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")}
PAGE = PAGES["ARCHITECTURE.md"]
PACKAGES = ("data", "trainable", "search")
MAX_LINES = 150
MAX_PRIVATE_NAMES = 10
CODE = {name: re.findall(r"`([^`\n]+)`", page) for name, page in PAGES.items()}
MAP = re.findall(r"^\| (`[^|]+) \|", PAGE.split("\n## ")[1], re.MULTILINE)
TOP = {path.name for path in ROOT.iterdir()}


def named_paths(page: str) -> list[str]:
    """Everything in backticks that starts with a file or folder at the top of the repository, patterns aside."""
    paths = [code.split(": ")[0] for code in CODE[page] if code.split("/")[0].split(": ")[0] in TOP]
    return [path for path in paths if " " not in path and "<" not in path]


def defined_in(path: str) -> set[str]:
    """Names of a module's functions, classes and constants, and of the methods of its classes."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    assert named_paths(page)
    assert sorted({path for path in named_paths(page) if not (ROOT / path).exists()}) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_name_that_a_page_points_to_is_defined_there(page: str) -> None:
    pointers = [code.split(": ") for code in CODE[page] if re.fullmatch(r"[\w/]+\.py: \w+", code)]
    assert pointers
    assert [f"{path}: {name}" for path, name in pointers if name not in defined_in(path)] == []


def test_every_folder_of_the_packages_is_in_the_map() -> None:
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    folders = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in modules}
    mapped = {name for cell in MAP for name in re.findall(r"`([^`]+)`", cell)}
    assert folders - mapped == set()


def test_it_is_short_enough_to_be_read() -> None:
    assert len(PAGE.splitlines()) <= MAX_LINES


def test_it_lists_the_private_names_of_ray_that_the_controller_says_are_left() -> None:
    module = ast.parse((ROOT / "search" / "tuning" / "controller.py").read_text(encoding="utf-8"))
    listed = re.findall(r"^ *\d+\. `(?:[\w.]+\.)?(\w+)`", ast.get_docstring(module) or "", re.MULTILINE)
    assert 0 < len(listed) <= MAX_PRIVATE_NAMES
    assert [name for name in listed if f"`{name}`" not in PAGE] == []
    assert {code for code in CODE["ARCHITECTURE.md"] if re.fullmatch(r"_[a-z_]+", code)} <= set(listed)
