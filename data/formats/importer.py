"""Reads a file of any known format as a stream of checked examples, and counts what is read and dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from data.entities import Entity, Example
from data.files.claims import Units, resolve
from data.files.jsonl import guess_language
from data.files.keys import detect_mapping
from data.files.lines import DataError, Problem
from data.files.unread import RENAME
from data.formats.containers import Container, open_container
from data.formats.draft import Draft, Reader, RowFormat, Skip, language_code
from data.formats.foreign import foreign_record
from data.formats.iob2 import read_iob2
from data.formats.registry import FORMATS, detect_format
from data.formats.report import KEPT_PROBLEMS, Draw, Ids, ImportReport
from data.texts.words import cuts_word

_SAMPLE = 1000
"""Records from which the format and the keys are detected."""
_MORE = 100
"""Labelled records to search for further on if the first records hold no entity."""
Tags = Literal["strict", "conlleval"]
"""How tags that are not allowed at their place are read: refused, or as conlleval reads them."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to read a source; `format` auto detects it, `offsets` None means the units of the format."""

    format: str = "auto"
    offsets: Units | None = None
    map_types: dict[str, str] = field(default_factory=dict)
    keep_types: frozenset[str] = frozenset()
    split: str = ""
    tags: Tags = "strict"
    drop_bad: bool = False
    new_ids: bool = False
    sample: int = 0
    seed: int = 0


def import_examples(source: Path, options: ImportOptions, report: ImportReport) -> Iterator[Example]:
    """Yield the examples of a file or folder one by one.

    Raises:
        ValueError: If the format cannot be detected, or is not that of the source.
        DataError: At the end, with every bad record; then what was yielded must not be used.
    """
    if options.format == "iob2" or (source.is_file() and options.format == "auto" and _is_uner(source)):
        report.format, lenient = "iob2", options.tags == "conlleval"
        report.mapping["tokens aligned to `# text`, IOB2 tags in the third column"] += 1
        examples: Iterator[tuple[str, Example]] = (
            (str(number), example)
            for number, example in enumerate(read_iob2(source, report.repaired if lenient else None), 1)
        )
    else:
        examples = _from_records(source, options, report)
    drawn = Draw(options.sample, options.seed)
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
    _check_outcome(source, options, report, drawn.offered)
    report.dropped.update({"document: not drawn by --sample": drawn.refused} if drawn.refused else {})
    for example in drawn.in_order():
        report.count(example)
        yield example


def _check_outcome(source: Path, options: ImportOptions, report: ImportReport, drawn: int) -> None:
    """Refuse a source with bad records, without documents, or whose labels nobody read.

    Raises:
        DataError: With every bad record.
        ValueError: If there is no document, or none with an entity though they seem to have some.
    """
    offered = report.documents + drawn
    if report.bad and not options.drop_bad:
        raise DataError(source, report.problems, report.place, report.bad - len(report.problems))
    if not offered + report.bad + report.dropped.total():
        raise ValueError(f"{source} holds no document; name a file or folder that does")
    if not offered:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in report.dropped.items())
        raise ValueError(
            f"{source} holds no document that can be used ({reasons}); export labelled documents"
        )
    if report.unread and not report.seen_types:
        keys = "`, `".join(report.unread)
        raise ValueError(f"{source} has labels under `{keys}`, which {report.format} does not read; {RENAME}")
    if not report.seen_types and options.format == "auto":
        raise ValueError(
            f"{source} has no entity under any known key; if its {offered} documents really hold none, "
            f"give --format {report.format}"
        )


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
    if foreign := next(filter(None, map(foreign_record, sample)), ""):
        raise ValueError(f"{source}: {foreign}")
    form = FORMATS[options.format] if options.format != "auto" else detect_format(container.kind, sample)
    report.format = form.name
    read = _prepare(form, options)(sample)
    units = options.offsets or form.units
    problems: list[Problem] = []
    ids = Ids()
    for number, record in container.records(problems):
        report.add(problems)
        problems.clear()
        if record is None:
            report.dropped["document: null, a text that was passed over"] += 1
            continue
        try:
            draft = read(record)
            sure = options.offsets is not None or (form.sure_units and draft.sure_units)
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
            report.repaired.update(part.repaired)
            if options.offsets is None and all(mark.value is None for mark in part.marks):
                report.cut_words += sum(cuts_word(part.text, e.start, e.end) for e in entities)
            report.unread.update([part.unread] if part.unread else [])
            if part.id and not options.new_ids:
                ids.add(part.id, number)
            yield place, _example(part, entities, source, place)
    report.add(problems)
    repeated = list(ids.repeated(report.place))
    report.add(repeated)
    if repeated and options.drop_bad:
        raise DataError(source, repeated[:KEPT_PROBLEMS], report.place, max(0, len(repeated) - KEPT_PROBLEMS))


def _prepare(form: RowFormat, options: ImportOptions) -> Callable[[Sequence[object]], Reader]:
    if options.tags == "strict":
        return form.prepare
    if form.prepare_conlleval is None:
        raise ValueError(f"`--tags` is {options.tags}, but {form.name} has no tags; leave it out")
    return form.prepare_conlleval


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
