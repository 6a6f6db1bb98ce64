"""The study page: it shows a study that is being written, reads only, and answers this machine alone."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from data.paths import ROOT
from search.study.storage import open_storage
from search.watch import WatchOptions, study_files
from search.watching.study_note import save_study_note
from search.watching.study_server import StudyServer

FIXED = {"model": "small-2m", "lora_dropout": 0.1, "seed": 42}
RANKS = optuna.distributions.CategoricalDistribution((8, 16))


def add_trial(study: optuna.Study, recall: float, starting_config: str = "", rank: int = 8) -> None:
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.COMPLETE,
            value=recall,
            params={"lora_rank": rank},
            distributions={"lora_rank": RANKS},
            intermediate_values={3: recall / 2, 9: recall},
            user_attrs={
                "ray_trial_id": f"t{len(study.trials)}",
                "outcome": "completed",
                "micro_recall": recall,
                "micro_precision": 0.9,
                **({"starting_config": starting_config} if starting_config else {}),
            },
        )
    )


@pytest.fixture
def study(tmp_path: Path, empty_study_db: bytes) -> optuna.Study:
    folder = tmp_path / "a study 100%"
    folder.mkdir()
    (folder / "study.db").write_bytes(empty_study_db)
    storage = open_storage(str(folder / "study.db"))
    study = optuna.create_study(storage=storage, study_name="mine", direction="maximize")
    add_trial(study, 0.5, starting_config="conservative")
    return study


@pytest.fixture
def server(study: optuna.Study, tmp_path: Path) -> Iterator[StudyServer]:
    server = StudyServer(tmp_path / "a study 100%" / "study.db")
    yield server
    server.close()


def request(url: str, method: str = "GET", host: str | None = None) -> tuple[int, Any]:
    headers = {"Host": host} if host else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers)) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_page_shows_trials_that_are_added_while_it_runs(study: optuna.Study, server: StudyServer) -> None:
    url = f"{server.url}/api/studies/1"
    add_trial(study, 0.75, rank=16)
    _, shown = request(url)
    assert [trial["values"] for trial in shown["trials"]] == [[0.5], [0.75]]
    assert shown["trials"][0]["intermediate_values"] == [
        {"step": 3, "value": 0.25},
        {"step": 9, "value": 0.5},
    ]
    assert {"key": "starting_config", "value": "conservative"} in shown["trials"][0]["user_attrs"]


def test_the_note_that_the_search_writes_is_on_the_page(study: optuna.Study, server: StudyServer) -> None:
    add_trial(study, 0.75, rank=16)
    save_study_note(study, FIXED, horizon_steps=9)
    note = request(f"{server.url}/api/studies/1")[1]["note"]["body"]
    assert note.startswith("## Best so far: recall 0.750")


def test_the_page_is_loaded_once_when_it_is_first_asked_for(
    study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna_dashboard

    made, really_make = list[object](), optuna_dashboard.wsgi
    monkeypatch.setattr(
        optuna_dashboard, "wsgi", lambda storage: made.append(storage) or really_make(storage)
    )
    server = StudyServer(tmp_path / "a study 100%" / "study.db")
    assert made == []
    with ThreadPoolExecutor(3) as readers:
        answers = list(readers.map(request, [f"{server.url}/api/studies"] * 3))
    server.close()
    assert [status for status, _ in answers] == [200, 200, 200]
    assert len(made) == 1


def test_the_page_changes_nothing(study: optuna.Study, server: StudyServer) -> None:
    for method in ("POST", "PUT", "DELETE"):
        status, answer = request(f"{server.url}/api/studies/1", method)
        assert (status, answer) == (405, {"reason": "this page only reads the study"})
    assert len(study.trials) == 1


@pytest.mark.parametrize("accepted", [None, "", "gzip", "identity"])
def test_the_scripts_of_the_page_are_sent_whatever_encodings_are_accepted(
    accepted: str | None, server: StudyServer
) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.putrequest("GET", "/static/bundle.js", skip_accept_encoding=True)
    if accepted is not None:
        connection.putheader("Accept-Encoding", accepted)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, len(answer.read()) > 100_000) == (200, True)


def test_a_page_on_another_site_cannot_read_the_study(server: StudyServer) -> None:
    assert request(f"{server.url}/api/studies", host="evil.example:8080")[0] == 403
    port = server.url.rpartition(":")[2]
    assert request(f"{server.url}/api/studies", host=f"localhost:{port}")[0] == 200


def test_two_pages_get_two_ports_and_a_taken_one_is_refused(server: StudyServer, tmp_path: Path) -> None:
    database = tmp_path / "a study 100%" / "study.db"
    second = StudyServer(database)
    assert second.url != server.url
    with pytest.raises(OSError, match=r"port \d+ is taken on 127\.0\.0\.1; choose another with --port"):
        StudyServer(database, int(second.url.rpartition(":")[2]))
    second.close()


def test_an_unknown_study_is_refused_with_the_names_of_the_others(
    study: optuna.Study, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="no study 'nothing'; there are: a study 100%"):
        study_files(WatchOptions("nothing", results_dir=tmp_path))


@pytest.mark.slow
def test_the_command_serves_a_study_by_its_name(study: optuna.Study, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "search/watch.py"), "--results-dir", str(tmp_path)]
    process = subprocess.Popen([*command, "a study 100%"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert re.match(r"study page http://127\.0\.0\.1:\d+ ", process.stdout.readline())
        line = json.loads(process.stdout.readline())
        assert line["study"] == "a study 100%"
        status, studies = request(f"{line['url']}/api/studies")
        assert (status, [study["study_name"] for study in studies["study_summaries"]]) == (200, ["mine"])
    finally:
        process.kill()
        process.communicate()
