"""Documents read by tags: windows are joined by probability, and each entity has its place and a certainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from data.entities import Entity, Example
from tests.tagging import TAGS, tagging_backend
from trainable.predicting import tags as tags_module
from trainable.predicting.tags import TagReader, tag_texts
from trainable.tokens.tagging import TagWindows

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
_LONG = " ".join(f"P{number:02d}x said that it was late." for number in range(40))


class Knowing:
    """Stands for a model that tags every token of a name as a name of its own, and is unsure at the edges of windows."""

    def __init__(self, windows: TagWindows, wrong_at_edges: bool = False) -> None:
        self.windows, self.wrong_at_edges, self.rows = windows, wrong_at_edges, 0

    def __call__(self, backend: object, rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
        self.rows += len(rows)
        found = []
        for row in rows:
            words = [self.windows.chat.tokenizer.decode([token]) for token in row]
            sure = np.full((len(row), len(TAGS)), np.log(0.1 / (len(TAGS) - 1)))
            for place, word in enumerate(words):
                edge = self.wrong_at_edges and not 3 <= place < len(row) - 3
                tag = "S-PLACE" if edge else "S-NAME" if "P" in word else "O"
                sure[place, TAGS.names.index(tag)] = np.log(0.9)
            found.append(sure)
        return found


def test_a_long_document_is_joined_from_windows_and_edges_count_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = tagging_backend()
    windows = TagWindows(backend.chat, 64, 16)
    knowing = Knowing(windows, wrong_at_edges=True)
    monkeypatch.setattr(tags_module, "tag_log_probabilities", knowing)
    [prediction] = tag_texts(backend, windows, TAGS, windows.tokenize([_LONG]))
    assert knowing.rows > 3
    ends = windows.tokenize([_LONG])[0]
    inner = [one for one in prediction.entities if ends.ends[2] < one.start and one.end <= ends.starts[-3]]
    assert {one.type for one in inner} == {"NAME"}
    assert len(inner) >= 39
    for entity, certainty in zip(prediction.entities, prediction.certainties, strict=True):
        assert _LONG[entity.start : entity.end] == entity.text
        assert 0.4 < certainty <= 0.925 + 1e-6
    assert prediction.parsed.items == tuple((one.type, one.text) for one in prediction.entities)
    assert prediction.parsed.valid
    assert not prediction.truncated


def test_the_loss_is_that_of_the_right_tags_and_unknown_types_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = tagging_backend()
    windows = TagWindows(backend.chat, 64, 16)
    monkeypatch.setattr(tags_module, "tag_log_probabilities", Knowing(windows))
    plain = Example("1", "they came late", ())
    odd = Example("2", "they came late", (Entity("SHIP", "came", 5, 9),))
    assert TagReader(backend, [plain], windows, TAGS).predict_with_loss()[1] == pytest.approx(
        -np.log(0.9), rel=1e-5
    )
    assert TagReader(backend, [odd], windows, TAGS).predict_with_loss()[1] == pytest.approx(
        -np.log(0.9), rel=1e-5
    )
    wrong = Example("3", "they came late", (Entity("NAME", "they", 0, 4),))
    assert TagReader(backend, [plain, wrong], windows, TAGS).predict_with_loss()[1] > -np.log(0.9)
    assert TagReader(backend, [plain, wrong], windows, TAGS).predict_with_loss(1)[1] == pytest.approx(
        -np.log(0.9), rel=1e-5
    )


def test_a_prefix_is_read_as_in_the_whole_list_and_empty_texts_hold_nothing() -> None:
    backend = tagging_backend()
    windows = TagWindows(backend.chat, 64, 16)
    documents = [Example(str(n), text, ()) for n, text in enumerate(("王芳 called.", "", _LONG))]
    reader = TagReader(backend, documents, windows, TAGS)
    whole = reader.predict()
    assert [one.entities for one in reader.predict(2)] == [one.entities for one in whole[:2]]
    assert whole[1].entities == ()
    assert whole[1].parsed.valid
