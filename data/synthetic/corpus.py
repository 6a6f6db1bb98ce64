"""Writes the bundled corpus of synthetic personal data from the skeletons in `data/sample_templates`.

    python data/synthetic/corpus.py --out data/sample

The same seed gives the same bytes on every platform with the same Faker (names and e-mail user names come
from it, and its word lists may change between versions). A family is one skeleton; it belongs to one split,
and so does every value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from data.entities import Entity, Example
from data.synthetic.drawing import Provider
from data.synthetic.fillers import NUMBERED, filler
from data.synthetic.skeletons import SLOT, Family, families, sentence
from data.synthetic.values_en import ENGLISH
from data.synthetic.values_zh import CHINESE, qq

SPLITS = {"train": 2400, "validation": 300, "test": 300}
"""Documents of each split."""

LANGUAGES = {"zh": 0.7, "en": 0.2, "mixed": 0.1}
PII_FREE = 0.35
HARD_NEGATIVES = 1 / 3
"""Shares of the documents; hard negatives are a share of those without personal data."""

PROVIDERS = {"zh": CHINESE, "en": ENGLISH, "qq": {"SOCIAL_ACCOUNT": qq}}

_RUN_ON = re.compile(r"[0-9][0-9]|[A-Za-z][A-Za-z]")


@dataclass(frozen=True)
class Options:
    """What to write and where."""

    out: Path = Path("data/sample")
    """Folder for train.jsonl, validation.jsonl and test.jsonl."""
    seed: int = 7
    """Seed of everything random."""


@dataclass
class Corpus:
    """What has been drawn so far, so that nothing is drawn twice.

    Attributes:
        seed: Seed of everything random.
        values: Canonical form of every value and numbered filler.
        texts: Every text.
    """

    seed: int
    values: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    def fresh(self, provider: Provider, rng: Random) -> str:
        """Draw until the value is new to the corpus, whatever its separators.

        Raises:
            RuntimeError: If 1,000 draws in a row bring nothing new.
        """
        for _ in range(1000):
            value = provider(rng)
            if canonical(value) not in self.values:
                self.values.add(canonical(value))
                return value
        raise RuntimeError("1,000 draws in a row brought nothing new: add words to the provider")

    def compose(self, family: Family, split: str, rng: Random) -> tuple[str, list[Entity]]:
        """Fill one skeleton; return the text and its entities in order of appearance."""
        skeleton = sentence(family, split, rng)
        repeated: dict[str, str] = {}
        entities: list[Entity] = []
        text, position = "", 0
        for slot in SLOT.finditer(skeleton):
            text += skeleton[position : slot.start()]
            position = slot.end()
            value = repeated.get(slot[0]) or self.draw(slot, family.words, split, rng)
            if slot["index"]:
                repeated[slot[0]] = value
            if _RUN_ON.fullmatch(text[-1:] + value[0]):
                text += " "
            if slot["type"]:
                entities.append(Entity(slot["type"], value, len(text), len(text) + len(value)))
            text += value
        return text + skeleton[position:], entities

    def draw(self, slot: re.Match[str], language: str, split: str, rng: Random) -> str:
        """Draw what fills one slot; values and numbered fillers are new to the corpus."""
        if slot["type"]:
            return self.fresh(PROVIDERS[slot["kind"] or language][slot["type"]], rng)
        provider = partial(filler, slot["filler"], language, split)
        return self.fresh(provider, rng) if slot["filler"] in NUMBERED else provider(rng)

    def example(self, family: Family, split: str, number: int) -> Example:
        """Make one new document, the `number`-th of its family.

        Raises:
            RuntimeError: If 200 attempts bring only known texts or texts with unlabelled repeats.
        """
        rng = Random(f"{self.seed}/{family.family}/{number}")
        for _ in range(200):
            text, entities = self.compose(family, split, rng)
            listed = [entity.text for entity in entities]
            if text not in self.texts and all(text.count(value) == listed.count(value) for value in listed):
                self.texts.add(text)
                return Example("", text, tuple(entities), family.family, family.language, "sample")
        raise RuntimeError(f"`{family.family}` has too few variants: add alternatives to its skeleton")


def canonical(value: str) -> str:
    """Return a value without case, separators and country code, to compare it with others.

    Example:
        >>> canonical("+86 138-0013 8000")
        '13800138000'
    """
    return re.sub(r"\A86(?=1\d{10}\Z)", "", re.sub(r"[\W_]", "", value.casefold()))


def quotas(documents: int) -> Iterator[tuple[str, str, int]]:
    """Yield language, kind and number of documents for one split."""
    for language, share in LANGUAGES.items():
        total = round(documents * share)
        free = round(total * PII_FREE)
        hard = round(free * HARD_NEGATIVES)
        yield from (
            (language, "pii", total - free),
            (language, "free", free - hard),
            (language, "hard", hard),
        )


def build(split: str, corpus: Corpus) -> list[Example]:
    """Make the documents of one split, spread evenly over its families, in random order."""
    examples: list[Example] = []
    for language, kind, documents in quotas(SPLITS[split]):
        matching = [
            family for family in families(split) if (family.language, family.kind) == (language, kind)
        ]
        for number in range(documents):
            turn, place = divmod(number, len(matching))
            examples.append(corpus.example(matching[place], split, turn))
    Random(f"{corpus.seed}/{split}").shuffle(examples)
    return examples


def encode(example: Example, name: str) -> str:
    """Return one line of the corpus: compact JSON, entities in order of appearance."""
    entities = [{"type": entity.type, "text": entity.text} for entity in example.entities]
    record = {
        "id": name,
        "input": example.text,
        "output": {"entities": entities},
        "group": example.group,
        "language": example.language,
        "source": example.source,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def write(options: Options) -> None:
    """Write the three files; test comes first, so that new families in train leave it as it is."""
    corpus = Corpus(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    for split in reversed(SPLITS):
        examples = build(split, corpus)
        lines = [encode(example, f"{split}-{place:04d}") + "\n" for place, example in enumerate(examples, 1)]
        (options.out / f"{split}.jsonl").write_bytes("".join(lines).encode("utf-8"))


if __name__ == "__main__":
    import tyro

    write(tyro.cli(Options, description=__doc__))
