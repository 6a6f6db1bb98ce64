"""The tables of the synthetic tasks agree with themselves and keep away from the later task."""

from __future__ import annotations

from collections import Counter

import pytest

from data.synthetic.values_zh import CHINESE
from trainable.pretraining.carriers import Carriers
from trainable.pretraining.kinds import ALPHABETS, KINDS, NAMED_SYS, TASK_LABELS, TOPIC_SYS, Kind
from trainable.pretraining.values import Values, is_personal


def test_the_labels_to_keep_away_from_are_those_of_the_sample_corpus() -> None:
    assert set(TASK_LABELS) == set(CHINESE)


def test_names_and_labels_are_unique_and_none_is_one_of_the_task() -> None:
    for values in ([kind.name for kind in KINDS], [kind.label for kind in KINDS]):
        assert [value for value, count in Counter(values).items() if count > 1] == []
    assert not {kind.label for kind in KINDS} & set(TASK_LABELS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_every_kind_can_be_filled_without_looking_personal_and_has_cues_with_one_place(
    kind: Kind, carriers: Carriers
) -> None:
    values = Values(carriers, kind.label)
    for template in kind.values:
        drawn = values.fill(template)
        assert drawn == drawn.strip() != ""
        assert not is_personal(drawn)
        assert "|" not in drawn
    assert all(cue.count("{}") == 1 for cue in kind.cues)


def test_wordings_have_their_places_and_alphabets_are_not_empty() -> None:
    assert all(wording.count("{}") == 1 for wording in NAMED_SYS)
    assert all("{}" in wording for wording in TOPIC_SYS)
    assert all(len(set(alphabet)) == len(alphabet) > 9 for alphabet in ALPHABETS.values())
