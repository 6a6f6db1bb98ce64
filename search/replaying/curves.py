"""The learning-curve table: what many configs scored on each document at each step, recorded once to replay searches."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data.files.whole import bytes_written_whole
from trainable.config import KNOBS, TrialConfig
from trainable.knob import Range

if TYPE_CHECKING:
    import numpy as np

_DIMENSIONS = {
    "tp_by_type": "configs seeds steps documents types",
    "fp_by_type": "configs seeds steps documents types",
    "fp_other": "configs seeds steps documents",
    "valid": "configs seeds steps documents",
    "truncated": "configs seeds steps documents",
    "train_loss": "configs seeds steps",
    "answer_loss": "configs seeds steps documents",
    "answer_tokens": "documents",
    "gold_by_type": "documents types",
    "document_length": "documents",
    "document_language": "documents",
    "steps": "steps",
    "seeds": "seeds",
    "types": "types",
    "configs": "configs",
    "meta": "",
}
_USUAL: dict[str, object] = {name: getattr(TrialConfig("any"), name) for name in KNOBS}
_COSTS = {"answers": 16.0, "model": 8.0, "load_in_4bit": 4.0}
"""What another way to answer, model or precision costs in distance, and 1 any other choice; numbers add at most about 5."""


@dataclass(frozen=True, eq=False)
class CurveTable:
    """Counts of every config, seed, step and document; arrays as they lie in the file.

    Documents are in the order whose prefixes the rungs use, so a rung of n documents is the first n.
    """

    tp_by_type: np.ndarray
    """uint8 (configs, seeds, steps, documents, types): found entities."""
    fp_by_type: np.ndarray
    """uint8 (configs, seeds, steps, documents, types): wrong predictions of a known type."""
    fp_other: np.ndarray
    """uint8 (configs, seeds, steps, documents): malformed items and those of an unknown type."""
    valid: np.ndarray
    """bool (configs, seeds, steps, documents): the answer was valid JSON."""
    truncated: np.ndarray
    """bool (configs, seeds, steps, documents): the answer hit the token limit."""
    train_loss: np.ndarray
    """float32 (configs, seeds, steps): mean since the step before; NaN once training has diverged."""
    answer_loss: np.ndarray
    """float16 (configs, seeds, steps, documents): summed cross-entropy of the right answer's tokens, in nats."""
    answer_tokens: np.ndarray
    """int32 (documents,): tokens of the right answer."""
    gold_by_type: np.ndarray
    """uint8 (documents, types)."""
    document_length: np.ndarray
    """int32 (documents,), in code points."""
    document_language: np.ndarray
    """str (documents,)."""
    steps: np.ndarray
    """int32 (steps,), rising; the last is the horizon."""
    seeds: np.ndarray
    """int32 (seeds,)."""
    types: np.ndarray
    """str (types,)."""
    configs: np.ndarray
    """str (configs,): one JSON object each."""
    meta: np.ndarray
    """str (): JSON with checksums, commit, effective batch and horizon."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        problems = []
        for name, dimensions in _DIMENSIONS.items():
            shape, wanted = getattr(self, name).shape, dimensions.split()
            for axis, size in zip(wanted, shape, strict=False):
                sizes.setdefault(axis, size)
            if shape != tuple(sizes.get(axis) for axis in wanted):
                problems.append(f"`{name}` has shape {shape}, but must be ({', '.join(wanted)}) of {sizes}")
        if not problems and (len(self.steps) == 0 or (self.steps[1:] <= self.steps[:-1]).any()):
            problems.append(f"`steps` is {self.steps.tolist()}, but must rise")
        if problems:
            raise ValueError("\n".join(problems))

    @cached_property
    def parsed_configs(self) -> list[dict[str, object]]:
        """The hyperparameters of each recorded config."""
        return [json.loads(text) for text in self.configs.tolist()]

    @cached_property
    def parsed_meta(self) -> dict[str, object]:
        """What is known of the recording as a whole."""
        content: dict[str, object] = json.loads(str(self.meta))
        return content

    @cached_property
    def _varied(self) -> set[str]:
        """The hyperparameters that a recorded config names; all others are as usual."""
        return {name for config in self.parsed_configs for name in config}

    @cached_property
    def totals(self) -> np.ndarray:
        """Found, wrong and missed entities of each document: uint16 (configs, seeds, steps, documents, 3)."""
        import numpy as np

        tp = self.tp_by_type.sum(-1, dtype=np.uint16)
        fp = self.fp_by_type.sum(-1, dtype=np.uint16) + self.fp_other
        fn = self.gold_by_type.sum(-1, dtype=np.uint16) - tp
        return np.stack([tp, fp, fn], axis=-1)

    def nearest(self, config: Mapping[str, object], used: frozenset[int] = frozenset()) -> tuple[int, float]:
        """Return the index of the recorded config closest to a suggested one, and its distance.

        The distance adds 16 for another way to answer, 8 for another model, 4 for another precision of the base, and
        the absolute differences of ln(learning rate), log2(rank) and oversampling; likewise for every other knob, by its
        default where a config does not name it. Of equally close ones the first.

        Args:
            config: The hyperparameters.
            used: Indices that may not be returned.
        """
        names = [name for name in _USUAL if name in self._varied or name in config]
        distances = {
            index: _distance(config, recorded, names)
            for index, recorded in enumerate(self.parsed_configs)
            if index not in used
        }
        best = min(distances, key=lambda index: distances[index])
        return best, distances[best]

    def taken(self, rows: Sequence[int]) -> CurveTable:
        """Return a table of some configs, in this order.

        Args:
            rows: Their places in this table.
        """
        chosen = list(rows)
        return replace(self, **{name: getattr(self, name)[chosen] for name in _along("configs")})

    def followed_by(self, other: CurveTable, along: Literal["configs", "seeds"] = "configs") -> CurveTable:
        """Return one table with this one's configs (or seeds), then another's.

        Raises:
            ValueError: If the tables differ in more, such as documents, steps or types; it names in what.
        """
        import numpy as np

        axes = _along(along)
        common = [name for name in _DIMENSIONS if name != "meta" and name not in axes]
        different = [name for name in common if not np.array_equal(getattr(self, name), getattr(other, name))]
        if different:
            raise ValueError(f"the tables differ in {', '.join(different)}, but only their {along} may")
        joined = {
            name: np.concatenate([getattr(self, name), getattr(other, name)], axis=axis)
            for name, axis in axes.items()
        }
        return replace(self, **joined)

    def save(self, path: Path) -> None:
        """Write a compressed .npz; a reader never sees half of it."""
        import numpy as np

        with bytes_written_whole(path) as file:
            np.savez_compressed(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> CurveTable:
        """Read what `save` wrote.

        Raises:
            ValueError: If the file is no such table; the message lists every array that is missing or misshapen.
        """
        import numpy as np

        try:
            with np.load(path, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
        except FileNotFoundError as error:
            raise ValueError(f"{path} does not exist, but must be a learning-curve table (.npz)") from error
        except Exception as error:  # numpy and zipfile raise many kinds for a file that is none of theirs
            raise ValueError(f"{path} is no learning-curve table (.npz): {error}") from error
        if missing := sorted(set(_DIMENSIONS) - set(arrays)):
            raise ValueError(f"{path} is no learning-curve table: it lacks {', '.join(missing)}")
        try:
            return cls(**{name: arrays[name] for name in _DIMENSIONS})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def snapped_rungs(rungs: tuple[int, ...], table: CurveTable) -> tuple[int, ...]:
    """Return the recorded steps nearest to planned rungs, each once; the last is the table's horizon."""
    steps = table.steps.tolist()
    snapped = {min(steps, key=lambda step: abs(step - rung)) for rung in rungs[:-1]}
    return (*sorted(snapped - {steps[-1]}), steps[-1])


def _along(axis: str) -> dict[str, int]:
    """Return the arrays that have an axis, and which one it is in each."""
    return {name: axes.split().index(axis) for name, axes in _DIMENSIONS.items() if axis in axes.split()}


def _distance(a: Mapping[str, object], b: Mapping[str, object], names: Iterable[str]) -> float:
    return sum(_apart(name, a.get(name, _USUAL[name]), b.get(name, _USUAL[name])) for name in names)


def _apart(name: str, a: object, b: object) -> float:
    """Return what a knob adds to the distance: numbers by how far they are apart on the scale of their range."""
    if a == b:
        return 0.0
    if not isinstance(a, int | float) or not isinstance(b, int | float) or isinstance(a, bool):
        return _COSTS.get(name, 1.0)
    scale = KNOBS[name].cpu
    if isinstance(scale, Range):
        return abs(math.log(a / b)) if scale.log else abs(a - b)
    return abs(math.log2(a / b)) if a > 0 and b > 0 else abs(a - b)
