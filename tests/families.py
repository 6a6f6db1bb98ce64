"""Tiny random checkpoints of the model families that are served, each with a chat template in its own style.

The templates are written for these tests: they do what the real ones do (roles, special tokens, a date, an error for
a role that does not exist), in few lines.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from data.corpus import SAMPLE_DIR
from data.files.jsonl import read_examples
from trainable.model.bases import BUNDLED_DIR

CHATML = (
    "{%- for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"
)
CHATML_BOS = "{{ bos_token }}" + CHATML
CHATML_THINKING = (
    "{%- for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
    "{%- if m['role'] == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{{ m['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] | trim %}"
    "{%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}"
    "{%- if strftime_now is defined %}{%- set today = strftime_now('%d %b %Y') %}{%- else %}{%- set today = '26 Jul 2024' %}{%- endif %}"
    "{{ '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: ' + today + '\\n\\n' + system + '<|eot_id|>' }}"
    "{%- for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
MISTRAL = (
    "{{ bos_token }}{%- for m in messages %}"
    "{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate user/assistant') }}{%- endif %}"
    "{%- if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{%- else %}{{ ' ' + m['content'] + eos_token }}{%- endif %}"
    "{%- endfor %}"
)
SMOLLM3 = (
    "{%- set today = strftime_now('%d %B %Y') %}"
    "{{ '<|im_start|>system\\n## Metadata\\n\\nToday Date: ' + today + '\\nReasoning Mode: /no_think\\n\\n## Custom Instructions\\n\\n' }}"
    "{%- if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{%- set messages = messages[1:] %}{%- else %}{{ 'You are a helpful assistant.' }}{%- endif %}"
    "{{ '<|im_end|>\\n' }}"
    "{%- for m in messages %}{%- if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n' + m['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n' }}{%- endif %}"
)
GEMMA = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' %}SYSTEM{%- endif %}"
    "{%- for m in messages %}{%- set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\\n' + (first if loop.first else '') + m['content'] | trim + '<end_of_turn>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{%- endif %}"
)
GEMMA2 = GEMMA.replace("SYSTEM", "{{ raise_exception('System role not supported') }}").replace(
    "(first if loop.first else '') + ", ""
)
GEMMA3 = GEMMA.replace(
    "{%- if messages[0]['role'] == 'system' %}SYSTEM{%- endif %}",
    "{%- set first = '' %}{%- if messages[0]['role'] == 'system' %}{%- set first = messages[0]['content'] + '\\n\\n' %}{%- set messages = messages[1:] %}{%- endif %}",
)
GRANITE = (
    "{%- if messages[0]['role'] != 'system' %}{{ '<|start_of_role|>system<|end_of_role|>Knowledge Cutoff Date: April 2024.\\n"
    "Today\\'s Date: ' + strftime_now('%B %d, %Y') + '.\\nYou are Granite.<|end_of_text|>\\n' }}{%- endif %}"
    "{%- for m in messages %}{{ '<|start_of_role|>' + m['role'] + '<|end_of_role|>' + m['content'] + '<|end_of_text|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{%- endif %}"
)
PHI3 = (
    "{%- for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{%- else %}{{ eos_token }}{%- endif %}"
)
OLMO2 = (
    "{{ bos_token }}{%- for m in messages %}{%- if m['role'] == 'assistant' %}{{ '<|assistant|>\\n' + m['content'] + (eos_token if loop.last else eos_token + '\\n') }}"
    "{%- else %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{%- endif %}"
)
UNCLOSED = (
    "{%- for m in messages %}{{ m['role'] | upper + ': ' + m['content'] + '\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ 'ASSISTANT: ' }}{%- endif %}"
)
"""Closes no turn, as some older chat models do."""

SIZES: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 2048, "tie_word_embeddings": True,
}  # fmt: skip
MOE = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 48,
    "decoder_sparse_step": 1,
    "norm_topk_prob": True,
}


@dataclass(frozen=True)
class Family:
    """How a checkpoint of a family looks."""

    model_type: str
    template: str
    specials: tuple[str, ...]
    """Special tokens; the first opens a text (or is never written), the second is the tokenizer's eos."""
    end: str
    """The token that closes a turn."""
    config: Mapping[str, Any] = field(default_factory=dict)
    pieces: Literal["", "plain", "prefixed"] = ""
    """A tokenizer in SentencePiece's style, with a BOS that it adds itself; prefixed: each text starts with a space."""
    system: str = "system"
    """Where the system message goes: system, or folded into the user's turn."""
    dated: bool = False
    """Its template writes the day of today."""
    fast: bool = False
    """Our own passes and decoder serve it."""
    four_bit: bool = True


