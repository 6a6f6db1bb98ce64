"""A running search as its user sees it: Ray's dashboard, Prometheus, the study page, and no private text in any.

One search over documents full of canary strings runs for the whole file; the tests look at it in order, the
last ones when it has ended.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from data.paths import ROOT
from search.watching.addresses import TOKEN_COMMAND
from trainable.trial.live_metrics import PULSES, metric_names

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

T = TypeVar("T")
CANARIES = ("QZCANARY", "金丝雀", "1390077")
"""Every document, name and phone number of the data set has one of them."""
SIZES = {"train": 96, "validation": 24, "test": 8}
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
STATUS = re.compile(
    r"(?:ray::)?TunerTrial\(\w+ small-\dm (?:4|16)-bit r=\d+ .+\) step \d+/60 rung \d/\d( score \S+)?"
)
"""What the dashboard, process titles and logs of workers say of a trial."""
NEEDS_GPU = {f"ray_tuner_{name}" for name in PULSES if name.startswith("gpu")}


def document(number: int) -> str:
    name, phone = f"金丝雀{chr(0x4E00 + number)}", f"1390077{number:04d}"
    text = f"工单QZCANARY{number}：请联系{name}，电话{phone}，谢谢。"
    entities = [{"type": "NAME", "text": name}, {"type": "PHONE", "text": phone}]
    return json.dumps({"input": text, "output": {"entities": entities}}, ensure_ascii=False) + "\n"


def leaks(content: bytes) -> list[str]:
    """Canaries in a file or an answer, as UTF-8 or escaped as in JSON."""
    return [
        canary
        for canary in CANARIES
        if canary.encode() in content or json.dumps(canary)[1:-1].encode() in content
    ]


def wait_for(look: Callable[[], T], seconds: float = 240) -> T:
    """Return what `look` returns as soon as it is true-ish."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(1)
    assert found, f"nothing within {seconds:g} s"
    return found


