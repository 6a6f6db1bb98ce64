"""What the GPU benchmarks share: random checkpoints of Qwen3's shapes, a queue for the GPU, rows on disk.

python tests/bench/gpu_common.py --work /tmp/gpu     (makes the checkpoints)
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from data.paths import ROOT

SHAPES = {"Qwen3-0.6B": (1024, 3072, 28, 16, 8), "Qwen3-1.7B": (2048, 6144, 28, 16, 8)}
"""hidden, feed-forward, layers, heads, key-value heads of the published configs; head size 128."""
TINY = (64, 128, 2, 4, 2)
"""In place of both, to try the scripts on a CPU."""
SEED = 42
PEAK_FLOPS = 790e12
"""Dense bf16 product on this kind of card, measured."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Flags of every GPU benchmark."""

    work: Path
    """Folder with the checkpoints."""
    out: Path
    """Folder that gets rows.jsonl."""
    after: str = ""
    """Names of parts to wait for before touching the GPU, joined by commas."""
    tiny: bool = False
    """Tiny shapes and few steps, to try the script on a CPU."""


def make_checkpoint(name: str, folder: Path, tiny: bool) -> None:
    """Write a checkpoint of Qwen3's shape with random bf16 weights and the bundled tokenizer."""
    import torch
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    hidden, feed_forward, layers, heads, kv_heads = TINY if tiny else SHAPES[name]
    config = Qwen3Config(
        vocab_size=4096 if tiny else 151_936, hidden_size=hidden, intermediate_size=feed_forward,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
        head_dim=16 if tiny else 128, max_position_embeddings=40_960, tie_word_embeddings=True,
        rope_theta=1_000_000.0, eos_token_id=2, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen3ForCausalLM(config)
    model.save_pretrained(folder / name)
    AutoTokenizer.from_pretrained(ROOT / "trainable" / "bases" / "small-2m").save_pretrained(folder / name)


def wait_turn(options: BenchOptions) -> None:
    """Wait until the parts before this one have left the GPU; imports run before, so they overlap."""
    names = [name for name in options.after.split(",") if name]
    while not all((options.work / f"{name}.done").is_file() for name in names):
        time.sleep(0.2)


def write_row(options: BenchOptions, key: str, **values: Any) -> None:
    """Append one line to rows.jsonl and print it; one write, so parts never tear each other's lines."""
    line = json.dumps({"key": key, **values})
    with (options.out / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line, flush=True)


def synchronise() -> None:
    """Wait for the device, if there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def reset_peak() -> None:
    """Forget the peak of allocated memory."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib() -> float:
    """Return the peak of allocated GPU memory since `reset_peak`."""
    import torch

    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def print_kernels(action: Callable[[], Any], rows: int = 28) -> None:
    """Run something and print which kernels the GPU's time goes to."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    if not torch.cuda.is_available():
        return
    with profile(activities=[ProfilerActivity.CUDA]) as record:
        action()
        synchronise()
    table = record.key_averages().table(
        sort_by="self_cuda_time_total", row_limit=rows, max_name_column_width=80
    )
    print("\n".join(line[:82] + line[-75:] for line in table.splitlines()), flush=True)


def environment() -> dict[str, Any]:
    """Return hardware, versions and commit."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    versions = {}
    for name in ("torch", "transformers", "peft", "trl", "bitsandbytes", "unsloth", "ray", "triton"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    commit = os.environ.get("BENCH_COMMIT", "")
    if not commit and (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    card = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    return {"hardware": card, "versions": versions, "commit": commit}


@dataclass(frozen=True, slots=True)
class MakeOptions:
    """Make the checkpoints."""

    work: Path
    """Where they go."""
    tiny: bool = False
    """Tiny shapes."""


def main() -> None:
    """Make both checkpoints."""
    options = tyro.cli(MakeOptions)
    for name in SHAPES:
        make_checkpoint(name, options.work / "models", options.tiny)


if __name__ == "__main__":
    main()