_CHATML = ("<|endoftext|>", "<|im_end|>", "<|im_start|>")
_LLAMA3_ROPE = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
FAMILIES: dict[str, Family] = {
    "qwen3": Family("qwen3", CHATML_THINKING, (*_CHATML, "<think>", "</think>"), "<|im_end|>", fast=True),
    "qwen2.5": Family("qwen2", CHATML, _CHATML, "<|im_end|>", fast=True),
    "llama3": Family(
        "llama", LLAMA3, ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
        "<|eot_id|>", {"rope_parameters": _LLAMA3_ROPE}, dated=True, fast=True,
    ),
    "smollm2": Family("llama", CHATML, _CHATML, "<|im_end|>", fast=True),
    "mistral": Family(
        "mistral", MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]"), "</s>", {"sliding_window": None, "tie_word_embeddings": False},
        pieces="prefixed", system="folded", fast=True,
    ),
    "smollm3": Family(
        "smollm3", SMOLLM3, ("<|begin_of_text|>", "<|im_end|>", "<|im_start|>"), "<|im_end|>",
        {"no_rope_layers": [1, 0], "pad_token_id": 0}, dated=True,
    ),
    "gemma2": Family(
        "gemma2", GEMMA2, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "<end_of_turn>",
        {"query_pre_attn_scalar": 16, "sliding_window": 64, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
        pieces="plain", system="folded",
    ),
    "gemma3": Family(
        "gemma3_text", GEMMA3, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "<end_of_turn>",
        {"query_pre_attn_scalar": 16, "sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"]},
        pieces="plain",
    ),
    "qwen3.5": Family(
        "qwen3_5_text", CHATML_THINKING, (*_CHATML, "<think>", "</think>"), "<|im_end|>",
        {"layer_types": ["linear_attention", "full_attention"], "linear_num_key_heads": 2, "linear_num_value_heads": 4,
         "linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_conv_kernel_dim": 4},
    ),
    "lfm2": Family(
        "lfm2", CHATML_BOS, ("<|startoftext|>", "<|im_end|>", "<|im_start|>"), "<|im_end|>",
        {"layer_types": ["conv", "full_attention"], "conv_L_cache": 3, "block_ff_dim": 96, "block_auto_adjust_ff_dim": False},
    ),
    "granite": Family(
        "granite", GRANITE, ("<|start_of_role|>", "<|end_of_text|>", "<|end_of_role|>"), "<|end_of_text|>",
        {"embedding_multiplier": 0.4, "logits_scaling": 8.0, "residual_multiplier": 0.6, "attention_multiplier": 0.0625},
    ),
    "granitemoehybrid": Family(
        "granitemoehybrid", GRANITE, ("<|start_of_role|>", "<|end_of_text|>", "<|end_of_role|>"), "<|end_of_text|>",
        {"layer_types": ["mamba", "attention"], "shared_intermediate_size": 96, "mamba_n_heads": 4, "mamba_d_head": 32,
         "mamba_d_state": 16, "mamba_n_groups": 1, "mamba_expand": 2, "mamba_chunk_size": 16, "num_local_experts": 0,
         "num_experts_per_tok": 0, "position_embedding_type": "nope", "logits_scaling": 6.0},
    ),
    "phi3": Family(
        "phi3", PHI3, ("<s>", "<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"), "<|end|>",
        {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 1, "tie_word_embeddings": False}, pieces="prefixed",
    ),
    "olmo2": Family("olmo2", OLMO2, ("<|bos|>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>"), "<|endoftext|>",
                    {"tie_word_embeddings": False, "pad_token_id": 0}),
    "qwen3_moe": Family("qwen3_moe", CHATML_THINKING, (*_CHATML, "<think>", "</think>"), "<|im_end|>", MOE, four_bit=False),
    "unclosed": Family("llama", UNCLOSED, ("<|bos|>", "<|endoftext|>"), "<|endoftext|>", fast=True),
}  # fmt: skip


