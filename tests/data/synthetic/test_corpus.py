"""Checks the committed sample corpus: reproducible, honestly split, completely labelled, in proportion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from data.paths import ROOT
from data.synthetic.corpus import SPLITS, Corpus, build, canonical, encode, quotas
from data.synthetic.skeletons import families
from tests.data.synthetic.rules import TYPES
from tests.data.synthetic.sample import CORPUS, KINDS, REMAINDERS, SAMPLE, everything, items


def test_the_command_gives_the_committed_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    command = [sys.executable, "data/synthetic/corpus.py", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=50)
    assert {path.name for path in tmp_path.iterdir()} == {f"{split}.jsonl" for split in SPLITS}
    for split in SPLITS:
        assert (tmp_path / f"{split}.jsonl").read_bytes() == (SAMPLE / f"{split}.jsonl").read_bytes()


def test_another_seed_gives_other_documents() -> None:
    committed = (SAMPLE / "test.jsonl").read_text(encoding="utf-8").splitlines()
    for seed, same in ((7, True), (8, False)):
        made = [
            encode(example, f"test-{place:04d}")
            for place, example in enumerate(build("test", Corpus(seed)), 1)
        ]
        assert (made == committed) == same


def test_sizes_keys_and_ids_are_as_documented() -> None:
    assert {split: len(records) for split, records in CORPUS.items()} == SPLITS
    keys = ["id", "input", "output", "group", "language", "source"]
    assert all(list(record) == keys and record["source"] == "sample" for record in everything())
    assert len({record["id"] for record in everything()}) == sum(SPLITS.values())
    assert sum((SAMPLE / f"{split}.jsonl").stat().st_size for split in SPLITS) < 2_000_000


def test_the_splits_share_no_family_no_text_and_no_skeleton() -> None:
    texts = Counter(record["input"] for record in everything())
    assert max(texts.values()) == 1
    owners: dict[str, set[str]] = defaultdict(set)
    for split, records in CORPUS.items():
        for record in records:
            owners[record["group"]].add(split)
            owners[re.sub(r"\d", "0", REMAINDERS[record["id"]])].add(split)
    assert all(len(splits) == 1 for splits in owners.values())


def test_the_splits_share_no_value_even_without_separators() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for split, records in CORPUS.items():
        for record in records:
            for _, value in items(record):
                owners[canonical(value)].add(split)
    assert len(owners) > 4000
    assert all(len(splits) == 1 for splits in owners.values())


def test_the_splits_share_no_order_number_hotline_or_service_number() -> None:
    number = re.compile(
        r"(?<![\d.,¥$])\d[\d-]{6,}\d(?!\d)|(?<![\d¥$,.])(?:9[56]\d{3}|1[02]\d{3})(?![\d,元. ])"
    )
    dates = re.compile(r"\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4}")
    owners: dict[str, set[str]] = defaultdict(set)
    for split, records in CORPUS.items():
        for record in records:
            for match in number.findall(dates.sub("", REMAINDERS[record["id"]])):
                owners[canonical(match)].add(split)
    assert len(owners) > 300
    assert [value for value, splits in owners.items() if len(splits) > 1] == []


def test_train_has_far_more_families_than_each_of_the_equally_large_other_splits() -> None:
    counts = {split: len(families(split)) for split in SPLITS}
    assert sum(counts.values()) == len(KINDS)
    assert counts["train"] >= 600
    assert counts["test"] == counts["validation"] >= 60
    assert all(
        {record["group"] for record in CORPUS[split]} <= {f.family for f in families(split)}
        for split in SPLITS
    )


@pytest.mark.parametrize("split", list(SPLITS))
def test_every_family_type_language_and_style_occurs_in_each_split(split: str) -> None:
    records = CORPUS[split]
    assert {record["group"] for record in records} == {family.family for family in families(split)}
    assert Counter(kind for record in records for kind, _ in items(record)).keys() == TYPES
    assert min(Counter(kind for record in records for kind, _ in items(record)).values()) >= 20
    assert {record["language"] for record in records} == {"zh", "en", "mixed"}
    assert {KINDS[record["group"]].style for record in records} == {family.style for family in KINDS.values()}


@pytest.mark.parametrize("split", list(SPLITS))
def test_languages_pii_free_hard_and_repeating_documents_are_in_proportion(split: str) -> None:
    records = CORPUS[split]
    languages = Counter(record["language"] for record in records)
    kinds = Counter(KINDS[record["group"]].kind for record in records)
    repeats = sum(max(Counter(items(record)).values(), default=0) > 1 for record in records)
    assert languages["zh"] / len(records) == pytest.approx(0.7, abs=0.01)
    assert languages["en"] / len(records) == pytest.approx(0.2, abs=0.01)
    assert 1 - kinds["pii"] / len(records) == pytest.approx(0.35, abs=0.01)
    assert kinds["hard"] / (kinds["hard"] + kinds["free"]) == pytest.approx(1 / 3, abs=0.02)
    assert repeats / len(records) == pytest.approx(0.08, abs=0.02)
    assert all(bool(items(record)) == (KINDS[record["group"]].kind == "pii") for record in records)
    assert max(len(items(record)) for record in records) == 5


def test_texts_are_short_enough_for_a_small_model_with_a_longer_tail() -> None:
    for records in CORPUS.values():
        lengths = [len(record["input"]) for record in records if record["language"] == "zh"]
        assert 60 <= sum(lengths) / len(lengths) <= 85
        assert 250 <= max(lengths) <= 450
        assert sum(20 <= length <= 160 for length in lengths) / len(lengths) > 0.9


def test_quotas_add_up_to_the_size_of_each_split() -> None:
    for documents in SPLITS.values():
        assert sum(count for _, _, count in quotas(documents)) == documents


def test_canonical_drops_separators_case_and_country_code() -> None:
    assert canonical("+86 138-0013 8000") == canonical("13800138000") == "13800138000"
    assert canonical("京A·12345") == "京a12345"
    assert canonical("8613") == "8613"
