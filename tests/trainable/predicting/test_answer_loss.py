"""The loss of right answers: the number that torch gives for the library's own logits."""

from __future__ import annotations

import pytest

from data.corpus import SAMPLE_DIR
from data.entities import entity_types
from trainable.config import TrialConfig
from trainable.model.bases import locate_base
from trainable.predicting.answers import AnswerReader
from trainable.predicting.evaluator import Evaluator, shuffled_documents

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


def test_the_loss_of_right_answers_is_that_of_the_librarys_logits() -> None:
    import torch
    from torch.nn.functional import cross_entropy

    from trainable.backends.peft_backend import PeftBackend

    backend = PeftBackend()
    backend.load_base(locate_base("small-2m"), False, window_tokens=512)
    backend.attach_adapter(TrialConfig("small-2m", lora_dropout=0.5))
    documents = shuffled_documents(SAMPLE_DIR / "validation.jsonl")[:20]
    evaluator = Evaluator(documents, AnswerReader(backend, documents, 32), entity_types(documents), 0.0)
    total, tokens = 0.0, 0
    model = backend.model.get_base_model().eval()
    for prompt, answer in backend.chat.samples(documents):
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
        total += float(cross_entropy(logits, torch.tensor(answer), reduction="sum"))
        tokens += len(answer)
    assert evaluator.predict_with_loss()[1] == pytest.approx(total / tokens, rel=1e-5)
    assert evaluator.predict_with_loss(7)[1] != pytest.approx(evaluator.predict_with_loss()[1], rel=1e-3)
    assert backend.model.training
