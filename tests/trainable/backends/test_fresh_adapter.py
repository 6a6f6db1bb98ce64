"""A new adapter has the config's values, and takes from an older one what both know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tagging import TAGS, tagging_backend
from trainable.config import TrialConfig
from trainable.model.adapters import adapter_weights, save_adapter
from trainable.model.bases import locate_base
from trainable.model.prediction_settings import PredictionSettings
from trainable.tokens.tagset import TagSet

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
_CONFIG = TrialConfig("small-2m", lora_rank=8, lora_dropout=0.0)


def test_an_adapter_of_either_kind_is_gone_on_from_with_what_both_know(tmp_path: Path) -> None:
    from trainable.backends.peft_backend import PeftBackend

    backend = PeftBackend()
    backend.load_base(locate_base("small-2m"), False, 512)

    trained = tagging_backend(_CONFIG.with_changes(answers="tags"))
    save_adapter(trained.model, tmp_path, "small-2m")
    PredictionSettings(tag_types=TAGS.types).save(tmp_path)
    saved = adapter_weights(trained.model)
    start = {"init_adapter": str(tmp_path)}

    backend.attach_adapter(_CONFIG.with_changes(**start))  # one that writes takes the adapter alone
    written = adapter_weights(backend.model)
    assert all(written[name].equal(saved[name]) for name in written)
    assert len(written) == len(saved) - 2
    assert set(saved) - set(written) == {f"base_model.model.score.{part}" for part in ("weight", "bias")}
    backend.detach_adapter()

    more = TagSet(("AGE", "NAME", "PLACE"))
    backend.attach_adapter(_CONFIG.with_changes(answers="tags", **start), more)
    head, old = (
        adapter_weights(backend.model)["base_model.model.score.weight"],
        saved["base_model.model.score.weight"],
    )
    for place, tag in enumerate(more.names):
        if tag in TAGS.names:
            assert head[place].equal(old[TAGS.names.index(tag)])
        else:
            assert head[place].std() < 0.05  # fresh
    backend.detach_adapter()


def test_the_configs_values_are_pefts() -> None:
    from trainable.backends.fresh_adapter import lora_config

    made = lora_config(
        _CONFIG.with_changes(use_rslora=True, lora_alpha=40, target_modules=("q_proj", "v_proj")), ("w1",)
    )
    assert (made.r, made.lora_alpha, made.lora_dropout, made.use_rslora) == (8, 40, 0.0, True)
    assert made.target_modules == {"q_proj", "v_proj"}
    assert lora_config(_CONFIG, ("w1", "w2")).target_modules == {"w1", "w2"}
