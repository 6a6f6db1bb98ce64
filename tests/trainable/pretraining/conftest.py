"""Carrier sentences, synthetic tasks and a tokenizer, made once for all tests of pretraining."""

from __future__ import annotations

from typing import Any

import pytest

from trainable.pretraining.carriers import Carriers, read_carriers
from trainable.pretraining.corpus import Sample, draw
from trainable.pretraining.tokens import train_tokenizer

_SENTENCES_ZH = [f"看似简单，只是{word}选一做决定，但最后还是自己负责。" for word in "二三四五六七八九十百"]
_SENTENCES_EN = [f"The {word} day was long , and nobody asked why ." for word in ("first", "second", "third")]


@pytest.fixture(scope="session")
def carriers(tmp_path_factory: pytest.TempPathFactory) -> Carriers:
    folder = tmp_path_factory.mktemp("carriers")
    zh = [f"# sent_id = {i}\n# text = {i % 10}{_SENTENCES_ZH[i % 10]}\n1\t看\tO\n" for i in range(120)]
    zh.append("# text = 她读完了《红楼梦》才睡着。\n")
    en = ["\n".join(f"{word}\tO" for word in _SENTENCES_EN[i % 3].split()) + "\n" for i in range(120)]
    en.append("My\tO\nPHONE\tO\nis\tO\nbroken\tO\nagain\tO\n")
    (folder / "zh.iob2").write_text("\n".join(zh), "utf-8")
    (folder / "en.conll").write_text("\n".join(en), "utf-8")
    return read_carriers(folder / "zh.iob2", folder / "en.conll")


@pytest.fixture(scope="session")
def samples(carriers: Carriers) -> list[Sample]:
    return draw(0, carriers, seed=0, count=3000)


@pytest.fixture(scope="session")
def tokenizer(carriers: Carriers) -> Any:
    return train_tokenizer(carriers)
