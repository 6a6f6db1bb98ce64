"""Joins recorded curves of a real model (`record_real_curves.py`) to tables for replaying searches.

PII_TUNER_MODELS=FOLDER python tests/bench/real_curve_tables.py table --data-dir DIR --work WORK --out NAME.npz
python tests/bench/real_curve_tables.py seeds --first NAME.npz --second OTHER.npz --out BOTH.npz
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tests.bench.record_real_curves import files


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Join the files to a table."""

    data_dir: Path
    """Folder with merged_pii_dataset_{train,validation}.jsonl."""
    work: Path
    """Folder of the files."""
    out: Path
    """The table, .npz."""
    model: str = "SmolLM2-135M-Instruct"
    """Base model."""


@dataclass(frozen=True, slots=True)
class SeedsOptions:
    """Join two tables of the same configs, each trained with a seed of its own."""

    first: Path
    """The one table."""
    second: Path
    """The other; configs that it lacks are left out."""
    out: Path
    """The table of both, .npz."""


def table(options: TableOptions) -> None:
    """Join all runs, which must have the same seed and steps."""
    import numpy as np

    from data.corpus import find_corpus
    from search.replaying.curves import CurveTable
    from search.study.provenance import provenance
    from trainable.model.bases import locate_base
    from trainable.predicting.evaluator import shuffled_documents
    from trainable.tokens.chat import read_chat_format

    runs = [dict(np.load(path)) for path in sorted(options.work.glob("*.npz"))]
    seeds = {json.loads(str(run["config"]))["seed"] for run in runs}
    if len(seeds | {tuple(run["steps"].tolist()) for run in runs}) != 2:
        raise SystemExit(f"runs of several seeds or horizons lie in {options.work}: one folder for each")
    n_documents = runs[0]["valid"].shape[1]
    documents = shuffled_documents(files(options.data_dir)[1])[:n_documents]
    types = runs[0]["types"].tolist()
    chat = read_chat_format(locate_base(options.model))
    answer_tokens = np.array([len(answer) for _, answer in chat.samples(documents)], np.int32)
    stacked = {
        name: np.stack([run[name] for run in runs])[:, None]
        for name in ("tp_by_type", "fp_by_type", "fp_other", "valid", "truncated", "train_loss")
    }
    losses = np.stack([run["loss"] for run in runs])[:, None]
    gold = np.zeros((n_documents, len(types)), np.uint8)
    for row, document in enumerate(documents):
        for entity in document.entities:
            gold[row, types.index(entity.type)] += 1
    meta = {
        "model": options.model, "horizon_steps": int(runs[0]["steps"][-1]),
        "answer_loss": "the mean over all documents, spread over them by their tokens; tags: in nats a token of the text",
        **provenance(find_corpus(options.data_dir), 0),
    }  # fmt: skip
    joined = CurveTable(
        **{**stacked, "train_loss": stacked["train_loss"].astype(np.float32)},
        answer_loss=(losses[..., None] * answer_tokens).astype(np.float16),
        answer_tokens=answer_tokens,
        gold_by_type=gold,
        document_length=np.array([len(document.text) for document in documents], np.int32),
        document_language=np.array([document.language or "unset" for document in documents]),
        steps=runs[0]["steps"],
        seeds=np.array(sorted(seeds), np.int32),
        types=np.array(types),
        configs=np.array([str(run["config"]) for run in runs]),
        meta=np.array(json.dumps(meta, ensure_ascii=False)),
    )
    joined.save(options.out)
    print(json.dumps({"configs": len(runs), "bytes": options.out.stat().st_size}))


def join_seeds(options: SeedsOptions) -> None:
    """Put the configs that both tables have along the axis of seeds."""
    from dataclasses import replace

    from search.replaying.curves import CurveTable

    tables = [CurveTable.load(path) for path in (options.first, options.second)]
    places = [
        {
            json.dumps({**config, "seed": 0}, sort_keys=True): place
            for place, config in enumerate(table.parsed_configs)
        }
        for table in tables
    ]
    common = [config for config in places[0] if config in places[1]]
    if not common or set(tables[0].seeds) & set(tables[1].seeds):
        raise SystemExit("the tables need configs in common, and seeds of their own")
    first, second = (
        table.taken([of_table[config] for config in common])
        for table, of_table in zip(tables, places, strict=True)
    )
    first.followed_by(replace(second, configs=first.configs), along="seeds").save(options.out)
    print(json.dumps({"configs": len(common), "bytes": options.out.stat().st_size}))


def main() -> None:
    """Join runs, or two tables."""
    options = tyro.cli(
        Annotated[TableOptions, tyro.conf.subcommand("table")]
        | Annotated[SeedsOptions, tyro.conf.subcommand("seeds")]  # type: ignore[arg-type]
    )
    table(options) if isinstance(options, TableOptions) else join_seeds(options)


if __name__ == "__main__":
    main()
