"""The install: our packages win over a user's folders of the same name, and tested versions are pinned."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from data.paths import ROOT

PINNED = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PINS = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in PINNED)}
NOT_FROZEN = {"setuptools"}
"""Comes with the environment, so `pip freeze` leaves it out."""


def test_a_users_own_data_folder_does_not_shadow_ours(tmp_path: Path) -> None:
    for name in ("data", "search", "trainable"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "merged_pii_dataset_train.jsonl").write_text("", encoding="utf-8")
    code = (
        "import data.entities, trainable, search; "
        "print(data.__file__, trainable.__file__, search.__file__, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [Path(line) for line in done.stdout.splitlines()]
    assert found == [ROOT / name / "__init__.py" for name in ("data", "trainable", "search")]


@pytest.mark.slow
def test_the_scripts_find_our_packages_from_any_working_directory(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    script = ROOT / "search" / "run.py"
    flags = ["--plan", "--preset", "cpu", "--results-dir", str(tmp_path / "results")]
    done = subprocess.run(
        [sys.executable, str(script), *flags], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"study      {tmp_path / 'results' / 'study-001'}")
    assert not list((tmp_path / "results").iterdir())


def requirements(*extras: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(line) for lines in lists for line in lines]


def unmet(needs: list[Requirement]) -> list[str]:
    """The requirements that constraints.txt does not pin, or pins at a version that they exclude."""
    versions = [(need, PINS.get(canonicalize_name(need.name))) for need in needs]
    return [
        f"{need}, pinned: {version}"
        for need, version in versions
        if not version or version not in need.specifier
    ]


def test_every_dependency_is_pinned_at_a_version_that_pyproject_allows() -> None:
    assert unmet(requirements("dev")) == []
    assert unmet([need for need in requirements("gpu") if need.name == "unsloth"]) == []


def test_what_a_pinned_package_needs_is_pinned_too() -> None:
    for name, version in PINS.items():
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue  # Unsloth, in most environments
        if installed.version.split("+")[0] != version:
            continue  # a newer release may need something else
        needs = [Requirement(line) for line in installed.requires or []]
        needs = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
        assert unmet([need for need in needs if need.name not in NOT_FROZEN]) == [], name


def test_the_pins_are_plain_versions_for_every_machine() -> None:
    assert PINNED
    assert [line for line in PINNED if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
