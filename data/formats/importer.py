"""Reads a file of any known format as a stream of checked examples, and counts what is read and dropped."""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from data.entities import Entity, Example
from data.files.claims import Units, resolve
from data.files.jsonl import guess_language
from data.files.keys import detect_mapping
from data.files.lines import DataError, Problem
from data.formats.containers import Container, open_container
from data.formats.draft import Draft, Skip, language_code
from data.formats.iob2 import read_iob2
from data.formats.registry import FORMATS, detect_format

_SAMPLE = 1000
"""Records from which the format and the keys are detected."""
_MORE = 100
"""Labelled records to search for further on if the first records hold no entity."""
_KEPT_PROBLEMS = 1000


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to read a source; `format` auto detects it, `offsets` None means the units of the format."""

    format: str = "auto"
    offsets: Units | None = None
    map_types: dict[str, str] = field(default_factory=dict)
    keep_types: frozenset[str] = frozenset()
    split: str = ""
    drop_bad: bool = False
    new_ids: bool = False
    sample: int = 0
    seed: int = 0


@dataclass(slots=True)
class ImportReport:
    """Counts of what was read; complete when the stream has ended."""

    format: str = ""
    mapping: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    pii_free: int = 0
    types: Counter[str] = field(default_factory=Counter)
    seen_types: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    bad: int = 0
    place: str = "line"

    def count(self, example: Example) -> None:
        """Count one example that is yielded."""
        self.documents += 1
        self.pii_free += not example.has_entities
        self.types.update(entity.type for entity in example.entities)
        self.languages[example.language] += 1

    def add(self, problems: Iterable[Problem]) -> None:
        """Keep problems; beyond a limit they are only counted."""
        for problem in problems:
            self.bad += 1
            if len(self.problems) < _KEPT_PROBLEMS:
                self.problems.append(problem)


class _Ids:
    """Finds repeated ids in 16 bytes a document: a hash and the number of the record."""

    def __init__(self) -> None:
        self._hashes, self._numbers = array("Q"), array("Q")

    def add(self, name: str, number: int) -> None:
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        self._hashes.append(int.from_bytes(digest, "big"))
        self._numbers.append(number)

    def repeated(self, place: str) -> Iterator[Problem]:
        import numpy as np

        hashes, numbers = np.array(self._hashes), np.array(self._numbers)
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        for index in same:
            first, again = int(numbers[order[index]]), int(numbers[order[index + 1]])
            what = f"`id` is also that of {place} {first}, but must be unique; correct it, or assign new ids by --new-ids"
            yield Problem(again, what)


class _Draw:
    """A random sample of a stream: the examples whose ids have the lowest hashes, so that order does not matter."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._kept: list[tuple[int, int, Example]] = []
        self.offered = 0

    @property
    def refused(self) -> int:
        return self.offered - len(self._kept)

    def offer(self, example: Example) -> None:
        digest = hashlib.blake2b(f"{self._seed}:{example.id}".encode(), digest_size=8).digest()
        item = (-int.from_bytes(digest, "big"), self.offered, example)
        self.offered += 1
        if len(self._kept) < self._count:
            heapq.heappush(self._kept, item)
        else:
            heapq.heappushpop(self._kept, item)

    def in_order(self) -> list[Example]:
        return [example for _, _, example in sorted(self._kept, key=lambda item: item[1])]


def import_examples(source: Path, options: ImportOptions, report: ImportReport) -> Iterator[Example]:
    """Yield the examples of a file or folder one by one.

    Raises:
        ValueError: If the format cannot be detected, or is not that of the source.
        DataError: At the end, with every bad record; then what was yielded must not be used.
    """
    if options.format == "iob2" or (source.is_file() and options.format == "auto" and _is_uner(source)):
        report.format = "iob2"
        report.mapping["tokens aligned to `# text`, IOB2 tags in the third column"] += 1
        examples: Iterator[tuple[str, Example]] = (
            (str(number), example) for number, example in enumerate(read_iob2(source), 1)
        )
    else:
        examples = _from_records(source, options, report)
    drawn = _Draw(options.sample, options.seed)
    for place, example in examples:
        if options.new_ids:
            example = replace(example, id=f"{source.stem}:{place}")
        entities = _selected(example.entities, options, report)
        example = example if entities == example.entities else replace(example, entities=entities)
        if options.sample:
            drawn.offer(example)
            continue
        report.count(example)
        yield example
    if report.bad and not options.drop_bad:
        raise DataError(source, report.problems, report.place, report.bad - len(report.problems))
    if not report.documents + drawn.offered + report.bad + report.dropped.total():
        raise ValueError(f"{source} holds no document; name a file or folder that does")
    if not report.documents + drawn.offered + report.bad:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in report.dropped.items())
        raise ValueError(
            f"{source} holds no document that can be used ({reasons}); export labelled documents"
        )
    if report.documents + drawn.offered and not report.seen_types and options.format == "auto":
        raise ValueError(
            f"{source} has no entity under any known key; if its {report.documents + drawn.offered} documents really hold none, "
            f"give --format {report.format}"
        )
    report.dropped.update({"document: not drawn by --sample": drawn.refused} if drawn.refused else {})
    for example in drawn.in_order():
        report.count(example)
        yield example


