"""A small fit of a family's checkpoint, through either backend: what the tests of families look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.corpus import SAMPLE_DIR
from data.files.jsonl import read_examples, write_examples
from trainable.backends.create import create_backend
from trainable.config import TrialConfig
from trainable.model.adapters import save_adapter
from trainable.model.backend import Backend
from trainable.model.prediction_settings import PredictionSettings
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
