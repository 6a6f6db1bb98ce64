"""The two models and the options of pretraining agree with the models that ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainable.model.bases import BUNDLED, BUNDLED_DIR
from trainable.pretraining.options import SIZES, Options, Size


def test_every_width_is_a_multiple_of_a_block_of_nf4() -> None:
    assert tuple(size.name for size in SIZES) == BUNDLED
    assert all(width % 64 == 0 for size in SIZES for width in (size.hidden, size.feed_forward))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_a_size_is_that_of_the_shipped_model(size: Size) -> None:
    config = json.loads((BUNDLED_DIR / size.name / "config.json").read_text("utf-8"))
    assert (config["hidden_size"], config["num_hidden_layers"], config["intermediate_size"]) == (
        size.hidden,
        size.layers,
        size.feed_forward,
    )


def test_both_models_are_pretrained_unless_one_is_left_out() -> None:
    options = Options(Path("zh"), Path("en"))
    assert (options.steps_2m > 0, options.steps_4m > 0) == (True, True)
    assert options.start_from is None
    assert options.zero_shot is None
