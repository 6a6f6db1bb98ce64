"""What a running trial shows of itself: numbers for Ray's metrics agent, and a process title with its status.

Prometheus reads the numbers as `ray_tuner_*`; the title is what Ray's dashboard lists below its node, and `ps`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

TITLE_S = 1.0
"""Seconds between two titles of a process that trains."""
PULSE_S = 5.0
"""Seconds between two looks at a trial that trains."""
TAGS = ("study", "trial", "config")
RESULTS = {
    "micro_recall": "Share of the gold entities that were found, at the last rung",
    "micro_precision": "Share of the predicted entities that are right, at the last rung",
    "score": "What the search maximises, at the last rung",
    "train_loss": "Mean training loss since the rung before, nats a label token",
    "peak_gib": "Peak memory, GiB",
}
"""Gauges that are set at each rung, and their help."""
PULSES = {
    "step": "Optimizer steps done",
    "tokens_per_s": "Training throughput since the last look; 0 while answers are generated",
    "gpu_utilisation_percent": "Busy share of the trial's GPU (NVML)",
    "gpu_memory_gib": "Memory in use on the trial's GPU by all processes (NVML), GiB",
}
"""Gauges that are set every few seconds."""
PHASES = ("load", "train", "generate")
PHASE_GAUGE = "phase_seconds"
COUNTERS = {"trained_tokens": "Tokens trained on, padding left out", "trained_steps": "Optimizer steps done"}


@dataclass(frozen=True, slots=True)
class Position:
    """How far a trial has come."""

    step: int
    tokens: int


def metric_names() -> set[str]:
    """Return the names under which Prometheus sees the numbers."""
    gauges = {*RESULTS, *PULSES, PHASE_GAUGE}
    return {f"ray_tuner_{name}" for name in gauges} | {f"ray_tuner_{name}_total" for name in COUNTERS}


def worker_name(trial: str, knobs: str = "") -> str:
    """Return the name of a trial's worker on the dashboard."""
    return f"TunerTrial({trial} {knobs})" if knobs else f"TunerTrial({trial})"


class LiveMetrics:
    """Publishes one trial's numbers from inside its Ray actor, until `stop`.

    A thread looks at the trial every few seconds and reads two integers, so it never waits for the device.

    Args:
        study: Name of the study.
        trial: Ray's id of the trial.
        config: The searched hyperparameters in one short string.
        rungs: Steps at which a trial is compared, the last its end.
        position: Returns how far the trial has come.
        show: Takes the status in one line, every few seconds, at the start and at each rung.
    """

    def __init__(
        self,
        study: str,
        trial: str,
        config: str,
        rungs: Sequence[int],
        position: Callable[[], Position],
        show: Callable[[str], None],
    ) -> None:
        from ray.util.metrics import Counter, Gauge

        self._tags = {"study": study, "trial": trial, "config": config}
        self._rungs, self._position, self._show = rungs, position, show
        self._gauges = {
            name: Gauge(f"tuner_{name}", description=text, tag_keys=TAGS)
            for name, text in {**RESULTS, **PULSES}.items()
        }
        self._phases = Gauge(
            f"tuner_{PHASE_GAUGE}", description="Seconds by phase", tag_keys=(*TAGS, "phase")
        )
        self._counters = {
            name: Counter(f"tuner_{name}", description=text, tag_keys=TAGS) for name, text in COUNTERS.items()
        }
        self._score = ""
        self._last, self._last_time = position(), time.monotonic()
        show(self.status())
        self._stopped, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="live-metrics", daemon=True)
        self._thread.start()

    def report(self, result: Mapping[str, object]) -> None:
        """Publish the numbers of a rung; texts and missing numbers are left out."""
        for name in RESULTS:
            value = result.get(name)
            if isinstance(value, int | float):
                self._gauges[name].set(float(value), self._tags)
        for phase in PHASES:
            seconds = result.get(f"{phase}_s")
            if isinstance(seconds, int | float):
                self._phases.set(float(seconds), {**self._tags, "phase": phase})
        score = result.get("score")
        if isinstance(score, float):
            self._score = f" score {score:.3f}"
        self._pulse()

    def stop(self) -> None:
        """End the thread; the numbers stay as they are."""
        self._stopped.set()
        self._thread.join(timeout=PULSE_S)

    def status(self) -> str:
        """Return in one line who this is and how far it has come."""
        step, rungs = self._position().step, self._rungs
        name = worker_name(self._tags["trial"], self._tags["config"])
        passed = sum(rung <= step for rung in rungs)
        return f"{name} step {step}/{rungs[-1]} rung {passed}/{len(rungs)}{self._score}"

    def _watch(self) -> None:
        while not self._stopped.wait(TITLE_S):  # Ray writes a title of its own at each call
            if time.monotonic() - self._last_time >= PULSE_S:
                self._pulse()
            else:
                _set_process_title(f"ray::{self.status()}")

    def _pulse(self) -> None:
        with self._lock:  # the trial reports while the thread looks
            self._publish()
            self._show(self.status())

    def _publish(self) -> None:
        now, position = time.monotonic(), self._position()
        tokens, steps = position.tokens - self._last.tokens, position.step - self._last.step
        seconds = now - self._last_time
        self._last, self._last_time = position, now
        self._gauges["step"].set(position.step, self._tags)
        if seconds >= PULSE_S / 2:  # two looks in quick succession say nothing about speed
            self._gauges["tokens_per_s"].set(max(0, tokens) / seconds, self._tags)
        for name, amount in (("trained_tokens", tokens), ("trained_steps", steps)):
            if amount > 0:
                self._counters[name].inc(amount, self._tags)
        _set_process_title(f"ray::{self.status()}")
        for name, value in gpu_load().items():
            self._gauges[name].set(value, self._tags)


def gpu_load() -> dict[str, float]:
    """Return utilisation and memory of this process's GPU; nothing without a GPU or without NVML."""
    import torch

    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return {}
    try:
        return {
            "gpu_utilisation_percent": float(torch.cuda.utilization()),
            "gpu_memory_gib": torch.cuda.device_memory_used() / 2**30,
        }
    except (ImportError, RuntimeError):  # no nvidia-ml-py, or a driver without NVML
        return {}


def _set_process_title(title: str) -> None:
    # Ray takes the title over when a worker starts; from then on the package setproctitle has no effect
    from ray._raylet import setproctitle  # type: ignore[attr-defined]  # compiled

    setproctitle(title)
