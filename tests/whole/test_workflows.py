"""The checks: `.ci/run` defines each once, and the workflows call nothing else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from data.paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
CI_RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PARTS = set(re.findall(r"^check_(\w+)\(\)", CI_RUN, re.MULTILINE)) - {"install"}


def run_steps(workflow: Path) -> list[str]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


def ci_parts(workflow: Path) -> list[str]:
    """The parts of `.ci/run` that a workflow names, in order."""
    calls = [match[1] for step in run_steps(workflow) for match in re.finditer(r"^\.ci/run(.*)$", step, re.M)]
    return [name for call in calls for name in call.split("#")[0].split()]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_names_existing_parts_and_runs_no_check_of_its_own(workflow: Path) -> None:
    assert ci_parts(workflow)
    assert set(ci_parts(workflow)) <= PARTS
    others = [step for step in run_steps(workflow) if not step.startswith(".ci/run")]
    assert not [step for step in others if re.search(r"\b(pytest|ruff|mypy)\b", step)]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_starts_by_itself_and_may_only_read(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert {"pull_request", "schedule"} & set(content[True])  # YAML 1.1 reads the key `on` as true
    assert content["permissions"] == {"contents": "read"}


def test_the_workflows_together_call_every_part() -> None:
    assert {name for workflow in WORKFLOWS for name in ci_parts(workflow)} == PARTS


def test_tested_versions_are_installed_everywhere_but_in_the_weekly_run() -> None:
    pinned = {
        workflow.stem for workflow in WORKFLOWS if "-c constraints.txt" in "\n".join(run_steps(workflow))
    }
    assert pinned == {workflow.stem for workflow in WORKFLOWS} - {"newest"}


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_has_a_name_and_unique_fields(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert content["name"]
    assert content["description"]
    ids = [field["id"] for field in content["body"] if field["type"] != "markdown"]
    assert ids
    assert len(ids) == len(set(ids))


def test_a_bug_report_asks_for_the_config_and_the_errors_and_for_no_text() -> None:
    form = (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8")
    assert "config.json" in form
    assert "errors/" in form
    assert "Do not paste text of your documents" in form


@pytest.mark.parametrize("parts", [["fats"], ["lint", "fats"], ["install"]])
def test_an_unknown_part_is_refused_before_anything_runs(parts: list[str]) -> None:
    done = subprocess.run([ROOT / ".ci" / "run", *parts], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert set(done.stderr.split("the parts are ")[1].split()) == PARTS


def test_everything_runs_in_the_order_in_which_a_stranger_meets_it() -> None:
    known = re.search(r'^known="(.*)"$', CI_RUN, re.MULTILINE)
    assert known
    assert known[1].split() == [
        "fast", "lint", "slow", "browser", "tokenizer", "unsloth", "search", "retrain",
    ]  # fmt: skip
