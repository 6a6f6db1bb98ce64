"""Where to look: the printed lines, and the Grafana dashboard that ships, held to the metrics that exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT
from search.study.files import StudyFiles
from search.watching.addresses import TOKEN_COMMAND, hide_token, job_metadata, pages
from trainable.trial.live_metrics import TAGS, metric_names

DASHBOARD = ROOT / "search" / "grafana" / "tuner.json"


def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def expressions() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def test_the_dashboard_shows_every_metric_and_none_that_does_not_exist() -> None:
    used = {name for text in expressions() for name in re.findall(r"ray_\w+", text)}
    assert used == metric_names()


def test_the_dashboard_selects_by_labels_that_metrics_have() -> None:
    text = json.dumps(dashboard())
    labels = {label for text in expressions() for label in re.findall(r"(\w+)=~", text)}
    assert labels <= set(TAGS)
    assert set(re.findall(r"\{\{(\w+)\}\}", text)) <= {*TAGS, "phase"}
    assert all(name in metric_names() for name in re.findall(r"label_values\((\w+)", text))


def test_every_variable_of_the_dashboard_is_declared() -> None:
    content = dashboard()
    declared = {variable["name"] for variable in content["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(content)))
    assert used == declared


def test_no_two_panels_overlap() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_prometheus_itself_accepts_every_expression(tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("NOT TESTED: no promtool on this machine; apt-get install prometheus")
    rules = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(expressions())]
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_pages_are_a_line_each_with_commands_that_can_be_pasted(tmp_path: Path) -> None:
    files, session = StudyFiles(tmp_path / "a study"), Path("/tmp/ray/session_1")
    board, curves, metrics = pages(files, "127.0.0.1:8265", session).splitlines()
    assert board == f"dashboard  http://127.0.0.1:8265 (asks for the token that `{TOKEN_COMMAND}` prints)"
    assert shlex.split(curves)[1:] == ["tensorboard", "--logdir", str(tmp_path / "a study" / "tensorboard")]
    assert shlex.split(metrics)[1:] == [
        "prometheus",
        "--config.file=/tmp/ray/session_1/metrics/prometheus/prometheus.yml",
        "--storage.tsdb.path=/tmp/ray/session_1/prometheus",
        "--web.listen-address=127.0.0.1:9090",
    ]


def test_the_job_names_the_study_and_links_the_report(tmp_path: Path) -> None:
    metadata = job_metadata(StudyFiles(tmp_path / "mine"))
    assert metadata == {
        "job_name": "search mine",
        "study": "mine",
        "report": (tmp_path / "mine" / "report.html").as_uri(),
    }


def test_the_token_is_taken_away_from_other_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    hide_token()  # nothing to hide yet
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret")
    token.chmod(0o644)
    hide_token()
    assert token.stat().st_mode & 0o777 == 0o600
