"""What a small base can do: answers independent of their batch, and micro figures over what a task holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.entities import Entity
from data.prompt import SYSTEM_PROMPT
from trainable.model.bases import locate_base
from trainable.pretraining.carriers import Carriers
from trainable.pretraining.corpus import Sample, draw
from trainable.pretraining.score import Score, generate, read_personal, score
from trainable.pretraining.tokens import prompt_text

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


@pytest.fixture(scope="module")
def base() -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = locate_base("small-2m")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


def test_the_shipped_model_copies_what_its_own_tasks_ask_for(
    base: tuple[Any, Any], carriers: Carriers
) -> None:
    tasks = [sample for sample in draw(-1, carriers, 0, 60) if len(sample.text) < 60][:8]
    assert any(sample.entities for sample in tasks)
    found = score(*base, tasks)
    assert found.json_valid_rate == 1.0
    assert (found.micro_recall or 0) > 0.3
    assert (found.micro_precision or 0) > 0.3


def test_completions_come_in_the_order_of_the_prompts_whatever_the_batch(base: tuple[Any, Any]) -> None:
    system = "列出下文里的全部要素。"
    prompts = [
        prompt_text(system, text)
        for text in ("价格 ¥12.50。", "好。", "见《红楼》，版本 v1.2.3 和《西游》。")
    ]
    one_by_one = generate(*base, prompts, batch_size=1)
    assert generate(*base, prompts) == one_by_one
    assert len(set(one_by_one)) == 3


def test_without_gold_and_predicted_strings_there_is_no_recall_and_no_precision(
    base: tuple[Any, Any],
) -> None:
    found = score(*base, [Sample("列出下文里的全部要素。", "好。", ())])
    assert found == Score(None, None, 1.0)


def test_documents_of_the_real_task_have_its_system_message(tmp_path: Path) -> None:
    file = tmp_path / "real.jsonl"
    row = {"input": "张三和张三", "output": {"entities": [{"type": "PERSON", "text": "张三"}] * 2}}
    file.write_text(json.dumps(row, ensure_ascii=False) + "\n" + "{}\n", "utf-8")
    entities = (Entity("PERSON", "张三", 0, 2), Entity("PERSON", "张三", 3, 5))
    assert read_personal(file, 1) == [Sample(SYSTEM_PROMPT, "张三和张三", entities)]
    with pytest.raises(
        ValueError, match=r"line 2 is not a labelled document, but must be: KeyError\('output'\)"
    ):
        read_personal(file, 2)
