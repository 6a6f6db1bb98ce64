"""The structure: one import arrow, light modules, short files, and names that shadow nothing."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from data.paths import ROOT

PACKAGES = ("data", "trainable", "search")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
_FILES = frozenset(FILES)
SHARED = {
    "data": {"entities", "paths", "prompt", "corpus", "spelling", "terminal"},
    "trainable": {"config", "config_words", "imports", "knob", "requirements", "timeline"},
    "search": {"goals", "options", "retrain_content", "retrain_options"},
}
"""Modules beside the scripts of a package that its folders build on; the scripts build on the folders."""
ORDER = (
    "data: shared", "data/files", "data/texts", "data/formats", "data/synthetic", "data/auditing", "data: scripts",
    "trainable: shared", "trainable/scoring", "trainable/tokens", "trainable/model", "trainable/decoding",
    "trainable/passes/kernels", "trainable/passes", "trainable/backends", "trainable/predicting", "trainable/training", "trainable/trial",
    "trainable/pretraining", "trainable/exporting", "trainable: scripts",
    "search: shared", "search/study", "search/cluster", "search/planning", "search/reporting", "search/reporting/sections",
    "search/retraining", "search/tuning/seating", "search/tuning", "search/watching", "search/running", "search/replaying", "search: scripts",
)  # fmt: skip
"""Whatever a module imports comes from its own folder or from one further to the left."""
HEAVY = {
    "bitsandbytes", "datasets", "datasketch", "faker", "ijson", "numpy", "optuna", "pandas", "peft", "plotly",
    "pyarrow", "ray", "safetensors", "sklearn", "torch", "transformers", "triton", "trl", "unsloth",
}  # fmt: skip
SLOW_TO_LOAD = {
    "bitsandbytes", "datasets", "optuna_dashboard", "peft", "plotly", "sklearn", "transformers", "trl", "unsloth",
}  # fmt: skip
LOADS_AT_IMPORT = {
    "trainable/model": {"torch", "peft"},
    "trainable/decoding": {"torch"},
    "trainable/passes": {"torch"},
    "trainable/passes/kernels": {"torch", "triton"},
    "trainable/backends": {"torch", "unsloth"},
    "trainable/predicting": {"torch"},
    "trainable/training": {"torch", "transformers", "trl"},
    "trainable/trial": {"torch", "ray"},
    "search/tuning": {"optuna", "ray"},
    "search/watching": {"ray"},
    "search/replaying": {"ray"},
}
"""Folders of modules that are imported only where their heavy import is needed anyway."""
TABLES = {
    "data/synthetic/values_zh.py",
    "data/synthetic/values_en.py",
    "data/synthetic/fillers.py",
    "trainable/pretraining/kinds.py",
}
"""Modules that are mostly data, which may be longer."""
WHOLE = {"tests/whole", "tests/bench"}
"""Folders of tests that are named after no module."""
MAX_MODULES = 15
MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 60


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def folder_of(path: Path) -> str:
    """The place of a module in `ORDER`."""
    folder = path.parent.relative_to(ROOT).as_posix()
    if folder not in PACKAGES:
        return folder
    return f"{folder}: shared" if path.stem in SHARED[folder] | {"__init__"} else f"{folder}: scripts"


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def file_of(module: str) -> Path | None:
    """The file of one of our modules, None for anything else."""
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file in _FILES), None)


def ours_in(nodes: list[ast.stmt]) -> set[Path]:
    """Files of ours that import statements below the nodes ask for."""
    found = set()
    for node in (node for root in nodes for node in ast.walk(root)):
        if isinstance(node, ast.Import):
            found |= {file_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {
                file_of(f"{node.module}.{alias.name}") or file_of(str(node.module)) for alias in node.names
            }
            found |= names
    return {file for file in found if file is not None}


@cache
def our_imports(path: Path) -> set[Path]:
    """Files of ours that a file imports, be it in a function or for the type checker alone."""
    return ours_in(tree_of(path).body)


def imported(nodes: list[ast.stmt] | ast.AST) -> set[str]:
    """Top-level names that import statements below the nodes ask for; relative imports as a dot."""
    names = set()
    for root in nodes if isinstance(nodes, list) else [nodes]:
        for node in ast.walk(root):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add("." if node.level else str(node.module).split(".")[0])
    return names


def at_import(tree: ast.Module) -> list[ast.stmt]:
    """What runs when the module is imported: nothing in functions, nothing for the type checker alone."""
    lazy = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = [node for node in tree.body if not isinstance(node, lazy)]
    return [
        node for node in body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]


def run_at_import(tree: ast.Module) -> set[str]:
    """Names imported when the module is."""
    return imported(at_import(tree))


@cache
def loaded_with(path: Path) -> frozenset[str]:
    """Names imported when the file is, by itself and by what it imports of ours."""
    nodes = at_import(tree_of(path))
    return frozenset(imported(nodes)).union(*(loaded_with(file) for file in ours_in(nodes)))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_between_folders_run_one_way(path: Path) -> None:
    place = ORDER.index(folder_of(path))
    backwards = {name_of(file) for file in our_imports(path) if ORDER.index(folder_of(file)) > place}
    assert not backwards
    assert not imported(tree_of(path)) & {"tests", "."}


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {path: our_imports(path) - {path} for path in FILES}
    while free := {path for path, needs in left.items() if not needs & set(left)}:
        left = {path: needs for path, needs in left.items() if path not in free}
    assert sorted(map(name_of, left)) == []


def test_no_folder_has_more_modules_than_one_look_takes_in() -> None:
    modules = Counter(name_of(path.parent) for path in FILES if path.stem != "__init__")
    assert {folder: count for folder, count in modules.items() if count > MAX_MODULES} == {}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_packages_are_imported_inside_functions(path: Path) -> None:
    assert run_at_import(tree_of(path)) & HEAVY <= LOADS_AT_IMPORT.get(folder_of(path), set())


def test_collecting_the_tests_loads_no_library_that_takes_seconds() -> None:
    # every process that runs tests imports all of their files
    tests = [path for path in (ROOT / "tests").rglob("*.py") if "bench" not in path.parts]
    loaded = {name_of(path): sorted(loaded_with(path) & SLOW_TO_LOAD) for path in tests}
    assert {name: libraries for name, libraries in loaded.items() if libraries} == {}


def test_unsloth_is_imported_by_its_backend_alone() -> None:
    users = {name_of(path) for path in FILES if "unsloth" in imported(tree_of(path))}
    assert users == {"trainable/backends/unsloth_backend.py"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", "`", "`."))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short(path: Path) -> None:
    if name_of(path) not in TABLES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    functions = [
        node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {node.name for node in functions if int(node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES}
    assert not long


def test_no_module_or_folder_of_ours_shadows_another_when_a_script_runs() -> None:
    # a script's own folder comes first on sys.path, so `search/queue.py` would be everyone's `queue`
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    beside_scripts = {path.parent for path in FILES if "__main__" in path.read_text(encoding="utf-8")}
    entries = [
        entry for folder in beside_scripts for entry in folder.iterdir() if not entry.name.startswith("_")
    ]
    ours = {entry.stem for entry in entries if entry.suffix == ".py" or entry.is_dir()}
    assert not ours & taken


def test_every_test_module_lies_where_the_module_that_it_tests_does() -> None:
    lost = []
    for test in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = test.parent.relative_to(ROOT / "tests")
        stems = {path.stem for path in (ROOT / folder).glob("*.py")}
        stem = test.stem.removeprefix("test_")
        if name_of(test.parent) not in WHOLE and not any(re.match(rf"{name}(_|$)", stem) for name in stems):
            lost.append(name_of(test))
    assert lost == []


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "__init__"], ids=name_of)
def test_every_module_has_a_test_of_its_own_name(path: Path) -> None:
    folder = ROOT / "tests" / path.parent.relative_to(ROOT)
    assert [*folder.glob(f"test_{path.stem}.py"), *folder.glob(f"test_{path.stem}_*.py")]


def test_the_lists_of_exceptions_name_existing_places() -> None:
    assert set(ORDER) == {folder_of(path) for path in FILES}
    assert set(LOADS_AT_IMPORT) <= set(ORDER)
    assert [name for name in TABLES if not (ROOT / name).is_file()] == []
    shared = [f"{package}/{name}.py" for package, names in SHARED.items() for name in names]
    assert [name for name in shared if not (ROOT / name).is_file()] == []


def defined_in(tree: ast.Module) -> set[str]:
    """Every name that a module defines or imports, in functions and classes too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", [*FILES, *sorted((ROOT / "tests").rglob("*.py"))], ids=name_of)
def test_every_import_of_ours_names_something_that_exists(path: Path) -> None:
    # benchmarks run by hand and imports inside of functions would tell too late
    missing = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            missing += [
                alias.name for alias in node.names if is_ours(alias.name) and not places_of(alias.name)
            ]
        elif isinstance(node, ast.ImportFrom) and is_ours(str(node.module)):
            known = {
                name
                for place in places_of(str(node.module))
                if place.is_file()
                for name in defined_in(tree_of(place))
            }
            names = [alias.name for alias in node.names if alias.name not in known]
            missing += [name for name in names if not places_of(f"{node.module}.{name}")]
    assert missing == []


def is_ours(module: str) -> bool:
    return module.split(".")[0] in (*PACKAGES, "tests")


def places_of(module: str) -> list[Path]:
    """The file or folder of a module of ours."""
    path = ROOT.joinpath(*module.split("."))
    return [place for place in (path.with_suffix(".py"), path / "__init__.py", path) if place.exists()]