def get(url: str, token: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        content: bytes = answer.read()
        return content


def answer_of(url: str, token: str = "") -> bytes | None:
    """Like `get`, but None where the server has no answer."""
    try:
        return get(url, token)
    except (urllib.error.URLError, TimeoutError):
        return None


def get_json(url: str, token: str = "") -> Any:
    return json.loads(get(url, token))


@dataclass
class Live:
    """A search that runs, and what it said."""

    process: subprocess.Popen[str]
    log: Path
    study: Path

    def line(self, name: str) -> str:
        """What it printed after one of its words."""
        found = wait_for(
            lambda: re.search(rf"^{name} +(.+)$", self.log.read_text(encoding="utf-8"), re.MULTILINE)
        )
        return found[1]

    @property
    def dashboard(self) -> str:
        return self.line("dashboard").split()[0]

    @property
    def page(self) -> str:
        return self.line("study page")

    @property
    def token(self) -> str:
        command = re.search(r"`(.+)`", self.line("dashboard"))
        assert command
        assert command[1] == TOKEN_COMMAND
        done = subprocess.run(command[1], shell=True, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def api(self, path: str) -> Any:
        return get_json(self.dashboard + path, self.token)

    def actors(self) -> list[dict[str, Any]]:
        """Trial actors that are alive."""
        found = self.api("/api/v0/actors?detail=1")["data"]["result"]["result"]
        return [actor for actor in found if actor["state"] == "ALIVE" and "TunerTrial" in actor["repr_name"]]

    @property
    def session(self) -> Path:
        """Folder of its Ray session."""
        return Path(shlex.split(self.line("metrics"))[2].partition("=")[2]).parent


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A search over canaries, in a process of its own."""
    home = tmp_path_factory.mktemp("live")
    (home / "mine").mkdir()
    first = 0
    for split, size in SIZES.items():
        rows = "".join(document(number) for number in range(first, first + size))
        (home / "mine" / f"merged_pii_dataset_{split}.jsonl").write_text(rows, encoding="utf-8")
        first += size
    command = [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", "60", "--horizon-steps", "60", "--preset", "cpu",
        "--evaluation-documents", "24", "--data-dir", "mine", "--study", "live", "--results-dir", str(home / "results"),
    ]  # fmt: skip
    log = home / "log.txt"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=home, stdout=output, stderr=subprocess.STDOUT, text=True)
    yield Live(process, log, home / "results" / "live")
    if process.poll() is None:
        process.terminate()
        process.wait(120)


@contextmanager
def opened_page() -> Iterator[Any]:
    """An empty tab of Chromium; skips loudly without a browser."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"NOT TESTED: no {CHROMIUM}; apt-get install chromium fonts-noto-cjk")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def shots(folder: Path) -> Path:
    """Where screenshots go: SCREENSHOTS, to be looked at, or the test's own folder."""
    return Path(os.environ.get("SCREENSHOTS", folder))


def test_the_dashboard_asks_for_the_token_that_the_printed_command_gives(live: Live) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(f"{live.dashboard}/api/v0/actors")
    assert live.api("/api/v0/actors")["result"] is True
    token_file = Path.home() / ".ray" / "auth_token"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600


def test_the_dashboard_names_the_study_and_its_report(live: Live) -> None:
    [job] = live.api("/api/jobs/")
    report = (live.study / "report.html").as_uri()
    assert job["metadata"] == {"job_name": "search live", "study": "live", "report": report}


def test_trial_actors_and_their_processes_carry_trial_knobs_and_step_and_their_logs_the_score_too(
    live: Live,
) -> None:
    [actor, *_] = wait_for(live.actors)
    assert re.fullmatch(r"TunerTrial\(\w+ small-\dm (?:4|16)-bit r=\d+ .+\)", actor["repr_name"])
    seen: set[str] = set()

    def listed() -> bool:
        """Whether the dashboard has shown the step of a trial that is not its worker's first."""
        rows = live.api("/logical/actors")["data"]["actors"].values()
        seen.update(row["reprName"] for row in rows if STATUS.fullmatch(row["reprName"]))
        first = {row["repr_name"].partition(" ")[0] for row in live.actors()}  # Ray's own table keeps it
        return any(name.partition(" ")[0] not in first for name in seen)

    assert wait_for(listed)

    def titles() -> list[str]:
        workers = live.api(f"/nodes/{actor['node_id']}")["data"]["detail"]["workers"]
        found = (STATUS.search(w["cmdline"][0]) for w in workers if w["cmdline"][0].startswith("ray::"))
        return [match[0] for match in found if match]

    assert wait_for(titles)
    logs = live.session / "logs"
    assert wait_for(
        lambda: [
            log
            for log in logs.glob("worker-*.out")
            if any((match := STATUS.fullmatch(line)) and match[1] for line in log.read_text().splitlines())
        ]
    )


def test_a_real_prometheus_scrapes_the_metrics_with_the_printed_command(live: Live, tmp_path: Path) -> None:
    if not shutil.which("prometheus"):
        pytest.skip("NOT TESTED: no prometheus on this machine; apt-get install prometheus")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = shlex.split(live.line("metrics").replace(":9090", f":{port}"))
    with (tmp_path / "prometheus.log").open("w") as log:
        server = subprocess.Popen(command, stderr=log, cwd=tmp_path)

    def query(expression: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            found: list[dict[str, Any]] = get_json(url)["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            return []
        return found

    try:
        [steps, *_] = wait_for(lambda: query('ray_tuner_step{study="live"} > 0'))
        trials = set(re.findall(r"^(\w+) started", live.log.read_text(encoding="utf-8"), re.MULTILINE))
        assert steps["metric"]["trial"] in trials
        assert re.match(r"small-\dm (4|16)-bit r=", steps["metric"]["config"])
        wait_for(lambda: query("ray_tuner_micro_recall"))
        wait_for(lambda: metric_names() - NEEDS_GPU <= names(port))
        for expression in grafana_expressions():
            asked = expression.replace("$study", "live").replace("$trial", ".*")
            if "_gpu_" in expression:
                assert not query(asked)
            else:
                wait_for(lambda asked=asked: query(asked), 90)
        assert "ray_tuner_gpu_memory_gib" not in names(port)
    finally:
        server.terminate()
        server.wait(30)


def grafana_expressions() -> list[str]:
    content = json.loads((ROOT / "search" / "grafana" / "tuner.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in content["panels"] for target in panel["targets"]]


def names(port: int) -> set[str]:
    found = get_json(f"http://127.0.0.1:{port}/api/v1/label/__name__/values")["data"]
    return {name for name in found if name.startswith("ray_tuner_")}


def test_the_study_page_shows_trials_while_they_run(live: Live) -> None:
    def shown() -> Any:
        trials = get_json(f"{live.page}/api/studies/1")["trials"]
        return [trial for trial in trials if trial["intermediate_values"]]

    [trial, *_] = wait_for(shown)
    assert {attribute["key"] for attribute in trial["user_attrs"]} >= {"ray_trial_id"}
    assert any(attribute["key"] == "starting_config" for attribute in trial["user_attrs"])


def test_no_http_endpoint_shows_private_text(live: Live) -> None:
    [actor, *_] = wait_for(live.actors)
    node = actor["node_id"]
    kinds = ("actors", "tasks", "workers", "jobs", "nodes", "objects", "placement_groups", "runtime_envs")
    paths = [f"/api/v0/{kind}?detail=1" for kind in kinds]
    paths += ["/logical/actors", "/nodes?view=summary", f"/nodes/{node}", "/api/jobs/", "/api/cluster_status",
              "/events", "/api/v0/tasks/summarize", "/api/v0/cluster_metadata", "/api/v0/tasks/timeline"]  # fmt: skip
    # the agent that lists the logs starts after the dashboard
    listing = wait_for(lambda: answer_of(f"{live.dashboard}/api/v0/logs?node_id={node}", live.token))
    categories = json.loads(listing)["data"]["result"]
    logs = sorted({name for files in categories.values() for name in files})
    assert any(name.startswith("worker") for name in logs)
    paths += [
        "/api/v0/logs/file?" + urllib.parse.urlencode({"node_id": node, "filename": name, "lines": -1})
        for name in logs
        if not name.endswith("/")
    ]
    token, answered = live.token, 0
    urls = [(live.dashboard + path, token) for path in paths]
    targets = json.loads((live.session / "prom_metrics_service_discovery.json").read_text(encoding="utf-8"))
    urls += [(f"http://{target}/metrics", "") for group in targets for target in group["targets"]]
    page = [f"{live.page}{path}" for path in ("/api/studies", "/api/studies/1", "/csv/1", "/api/meta")]
    urls += [(url, "") for url in page]
    for url, key in urls:
        content = answer_of(url, key)
        answered += content is not None
        assert leaks(content or b"") == [], url
    assert answered > len(urls) * 0.8


def test_a_browser_shows_the_trial_actors_after_the_token_is_given(live: Live, tmp_path: Path) -> None:
    wait_for(live.actors)
    with opened_page() as page:
        page.context.add_cookies(
            [{"name": "ray-authentication-token", "value": live.token, "url": live.dashboard}]
        )
        page.goto(f"{live.dashboard}/#/actors")
        page.get_by_text(re.compile(r"TunerTrial\(\w+ small-")).first.wait_for(timeout=60_000)
        page.screenshot(path=shots(tmp_path) / "ray-actors.png")


def test_a_browser_draws_the_live_study(live: Live, tmp_path: Path) -> None:
    wait_for(lambda: get_json(f"{live.page}/api/studies/1")["best_trials"])
    with opened_page() as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{live.page}/dashboard/studies/1/note")
        page.get_by_text("Best so far").wait_for(timeout=60_000)
        page.screenshot(path=shots(tmp_path) / "study-note.png")
        page.goto(f"{live.page}/dashboard/studies/1")
        page.locator(".js-plotly-plot").first.wait_for(timeout=60_000)
        page.wait_for_timeout(3000)
        page.screenshot(path=shots(tmp_path) / "study-page.png", full_page=True)
        assert errors == []


def test_no_file_of_the_search_or_of_ray_holds_private_text(live: Live) -> None:
    session = live.session.resolve()
    assert live.process.wait(600) == 0, live.log.read_text(encoding="utf-8")[-3000:]
    folders = {"study": live.study, "session": session}
    counts = dict.fromkeys(folders, 0)
    for name, folder in folders.items():
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                counts[name] += 1
                assert leaks(path.read_bytes()) == [], path
    assert counts["study"] > 10
    assert counts["session"] > 10
    assert leaks(live.log.read_bytes()) == []
    assert list((live.study / "tensorboard").glob("*/events.out.tfevents.*"))


def test_the_study_is_for_its_user_alone(live: Live) -> None:
    live.process.wait(600)
    paths = [live.study, *live.study.rglob("*")]
    assert [path for path in paths if path.stat().st_mode & 0o077] == []
