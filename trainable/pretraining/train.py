"""Pretrains the two bundled base models on synthetic tasks without personal data.

python trainable/pretraining/train.py --carrier-zh zh_gsdsimp-ud-train.iob2 --carrier-en wnut17train.conll
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, cast

from trainable.pretraining.card import Figures, model_card, save, write_figures
from trainable.pretraining.carriers import Carriers, read_carriers
from trainable.pretraining.corpus import Sample, draw
from trainable.pretraining.options import SIZES, Options, Size
from trainable.pretraining.score import read_personal, score
from trainable.pretraining.tokens import Corpus, batches, build_corpus, train_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm


def new_model(size: Size, seed: int, start_from: Path | None = None) -> Qwen3ForCausalLM:
    """Return a Qwen3 model in float32 with tied embeddings, untrained or as saved in `start_from`."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    if start_from is not None:
        return Qwen3ForCausalLM.from_pretrained(start_from / size.name, dtype=torch.float32)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=4096,
        hidden_size=size.hidden,
        intermediate_size=size.feed_forward,
        num_hidden_layers=size.layers,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    return Qwen3ForCausalLM(config)


def train(
    model: Qwen3ForCausalLM,
    stream: Iterator[tuple[torch.Tensor, torch.Tensor]],
    steps: int,
    peak: float,
    name: str = "",
    limit_s: float = float("inf"),
) -> list[float]:
    """Train with AdamW, warm-up over 4 % of the schedule and linear decay to 0.

    The schedule ends after `steps` steps or `limit_s` seconds, whichever comes first. On a GPU a bfloat16 copy of the
    model does forward and backward passes: small models spend most of their time reading and writing activations.

    Returns:
        The loss of each step.
    """
    import torch

    parameters: list[torch.Tensor] = list(model.parameters())
    worker = _working_copy(model)
    copies: list[torch.Tensor] = list(worker.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=peak, betas=(0.9, 0.95), weight_decay=0.05, fused=True)
    losses: list[torch.Tensor] = []
    started = time.perf_counter()
    for step in range(steps):
        elapsed = time.perf_counter() - started
        progress = max(step / steps, elapsed / limit_s)
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = peak * min((step + 1) / max(1.0, 0.04 * steps), 1 - progress)
        ids, labels = next(stream)
        loss = _completion_loss(worker, ids, labels)
        loss.backward()
        for parameter, copy in zip(parameters, copies, strict=True):
            parameter.grad, copy.grad = cast("torch.Tensor", copy.grad).to(parameter.dtype), None
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_(copies, parameters)
        losses.append(loss.detach())
        if step in (0, 50) or step % 500 == 499:
            speed = (step + 1) / (time.perf_counter() - started)
            print(
                f"{name} step {step + 1}/{steps} loss {float(losses[-1]):.3f} {speed:.2f} steps/s", flush=True
            )
    return [float(loss) for loss in losses]


def _working_copy(model: Qwen3ForCausalLM) -> Qwen3ForCausalLM:
    """Return a copy for the passes, in bfloat16 on a GPU and float32 elsewhere, with each norm as one kernel."""
    import torch
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

    dtype = torch.bfloat16 if model.device.type == "cuda" else torch.float32
    worker = deepcopy(model)
    cast("torch.nn.Module", worker).to(dtype).train()
    for module in worker.modules():
        if isinstance(module, Qwen3RMSNorm):
            module.forward = MethodType(_rms_norm, module)  # type: ignore[method-assign]
    return worker


def _rms_norm(norm: Qwen3RMSNorm, x: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.rms_norm(x, x.shape[-1:], norm.weight, norm.variance_epsilon)


def _completion_loss(model: Qwen3ForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy; logits, the largest tensor of a small model, are made for label tokens alone."""
    import torch

    learnt = labels[:, 1:] != -100
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    logits = model.lm_head(hidden[learnt])
    return torch.nn.functional.cross_entropy(logits.float(), labels[:, 1:][learnt])


def pretrain_one(
    size: Size,
    steps: int,
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerFast,
    held_out: Sequence[Sample],
    options: Options,
) -> Figures:
    """Pretrain, measure and save one model."""
    import torch

    model = new_model(size, options.seed, options.start_from)
    cast("torch.nn.Module", model).to(options.device)
    started = time.perf_counter()
    stream = batches(corpus, options.batch_tokens, options.seed)
    losses = train(model, stream, steps, options.learning_rate, size.name, options.limit_s)
    seconds = time.perf_counter() - started
    # measured in the precision of the saved weights
    cast("torch.nn.Module", model).to(torch.bfloat16).float()
    own = score(model, tokenizer, held_out)
    personal = read_personal(options.zero_shot, options.eval_samples) if options.zero_shot else []
    figures = Figures(
        name=size.name,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=len(losses),
        first_loss=losses[0],
        last_loss=sum(losses[-50:]) / len(losses[-50:]),
        seconds=round(seconds, 1),
        own_task=own,
        zero_shot=score(model, tokenizer, personal) if personal else None,
    )
    device = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    save(model, tokenizer, options.out / size.name, model_card(figures, size, options, device))
    print(json.dumps(asdict(figures)), flush=True)
    return figures


def run(options: Options) -> list[Figures]:
    """Draw the data, train the tokenizer and pretrain each model; write `figures.json` beside the models.

    Raises:
        OSError: When a file cannot be read or written.
        ValueError: When a file of carriers or of personal data has the wrong format.
    """
    import torch

    torch.set_float32_matmul_precision("high")
    started = time.perf_counter()
    carriers = read_carriers(options.carrier_zh, options.carrier_en)
    # spawned, since forking a process with a CUDA context or tokenizer threads may hang
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        tokenizer = _tokenizer(options, carriers)
        print(
            f"tokenizer of {len(tokenizer)} entries after {time.perf_counter() - started:.0f} s", flush=True
        )
        corpus = build_corpus(options, carriers, tokenizer.backend_tokenizer.to_str(), pool)
    print(
        f"{len(corpus.lengths)} tasks, {len(corpus.tokens) / 1e6:.1f} M tokens, prompt mean "
        f"{corpus.prompt_lengths.float().mean():.0f}, after {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    held_out = draw(-1, carriers, options.seed, options.eval_samples)
    steps = {"small-2m": options.steps_2m, "small-4m": options.steps_4m}
    figures = [
        pretrain_one(size, steps[size.name], corpus, tokenizer, held_out, options)
        for size in SIZES
        if steps[size.name]
    ]
    write_figures(options.out / "figures.json", figures)
    print(json.dumps([asdict(figure) for figure in figures]), flush=True)
    return figures


def _tokenizer(options: Options, carriers: Carriers) -> PreTrainedTokenizerFast:
    if options.start_from is None:
        return train_tokenizer(carriers)
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(options.start_from / SIZES[0].name)
    tokenizer = cast("PreTrainedTokenizerFast", loaded)
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def main() -> None:
    """Read the command line and run."""
    import tyro

    run(tyro.cli(Options, description=__doc__))


if __name__ == "__main__":
    main()
