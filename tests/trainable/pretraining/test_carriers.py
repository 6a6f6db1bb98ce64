"""Carrier sentences: nothing that looks like a task or like the later one, and enough of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainable.pretraining.carriers import Carriers, read_carriers


def test_carriers_leave_out_sentences_with_a_kind_or_a_label_of_the_task(carriers: Carriers) -> None:
    assert len(carriers.zh) == len(carriers.en) == 120
    assert not any("红楼梦" in line for line in carriers.zh)
    assert not any("PHONE" in line for line in carriers.en)


def test_too_few_carrier_sentences_are_refused(tmp_path: Path) -> None:
    for name in ("zh", "en"):
        (tmp_path / name).write_text("# text = 看似简单，只是二选一做决定。\n", "utf-8")
    with pytest.raises(ValueError, match="at least 100"):
        read_carriers(tmp_path / "zh", tmp_path / "en")


def test_names_and_links_are_cut_out_of_english_sentences(tmp_path: Path) -> None:
    (tmp_path / "zh").write_text("# text = 看似简单，只是二选一做决定。\n" * 100, "utf-8")
    words = ["RT", "@ann", "the", "first", "day", "was", "http://a.b/c", "long", "#tag", "enough"]
    (tmp_path / "en").write_text("\n\n".join(["\n".join(f"{word}\tO" for word in words)] * 100), "utf-8")
    assert set(read_carriers(tmp_path / "zh", tmp_path / "en").en) == {"the first day was long enough"}


def test_han_characters_are_drawn_from_the_sentences_and_from_gb2312(carriers: Carriers) -> None:
    assert carriers.han.count("看") > carriers.han.count("啊") == 4
    assert carriers.han[:1000].count("看") == 20  # a frequent character counts twenty times at most
    common = set(carriers.han)
    assert {"啊", "座"} <= common
    assert "亍" in carriers.rare_han
    assert "亍" not in common
    assert len(set(carriers.rare_han)) == len(carriers.rare_han) == 3008
