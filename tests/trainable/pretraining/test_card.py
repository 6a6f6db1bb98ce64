"""What a pretrained model is saved with: its command, its figures, and files whose checksums fit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from data.prompt import SYSTEM_PROMPT
from trainable.model.bases import BUNDLED_DIR
from trainable.pretraining.card import Figures, command, model_card, save, write_figures
from trainable.pretraining.options import Options, Size
from trainable.pretraining.score import Score
from trainable.pretraining.tokens import prompt_text
from trainable.pretraining.train import new_model

OPTIONS = Options(Path("/private/folder/zh.iob2"), Path("/private/folder/en.conll"), steps_4m=0, workers=2)


def figures(name: str, steps: int = 1, recall: float | None = 0.5) -> Figures:
    return Figures(name, 2_100_000, steps, 8.5, 0.25, 12.0, Score(recall, None, 1.0), None)


def test_the_command_gives_every_option_and_names_files_without_their_folders() -> None:
    assert command(OPTIONS) == (
        "python trainable/pretraining/train.py --carrier-zh zh.iob2 --carrier-en en.conll --out trainable/bases "
        "--steps-2m 5000 --steps-4m 0 --samples 800000 --batch-tokens 65536 --learning-rate 0.002 --eval-samples 512 "
        "--limit-s inf --workers 2 --seed 0 --device cuda"
    )


def test_the_card_tells_figures_and_a_dash_for_what_was_not_measured() -> None:
    card = model_card(figures("small-2m", 7), Size("small-2m", 192, 3, 512), OPTIONS, "CPU")
    assert "| held-out synthetic tasks | 0.500 | - | 1.000 |" in card
    assert "personal data, without fine-tuning" not in card
    assert "of 2.10 million parameters" in card
    assert "7 steps of about 65,536 tokens" in card
    assert "Loss from 8.50 to 0.250." in card
    assert "/private/folder" not in card


def test_a_saved_model_has_checksums_and_its_tokenizer_loads_as_fast_and_renders_the_same_prompt(
    tokenizer: Any, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    save(new_model(Size("tiny", 64, 1, 64), 0), tokenizer, tmp_path, "card")
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.is_fast
    assert loaded.eos_token == "<|im_end|>"
    assert loaded.pad_token == "<|endoftext|>"
    sums = dict(line.split("  ")[::-1] for line in (tmp_path / "SHA256SUMS").read_text("utf-8").splitlines())
    assert set(sums) == {path.name for path in tmp_path.iterdir()} - {"SHA256SUMS"}
    assert all(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sums[name] for name in sums)
    assert (tmp_path / "README.md").read_text("utf-8") == "card"
    text = "订单 2024 已确认 PLAN_b。"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    rendered = loaded.apply_chat_template(
        [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": text}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )
    assert rendered == prompt_text(SYSTEM_PROMPT, text)


def test_figures_of_one_model_leave_those_of_the_other(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    for name, steps in (("small-4m", 1), ("small-2m", 2), ("small-4m", 3)):
        write_figures(file, [figures(name, steps)])
    rows = json.loads(file.read_text("utf-8"))
    assert [(row["name"], row["steps"]) for row in rows] == [("small-2m", 2), ("small-4m", 3)]


def test_the_shipped_models_match_their_checksums_sizes_and_cards() -> None:
    from transformers import AutoModelForCausalLM

    total_bytes = 0
    rows = {row["name"]: row for row in json.loads((BUNDLED_DIR / "figures.json").read_text("utf-8"))}
    assert sorted(rows) == ["small-2m", "small-4m"]
    for name, low, high in (("small-2m", 2.0e6, 2.4e6), ("small-4m", 4.0e6, 4.3e6)):
        folder = BUNDLED_DIR / name
        for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines():
            digest, file = line.split()
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest
        total_bytes += sum(path.stat().st_size for path in folder.iterdir())
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert low <= model.num_parameters() <= high
        linears = [p for key, p in model.named_parameters() if p.ndim == 2 and "embed" not in key]
        assert all(p.numel() % 64 == 0 and p.shape[1] % 64 == 0 for p in linears)
        card = (folder / "README.md").read_text("utf-8")
        row = rows[name]
        assert f"{row['steps']} steps" in card
        assert f"| {row['own_task']['micro_recall']:.3f} |" in card
        assert row["parameters"] == model.num_parameters()
        assert "--out trainable/bases " in card
    assert total_bytes <= 14e6
