"""Converts exports of labelling tools and published datasets to the project's JSON Lines.

python data/convert.py SOURCE --to data/merged_pii_dataset_train.jsonl
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data.files.claims import Units
from data.files.jsonl import write_examples
from data.files.lines import DataError
from data.formats.importer import ImportOptions, Tags, import_examples
from data.formats.registry import FORMATS
from data.formats.report import ImportReport
from data.terminal import parsed, run_command

_DROPPED_LISTED = 20
_FORMATS = "".join(f"\n  {name}: {form.what}" for name, form in FORMATS.items())


@dataclass(frozen=True)
class ConvertCommand:
    """Convert labelled texts to JSON Lines; nothing is written if any record is bad.

    The source is a file (JSON Lines, JSON, CSV, TSV, Parquet, columns of tokens; UTF-8, or UTF-16 with a byte order
    mark; gzip or not) or a dataset folder of Hugging Face. --map-type applies before --keep-types.
    """

    source: tyro.conf.Positional[Path]
    """The file or folder to read."""
    to: Path
    """The JSON Lines file to write."""
    format: Annotated[
        str,
        tyro.conf.arg(help=f"Format of the source; `auto` detects it. iob2: UniversalNER's files{_FORMATS}"),
    ] = "auto"
    map_type: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Rename an entity type, OLD=NEW; can be repeated."""
    keep_types: tuple[str, ...] = ()
    """Keep only these entity types; the others are dropped and counted."""
    offsets: Units | None = None
    """Unit of the offsets, if it is not the usual one of the format; in `lf` a line end CR LF counts as one."""
    tags: Tags = "strict"
    """How to read tags that are not allowed at their place, like I- without B-: `strict` refuses them, `conlleval`
    begins an entity there, as the script of the CoNLL tasks does, and counts them."""
    split: str = ""
    """Split to read of a dataset folder that has several."""
    new_ids: bool = False
    """Assign new ids instead of keeping those of the source."""
    drop_bad: bool = False
    """Skip bad records and list them, instead of refusing the source."""
    sample: int = 0
    """Number of documents to sample at random; 0 takes all."""
    seed: int = 0
    """Seed of `--sample`."""
    force: bool = False
    """Overwrite the file if it exists."""


def convert(command: ConvertCommand) -> ImportReport:
    """Read the source as a stream, write the JSON Lines file and return the counts.

    Raises:
        ValueError: If an option is wrong, the target exists without `force`, or the format cannot be detected.
        DataError: If any record is bad; nothing is written then.
    """
    problems = []
    if not command.source.exists():
        problems.append(f"`source` is {command.source}, but must be a file or folder; check the path")
    if command.to.is_dir() or (command.to.exists() and not command.force):
        problems.append(f"`to` is {command.to}, but must not exist; name another file or add --force")
    if command.format not in ("auto", "iob2", *FORMATS):
        known = ", ".join(("auto", "iob2", *FORMATS))
        problems.append(f"`--format` is {command.format}, but must be one of {known}")
    pairs = [pair.partition("=") for pair in command.map_type]
    problems += [
        f"`--map-type` is {old}{sign}{new}, but must be OLD=NEW"
        for old, sign, new in pairs
        if not (old.strip() and sign and new.strip())
    ]
    if command.sample < 0:
        problems.append(f"`--sample` is {command.sample}, but must be at least 0")
    if problems:
        raise ValueError("\n".join(problems))
    options = ImportOptions(
        format=command.format,
        offsets=command.offsets,
        map_types={old: new for old, _, new in pairs},
        keep_types=frozenset(command.keep_types),
        tags=command.tags,
        split=command.split,
        drop_bad=command.drop_bad,
        new_ids=command.new_ids,
        sample=command.sample,
        seed=command.seed,
    )
    report = ImportReport()
    write_examples(command.to, import_examples(command.source, options, report))
    return report


def print_summary(report: ImportReport, command: ConvertCommand) -> None:
    """Print the counts for people, the next command, and one line of JSON for machines."""
    print(f"format     {report.format}")
    for used, count in report.mapping.most_common(5):
        print(f"mapping    {used}" + (f" ({count} documents)" if len(report.mapping) > 1 else ""))
    print(f"documents  {report.documents}")
    print(f"entities   {report.types.total()}")
    for name, count in report.types.most_common():
        print(f"  {name:<12} {count}")
    print(f"PII-free   {report.pii_free} ({report.pii_free / max(1, report.documents):.1%})")
    print(f"languages  {', '.join(f'{name} {count}' for name, count in report.languages.most_common())}")
    dropped = report.dropped.most_common(_DROPPED_LISTED)
    print(f"dropped    {_counts(dict(dropped)) or 'nothing'}")
    if report.repaired:
        print(f"repaired   {_counts(report.repaired)}")
    if report.cut_words:
        print(
            f"check      {report.cut_words} of {report.types.total()} entities without a stated value begin or end inside a "
            "word; if the ends are inclusive, convert again with --offsets inclusive"
        )
    unused = sorted({pair.partition("=")[0] for pair in command.map_type} - set(report.seen_types))
    unused += sorted(set(command.keep_types) - set(report.types))
    if unused:
        print(f"not seen   {', '.join(unused)}, named by --map-type or --keep-types")
    if report.bad:
        error = DataError(command.source, report.problems, report.place, report.bad - len(report.problems))
        print(error, file=sys.stderr)
    folder = shlex.quote(str(command.to.parent))
    print(f"next: python search/run.py --data-dir {folder}")
    summary = {
        "documents": report.documents,
        "entities": report.types.total(),
        "types": dict(report.types),
        "languages": dict(report.languages),
        "dropped": dict(report.dropped),
        "format": report.format,
        "out": str(command.to),
    }
    if report.repaired:
        summary["repaired"] = dict(report.repaired)
    if report.cut_words:
        summary["cut_words"] = report.cut_words
    print(json.dumps(summary, ensure_ascii=False))


def _counts(dropped: Mapping[str, int]) -> str:
    return "; ".join(f"{reason}: {count}" for reason, count in dropped.items())


def main() -> None:
    """Run the command line."""
    command = parsed(tyro.cli(ConvertCommand, description=ConvertCommand.__doc__))
    try:
        report = convert(command)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print_summary(report, command)


if __name__ == "__main__":
    run_command(main)
