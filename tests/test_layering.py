"""The structure: one import arrow, light modules, short files, and names that shadow nothing."""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("data", "trainable", "search")
"""In the order of the import arrow."""
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {
    "bitsandbytes", "datasets", "datasketch", "faker", "ijson", "numpy", "optuna", "pandas", "peft", "plotly",
    "pyarrow", "ray", "safetensors", "sklearn", "torch", "transformers", "triton", "trl", "unsloth",
}  # fmt: skip
LOADS_AT_IMPORT = {
    "trainable/answer_loss.py": {"torch"},
    "trainable/attention.py": {"torch"},
    "trainable/collate.py": {"torch"},
    "trainable/fast_decode.py": {"torch"},
    "trainable/fast_forward.py": {"torch"},
    "trainable/fast_passes.py": {"torch"},
    "trainable/generation.py": {"torch"},
    "trainable/gpu_kernels.py": {"torch", "triton"},
    "trainable/thin_kernels.py": {"torch", "triton"},
    "trainable/gpu_memory.py": {"torch"},
    "trainable/layouts.py": {"torch"},
    "trainable/loop.py": {"torch"},
    "trainable/lean_autograd.py": {"torch"},
    "trainable/lora_forward.py": {"torch"},
    "trainable/merged_forward.py": {"peft", "torch"},
    "trainable/trial.py": {"torch"},
    "trainable/backend_peft.py": {"torch"},
    "trainable/backend_unsloth.py": {"torch", "unsloth"},
    "trainable/packed_layout.py": {"torch"},
    "trainable/padded_layout.py": {"torch"},
    "trainable/prefix_passes.py": {"torch"},
    "trainable/projections.py": {"torch"},
    "trainable/qwen.py": {"torch"},
    "trainable/stacked.py": {"torch"},
    "trainable/stacked_decode.py": {"torch"},
    "trainable/stacked_training.py": {"torch"},
    "trainable/trl_engine.py": {"torch", "transformers", "trl"},
    "trainable/ray_trial.py": {"ray"},
    "search/sampler.py": {"optuna"},
    "search/searcher.py": {"optuna", "ray"},
    "search/scheduler.py": {"ray"},
    "search/callbacks.py": {"ray"},
    "search/fault_watch.py": {"ray"},
    "search/trial_queue.py": {"ray"},
    "search/display.py": {"ray"},
    "search/display_table.py": {"ray"},
    "search/study_page.py": {"ray"},
    "search/trackers.py": {"ray"},
    "search/report_live.py": {"ray"},
    "search/replay_loop.py": {"ray"},
}
"""Modules that are imported only where their heavy import is needed anyway."""
TABLES = {
    "data/providers_zh.py",
    "data/providers_en.py",
    "data/sample_fillers.py",
    "trainable/pretrain_kinds.py",
}
"""Modules that are mostly data, which may be longer."""
MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 60


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


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


def run_at_import(tree: ast.Module) -> set[str]:
    """Names imported when the module is: not in functions, not for the type checker alone."""
    lazy = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = [node for node in tree.body if not isinstance(node, lazy)]
    checked = [
        node for node in body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]
    return imported(checked)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_follow_the_arrow(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    later = set(PACKAGES[PACKAGES.index(package) + 1 :]) | {"tests", "."}
    assert not imported(tree_of(path)) & later


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_packages_are_imported_inside_functions(path: Path) -> None:
    allowed = LOADS_AT_IMPORT.get(name_of(path), set())
    assert run_at_import(tree_of(path)) & HEAVY <= allowed


def test_unsloth_is_imported_by_its_backend_alone() -> None:
    users = {name_of(path) for path in FILES if "unsloth" in imported(tree_of(path))}
    assert users == {"trainable/backend_unsloth.py"}


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


def test_no_module_of_ours_shadows_another_when_a_script_runs() -> None:
    # a script's own folder comes first on sys.path, so `search/queue.py` would be everyone's `queue`
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    stems = {path.stem for path in FILES if path.parent.parent == ROOT} - {"__init__"}
    assert not stems & taken


def test_every_test_module_names_what_it_tests() -> None:
    stems = {f"{path.parent.name}_{path.stem}" for path in FILES}
    whole = {
        "layering", "packaging", "cli", "readme", "search_end_to_end", "search_live", "data_sample_labels",
    }  # fmt: skip
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    unknown = {test for test in tests - whole if not any(test.startswith(stem) for stem in stems)}
    assert not unknown


def test_the_lists_of_exceptions_name_existing_files() -> None:
    missing = [name for name in (*LOADS_AT_IMPORT, *TABLES) if not (ROOT / name).is_file()]
    assert not missing