def save_family(name: str, folder: Path, seed: int = 0) -> Path:
    """Write a checkpoint of a family; return its folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    family = FAMILIES[name]
    tokenizer = make_tokenizer(family)
    ids = tokenizer.convert_tokens_to_ids(list(family.specials[:2]))
    values = {
        **SIZES,
        "vocab_size": len(tokenizer),
        "bos_token_id": ids[0],
        "eos_token_id": ids[1],
        **family.config,
    }
    config = AutoConfig.for_model(family.model_type, **values)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.1)
        scale = 0.3 * float(
            getattr(config, "logits_scaling", 1.0)
        )  # so large that a head can be sure of an answer
        for ends in (model.get_input_embeddings(), model.get_output_embeddings()):
            ends.weight.normal_(0.0, scale)
    model.generation_config = GenerationConfig(bos_token_id=ids[0], eos_token_id=ids[1])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer(family: Family) -> Any:
    """Return a fast tokenizer with the family's special tokens and template."""
    from tokenizers import AddedToken, Tokenizer
    from transformers import PreTrainedTokenizerFast

    if family.pieces:
        inner = Tokenizer.from_str(_pieces(family.specials, family.pieces == "prefixed"))
    else:
        content = json.loads((BUNDLED_DIR / "small-2m" / "tokenizer.json").read_text(encoding="utf-8"))
        content["added_tokens"] = []
        inner = Tokenizer.from_str(json.dumps(content))
        inner.add_special_tokens(
            [AddedToken(token, special=True, normalized=False) for token in family.specials]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=family.specials[0], eos_token=family.specials[1]
    )
    tokenizer.chat_template = family.template
    return tokenizer


@cache
def _pieces(specials: tuple[str, ...], prefixed: bool) -> str:
    """Return a BPE over pieces with a mark for spaces, bytes for what it does not know, and a BOS, as JSON."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces] if prefixed else [spaces])
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=2600, special_tokens=[*specials, "<unk>", *bytes_], show_progress=False
    )
    texts = (
        json.dumps(example.text, ensure_ascii=False)
        for example in islice(read_examples(SAMPLE_DIR / "train.jsonl"), 400)
    )
    tokenizer.train_from_iterator(texts, trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [
        token for token in content["added_tokens"] if token["content"] in {*specials, "<unk>"}
    ]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefixed else steps)
    first = specials[0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A",
        pair=f"{first} $A {first} $B",
        special_tokens=[(first, tokenizer.token_to_id(first))],
    )
    return tokenizer.to_str()


def save_in_4bit(whole: Path, folder: Path, **changes: Any) -> Path:
    """Write a checkpoint again as those are that come quantised: NF4 in bfloat16; return its folder.

    Args:
        whole: Of `save_family`.
        folder: Where it goes.
        changes: Of the quantisation, such as `llm_int8_skip_modules`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    settings: dict[str, Any] = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, **changes}
    quantisation = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16, **settings)
    model = AutoModelForCausalLM.from_pretrained(
        whole, quantization_config=quantisation, device_map={"": "cpu"}, dtype=torch.bfloat16
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(whole).save_pretrained(folder)
    return folder
