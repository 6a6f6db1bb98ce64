"""One run of `trainable/predict.py`: read, answer and write in chunks, tell progress, keep what is unreadable."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from data.entities import Entity
from data.files.stream import Document, Reject, Shape, open_source, read_documents, shape_of
from data.files.tables import TableWriter, TextTable
from data.texts.redact import StandIns, other_mentions, redacted
from trainable.predicting.least_certainty import least_summary
from trainable.predicting.output_lines import json_row, text_line
from trainable.predicting.predictor import Predictor
from trainable.predicting.rejects import RejectsFile
from trainable.predicting.rules import add_rules
from trainable.scoring.counts import Prediction

if TYPE_CHECKING:
    from trainable.predicting.options import PredictOptions

FIRST_CHUNK, LAST_CHUNK = 16, 512
"""Documents read before they are answered: few at first, so that a pipe sees results soon."""
_PROGRESS_S = 2.0
_SHOWN_IDS = 20
_REPLACING = ("redacted", "pseudonyms")
"""Formats that write the texts again."""


@dataclass
class PredictionRun:
    """What is done and how far it is."""

    options: PredictOptions
    predictor: Predictor
    rejects: RejectsFile
    table: TextTable | None = None
    documents: int = 0
    windowed_documents: int = 0
    windows: int = 0
    characters: int = 0
    entities: int = 0
    rule_entities: int = 0
    mentions: int = 0
    left_out: int = 0
    stand_ins: StandIns = field(default_factory=StandIns)
    invalid: int = 0
    incomplete: list[str] = field(default_factory=list)
    not_in_text: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _told: float = 0.0
    _rows: TableWriter | None = None

    def run(self) -> dict[str, object]:
        """Work through the source; return the summary."""
        source = self.options.source
        name = (
            "stdin" if source == "-" else Path(source).name.removesuffix(".gz").rpartition(".")[0] or source
        )
        with ExitStack() as stack:
            out: IO[str] = sys.stdout
            if self.options.out:
                out = stack.enter_context(self.options.out.open("x", encoding="utf-8", newline="\n"))
            else:
                sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
            handle = stack.enter_context(open_source(source))
            shape: Shape = self.options.input
            shape = shape_of(source, handle) if shape == "auto" else shape
            stack.callback(self.rejects.close)
            items = self.table.documents(name) if self.table else read_documents(handle, name, shape)
            if self.table and self.options.format in _REPLACING:
                self._rows = stack.enter_context(self.table.writer(out))
            for chunk in self._chunks(items):
                answers = self.predictor.predict([document.text for document in chunk], self._tell)
                for document, (prediction, n_windows) in zip(chunk, answers, strict=True):
                    self._write(out, document, prediction, n_windows)
                out.flush()
        self._tell(0, 0, last=True)
        self._warn(
            self.incomplete,
            "INCOMPLETE: parts of {} documents got no valid answer, so that entities in them may be missing",
        )
        self._warn(
            list(dict.fromkeys(self.not_in_text)),
            "NOT IN TEXT: in {} documents the model named values that do not occur there, which have no place to mark",
        )
        if self.left_out:
            least = self.predictor.settings.least_certainties
            print(f"LEFT OUT: {self.left_out} entities less certain than {least}", file=sys.stderr)
        return self.summary()

    def _warn(self, ids: list[str], what: str) -> None:
        """Say on standard error what befell the documents, and name the first of them."""
        if ids:
            shown = ", ".join(ids[:_SHOWN_IDS]) + (", ..." if len(ids) > _SHOWN_IDS else "")
            print(f"{what.format(len(ids))}: {shown}", file=sys.stderr)

    def summary(self) -> dict[str, object]:
        """Return the numbers of the run."""
        seconds, settings = time.monotonic() - self._started, self.predictor.settings
        return {
            "out": str(self.options.out.resolve()) if self.options.out else None,
            "documents": self.documents,
            "windowed_documents": self.windowed_documents,
            "windows": self.windows,
            "entities": self.entities,
            "rule_entities": self.rule_entities if self.options.with_rules else None,
            "other_mentions": self.mentions if self._lists_mentions() else None,
            **least_summary(settings),
            "left_out_as_uncertain": self.left_out,
            "invalid_answers": self.invalid,
            "incomplete_documents": len(self.incomplete),
            "values_not_in_text": len(self.not_in_text),
            "rejects": self.rejects.count,
            "rejects_not_kept": self.rejects.not_kept,
            "rejects_file": str(self.rejects.path) if self.rejects.count > self.rejects.not_kept else None,
            "seconds": round(seconds, 2),
            "documents_per_s": round(self.documents / seconds, 2),
            "characters_per_s": round(self.characters / seconds),
        }

    def _chunks(self, items: Iterator[Document | Reject]) -> Iterator[list[Document]]:
        """Yield growing lists of documents; rejects are kept on the way."""
        size, chunk = FIRST_CHUNK, list[Document]()
        for item in items:
            if isinstance(item, Reject):
                self._reject(item)
                continue
            chunk.append(item)
            if len(chunk) >= size or sum(len(document.text) for document in chunk[-8:]) > 200_000:
                yield chunk
                size, chunk = min(2 * size, LAST_CHUNK), []
        if chunk:
            yield chunk

    def _reject(self, item: Reject) -> None:
        kept = self.rejects.keep(item.raw)
        where = f"kept in {self.rejects.path}" if kept else "not kept"
        print(f"line {item.line}: {item.what}; {where}", file=sys.stderr)

    def _write(self, out: IO[str], document: Document, prediction: Prediction, n_windows: int) -> None:
        self.documents += 1
        self.windowed_documents += n_windows > 1
        self.entities += len(prediction.parsed.items)
        self.left_out += prediction.left_out
        self.invalid += not prediction.parsed.valid
        if prediction.truncated or not prediction.parsed.valid:
            self.incomplete.append(document.id)
        self.not_in_text += [document.id] * (len(prediction.parsed.items) - len(prediction.entities))
        entities = prediction.entities
        by_rules: tuple[Entity, ...] = ()
        if self.options.with_rules:
            by_rules = add_rules(document.text, entities, self.predictor.settings.types)
            self.rule_entities += len(by_rules)
        found = [*entities, *by_rules]
        mentions = other_mentions(document.text, found) if self._lists_mentions() else ()
        self.mentions += len(mentions)
        if self.options.format in _REPLACING:
            named = self.options.format == "pseudonyms"
            text = redacted(document.text, found, self.stand_ins) if named else redacted(document.text, found)
            if self._rows:
                self._rows.write(document, text)
                return
            line = json.dumps({"id": document.id, document.key: text}, ensure_ascii=False)
            out.write(line + "\n" if document.key else text + "\n" * (self.options.input != "whole"))
        elif self.options.format == "text":
            for origin, part in (("model", entities), ("rule", by_rules), ("mention", mentions)):
                out.writelines(text_line(document, entity, origin) + "\n" for entity in part)
        else:
            row = json_row(document, prediction, by_rules, mentions, n_windows)
            out.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _lists_mentions(self) -> bool:
        """Say whether further mentions are listed; in texts they are replaced in any case."""
        return self.options.every_mention and self.options.format in ("jsonl", "text")

    def _tell(self, n_windows: int, n_characters: int, last: bool = False) -> None:
        """Print progress on standard error, at most every two seconds."""
        self.windows += n_windows
        self.characters += n_characters
        now = time.monotonic()
        if not last and now - self._told < _PROGRESS_S:
            return
        self._told = now
        seconds = now - self._started
        print(
            f"\r{self.documents} documents, {self.windows} windows, {self.entities} entities, "
            f"{self.characters / seconds:,.0f} characters/s",
            end="\n" if last else "",
            file=sys.stderr,
            flush=True,
        )
