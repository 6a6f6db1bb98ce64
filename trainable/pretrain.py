"""Pretrains the two small base models that ship with the project, on synthetic tasks without personal data.

python trainable/pretrain.py --carrier-zh zh_gsdsimp-ud-train.iob2 --carrier-en wnut17train.conll
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data.entities import locate
from data.prompt import SYSTEM_PROMPT, completion, parse
from trainable.pretrain_corpus import KINDS, Carriers, Sample, Writer, read_carriers

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Ids 0 (padding), 1 and 2 (end of turn)."""
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"
)
# Digits, Han characters and symbols stand alone, letters in runs without the space before them: a string has
# the same tokens wherever it stands, so that copying is token by token. The JSON frame takes few tokens.
_PIECES = (
    r'\{"entities":\[\{"type":"|\{"entities":\[\]\}|"\},\{"type":"|","text":"|"\}\]\}'
    r"|\p{N}|\p{Han}|[A-Za-z]+|\s+|."
)
_FRAMES = ('{"entities":[{"type":"', '{"entities":[]}', '"},{"type":"', '","text":"', '"}]}')
_MAX_TOKENS = 800
_SHARD = 4000


@dataclass(frozen=True, slots=True)
class Size:
    """One model: hidden and feed-forward width, decoder layers. All widths are multiples of 64 for NF4."""

    name: str
    hidden: int
    layers: int
    feed_forward: int


SIZES = (Size("small-2m", 192, 3, 512), Size("small-4m", 256, 4, 768))


@dataclass(frozen=True, slots=True)
class Options:
    """What to pretrain on and for how long."""

    carrier_zh: Path
    """Chinese sentences (UNER Chinese-GSDSIMP train, .iob2)."""
    carrier_en: Path
    """English sentences (WNUT17 train, .conll)."""
    out: Path = Path("trainable/bases")
    """Folder that gets one folder for each model."""
    steps_2m: int = 5000
    """Optimizer steps of small-2m; 0 leaves it out."""
    steps_4m: int = 4500
    """Optimizer steps of small-4m; 0 leaves it out."""
    samples: int = 800_000
    """Synthetic tasks to draw."""
    batch_tokens: int = 65_536
    """Tokens of one batch, padding included."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW."""
    eval_samples: int = 512
    """Held-out synthetic tasks, and documents of `zero_shot`, to generate for."""
    zero_shot: Path | None = None
    """JSONL of {"input", "output": {"entities"}} with personal data, to show that the base knows nothing of it."""
    limit_s: float = float("inf")
    """Seconds of training for each model; the schedule shrinks to fit, the card names the steps done."""
    workers: int = 16
    """Processes that draw and tokenise."""
    seed: int = 0
    """Seed of the data, the initial weights and the order of batches."""
    device: str = "cuda"
    """cuda or cpu."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Tokenised tasks on one device, laid end to end: `tokens` (sum of lengths,), the rest (tasks,)."""

    tokens: Any
    starts: Any
    prompt_lengths: Any
    lengths: Any


def prompt_text(system: str, text: str) -> str:
    """Return the prompt as the chat template renders it."""
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    )


def draw(shard: int, carriers: Carriers, seed: int, count: int = _SHARD) -> list[Sample]:
    """Return one shard of tasks; the same for the same seed and shard. Shard -1 is held out."""
    writer = Writer(carriers, f"{seed}/{shard}")
    return [writer.sample() for _ in range(count)]


