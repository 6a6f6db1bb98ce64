"""Trainings with other seeds: on the other GPUs while the first one trains, or after it where there is one device."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from typing import TypeVar

from search.planning.cards import Card

Run = TypeVar("Run")
Result = TypeVar("Result")


@contextmanager
def beside(
    runs: Sequence[Run], cards: Sequence[Card], train: Callable[[Run], Result]
) -> Iterator[Callable[[], list[Result]]]:
    """Start trainings on all GPUs but the first, which this process uses; yield what returns their results in order.

    Each other GPU has a process of its own, which ends with this one, however that ends. With one GPU or none nothing
    is started: the results are then made here, when they are asked for.

    Args:
        runs: What is to be trained; can be pickled.
        cards: The GPUs that are visible here.
        train: A function of a module.
    """
    if len(cards) < 2 or not runs:
        yield lambda: [train(run) for run in runs]
        return
    context = multiprocessing.get_context("spawn")
    devices: SimpleQueue[str] = context.SimpleQueue()
    others = cards[1 : 1 + len(runs)]
    for card in others:
        devices.put(card.id)
    pool = ProcessPoolExecutor(len(others), context, _begin, (devices,))
    try:
        futures = [pool.submit(train, run) for run in runs]
        yield lambda: [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()
            process.join()


def _begin(devices: SimpleQueue[str]) -> None:
    """Take a GPU before anything loads CUDA, and end when the parent does."""
    os.environ["CUDA_VISIBLE_DEVICES"] = devices.get()
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # numbers are those of nvidia-smi
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
