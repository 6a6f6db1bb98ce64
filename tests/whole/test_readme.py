"""The README: its commands exist with their flags, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from data.paths import ROOT

HelpOf = Callable[[str], subprocess.CompletedProcess[str]]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")
COMMAND = re.compile(r"\bpython (?P<script>[\w/]+\.py)(?P<rest>[^`\n&]*)")
LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#]*)(?:#(?P<section>[^)]*))?\)")
MAX_LINES = 180


def blocks_of(text: str) -> list[str]:
    return re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)


def flags_of(page: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z0-9-]*", page))


def sections_of(page: str) -> set[str]:
    """The names by which a link can reach the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_names_an_existing_script_and_existing_flags(help_of: HelpOf) -> None:
    wanted: dict[str, set[str]] = {}
    for match in COMMAND.finditer(README):
        wanted.setdefault(match["script"], set()).update(flags_of(match["rest"]))
    assert {"search/run.py", "search/retrain.py"} <= set(wanted)
    for script, flags in wanted.items():
        assert flags - flags_of(help_of(script).stdout) == set(), script


def test_flags_in_the_prose_belong_to_a_command_of_the_readme(help_of: HelpOf) -> None:
    known = set()
    for script in {match["script"] for match in COMMAND.finditer(README)}:
        known |= flags_of(help_of(script).stdout)
    assert set(re.findall(r"`(--[a-z][a-z0-9-]*)", README)) <= known


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_of_the_repository(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    broken = []
    for link in LINK.finditer(text):
        target = (ROOT / page).parent / link["file"] if link["file"] else ROOT / page
        lost = not target.exists()
        if not lost and link["section"]:
            lost = link["section"] not in sections_of(target.read_text(encoding="utf-8"))
        if lost:
            broken.append(link[0])
    assert broken == []


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= MAX_LINES
