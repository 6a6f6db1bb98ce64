"""Ray's processes: what happens to a search when one of them is killed, and what a signal to the group reaches."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from data.paths import ROOT
from search.running.breakage import ray_broke
from search.running.ray_folders import ray_folder
from search.running.ray_processes import RayDied, RayWatch, recorded_starts


def child(program: str, folder: Path) -> subprocess.Popen[bytes]:
    """A process of a program of this name, in a group of its own."""
    path = folder / program
    if not path.exists():
        path.symlink_to("/bin/sleep")
    return subprocess.Popen([str(path), "60"], process_group=0)


def test_the_main_thread_hears_at_once_of_a_needed_process_that_died(tmp_path: Path) -> None:
    raylet, other = child("raylet", tmp_path), child("log_monitor", tmp_path)
    watch = RayWatch([other, raylet], ray_broke)
    try:
        with watch.raising():
            other.kill()
            time.sleep(1.5)  # that one is not needed
        raylet.kill()
        time.sleep(1.5)  # outside nothing is raised
        with pytest.raises(RayDied, match="its raylet .* was killed by signal 9"), watch.raising():
            time.sleep(30)
        assert watch.died == f"its raylet (process {raylet.pid}) was killed by signal 9"
    finally:
        watch.kill()
        watch.close()
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL


def test_what_is_left_of_ray_ends_with_its_workers(tmp_path: Path) -> None:
    worker = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", worker], process_group=0)
    while not (workers := psutil.Process(parent.pid).children()):
        time.sleep(0.05)
    watch = RayWatch([parent], ray_broke)
    watch.kill()
    watch.close()
    parent.wait(10)
    psutil.wait_procs(workers, 10)
    assert not workers[0].is_running() or workers[0].status() == psutil.STATUS_ZOMBIE


def test_a_main_thread_that_cannot_be_reached_is_ended_with_our_own_line(tmp_path: Path) -> None:
    script = (
        "import signal, subprocess, time\n"
        "from search.running import ray_processes\n"
        "from search.running.breakage import ray_broke\n"
        "ray_processes.PATIENCE_S = 2\n"
        f"process = subprocess.Popen([{str(tmp_path / 'gcs_server')!r}, '60'], process_group=0)\n"
        "watch = ray_processes.RayWatch([process], ray_broke)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})\n"
        "process.kill()\n"
        "with watch.raising():\n    time.sleep(60)\n"
    )
    (tmp_path / "gcs_server").symlink_to("/bin/sleep")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("the search broke: Ray cannot go on, its gcs_server (process ")
    assert "was killed by signal 9; repeat the command" in line


def test_only_what_the_starting_thread_starts_gets_a_group_of_its_own_and_is_noted() -> None:
    others: list[subprocess.Popen[bytes]] = []
    with recorded_starts() as started:
        thread = threading.Thread(target=lambda: others.append(subprocess.Popen(["sleep", "60"])))
        thread.start()
        thread.join()
        ours = subprocess.Popen(["sleep", "60"])
    try:
        assert started == [ours]
        assert os.getpgid(ours.pid) == ours.pid
        assert os.getpgid(others[0].pid) == os.getpgid(0)
    finally:
        for process in (ours, *others):
            process.kill()
            process.wait()


@pytest.fixture
def command(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> list[str]:
    """A search of two trials that takes a minute."""
    (tmp_path / "data").mkdir()
    for split, count in (("train", 48), ("validation", 8)):
        shutil.copy(sample_head(split, count), tmp_path / "data" / f"merged_pii_dataset_{split}.jsonl")
    (tmp_path / "space.toml").write_text(
        "[space]\nmodel = 'small-2m'\nload_in_4bit = false\n", encoding="utf-8"
    )
    return [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", "2", "--concurrent-trials", "1", "--preset", "cpu",
        "--horizon-steps", "27", "--evaluation-documents", "8", "--study", "s", "--confirm", "0",
        "--results-dir", str(tmp_path / "results"), "--data-dir", str(tmp_path / "data"),
        "--space", str(tmp_path / "space.toml"), "--no-dashboard",
    ]  # fmt: skip


def started(command: list[str], folder: Path) -> subprocess.Popen[str]:
    """The search, in a session of its own, once its first trial has come to a rung."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while process.poll() is None and not list(folder.glob("results/s/checkpoints/*/state.pt")):
        time.sleep(0.1)
    assert process.poll() is None, process.communicate()
    return process


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(processes, timeout=30)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("program", ["raylet", "gcs_server"])
def test_a_search_whose_ray_dies_says_so_within_a_minute_and_goes_on_when_repeated(
    program: str, command: list[str], tmp_path: Path
) -> None:
    process = started(command, tmp_path)
    family = psutil.Process(process.pid).children(recursive=True)
    named = [one for one in family if one.name() == program]
    [victim] = [one for one in named if one.status() != psutil.STATUS_ZOMBIE]  # of a start that was too slow
    victim.kill()
    killed = time.monotonic()
    stdout, stderr = process.communicate(timeout=120)
    assert time.monotonic() - killed < 60
    assert process.returncode == 1
    lines = stderr.splitlines()
    told = f"the search broke: Ray cannot go on, its {program} (process {victim.pid}) was killed by signal 9; repeat the command"
    assert lines[-1].startswith(told), stderr[-2000:]
    assert not any("Failed to connect to GCS" in line for line in lines + stdout.splitlines())
    assert left_of(family) == []
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=400)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["trials"], summary["failed"], summary["interrupted"]) == (2, 0, False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_others_cannot_reach_a_search_and_a_signal_to_its_group_stops_it_in_good_order(
    command: list[str], tmp_path: Path
) -> None:
    process = started([part for part in command if part != "--no-dashboard"], tmp_path)
    search = psutil.Process(process.pid)
    family = search.children(recursive=True)
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for one in (search, *family)
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    [raylet] = [one for one in family if one.name() == "raylet"]
    session = next(part for part in raylet.cmdline() if part.startswith("--session_dir")).partition("=")[2]
    assert Path(session).is_relative_to(ray_folder())
    private = ray_folder().parent.stat()
    assert (stat.S_IMODE(private.st_mode), private.st_uid) == (0o700, os.getuid())
    assert not [one for one in family if os.getpgid(one.pid) == process.pid]
    os.killpg(process.pid, signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stdout[-2000:] + stderr[-2000:]
    assert "Failed to connect to GCS" not in stdout + stderr
    assert "other machines can reach" not in stdout
    summary = json.loads(stdout.splitlines()[-1])
    assert (summary["interrupted"], summary["failed"]) == (True, 0)
    assert left_of(family) == []
