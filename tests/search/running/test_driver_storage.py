"""Searches on nodes that share no disk: checkpoints at a storage, data sent along, a node lost, a driver killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT
from trainable.trial.storage_url import URL_VARIABLE, masked
from trainable.trial.workplace import copy_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FIRST_RUNG = 3
SECRET = "Pa55w0rdOfTheStorage"


def stored(storage: Path) -> list[Path]:
    """The whole checkpoints at a storage; none while a search deletes its folder there."""
    try:
        return list(storage.glob("s-*/t*/*/files.json"))
    except FileNotFoundError:
        return []


def command(address: str, home: Path, storage: str, **options: object) -> list[str]:
    """A search of three trials."""
    flags = {
        "address": address, "trials": 3, "concurrent-trials": 2, "preset": "cpu", "horizon-steps": 27, "confirm": 0,
        "evaluation-documents": 8, "study": "s", "results-dir": home / "results", "data-dir": home / "data",
        "space": home / "space.toml", **options,
    }  # fmt: skip
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    stored = ["--storage", storage] if storage else []
    return [sys.executable, str(ROOT / "search" / "run.py"), *words, *stored, "--no-dashboard"]


def started(words: list[str], **environment: str) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, env={**os.environ, **environment}, start_new_session=True, **pipes)  # type: ignore[call-overload,no-any-return]


def ended(search: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """The summary and everything that was printed."""
    stdout, stderr = search.communicate(timeout=600)
    assert search.returncode == 0, stdout[-3000:] + stderr[-3000:]
    return json.loads(stdout.splitlines()[-1]), stdout + stderr


@pytest.fixture
def far_node(cluster: Any, home: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A node of the cluster that does not see the folder of studies and data, nor this machine's temporary files."""
    unshare = ["unshare", "--mount", *(() if os.getuid() == 0 else ("--map-root-user",))]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode:
        pytest.skip("needs the right to make a mount namespace")
    (home / "far").mkdir()
    ray = Path(sys.executable).with_name("ray")
    hide = f"mount -t tmpfs none {home / 'data'} && mount -t tmpfs none {home / 'results'} && "
    start = f"exec {ray} start --address={cluster.address} --num-cpus=1 --block"
    (home / "results").mkdir()
    with (tmp_path / "node.txt").open("wb") as log:
        node = subprocess.Popen(
            [*unshare, "sh", "-c", hide + start], env={**os.environ, "TMPDIR": str(home / "far")},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    wait_for_nodes(cluster.address, 2)
    yield node
    kill(node)


def wait_for_nodes(address: str, count: int) -> None:
    import ray

    for _ in range(60):
        ray.init(address, log_to_driver=False)
        alive = sum(node["Alive"] for node in ray.nodes())
        ray.shutdown()
        if alive == count:
            return
        time.sleep(1)
    raise AssertionError(f"{count} nodes did not come")


def kill(node: subprocess.Popen[bytes]) -> None:
    if node.poll() is None:
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


def test_a_node_that_shares_no_disk_and_leaves_in_the_middle_loses_no_rung(
    home: Path, cluster: Any, far_node: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    storage.mkdir()
    search = started(command(cluster.address, home, storage.as_uri()))
    seen, copies, far = set[tuple[str, str]](), list[Path](), home / "far"
    while search.poll() is None:
        for path in stored(storage):
            seen.add((path.parent.parent.name, path.parent.name))
        # the first two trials start at the same time, one on each node
        if far_node.poll() is None and {"t000", "t001"} <= {trial for trial, _ in seen}:
            copies = list(far.glob("pii-tuner-*/copies/s-*"))
            assert [stat.S_IMODE(path.stat().st_mode) for path in copies] == [0o700]
            assert [path.name for path in (copies[0] / "train").iterdir()] == [
                "merged_pii_dataset_train.jsonl"
            ]
            assert list(home.glob("results/s/checkpoints/*")) == []
            kill(far_node)
        time.sleep(0.02)
    summary, printed = ended(search)
    assert copies
    assert (summary["trials"], summary["interrupted"], summary["failed"]) == (3, False, 0)
    assert "its worker process died; it goes on from its last rung" in printed
    first = Counter(trial for trial, version in seen if int(version.partition("-")[0]) == FIRST_RUNG)
    assert first == {"t000": 1, "t001": 1, "t002": 1}  # none started anew
    study = home / "results" / "s"
    assert (study / "adapters" / summary["best_trial"] / "adapter_model.safetensors").is_file()
    assert not (study / "checkpoints").exists()
    assert list(storage.iterdir()) == []


def test_ctrl_c_leaves_the_checkpoints_and_no_copy_of_the_data(home: Path, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    search = started(command("local", home, storage.as_uri()))
    while search.poll() is None and not stored(storage):
        time.sleep(0.1)
    [folder] = [path.name for path in storage.glob("s-*")]
    assert copy_folder(folder).is_dir()
    search.send_signal(signal.SIGINT)
    stdout, stderr = search.communicate(timeout=120)
    assert (
        "interrupted; repeat the command to go on" in stdout
        or "no trial of this study has a score yet" in stderr
    )
    assert not copy_folder(folder).exists()
    assert stored(storage)
    summary, _ = ended(started(command("local", home, "")))
    assert (summary["trials"], summary["interrupted"], summary["failed"]) == (3, False, 0)
    assert (
        home / "results" / "s" / "adapters" / summary["best_trial"] / "adapter_model.safetensors"
    ).is_file()
    assert not copy_folder(folder).exists()
    assert list(storage.iterdir()) == []


@pytest.fixture
def bucket() -> Iterator[str]:
    """The address of a bucket of an S3 server on this machine."""
    server = shutil.which("moto_server")
    if server is None:
        pytest.skip("needs moto_server (5.2 or newer) on the path; see .ci/run")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [server, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    made = urllib.request.Request(f"http://127.0.0.1:{port}/private", method="PUT")
    for _ in range(200):
        try:
            urllib.request.urlopen(made)
            break
        except OSError:
            time.sleep(0.1)
    place = f"private/runs?scheme=http&region=us-east-1&endpoint_override=http%3A%2F%2F127.0.0.1%3A{port}"
    yield place
    process.kill()
    process.wait()


def objects(bucket: str) -> list[str]:
    """Names of what lies in the bucket."""
    from pyarrow.fs import FileSelector, FileSystem

    system, path = FileSystem.from_uri(f"s3://KEY:{SECRET}@{bucket}")
    found = system.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
    return [info.path for info in found if info.is_file]


def test_a_killed_search_goes_on_from_a_bucket_and_tells_its_password_nobody(
    home: Path, cluster: Any, bucket: str, tmp_path: Path
) -> None:
    cluster.add_node(num_cpus=1)
    url = f"s3://KEY:{SECRET}@{bucket}"
    search = started(command(cluster.address, home, url))
    while search.poll() is None and not any(name.endswith("files.json") for name in objects(bucket)):
        time.sleep(0.5)
    assert search.poll() is None, search.communicate()
    assert SECRET.encode() not in Path(f"/proc/{search.pid}/cmdline").read_bytes()
    search.kill()
    before = "".join(search.communicate())
    config = json.loads((home / "results" / "s" / "config.json").read_text(encoding="utf-8"))
    assert config["options"]["storage"] == masked(url) != url

    again = subprocess.run(command(cluster.address, home, ""), capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert (
        f"needs its credentials, which a study does not keep: give the whole URL again, or put it into the environment variable {URL_VARIABLE}"
        in again.stderr
    )
    summary, printed = ended(started(command(cluster.address, home, ""), **{URL_VARIABLE: url}))
    assert (summary["trials"], summary["interrupted"], summary["failed"]) == (3, False, 0)
    study = home / "results" / "s"
    assert (study / "adapters" / summary["best_trial"] / "adapter_model.safetensors").is_file()
    assert objects(bucket) == []
    assert not copy_folder(config["storage_folder"]).exists()

    session = Path(cluster.head_node.get_session_dir_path())
    files = [path for folder in (home, session) for path in folder.rglob("*") if path.is_file()]
    assert len([path for path in files if path.is_relative_to(session)]) > 5
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in before + again.stderr + printed
