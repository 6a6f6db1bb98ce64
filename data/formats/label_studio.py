"""Label Studio's JSON, JSON-MIN and CSV: all controls, each region on the text field that it was drawn on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.files.claims import Mark, folded
from data.files.keys import Row
from data.formats.draft import (
    Draft,
    Reader,
    RowFormat,
    Skip,
    has,
    list_of,
    literal,
    mark_of,
    name_of,
    object_of,
    text_of,
)

_TOOL_KEYS = {
    "id", "inner_id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "file_upload", "project",
}  # fmt: skip
"""Keys of JSON-MIN and CSV that the tool adds to those of the task."""
_PLACES = ("start", "end", "startOffset", "endOffset")
_LIST_CELL = re.compile(r"""\s*\[\s*\{\s*["']""")
_ADDRESS = re.compile(r"(?:https?|s3|gs|azure-blob)://\S+|/data/\S+")


@dataclass(frozen=True, slots=True)
class _Region:
    """One labelled region: its label, and the name of the text that it was drawn on, where the export states it."""

    mark: Mark
    target: str


@dataclass(frozen=True, slots=True)
class _Task:
    """What one record holds: its texts by key, its regions, and what was left out."""

    name: str
    texts: dict[str, str]
    regions: list[_Region]
    used: str
    dropped: list[str]


def _claims(record: object) -> bool:
    if not isinstance(record, dict):
        return False
    if isinstance(record.get("data"), dict):
        return has(record, "annotations") or has(record, "completions")
    return has(record, "annotator", "annotation_id") or any(map(_is_regions, record.values()))


def _is_regions(value: object) -> bool:
    """Whether a value of JSON-MIN or a cell of CSV lists regions of a text."""
    if isinstance(value, str):
        return bool(_LIST_CELL.match(value)) and all(key in value for key in ('"start"', '"end"', '"labels"'))
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and has(first, "start", "end") and any(map(_is_label_key, first))


def _is_label_key(key: str) -> bool:
    return key.endswith("labels")


def _prepare(records: Sequence[object]) -> Reader:
    labelled = dict.fromkeys(field for record in records for field in _labelled_fields(record))

    def read(record: object) -> Draft:
        task = _task(object_of(record, "the record"))
        by_field: dict[str, list[Mark]] = {field: [] for field in task.texts if field in labelled}
        for target in dict.fromkeys(region.target for region in task.regions):
            marks = [region.mark for region in task.regions if region.target == target]
            by_field.setdefault(_field_of(target, marks, task.texts, list(labelled)), []).extend(marks)
        if not by_field:
            by_field[_field_of("", [], task.texts, list(labelled))] = []
        return _draft(task, by_field)

    return read


def _labelled_fields(record: object) -> list[str]:
    """Return the text fields that a record has regions on, as far as they are certain."""
    try:
        task = _task(object_of(record, "the record"))
        return [_field_of(region.target, [region.mark], task.texts, []) for region in task.regions]
    except (ValueError, Skip):
        return []


def _draft(task: _Task, by_field: dict[str, list[Mark]]) -> Draft:
    """Return one document for each text field; those of one task stay in one group."""
    drafts = []
    several = len(by_field) > 1
    group = task.name if several else ""
    for field, marks in by_field.items():
        if several and not marks and not task.texts[field].strip():
            continue
        text = text_of(task.texts[field], field)
        if any(mark.value is None for mark in marks) and _ADDRESS.fullmatch(text.strip()):
            raise ValueError(f"`{field}` is the address of a file; put the text itself there")
        name = f"{group}/{field}" if group else task.name
        drafts.append(Draft(text, marks, f"text in `{field}`, {task.used}", name, group))
    if not drafts:
        raise Skip("empty text")
    first, *more = drafts
    return replace(first, dropped=task.dropped, more=more)


def _task(row: Row) -> _Task:
    return _full_task(row) if isinstance(row.get("data"), dict) else _short_task(row)


def _full_task(row: Row) -> _Task:
    key = "annotations" if "annotations" in row else "completions"
    annotations = [object_of(item, "an annotation") for item in list_of(row.get(key), key)]
    kept = [item for item in annotations if not (item.get("was_cancelled") or item.get("skipped"))]
    if not kept:
        raise Skip("no annotation that was not cancelled")
    read = [_regions_of(annotation) for annotation in kept]
    # of equals the first; an annotator who left the task empty does not hide what another one marked
    best = max(range(len(kept)), key=lambda at: (bool(kept[at].get("ground_truth")), len(read[at][0])))
    regions, dropped = read[best]
    dropped = ["annotations of further annotators"] * (len(kept) - 1) + dropped
    texts = _texts(object_of(row["data"], "`data`"))
    return _Task(name_of(row, "id"), texts, regions, f"regions in `{key}`", dropped)


def _regions_of(annotation: Row) -> tuple[list[_Region], list[str]]:
    """Return the labelled regions of one annotation, and what else it holds.

    Raises:
        ValueError: If a region has a place in something else than a text, or no label.
    """
    results = [object_of(item, "a result") for item in list_of(annotation.get("result"), "result")]
    values = [value if isinstance(value := result.get("value"), dict) else {} for result in results]
    names = [name_of(result, "id") for result in results]
    labelled = {name for name, value in zip(names, values, strict=True) if name and value.get("labels")}
    regions: list[_Region] = []
    dropped: list[str] = []
    for name, result, value in zip(names, results, values, strict=True):
        is_region = _is_place(value) or any(map(_is_label_key, value))
        if not is_region or (
            name in labelled and not any(map(_is_label_key, (*value, str(result.get("type")))))
        ):
            dropped.append("results that are not labelled regions")
            continue
        mark = _mark(value, f"entity {len(regions) + 1}", dropped)
        regions.append(_Region(mark, name_of(result, "to_name")))
    return regions, dropped


def _short_task(row: Row) -> _Task:
    regions: list[_Region] = []
    dropped: list[str] = []
    keys: list[str] = []
    decoded = {
        key: literal(value, key) if isinstance(value, str) and _LIST_CELL.match(value) else value
        for key, value in row.items()
    }
    lists = [value for value in decoded.values() if isinstance(value, list)]
    # a text or a choice about a region has the place of that region
    labelled = {_place(item) for value in lists for item in value if _is_place(item) and "labels" in item}
    for key, value in decoded.items():
        if not isinstance(value, list) or not any(_is_place(item) for item in value):
            continue
        keys.append(key)
        for region in [object_of(item, "a region") for item in value]:
            if "labels" not in region and _place(region) in labelled:
                dropped.append("results that are not labelled regions")
                continue
            mark = _mark(region, f"entity {len(regions) + 1}", dropped)
            # the export does not name the text; regions of one control are on one
            regions.append(_Region(mark, f"\0{key}"))
    texts = {key: text for key, text in _texts(row).items() if key not in {*_TOOL_KEYS, *keys}}
    used = "regions in " + (" and ".join(f"`{key}`" for key in sorted(keys)) or "no key")
    return _Task(name_of(row, "id"), texts, regions, used, dropped)


def _is_place(item: object) -> bool:
    return isinstance(item, dict) and any(key in item for key in _PLACES)


def _place(item: Row) -> tuple[str, str]:
    return str(item.get("start")), str(item.get("end"))


def _mark(region: Row, owner: str, dropped: list[str]) -> Mark:
    """Return the label of a region of a plain text.

    Raises:
        ValueError: If it is a region of something else, or has no label.
    """
    others = [key for key in region if _is_label_key(key) and key != "labels"]
    if others or "startOffset" in region or "endOffset" in region:
        what = f"`{others[0]}`" if others else "a place in HTML or in a dialogue"
        raise ValueError(
            f"{owner} has {what}, which does not say where it is in the text; label the plain text with Labels on Text"
        )
    if "labels" not in region:
        raise ValueError(f"{owner} has a place, but no `labels`; label it, or delete the region")
    labels = list_of(region["labels"], "labels")
    dropped += ["further labels of a region"] * (len(labels) > 1)
    kind = labels[0] if labels else None
    return mark_of(kind, region.get("text") or None, region.get("start"), region.get("end"), owner)


def _texts(data: Row) -> dict[str, str]:
    return {key: value for key, value in data.items() if isinstance(value, str)}


def _field_of(target: str, marks: Sequence[Mark], texts: dict[str, str], labelled: Sequence[str]) -> str:
    """Return the key of the text that regions were drawn on.

    Raises:
        ValueError: If it cannot be told.
    """
    values = [folded(mark.value) for mark in marks if mark.value]
    bare = {key: folded(text) for key, text in texts.items()}
    holding = [key for key, text in bare.items() if values and all(value in text for value in values)]
    if target in texts and (target in holding or not holding):
        return target
    if len(holding) == 1 or len(texts) == 1:
        return (holding or list(texts))[0]
    for keys in (["text"], labelled):
        known = [key for key in keys if key in (holding or texts)]
        if len(known) == 1:
            return known[0]
    if not texts:
        raise ValueError("`data` holds no text, but a dialogue or a picture; put the text there as a string")
    raise ValueError(f"any of `{'`, `'.join(texts)}` may be the labelled text; rename it to `text`")


LABEL_STUDIO = RowFormat(
    "label-studio", "Label Studio's JSON, JSON-MIN and CSV", _claims, _prepare, sure_units=False
)
