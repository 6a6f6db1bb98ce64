"""A pretrained encoder, fine-tuned whole as a token classifier on the same data: what our tuned models are compared with.

python tests/bench/bench_encoder.py --encoder FOLDER --data-dir DIR --out row.json

Every rate is trained; the epoch and the rate with the best validation F1 are tested once. Encoder and tokenizer are read
with transformers' `AutoModelForTokenClassification`; tags, their decoding and the metric are ours.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import tyro

if TYPE_CHECKING:
    import torch

    from data.entities import Example
    from trainable.scoring.metrics import Evaluation
    from trainable.tokens.tagging import TokenizedText
    from trainable.tokens.tagset import TagSet

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """What is trained on what."""

    encoder: Path
    """Folder with config.json, model.safetensors and the tokenizer."""
    data_dir: Path
    """Folder with merged_pii_dataset_{train,validation,test}.jsonl."""
    out: Path
    """The row, JSON."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Peak learning rates of AdamW."""
    epochs: int = 5
    """Longest training."""
    batch: int = 32
    """Documents a step."""
    longest: int = 256
    """Most tokens of a document; what lies behind is not tagged, and counts as missed."""
    seed: int = 42
    """Of head, dropout and order."""


class Tagger:
    """An encoder with a fresh head, and the documents as its tokens.

    Args:
        options: Names the encoder.
        parts: Documents of each part.
        tag_set: Tags of the head.
    """

    def __init__(self, options: EncoderOptions, parts: dict[str, Sequence[Example]], tag_set: TagSet) -> None:
        import torch
        from transformers import AutoTokenizer

        from trainable.tokens.tagging import TagWindows

        self.options, self.parts, self.tag_set = options, parts, tag_set
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        tokenizer = AutoTokenizer.from_pretrained(options.encoder)
        self.edges = ([tokenizer.cls_token_id], [tokenizer.sep_token_id])
        windows: Any = TagWindows(SimpleNamespace(tokenizer=tokenizer, opening=list), 512, 32)  # type: ignore[arg-type]
        self.texts: dict[str, list[TokenizedText]] = {
            part: windows.tokenize([example.text for example in examples]) for part, examples in parts.items()
        }

    def train(self, rate: float) -> list[dict[str, Any]]:
        """Return, for each epoch, validation and test at that rate."""
        import torch
        from transformers import AutoModelForTokenClassification, get_linear_schedule_with_warmup

        torch.manual_seed(self.options.seed)
        model = AutoModelForTokenClassification.from_pretrained(
            self.options.encoder, num_labels=len(self.tag_set), dtype=torch.float32
        ).to(self.device)
        samples = [
            (text.ids, self.tag_set.encode(len(text.ids), text.token_spans(example.entities)))
            for text, example in zip(self.texts["train"], self.parts["train"], strict=True)
        ]
        steps = self.options.epochs * -(-len(samples) // self.options.batch)
        optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
        schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
        order, found = random.Random(self.options.seed), []
        for _ in range(self.options.epochs):
            order.shuffle(samples)
            model.train()
            for start in range(0, len(samples), self.options.batch):
                ids, mask, tags = self._batch(samples[start : start + self.options.batch])
                model(input_ids=ids, attention_mask=mask, labels=tags).loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            found.append({part: self._evaluate(model, part) for part in PARTS[1:]})
        return found

    def _batch(
        self, samples: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return ids, attention mask and tags, (rows, tokens); only tokens of the text have a tag, others -100."""
        import torch

        before, behind = self.edges
        width = min(self.options.longest, max(len(ids) for ids, _ in samples) + 2)
        ids = torch.zeros(len(samples), width, dtype=torch.long)
        mask, targets = torch.zeros_like(ids), torch.full_like(ids, -100)
        for row, (tokens, tags) in enumerate(samples):
            kept = [*before, *tokens[: width - 2], *behind]
            ids[row, : len(kept)], mask[row, : len(kept)] = torch.tensor(kept), 1
            targets[row, 1 : len(kept) - 1] = torch.tensor(tags[: width - 2])
        return ids.to(self.device), mask.to(self.device), targets.to(self.device)

    def _evaluate(self, model: Any, part: str) -> Evaluation:
        import torch

        from data.prompt import Parsed
        from trainable.scoring.counts import Prediction
        from trainable.scoring.metrics import evaluate_predictions

        model.eval()
        predictions = []
        texts = self.texts[part]
        with torch.no_grad():
            for start in range(0, len(texts), 128):
                group = texts[start : start + 128]
                ids, mask, _ = self._batch([(text.ids, [0] * len(text.ids)) for text in group])
                scores = model(input_ids=ids, attention_mask=mask).logits.log_softmax(-1).cpu().numpy()
                for text, row in zip(group, scores, strict=True):
                    spans = self.tag_set.decode(row[1 : 1 + min(len(text.ids), self.options.longest - 2)])
                    entities = tuple(entity for span in spans if (entity := text.entity(span)) is not None)
                    pairs = tuple((entity.type, entity.text) for entity in entities)
                    predictions.append(Prediction(Parsed(pairs, valid=True), False, entities))
        return evaluate_predictions(
            list(self.parts[part]), predictions, known_types=frozenset(self.tag_set.types), min_precision=0.85
        )


def main() -> None:
    """Train every rate, and write the test of the best."""
    from data.entities import entity_types
    from data.files.jsonl import read_examples
    from tests.bench.bench_real_model import MEASURES, device_name
    from trainable.tokens.tagset import TagSet

    options = tyro.cli(EncoderOptions)
    parts = {part: read_examples(options.data_dir / f"merged_pii_dataset_{part}.jsonl") for part in PARTS}
    tagger = Tagger(options, parts, TagSet(tuple(sorted(entity_types(parts["train"])))))
    started, tried = time.monotonic(), []
    for rate in options.rates:
        for epoch, found in enumerate(tagger.train(rate), 1):
            f1 = {part: evaluation.micro_f1 or 0.0 for part, evaluation in found.items()}
            tried.append((f1["validation"], rate, epoch, found["test"]))
            print(f"rate {rate:g}, epoch {epoch}: validation F1 {f1['validation']:.3f}", flush=True)
    f1, rate, epoch, test = max(tried, key=lambda one: one[0])
    row = {
        **{name.removeprefix("micro_"): getattr(test, name) for name in MEASURES},
        "validation_f1": f1, "rate": rate, "epoch": epoch, "leak_rate": test.headline().get("leak_rate"),
        "tried": [(rate, epoch, f1) for f1, rate, epoch, _ in tried], "seconds": round(time.monotonic() - started, 1),
        "documents": [(document.tp, document.fp, document.fn) for document in test.documents],
        "encoder": options.encoder.name, "seed": options.seed, "device": device_name(),
    }  # fmt: skip
    options.out.write_text(json.dumps(row), encoding="utf-8")
    print(json.dumps({name: value for name, value in row.items() if name not in ("documents", "tried")}))


if __name__ == "__main__":
    main()
