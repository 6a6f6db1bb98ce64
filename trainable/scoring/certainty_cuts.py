"""What the metric says of a model when only entities of at least some certainty are kept, for every certainty there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import inf

from data.entities import Example
from data.spelling import canonical
from trainable.scoring.counts import Prediction


@dataclass(frozen=True, slots=True)
class Cut:
    """What the metric says when only entities of at least this certainty are kept; undefined shares are None.

    `by_type` has types whose least certainty is another one.
    """

    least: float
    recall: float | None
    precision: float
    false_alarm: float | None
    by_type: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A predicted entity: whether it is right, and the document in which it is a false alarm.

    One that has no place in the text has certainty 0.
    """

    certainty: float
    kind: str
    right: bool
    alarmed: int | None
    placed: bool = True


def all_cuts(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Cut]:
    """Return a cut between any two certainties that occur, the strictest first; the last keeps everything at 0.

    Counts are those of `document_counts`: multisets of type and text.
    """
    ranked = judged(examples, predictions)
    return _walked(_steps("", ranked), examples, [], _malformed(examples, predictions))


def cuts_by_type(
    examples: Sequence[Example], predictions: Sequence[Prediction], types: Collection[str] | None = None
) -> list[Cut]:
    """Return cuts with a least certainty for each type, the strictest first.

    Each one finds the most entities that any choice finds at a price of so many wrong ones for a right one: steps of all
    types are taken in the order of that price, after the best step of each type, since no type may vanish.

    Args:
        examples: Labelled documents.
        predictions: One each, with certainties.
        types: That may have a least certainty (None: all that are predicted). Of others, which a model may have made up
            from private text, every entity is kept.
    """
    ranked, always = judged(examples, predictions), _malformed(examples, predictions)
    always += [item.alarmed for item in ranked if types is not None and item.kind not in types]
    first, later = list[_Step](), list[_Step]()
    for kind in sorted({item.kind for item in ranked if types is None or item.kind in types}):
        best, *others = _concave(_steps(kind, [item for item in ranked if item.kind == kind]))
        first.append(best)
        later += others
    return _walked(sorted(later, key=lambda step: -step.worth), examples, first, always)


@dataclass(frozen=True, slots=True)
class _Step:
    """What lowering the least certainty of a type to `least` adds: right and wrong entities, and false alarms."""

    kind: str
    least: float
    right: int
    wrong: int
    alarmed: frozenset[int]

    @property
    def worth(self) -> float:
        """Right entities for a wrong one."""
        return self.right / self.wrong if self.wrong else inf

    def __add__(self, later: _Step) -> _Step:
        right, wrong = self.right + later.right, self.wrong + later.wrong
        return _Step(self.kind, later.least, right, wrong, self.alarmed | later.alarmed)


def judged(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Judged]:
    """Return all predicted entities, the most certain first; of equal ones only as many are right as are labelled."""
    left = [
        Counter((one.type, canonical(one.text.strip())) for one in example.entities) for example in examples
    ]
    pairs = sorted(
        (item for place, prediction in enumerate(predictions) for item in _items(place, prediction)),
        key=lambda item: (-item[0], not item[1]),
    )
    found = []
    for certainty, placed, document, kind, text in pairs:
        value = kind, canonical(text.strip())
        right = left[document][value] > 0
        left[document][value] -= right
        alarmed = None if examples[document].entities else document
        found.append(Judged(certainty, kind, right, alarmed, placed))
    return found


def _items(document: int, prediction: Prediction) -> Iterator[tuple[float, bool, int, str, str]]:
    """Yield certainty, whether it has a place, document, type and text of each predicted item."""
    pairs = zip(prediction.entities, prediction.certainties, strict=True)
    yield from ((certainty, True, document, entity.type, entity.text) for entity, certainty in pairs)
    yield from (
        (0.0, False, document, kind, text)
        for kind, text in prediction.parsed.items[len(prediction.entities) :]
    )


def _steps(kind: str, ranked: Sequence[Judged]) -> list[_Step]:
    """Return one step for each certainty that occurs."""
    groups = [
        (certainty, list(items)) for certainty, items in groupby(ranked, key=lambda item: item.certainty)
    ]
    bounds = [*(_between(a, b) for (a, _), (b, _) in pairwise(groups)), 0.0]
    steps = []
    for least, (_, items) in zip(bounds, groups, strict=False):
        right = sum(item.right for item in items)
        alarmed = frozenset(item.alarmed for item in items if item.alarmed is not None)
        steps.append(_Step(kind, least, right, len(items) - right, alarmed))
    return steps


def _concave(steps: Sequence[_Step]) -> list[_Step]:
    """Join neighbours until each step is worth less than the one before it."""
    joined: list[_Step] = []
    for step in steps:
        while joined and joined[-1].worth <= step.worth:
            step = joined.pop() + step
        joined.append(step)
    return joined


def _malformed(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[int | None]:
    """Return an item for each malformed one of an answer: the document in which it is a false alarm, if it is."""
    pairs = enumerate(zip(examples, predictions, strict=True))
    return [
        None if example.entities else document
        for document, (example, prediction) in pairs
        for _ in range(prediction.parsed.malformed)
    ]


def _walked(
    steps: Sequence[_Step], examples: Sequence[Example], first: Sequence[_Step], always: Sequence[int | None]
) -> list[Cut]:
    """Return the cut after each step; the `first` ones are taken together.

    Args:
        steps: In the order in which they are taken.
        examples: The labelled documents.
        first: What is taken before.
        always: Wrong entities that no certainty leaves out, as the document in which they are false alarms.
    """
    n_gold = sum(len(example.entities) for example in examples)
    n_free = sum(not example.entities for example in examples)
    right, kept, alarmed = 0, len(always), {document for document in always if document is not None}
    least, cuts = dict[str, float](), list[Cut]()
    for number, step in enumerate((*first, *steps), 1):
        right, kept = right + step.right, kept + step.right + step.wrong
        alarmed |= step.alarmed
        least[step.kind] = step.least
        if number < len(first):
            continue
        shares = right / n_gold if n_gold else None, right / kept, len(alarmed) / n_free if n_free else None
        by_type = tuple(sorted(pair for pair in least.items() if pair[1] > 0)) if first else ()
        cuts.append(Cut(0.0 if first else step.least, *shares, by_type))
    return cuts


def _between(higher: float, lower: float) -> float:
    """Return the middle, so that a last bit that another machine rounds otherwise changes nothing; never the lower one."""
    middle = (higher + lower) / 2
    return middle if middle > lower else higher
