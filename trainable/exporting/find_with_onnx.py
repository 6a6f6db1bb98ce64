"""Find personal data with this model in onnxruntime: `python find.py "Call Ann Lee at 555 0199."`.

Needs the packages onnxruntime, tokenizers and numpy alone. From Python: `Finder(folder).find(texts)`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.spelling import Spelling
from trainable.tokens.tag_windows import cut_tokens, join_windows
from trainable.tokens.tagset import TagSet

if TYPE_CHECKING:
    import numpy as np

PASS_TOKENS = 4096
"""Most tokens of one pass, padding included."""


class Finder:
    """A model in onnxruntime.

    Args:
        folder: Holds model.onnx, tokenizer.json and finder.json.
        threads: Of the CPU (0: as onnxruntime chooses).
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, ["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._settings: dict[str, Any] = json.loads((folder / "finder.json").read_text(encoding="utf-8"))
        self._tag_set = TagSet(tuple(self._settings["types"]))

    def find(self, texts: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Return the entities of each text: type, text, place in code points (half-open), certainty."""
        spellings = [Spelling(text) for text in texts]
        encoded = self._tokenizer.encode_batch([one.plain for one in spellings], add_special_tokens=False)
        scores = self._scores([one.ids for one in encoded])
        return [
            self._entities(text, spelling, one.offsets, found)
            for text, spelling, one, found in zip(texts, spellings, encoded, scores, strict=True)
        ]

    def _entities(
        self, text: str, spelling: Spelling, offsets: Sequence[tuple[int, int]], scores: np.ndarray
    ) -> list[dict[str, Any]]:
        entities = []
        least = dict(self._settings["min_confidence_by_type"])
        for span in self._tag_set.decode(scores):
            pieces = [piece for piece in offsets[span.first : span.last + 1] if piece[0] < piece[1]]
            if not pieces or span.certainty < least.get(span.type, self._settings["min_confidence"]):
                continue
            start, end = spelling.place(pieces[0][0], max(end for _, end in pieces))
            value = text[start:end].strip()
            start += len(text[start:end]) - len(text[start:end].lstrip())
            if value:
                place = {"start": start, "end": start + len(value)}
                entities.append({"type": span.type, "text": value, **place, "certainty": span.certainty})
        return entities

    def _scores(self, texts: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Return the log-probabilities of the tags of each text's tokens, (tokens, tags)."""
        opening, room = self._settings["opening"], self._settings["room_tokens"]
        cuts = [cut_tokens(len(ids), room, self._settings["overlap_tokens"]) for ids in texts]
        rows = [[*opening, *ids[a:b]] for ids, cut in zip(texts, cuts, strict=True) for a, b in cut]
        found = iter(self._run(rows))
        return [
            join_windows(cut, [next(found)[len(opening) :] for _ in cut], len(ids))
            for ids, cut in zip(texts, cuts, strict=True)
        ]

    def _run(self, rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Tag rows of token ids, those of similar length together."""
        import numpy as np

        found: dict[int, np.ndarray] = {}
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]), reverse=True)
        while order:
            width = max(1, len(rows[order[0]]))
            places, order = order[: (count := max(1, PASS_TOKENS // width))], order[count:]
            ids, real = np.zeros((2, len(places), width), dtype=np.int64)
            for row, place in enumerate(places):
                ids[row, : len(rows[place])], real[row, : len(rows[place])] = rows[place], 1
            [logits] = self._session.run(None, {"input_ids": ids, "attention_mask": real})
            top = logits.max(-1, keepdims=True)
            scores = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
            found |= {place: scores[row, : len(rows[place])] for row, place in enumerate(places)}
        return [found[place] for place in range(len(rows))]


if __name__ == "__main__":
    for entities in Finder(Path(__file__).parent).find(sys.argv[1:]):
        print(json.dumps(entities, ensure_ascii=False))
