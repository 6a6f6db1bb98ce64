"""A small fit of a family's checkpoint, through either backend: what the tests of families look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from data.corpus import SAMPLE_DIR
from data.files.jsonl import read_examples, write_examples
from trainable.backends.create import create_backend
from trainable.config import TrialConfig
from trainable.model.adapters import save_adapter
from trainable.model.backend import Backend
from trainable.model.batch import collate
from trainable.model.prediction_settings import PredictionSettings
from trainable.tokens.chat import Sample
from trainable.tokens.corpus import TokenizedCorpus, tokenized
from trainable.training.loop import TrainingRun, schedule_batches

STEPS, DOCUMENTS, LIMIT = 150, 8, 160
EXAMPLES = [example for example in read_examples(SAMPLE_DIR / "train.jsonl") if len(example.text) < 60][
    :DOCUMENTS
]


@dataclass
class Fitted:
    """A family's model after a small fit."""

    folder: Path
    config: TrialConfig
    backend: Backend
    corpus: TokenizedCorpus
    loss: float
    adapter: Path

    @property
    def prompts(self) -> list[list[int]]:
        return [prompt for prompt, _ in self.corpus.samples()]

    @property
    def answers(self) -> list[list[int]]:
        return [answer for _, answer in self.corpus.samples()]


def loaded(
    folder: Path, work: Path, *, load_in_4bit: bool = False, name: str = "peft"
) -> tuple[TrialConfig, Backend, TokenizedCorpus]:
    """Return the config, a backend with a fresh adapter on the base, and the documents."""
    config = TrialConfig(
        str(folder),
        load_in_4bit,
        16,
        8e-3,
        lora_dropout=0.0,
        effective_batch=DOCUMENTS,
        micro_batch=DOCUMENTS,
    )
    data = work / "train.jsonl"
    write_examples(data, EXAMPLES)
    corpus = tokenized(folder, data, 512, work / "tokens")
    backend = create_backend(name)
    backend.load_base(folder, load_in_4bit, 512)
    backend.attach_adapter(config)
    return config, backend, corpus


@dataclass
class LibrarysPass:
    """What transformers' own pass gives for all documents at once, with an adapter that changes what is said."""

    samples: list[Sample]
    n_labels: int
    loss: float
    parameters: list[torch.nn.Parameter]
    gradients: list[torch.Tensor]

    def check(self, loss: torch.Tensor) -> None:
        """Check the loss of another pass, and the gradients that it left."""
        assert float(loss) == pytest.approx(self.loss, abs=1e-5)
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-4)


def librarys_pass(backend: Backend, corpus: TokenizedCorpus) -> LibrarysPass:
    """Draw the adapter's B, and do the pass."""
    torch.manual_seed(1)
    for key, parameter in backend.model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(parameter, std=0.02)
    samples = corpus.samples()
    n_labels = sum(len(answer) for _, answer in samples)
    loss = backend.loss(collate(samples, backend.device), n_labels)
    loss.backward()
    parameters = [parameter for parameter in backend.model.parameters() if parameter.requires_grad]
    gradients = [parameter.grad.clone() for parameter in parameters if parameter.grad is not None]
    assert len(gradients) == len(parameters) > 0
    return LibrarysPass(samples, n_labels, float(loss.detach()), parameters, gradients)


def fit(folder: Path, work: Path, *, load_in_4bit: bool = False, name: str = "peft") -> Fitted:
    """Train on all documents at once, and write the adapter."""
    config, backend, corpus = loaded(folder, work, load_in_4bit=load_in_4bit, name=name)
    run = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), STEPS)
    run.train_to(STEPS - 1)
    loss = run.train_to(STEPS)
    adapter = work / "adapter"
    save_adapter(backend.model, adapter, str(folder))
    PredictionSettings(load_in_4bit=load_in_4bit, max_new_tokens=LIMIT).save(adapter)
    return Fitted(folder, config, backend, corpus, loss, adapter)
