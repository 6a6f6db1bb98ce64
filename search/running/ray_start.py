"""Starting Ray on this machine, or joining a cluster: environment, resources, dashboard."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from search.options import SearchOptions
from search.planning.preset import Preset
from search.running.ray_folders import ray_folder
from search.running.ray_processes import recorded_starts
from search.study.files import StudyFiles
from search.watching.addresses import hide_token, job_metadata, pages
from trainable.trial.seat import Seat

T = TypeVar("T")
RAY_STARTS = 5
"""How often Ray is started before a search is given up."""
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # Ray's own tables; ours replaces them
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # nothing is restored from Tune's snapshots
    "TUNE_FORCE_TRIAL_CLEANUP_S": "60",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # numbers of GPUs are those of nvidia-smi
    "HF_HUB_OFFLINE": "1",  # weights were found before the start
    "UNSLOTH_DISABLE_STATISTICS": "1",
    "RAY_prestart_worker_first_driver": "0",  # Tune's workers have an environment of their own, and take none of these
}
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes Ray listen on this machine alone, as it does by itself on Windows and macOS; it reads this when it is imported."""


class RayNeeds(Protocol):
    """What Ray is started for: a plan, or the part of it that is known before base models are looked at."""

    @property
    def options(self) -> SearchOptions:
        """Flags."""

    @property
    def preset(self) -> Preset:
        """CPU or GPU."""

    @property
    def files(self) -> StudyFiles:
        """Of the study."""

    @property
    def seats(self) -> tuple[Seat, ...]:
        """Where trials run."""

    @property
    def threads(self) -> int:
        """CPU threads at each seat."""


def set_environment(plan: RayNeeds) -> None:
    """Set what Ray and the libraries of trials read; must come before Ray is started."""
    local = _LOOPBACK if plan.options.address == "local" else {}
    for name, value in {**_ENVIRONMENT, **local}.items():
        os.environ.setdefault(name, value)
    # workers that start at a time, and trials in line; left to itself Tune waits for one before it starts the next
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(2 * len(plan.seats))
    if plan.preset.name == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray hides no card from a trial that asks for none
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # nothing is compiled on a CPU; spares its import


def start_ray(plan: RayNeeds, tell: Callable[[str], object] = print) -> list[subprocess.Popen[bytes]]:
    """Start Ray, or join the cluster of `--address`, and tell where its pages are; return the processes started."""
    import ray

    local = plan.options.address == "local"
    job = ray.job_config.JobConfig(metadata=job_metadata(plan.files))
    if not local:  # workers of a cluster that runs already do not inherit this process's environment
        job.set_runtime_env({"env_vars": {name: os.environ[name] for name in _ENVIRONMENT}})
    context, started = _patiently(
        lambda: ray.init(
            plan.options.address,
            object_store_memory=256 << 20 if local else None,
            num_cpus=plan.threads * len(plan.seats) if local else None,
            num_gpus=0 if local else None,  # each worker takes the GPU of its seat
            resources={seat.resource: 1 for seat in plan.seats} if local else None,
            include_dashboard=plan.options.dashboard if local else None,
            dashboard_host="127.0.0.1",
            _temp_dir=str(ray_folder()) if local else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            job_config=job,
        )
    )
    hide_token()
    if local and (host := context.address_info["node_ip_address"]) != "127.0.0.1":  # type: ignore[attr-defined]
        tell(
            f"Ray listens on {host}, so other machines can reach its ports: it was imported before the search; "
            "start the search in a new process to keep it on this machine"
        )
    if local and context.dashboard_url and plan.options.dashboard:
        session = Path(context.address_info["session_dir"])  # type: ignore[attr-defined]  # a local Ray has it
        tell(pages(plan.files, context.dashboard_url, session))
    return started


def _patiently(start: Callable[[], T]) -> tuple[T, list[subprocess.Popen[bytes]]]:
    """Start or join Ray; again if a busy machine was too slow for Ray's own limit of 30 seconds.

    Returns:
        What `start` returned, and the processes that it started.
    """
    import ray

    for left in reversed(range(RAY_STARTS)):
        try:
            with recorded_starts() as started:
                return start(), started
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
            print("Ray was too slow to start on this busy machine; trying again", flush=True)
    raise AssertionError("the last try returns or raises")
