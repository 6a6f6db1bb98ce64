"""Rate and peak memory of an import: `python tests/bench/bench_convert.py --megabytes 300`."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from data.paths import ROOT

_PEAK = (
    "import resource, runpy, sys; sys.argv = sys.argv[1:]\n"
    "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
    "finally:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
)


@dataclass(frozen=True)
class Bench:
    """Write a file of labelled Chinese texts, convert it, and print megabytes a second and the peak of memory."""

    megabytes: int = 300
    """Size of the file."""
    shape: Literal["own", "offsets", "doccano"] = "own"
    """own: values without offsets; offsets: values with them; doccano: offsets without values."""


def write_source(path: Path, size: int, shape: str) -> int:
    """Write documents until the file has `size` bytes; return how many."""
    rng = random.Random(0)
    count = written = 0
    with path.open("wb") as handle:
        while written < size:
            name = "".join(rng.choices("王李张刘陈杨黄赵吴周伟芳娜敏静秀丽强磊军", k=3))
            phone = f"1{rng.randrange(10**10):010d}"
            filler = "".join(
                rng.choices("的一是在不了有和人这中大为上个国我以要他时来用们", k=rng.randrange(20, 400))
            )
            text = f"{filler}，联系人{name}，电话{phone}。{filler[:40]}"
            start = len(filler) + 4
            spans = [("NAME", name, start), ("PHONE", phone, start + 6)]
            row: dict[str, object] = {"id": count, "text": text}
            if shape == "doccano":
                row["label"] = [[at, at + len(value), kind] for kind, value, at in spans]
            else:
                offsets = [
                    {"start": at, "end": at + len(value)} if shape == "offsets" else {}
                    for _, value, at in spans
                ]
                row["entities"] = [
                    {"type": kind, "text": value, **place}
                    for (kind, value, _), place in zip(spans, offsets, strict=True)
                ]
            written += handle.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def main() -> None:
    """Run the benchmark."""
    bench = tyro.cli(Bench)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.jsonl", Path(folder) / "out.jsonl"
        documents = write_source(source, bench.megabytes * 10**6, bench.shape)
        command = [
            sys.executable,
            "-c",
            _PEAK,
            str(ROOT / "data" / "convert.py"),
            str(source),
            "--to",
            str(target),
        ]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        seconds = time.perf_counter() - started
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak_mb = int(done.stderr.splitlines()[-1]) * 1024 / 1e6
        megabytes = source.stat().st_size / 1e6
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["documents"] == documents, summary
    result = {
        "megabytes": round(megabytes),
        "documents": documents,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu.ru_utime + cpu.ru_stime, 1),
        "megabytes_per_second": round(megabytes / seconds, 2),
        "peak_mb": round(peak_mb),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
