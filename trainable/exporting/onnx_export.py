"""From a merged model that tags to a checked folder for onnxruntime: the same tags, and a script that needs nothing of ours."""

from __future__ import annotations

import json
import logging
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from data.entities import Example
from data.paths import ROOT
from trainable.exporting.find_with_onnx import Finder
from trainable.exporting.packages import optional
from trainable.exporting.parity import Answered, Parity, compare
from trainable.predicting.predictor import ModelPlace, TagPredictor, find_model, load_predictor
from trainable.scoring.counts import Prediction

if TYPE_CHECKING:
    from trainable.model.backend import LanguageModel

_SHIPPED = {
    "find.py": "trainable/exporting/find_with_onnx.py",
    "spelling.py": "data/spelling.py",
    "tag_windows.py": "trainable/tokens/tag_windows.py",
    "tagset.py": "trainable/tokens/tagset.py",
}
"""Modules of ours that lie beside the weights."""
_OURS = re.compile(r"^from (?:data|trainable)\.(?:\w+\.)*(\w+) import", re.MULTILINE)
_OPSET = 20


def export_onnx(
    place: ModelPlace, merged: Path, to: Path, examples: Sequence[Example]
) -> tuple[Parity, list[str]]:
    """Write the folder and compare it with ours; return also what forbids to call the export done.

    Args:
        place: Our model.
        merged: The same, merged into its base.
        to: The folder, which exists.
        examples: Documents of the comparison.

    Raises:
        ValueError: If a package is missing.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        optional(name)
    ours = _answer_ourselves(place, examples)
    whole = find_model(str(merged))
    predictor = load_predictor(whole, whole.settings)
    assert isinstance(predictor, TagPredictor)
    write_graph(predictor.backend.model, to / "model.onnx")
    write_finder(predictor, to)
    parity = compare(examples, ours, [_answer_with_onnx(to, examples)], place.settings)
    return parity, parity.problems()


def write_graph(model: LanguageModel, file: Path) -> None:
    """Write a model with a head for tags as ONNX.

    Its inputs are `input_ids` and `attention_mask`, int64 (rows, width); its output is `logits`, float32 (rows, width, tags).
    """
    import torch

    from trainable.model.tag_head import every_logit

    class Tagging(torch.nn.Module):
        """The model with a tensor as its only result."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            """Return the logits of every token, padding included."""
            return every_logit(self.model, input_ids, attention_mask.bool())

    rows, width = torch.export.Dim("rows", min=1, max=4096), torch.export.Dim("width", min=1, max=4096)
    ids = torch.arange(2 * 17).reshape(2, 17)
    real = (ids != 33).long()
    shapes = {0: rows, 1: width}
    with _quiet():
        program = torch.onnx.export(
            Tagging().eval(), (ids, real), input_names=["input_ids", "attention_mask"], output_names=["logits"],
            dynamic_shapes={"input_ids": shapes, "attention_mask": shapes}, dynamo=True, opset_version=_OPSET, verbose=False,
        )  # fmt: skip
        assert program is not None
        program.save(file)


@contextmanager
def _quiet() -> Iterator[None]:
    """Turn off what torch says of packages that are not needed, and of its own old names."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def write_finder(predictor: TagPredictor, to: Path) -> None:
    """Write the tokenizer, the settings and the script beside the graph."""
    settings, windows = predictor.settings, predictor.windows
    predictor.backend.chat.tokenizer.backend_tokenizer.save(str(to / "tokenizer.json"))
    content = {
        "types": settings.tag_types,
        "opening": windows.opening,
        "room_tokens": windows.room_tokens,
        "overlap_tokens": windows.overlap_tokens,
        "min_confidence": settings.min_confidence,
        "min_confidence_by_type": settings.min_confidence_by_type,
    }
    (to / "finder.json").write_text(
        json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for name, ours in _SHIPPED.items():
        text = (ROOT / ours).read_text(encoding="utf-8")
        (to / name).write_text(_OURS.sub(r"from \1 import", text), encoding="utf-8")


def _answer_ourselves(place: ModelPlace, examples: Sequence[Example]) -> Answered:
    predictor = load_predictor(place, place.settings)
    assert isinstance(predictor, TagPredictor)
    texts = [example.text for example in examples]
    started = time.monotonic()
    predictions = tuple(prediction for prediction, _ in predictor.predict(texts))
    speed = len(texts) / (time.monotonic() - started)
    n_bytes = sum(parameter.nbytes for parameter in predictor.backend.model.parameters())
    return Answered("ours", predictions, tuple(map(_places, predictions)), speed, n_bytes)


def _answer_with_onnx(folder: Path, examples: Sequence[Example]) -> Answered:
    import torch

    finder = Finder(folder, torch.get_num_threads())
    texts = [example.text for example in examples]
    started = time.monotonic()
    found = finder.find(texts)
    speed = len(texts) / (time.monotonic() - started)
    predictions = tuple(map(_prediction, found))
    n_bytes = (folder / "model.onnx").stat().st_size
    return Answered("onnxruntime", predictions, tuple(map(_places, predictions)), speed, n_bytes)


def _prediction(found: Sequence[dict[str, object]]) -> Prediction:
    from data.entities import Entity
    from data.prompt import Parsed

    entities = tuple(Entity(one["type"], one["text"], one["start"], one["end"]) for one in found)  # type: ignore[arg-type]
    parsed = Parsed(tuple((entity.type, entity.text) for entity in entities), valid=True)
    return Prediction(parsed, truncated=False, entities=entities)


def _places(prediction: Prediction) -> tuple[tuple[str, int, int], ...]:
    return tuple((entity.type, entity.start, entity.end) for entity in prediction.entities)