def train_tokenizer(carriers: Carriers) -> Any:
    """Train a byte-level BPE of 4,096 entries and return it as a fast tokenizer with the chat template."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    pieces = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pieces, bytes_])
    bpe.decoder = decoders.ByteLevel()
    # Not the drawn texts: they would spend a third of the entries on random letters. The Han characters
    # repeated let most of the 3,755 common ones become one token.
    texts = [*carriers.zh, *carriers.en, *[carriers.han] * 10, *_FRAMES * 1000]
    texts += [word for kind in KINDS for word in (kind.name, kind.label, kind.label.lower(), *kind.cues)] * 20
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=1024,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def encode_shard(shard: int, carriers: Carriers, seed: int, count: int, tokenizer_json: str) -> Any:
    """Draw and tokenise one shard.

    Returns:
        Three int16 arrays: all tokens end to end, and for each task the lengths of prompt and whole.
    """
    import numpy as np
    from tokenizers import Tokenizer

    bpe = Tokenizer.from_str(tokenizer_json)
    samples = draw(shard, carriers, seed, count)
    prompts = bpe.encode_batch([prompt_text(s.system, s.text) for s in samples])
    answers = bpe.encode_batch([completion(s.entities) + "<|im_end|>" for s in samples])
    pairs = [
        (p.ids, a.ids)
        for p, a in zip(prompts, answers, strict=True)
        if len(p.ids) + len(a.ids) <= _MAX_TOKENS
    ]
    tokens = np.concatenate([np.array(p + a, dtype=np.int16) for p, a in pairs])
    lengths = np.array([(len(p), len(p) + len(a)) for p, a in pairs], dtype=np.int16)
    return tokens, lengths[:, 0], lengths[:, 1]


def build_corpus(options: Options, carriers: Carriers, tokenizer_json: str, pool: Any) -> Corpus:
    """Draw and tokenise all tasks in `pool` and lay them out on the device."""
    import numpy as np
    import torch

    job = partial(
        encode_shard, carriers=carriers, seed=options.seed, count=_SHARD, tokenizer_json=tokenizer_json
    )
    shards = pool.map(job, range(-(-options.samples // _SHARD)), chunksize=1)
    tokens, prompts, lengths = (torch.from_numpy(np.concatenate(part)) for part in zip(*shards, strict=True))
    lengths, prompts = lengths.long(), prompts.long()
    parts = (tokens, lengths.cumsum(0) - lengths, prompts, lengths)
    return Corpus(*(part.to(options.device) for part in parts))


def batches(corpus: Corpus, batch_tokens: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Yield (input ids, labels), both (rows, longest length), of similar lengths, for ever.

    Labels are -100 outside of the completion; 15 % of the rows learn their prompt too.
    """
    import torch

    device, host_lengths = corpus.tokens.device, corpus.lengths.cpu()
    generator = torch.Generator().manual_seed(seed)
    while True:
        # A little noise mixes the rows of one length class anew in each epoch.
        order = (host_lengths + 8 * torch.rand(len(host_lengths), generator=generator)).argsort(
            descending=True
        )
        groups, at = [], 0
        while at < len(order):
            rows = max(1, batch_tokens // (int(host_lengths[order[at]]) + 8))
            groups.append(order[at : at + rows])
            at += rows
        for index in torch.randperm(len(groups), generator=generator).tolist():
            rows = groups[index].to(device)
            lengths = corpus.lengths[rows, None]
            place = torch.arange(int(host_lengths[groups[index]].max()), device=device)[None, :]
            inside = place < lengths
            ids = corpus.tokens[(corpus.starts[rows, None] + place).clamp(max=len(corpus.tokens) - 1)].long()
            whole = torch.rand(len(rows), 1, generator=generator).to(device) < 0.15
            learnt = inside & (whole | (place >= corpus.prompt_lengths[rows, None]))
            yield ids.where(inside, 0), ids.where(learnt, -100)


def new_model(size: Size, seed: int) -> Any:
    """Return an untrained Qwen3 model in float32 with tied embeddings."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

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
    model: Any, stream: Iterator[tuple[Any, Any]], steps: int, peak: float, name: str = "", limit_s: float = float("inf")
) -> list[float]:
    """Run AdamW with warm-up over 4 % of the schedule and linear decay to 0.

    The schedule ends after `steps` steps or `limit_s` seconds, whichever comes first.

    Returns:
        The loss of each step.
    """
    import torch

    model.train()
    parameters = list(model.parameters())
    device = parameters[0].device.type
    optimizer = torch.optim.AdamW(parameters, lr=peak, betas=(0.9, 0.95), weight_decay=0.05, fused=True)
    losses: list[Any] = []
    started = time.perf_counter()
    for step in range(steps):
        elapsed = time.perf_counter() - started
        progress = max(step / steps, elapsed / limit_s)
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = peak * min((step + 1) / max(1.0, 0.04 * steps), 1 - progress)
        ids, labels = next(stream)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
            # Logits only where there is a label: they are the largest tensor of a small model.
            learnt = labels[:, 1:] != -100
            logits = model.lm_head(hidden[learnt])
        loss = torch.nn.functional.cross_entropy(logits.float(), labels[:, 1:][learnt])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        if step in (0, 50) or step % 500 == 499:
            speed = (step + 1) / (time.perf_counter() - started)
            print(f"{name} step {step + 1}/{steps} loss {float(loss):.3f} {speed:.2f} steps/s", flush=True)
    return [float(loss) for loss in losses]


def generate(model: Any, tokenizer: Any, prompts: Sequence[str], batch_size: int = 256) -> list[str]:
    """Return greedy completions of up to 256 tokens, in the order of the prompts."""
    import torch

    model.eval()
    device = next(model.parameters()).device
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    outputs = [""] * len(prompts)
    for at in range(0, len(order), batch_size):
        part = order[at : at + batch_size]
        inputs = tokenizer([prompts[index] for index in part], return_tensors="pt", padding=True).to(device)
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"),
        ):
            ids = model.generate(
                **inputs, max_new_tokens=256, do_sample=False, eos_token_id=2, pad_token_id=0
            )
        texts = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for index, text in zip(part, texts, strict=True):
            outputs[index] = text
    return outputs


@dataclass(frozen=True, slots=True)
class Score:
    """Micro figures over multisets of (type, text), and the share of completions that are valid."""

    micro_recall: float | None
    micro_precision: float | None
    json_valid_rate: float


def score(model: Any, tokenizer: Any, samples: Sequence[Sample]) -> Score:
    """Generate for each sample and compare with what it holds."""
    outputs = generate(model, tokenizer, [prompt_text(sample.system, sample.text) for sample in samples])
    parsed = [parse(output) for output in outputs]
    hits = gold = predicted = 0
    for sample, found in zip(samples, parsed, strict=True):
        wanted = Counter((entity.type, entity.text) for entity in sample.entities)
        hits += sum((wanted & Counter(found.items)).values())
        gold += wanted.total()
        predicted += len(found.items)
    valid = sum(found.valid for found in parsed) / len(parsed)
    return Score(hits / gold if gold else None, hits / predicted if predicted else None, valid)


def read_personal(path: Path, count: int) -> list[Sample]:
    """Read documents of the real task with its own system message, only to measure what the base scores on them.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When a line is not JSON of the documented shape.
    """
    samples = []
    for number, line in enumerate(path.read_text("utf-8").splitlines()[:count], 1):
        try:
            row = json.loads(line)
            items = [(entity["type"], entity["text"]) for entity in row["output"]["entities"]]
            samples.append(Sample(SYSTEM_PROMPT, row["input"], locate(row["input"], items)[0]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"`{path}` line {number} is not a labelled document, but must be: {error!r}"
            ) from error
    return samples


@dataclass(frozen=True, slots=True)
class Figures:
    """What pretraining one model gave."""

    name: str
    parameters: int
    steps: int
    first_loss: float
    last_loss: float
    seconds: float
    own_task: Score
    zero_shot: Score | None


def command(options: Options) -> str:
    """Return the command line that gives these options; files by name only."""
    parts = ["python trainable/pretrain.py"]
    for name, value in asdict(options).items():
        if value is not None:
            parts.append(f"--{name.replace('_', '-')} {value.name if isinstance(value, Path) else value}")
    return " ".join(parts).replace(f"--out {options.out.name}", f"--out {options.out}")


def save(model: Any, tokenizer: Any, folder: Path, card: str) -> None:
    """Write model (bfloat16), tokenizer, card and SHA256SUMS into `folder`; the model's dtype changes.

    Raises:
        OSError: When the folder cannot be written.
    """
    import torch
    from transformers import GenerationConfig

    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=2, pad_token_id=0)
    model.to(torch.bfloat16).save_pretrained(folder)
    # Template inside tokenizer_config.json: one file less to lose.
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    (folder / "README.md").write_text(card, "utf-8")
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    for path in files:
        path.chmod(0o644)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums), "utf-8")


_CARD = """---
license: cc-by-sa-4.0
language: [zh, en]
pipeline_tag: text-generation
---
# {name}

A Qwen3-architecture base model of {millions:.2f} million parameters that has learned one skill: to copy the
strings of the kinds that a message asks for into compact JSON, `{{"entities":[{{"type":...,"text":...}},...]}}`, in
order of appearance. It was shown no label and no prompt of the task that it is fine-tuned for, and the strings that
it learned to copy are random: personal data is never among them.

- **Architecture:** `Qwen3ForCausalLM`, hidden {hidden}, {layers} layers, feed-forward {feed_forward}, 8 heads and 4
  key-value heads of 32, tied embeddings, 2,048 positions (trained on up to {max_tokens} tokens), bfloat16.
- **Tokenizer:** byte-level BPE, 4,096 entries; digits, Han characters and symbols stand alone; ChatML.
- **Data:** {samples:,} synthetic tasks (`trainable/pretrain_corpus.py`): random codes, titles, prices, paths and
  some fifty kinds more, set into sentences of
  [UNER Chinese-GSDSIMP](https://github.com/UniversalNER/UNER_Chinese-GSDSIMP) train (CC BY-SA 4.0) and
  [WNUT17](https://github.com/leondz/emerging_entities_17) train (CC BY 4.0). Sentences with one of the
  kinds, a label of the later task or the word PII were left out; the values are random characters.
- **Training:** {steps} steps of about {batch_tokens:,} tokens, AdamW, peak learning rate {learning_rate}, seed {seed}, on {device},
  {seconds:.0f} s; torch {torch}, transformers {transformers}.
- **Command:** `{command}`

| measured | micro recall | micro precision | valid JSON |
|---|---|---|---|
{rows}

Loss from {first_loss:.2f} to {last_loss:.3f}.

**Intended use:** the default base model for fine-tuning with LoRA on a CPU, in examples and in tests. It answers
after fine-tuning only.

**Limits:** it has no general knowledge and no ability besides extraction; sentences of the carriers may name
persons and places of public texts; figures on real documents are those of the fine-tune, not of this model.
"""


def model_card(figures: Figures, size: Size, options: Options, device: str) -> str:
    """Return the model card in Markdown."""
    import torch
    import transformers

    scores = {
        "held-out synthetic tasks": figures.own_task,
        "personal data, without fine-tuning": figures.zero_shot,
    }
    rows = [
        f"| {name} | {_shown(s.micro_recall)} | {_shown(s.micro_precision)} | {_shown(s.json_valid_rate)} |"
        for name, s in scores.items()
        if s
    ]
    values = asdict(options) | asdict(size) | asdict(figures) | {"device": device, "rows": "\n".join(rows)}
    values |= {"millions": figures.parameters / 1e6, "command": command(options), "max_tokens": _MAX_TOKENS}
    return _CARD.format(**values, torch=torch.__version__, transformers=transformers.__version__)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def pretrain_one(
    size: Size, steps: int, corpus: Corpus, tokenizer: Any, held_out: Sequence[Sample], options: Options
) -> Figures:
    """Pretrain, measure and save one model."""
    import torch

    model = new_model(size, options.seed).to(options.device)
    started = time.perf_counter()
    stream = batches(corpus, options.batch_tokens, options.seed)
    losses = train(model, stream, steps, options.learning_rate, size.name, options.limit_s)
    seconds = time.perf_counter() - started
    # Measured in the precision that is shipped.
    model.to(torch.bfloat16).float()
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
        ValueError: When a carrier or the file of personal data has another format.
    """
    import torch

    torch.set_float32_matmul_precision("high")
    started = time.perf_counter()
    carriers = read_carriers(options.carrier_zh, options.carrier_en)
    # Spawned, since a fork of a process that holds a CUDA context or tokenizer threads may hang.
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        tokenizer = train_tokenizer(carriers)
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
    report = [asdict(figure) for figure in figures]
    (options.out / "figures.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(json.dumps(report), flush=True)
    return figures


def main() -> None:
    """Read the command line and run."""
    import tyro

    run(tyro.cli(Options, description=__doc__))


if __name__ == "__main__":
    main()