def _is_uner(source: Path) -> bool:
    with_lines = not source.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".parquet"))
    return with_lines and open_container(source).kind == "uner"


def _from_records(
    source: Path, options: ImportOptions, report: ImportReport
) -> Iterator[tuple[str, Example]]:
    """Yield the examples of a source of records, each with its place there."""
    container = open_container(source, options.split, "conll" if options.format == "conll" else "")
    report.place = container.place
    sample = _sample(container)
    form = FORMATS[options.format] if options.format != "auto" else detect_format(container.kind, sample)
    report.format = form.name
    read = form.prepare(sample)
    units, sure = options.offsets or form.units, form.sure_units or options.offsets is not None
    problems: list[Problem] = []
    ids = _Ids()
    for number, record in container.records(problems):
        report.add(problems)
        problems.clear()
        try:
            draft = read(record)
            parts = [(part, resolve(part.text, part.marks, units, sure)) for part in (draft, *draft.more)]
        except Skip as reason:
            report.dropped[f"document: {reason}"] += 1
            continue
        except ValueError as error:
            report.add(Problem(number, what) for what in str(error).split("\n"))
            report.dropped["document: has problems"] += 1
            continue
        for index, (part, entities) in enumerate(parts, 1):
            place = f"{number}/{index}" if len(parts) > 1 else str(number)
            report.mapping[part.used] += 1
            report.dropped.update(part.dropped)
            if part.id and not options.new_ids:
                ids.add(part.id, number)
            yield place, _example(part, entities, source, place)
    report.add(problems)
    repeated = list(ids.repeated(report.place))
    report.add(repeated)
    if repeated and options.drop_bad:
        raise DataError(
            source, repeated[:_KEPT_PROBLEMS], report.place, max(0, len(repeated) - _KEPT_PROBLEMS)
        )


def _sample(container: Container) -> list[object]:
    """Return the first records, and if they hold no entity also some later ones that do."""
    records = (record for _, record in container.records([]))
    sample = list(islice(records, _SAMPLE))
    if len(sample) == _SAMPLE and not any(map(_is_labelled, sample)):
        sample += islice(filter(_is_labelled, records), _MORE)
    return sample


def _is_labelled(record: object) -> bool:
    if any(form.claims(record) for form in FORMATS.values()):
        return True
    return isinstance(record, dict) and bool(detect_mapping([record]).entities)


def _example(draft: Draft, entities: tuple[Entity, ...], source: Path, place: str) -> Example:
    return Example(
        draft.id or f"{source.stem}:{place}",
        draft.text,
        entities,
        draft.group,
        language_code(draft.language) or guess_language(draft.text),
        draft.source or source.name,
    )


def _selected(
    entities: tuple[Entity, ...], options: ImportOptions, report: ImportReport
) -> tuple[Entity, ...]:
    """Rename types, drop those not to be kept, and drop entities that are listed twice."""
    kept: dict[Entity, None] = {}
    for entity in entities:
        report.seen_types[entity.type] += 1
        if entity.type in options.map_types:
            entity = replace(entity, type=options.map_types[entity.type])
        if options.keep_types and entity.type not in options.keep_types:
            report.dropped[f"entity: type {entity.type} is not in --keep-types"] += 1
        elif entity in kept:
            report.dropped["entity: listed twice at the same place"] += 1
        else:
            kept[entity] = None
    return tuple(kept)
