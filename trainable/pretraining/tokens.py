"""The tokenizer of the small base models, and the synthetic tasks as batches of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from data.prompt import completion
from trainable.pretraining.carriers import Carriers
from trainable.pretraining.corpus import SHARD, draw
from trainable.pretraining.kinds import KINDS
from trainable.pretraining.options import Options

if TYPE_CHECKING:
    from multiprocessing.pool import Pool

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Ids 0 (padding), 1 and 2 (end of turn)."""
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"
)
# Digits, Han characters and symbols are tokens of their own, and runs of letters exclude the space before them, so that
# a string has the same tokens wherever it occurs and is copied token by token. The JSON frame takes few tokens.
_PIECES = (
    r'\{"entities":\[\{"type":"|\{"entities":\[\]\}|"\},\{"type":"|","text":"|"\}\]\}'
    r"|\p{N}|\p{Han}|[A-Za-z]+|\s+|."
)
_FRAMES = ('{"entities":[{"type":"', '{"entities":[]}', '"},{"type":"', '","text":"', '"}]}')
MAX_TOKENS = 800
"""Longest task, prompt and completion together."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Concatenated tokenised tasks on one device: `tokens` is (sum of lengths,), the others are (tasks,)."""

    tokens: torch.Tensor
    starts: torch.Tensor
    prompt_lengths: torch.Tensor
    lengths: torch.Tensor


def prompt_text(system: str, text: str) -> str:
    """Return the prompt as the chat template renders it."""
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    )


def train_tokenizer(carriers: Carriers) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of 4,096 entries and return it as a fast tokenizer with the chat template."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    pieces = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pieces, bytes_])
    bpe.decoder = decoders.ByteLevel()
    # not trained on the drawn texts, which would spend a third of the entries on random letters; the repeated Han
    # characters turn most of the 3,755 common ones into one token
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


def encode_shard(
    shard: int, carriers: Carriers, seed: int, count: int, tokenizer_json: str
) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]:
    """Draw and tokenise one shard.

    Returns:
        Three int16 arrays: the concatenated tokens, and for each task the lengths of the prompt and of the whole.
    """
    import numpy as np
    from tokenizers import Tokenizer

    bpe = Tokenizer.from_str(tokenizer_json)
    samples = draw(shard, carriers, seed, count)
    prompts = bpe.encode_batch([prompt_text(s.system, s.text) for s in samples])
    answers = bpe.encode_batch([completion(s.entities) + "<|im_end|>" for s in samples])
    pairs = [
        (p.ids, a.ids) for p, a in zip(prompts, answers, strict=True) if len(p.ids) + len(a.ids) <= MAX_TOKENS
    ]
    tokens = np.concatenate([np.array(p + a, dtype=np.int16) for p, a in pairs])
    lengths = np.array([(len(p), len(p) + len(a)) for p, a in pairs], dtype=np.int16)
    return tokens, lengths[:, 0], lengths[:, 1]


def build_corpus(options: Options, carriers: Carriers, tokenizer_json: str, pool: Pool) -> Corpus:
    """Draw and tokenise all tasks in `pool` and move them to the device."""
    import numpy as np
    import torch

    job = partial(
        encode_shard, carriers=carriers, seed=options.seed, count=SHARD, tokenizer_json=tokenizer_json
    )
    shards = pool.map(job, range(-(-options.samples // SHARD)), chunksize=1)
    tokens, prompts, lengths = (torch.from_numpy(np.concatenate(part)) for part in zip(*shards, strict=True))
    lengths, prompts = lengths.long(), prompts.long()
    parts = (tokens, lengths.cumsum(0) - lengths, prompts, lengths)
    return Corpus(*(part.to(options.device) for part in parts))


def batches(corpus: Corpus, batch_tokens: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield endless batches of similar lengths: input ids and labels, both (rows, longest length).

    Labels are -100 outside the completion, except that 15 % of the rows learn their prompt too.
    """
    import torch

    device, host_lengths = corpus.tokens.device, corpus.lengths.cpu()
    generator = torch.Generator().manual_seed(seed)
    while True:
        # a little noise shuffles rows of similar length in each epoch
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
