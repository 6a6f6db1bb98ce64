"""Rows of Hugging Face dataset folders; class numbers become names, and objects of lists become lists of objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.files.keys import START_KEYS, TYPE_KEYS


def hub_records(path: Path, split: str) -> Iterator[tuple[int, object]]:
    """Yield the numbered rows of a folder that `datasets` saved or can load; integer tags become their names.

    Raises:
        ValueError: If `split` names no split of it, or is missing where there are several.
    """
    import datasets

    datasets.disable_progress_bars()
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        loaded = datasets.load_from_disk(str(path))
    else:
        loaded = datasets.load_dataset(str(path), streaming=True)
    if hasattr(loaded, "column_names") and isinstance(loaded, dict):
        if split not in loaded and (split or len(loaded) > 1):
            raise ValueError(f"`--split` is {split or 'not given'}, but must be one of {', '.join(loaded)}")
        loaded = loaded[split or next(iter(loaded))]
    features = dict(loaded.features or {})
    for number, row in enumerate(loaded, 1):
        yield number, {key: _named(features.get(key), value) for key, value in row.items()}


def _named(feature: object, value: object) -> object:
    """Replace integer tags by their names, and an object of lists by a list of objects."""
    if value is None:
        return None
    if hasattr(feature, "int2str"):
        return feature.int2str(value) if isinstance(value, int) and value >= 0 else None
    if isinstance(value, list):
        return [_named(getattr(feature, "feature", None), item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = feature if isinstance(feature, dict) else {}
    named = {key: _named(inner.get(key), item) for key, item in value.items()}
    lists = [item for item in named.values() if isinstance(item, list)]
    if (
        any(key in named for key in (*START_KEYS, *TYPE_KEYS))
        and len(lists) == len(named)
        and len({len(item) for item in lists}) == 1
    ):
        return [dict(zip(named, items, strict=True)) for items in zip(*lists, strict=True)]
    return named
