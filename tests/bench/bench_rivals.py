"""One table of what finds personal data: our models, rules with checksums, other tools, an encoder fine-tuned on the same data.

python tests/bench/bench_rivals.py --set sample --texts data/sample/test.jsonl --files ours=A.jsonl presidio=B.jsonl --work WORK
python tests/bench/bench_rivals.py --work WORK --out results/reference/rivals

The files are those of `trainable/predict.py`, or of `rival_answers.py` with its `.told.json` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

if TYPE_CHECKING:
    from data.entities import Example
    from trainable.scoring.counts import Prediction

RULES = "rules with checksums"
INTRODUCTION = """Test sets whose templates occur in no training document. An entity is right if type and text are. Tools that were made elsewhere know
nothing of a set's training documents and draw some borders in another way, so that "our models against tools" also says what labels of one's own are
worth; the encoder has the same documents as ours. A tool's types are translated by `tests/bench/rival_answers.py: TYPES`; of a type that a set lacks
nothing is counted. Rules with checksums are those of `predict.py --with-rules`, alone."""


@dataclass(frozen=True, slots=True)
class RivalOptions:
    """Score files of predictions on one set, or write the table of all sets."""

    work: Path
    """Folder of the rows, one file a set."""
    set: str = ""
    """Name of the set."""
    texts: Path | None = None
    """Its labelled texts."""
    files: tuple[str, ...] = ()
    """NAME=FILE of each system."""
    told: tuple[str, ...] = ()
    """NAME=FILE of systems that were measured elsewhere: a JSON object with recall, precision, f1, leak_rate and types."""
    out: Path | None = None
    """Folder that gets README.md and summary.json."""


def score(options: RivalOptions, texts: Path) -> dict[str, Any]:
    """Return what each system reaches, and the rules alone."""
    from data.entities import entity_types
    from data.files.jsonl import read_examples
    from trainable.predicting.predictions import read_predictions

    examples = read_examples(texts)
    types = sorted(entity_types(examples))
    rows = {RULES: row(examples, by_rules(examples, types), types)}
    for name, _, file in (text.partition("=") for text in options.files):
        told_file = Path(file).with_suffix(".told.json")
        told = json.loads(told_file.read_text(encoding="utf-8")) if told_file.is_file() else {}
        known = told.get("types", types)
        rows[name] = row(examples, read_predictions(Path(file), examples), known)
        rows[name] |= {key: told[key] for key in ("version", "processor_s") if key in told}
    for name, _, file in (text.partition("=") for text in options.told):
        rows[name] = json.loads(Path(file).read_text(encoding="utf-8"))
    return {"documents": len(examples), "types": len(types), "systems": rows}


def by_rules(examples: Sequence[Example], types: Sequence[str]) -> list[Prediction]:
    """Return what rules prove."""
    from data.prompt import Parsed
    from trainable.predicting.rules import find_by_rules
    from trainable.scoring.counts import Prediction

    found = [find_by_rules(example.text, types) for example in examples]
    return [
        Prediction(
            Parsed(tuple((entity.type, entity.text) for entity in entities), valid=True), False, entities
        )
        for entities in found
    ]


def row(
    examples: Sequence[Example], predictions: Sequence[Prediction], known: Sequence[str]
) -> dict[str, Any]:
    """Return the measures over all entities, and over those whose type the system knows."""
    from data.entities import entity_types
    from trainable.scoring.metrics import evaluate_predictions

    types = frozenset(entity_types(examples))
    whole = evaluate_predictions(examples, predictions, known_types=types, min_precision=0.85)
    cut = [
        replace(example, entities=tuple(entity for entity in example.entities if entity.type in known))
        for example in examples
    ]
    own = evaluate_predictions(cut, predictions, known_types=types, min_precision=0.85)
    names = ("micro_recall", "micro_precision", "micro_f1", "leak_rate", "pii_free_fpr")
    told = {name.removeprefix("micro_"): value for name, value in whole.headline().items() if name in names}
    return told | {"types": len(set(known) & types), "recall_of_known_types": own.micro_recall}


def page(sets: Mapping[str, dict[str, Any]]) -> str:
    """Return the tables for people."""
    parts = ["# What else finds personal data", "", INTRODUCTION, ""]
    for name, content in sets.items():
        parts += [
            f"## {name}: {content['documents']} documents, {content['types']} types",
            "",
            "| system | types that it knows | recall | precision | F1 | recall on types that it knows | leak rate | documents a processor second |",
            "|---|---|---|---|---|---|---|---|",
        ]
        ranked = sorted(content["systems"].items(), key=lambda item: -(item[1]["f1"] or 0))
        for system, values in ranked:
            speed = content["documents"] / values["processor_s"] if "processor_s" in values else None
            cells = [
                shown(values.get(key))
                for key in ("recall", "precision", "f1", "recall_of_known_types", "leak_rate")
            ]
            parts.append(
                f"| {system} | {values['types']} | {' | '.join(cells)} | {speed and f'{speed:.0f}' or ''} |"
            )
        parts.append("")
    return "\n".join(parts)


def shown(value: float | None) -> str:
    """Return a share for a table's cell."""
    return "-" if value is None else f"{value:.3f}"


def main() -> None:
    """Score a set, or write the tables."""
    options = tyro.cli(RivalOptions)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.texts is not None:
        content = score(options, options.texts)
        (options.work / f"{options.set}.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
        print(json.dumps(content))
    if options.out is not None:
        sets = {
            path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(options.work.glob("*.json"))
        }
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "summary.json").write_text(
            json.dumps({"sets": sets}, indent=1) + "\n", encoding="utf-8"
        )
        (options.out / "README.md").write_text(page(sets), encoding="utf-8")


if __name__ == "__main__":
    main()
