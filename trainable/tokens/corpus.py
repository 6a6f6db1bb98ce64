"""The tokenised corpus: built once for each tokenizer, data file and window, then memory-mapped."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from data.entities import Example, entity_types
from data.files.checksum import file_checksum
from data.files.jsonl import read_examples
from data.prompt import DEFAULT_PROMPT, PromptSettings
from trainable.tokens.chat import read_chat_format
from trainable.tokens.tagging import TagWindows, cut_entities
from trainable.tokens.tagset import OUTSIDE, TagSet
from trainable.tokens.windowing import Windowing, split_all

if TYPE_CHECKING:
    from datasets import Dataset

_FORMAT = 4  # raise it when columns or description change, so that no old cache is read


@dataclass(frozen=True)
class TokenizedCorpus:
    """Token ids of one data file.

    `dataset` has one row a document, or several for one that is longer than the window: `row` (its place in
    the file), `prompt_ids` and `completion_ids` (int32, the completion ends with the end-of-turn token),
    `has_entities`. `windowed_documents` counts the long ones, `cut_entities` their entities that lie whole in
    no window. `overlap_tokens` is what neighbouring windows share at least. `types` are those of all entities,
    sorted. Where texts are tagged, `prompt_ids` are those of the text, and `completion_ids` the tag of each token.
    """

    dataset: Dataset
    windowed_documents: int
    cut_entities: int
    overlap_tokens: int
    types: tuple[str, ...]
    tagged: bool = False

    def samples(self) -> list[tuple[list[int], list[int]]]:
        """Return (prompt ids, completion ids) of every row; read once, so do not change them."""
        return self._samples

    @cached_property
    def _samples(self) -> list[tuple[list[int], list[int]]]:
        return list(zip(self.dataset["prompt_ids"], self.dataset["completion_ids"], strict=True))

    def facts(self) -> dict[str, int]:
        """Return how the long documents were cut, for a result."""
        return {
            name: getattr(self, name) for name in ("windowed_documents", "cut_entities", "overlap_tokens")
        }

    def lengths(self) -> list[int]:
        """Return tokens a sample, prompt and completion together; of a tagged text its own."""
        return [
            len(prompt) if self.tagged else len(prompt) + len(answer) for prompt, answer in self.samples()
        ]


def tokenized(
    base_dir: Path,
    data_file: Path | None,
    window_tokens: int,
    cache_dir: Path,
    overlap_tokens: int | None = None,
    examples: Sequence[Example] | None = None,
    prompt: PromptSettings = DEFAULT_PROMPT,
    tagged: bool = False,
) -> TokenizedCorpus:
    """Return the tokenised documents of a file, from the cache if it has them.

    Args:
        base_dir: Base model whose tokenizer is used.
        data_file: JSONL in the users' format; None for examples that are in no file.
        window_tokens: Most tokens of a sample; longer documents become several, see `trainable.tokens.windowing`.
        cache_dir: Absolute directory; holds private text as token ids, so it is made 0700.
        overlap_tokens: Least tokens that neighbouring windows share (None: the longest entity, at least 32).
        examples: The documents, where they have been read already.
        prompt: What surrounds a text.
        tagged: Whether each token of the text gets a tag; otherwise the answer is text after a prompt.

    Raises:
        ValueError: If a document does not fit however it is cut; it lists all such documents.
    """
    from datasets import load_from_disk

    if data_file is None:
        data = hashlib.sha256(repr(list(examples or ())).encode()).digest()
    else:
        data = data_file.name.encode() + bytes.fromhex(file_checksum(data_file))
    asked = prompt.in_turn if tagged else prompt
    path = cache_dir / _cache_key(base_dir, data, window_tokens, overlap_tokens, asked)
    if not path.is_dir():
        if examples is None and data_file is not None:
            examples = read_examples(data_file)
        if not examples:
            raise ValueError(
                f"{data_file or 'the training data'} is empty, but must hold at least one document"
            )
        chat = read_chat_format(base_dir).asked_with(prompt)
        if tagged:
            rows = _tagged_rows(TagWindows(chat, window_tokens, overlap_tokens, examples), examples)
        else:
            rows = _answered_rows(Windowing(chat, window_tokens, overlap_tokens, examples), examples)
        _write(rows, path)
    dataset = load_from_disk(str(path))
    described = json.loads(dataset.info.description)
    return TokenizedCorpus(dataset, **described | {"types": tuple(described["types"])}, tagged=tagged)


def answer_limit(corpus: TokenizedCorpus) -> int:
    """Return `max_new_tokens` for generation: the 99.9th percentile of the gold answers, in tokens."""
    lengths = sorted(len(ids) for ids in corpus.dataset["completion_ids"])
    return lengths[min(len(lengths) - 1, int(0.999 * len(lengths)))]


def _cache_key(
    base_dir: Path,
    data: bytes,
    window_tokens: int,
    overlap_tokens: int | None,
    prompt: PromptSettings | bool,
) -> str:
    """Return the name of a corpus in the cache; where its texts are tagged, `prompt` is whether they stand in a turn."""
    digest = hashlib.sha256(f"{_FORMAT} {window_tokens} {overlap_tokens} {prompt}".encode())
    for path in sorted(base_dir.glob("*token*")) + sorted(base_dir.glob("*.jinja")):
        digest.update(path.name.encode() + bytes.fromhex(file_checksum(path)))
    digest.update(data)
    return digest.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Columns of a dataset, and what describes it."""

    places: list[int]
    samples: list[tuple[list[int], list[int]]]
    has_entities: list[bool]
    facts: dict[str, object]


def _answered_rows(windowing: Windowing, examples: Sequence[Example]) -> _Rows:
    split = split_all(windowing, examples)
    return _Rows(
        places=[place for _, place in split.parts],
        samples=split.samples,
        has_entities=[part.has_entities for part, _ in split.parts],
        facts=_facts(split.windowed_documents, split.cut_entities, windowing.overlap_tokens, examples),
    )


def _tagged_rows(windows: TagWindows, examples: Sequence[Example]) -> _Rows:
    tag_set = TagSet(tuple(sorted(entity_types(examples))))
    places, samples = list[int](), list[tuple[list[int], list[int]]]()
    windowed = n_cut = 0
    texts = windows.tokenize([example.text for example in examples])
    for place, (text, example) in enumerate(zip(texts, examples, strict=True)):
        spans = text.token_spans(example.entities)
        parts = windows.samples(text, tag_set.encode(len(text.ids), spans))
        n_cut += cut_entities(spans, windows.cut(len(text.ids)))
        windowed += len(parts) > 1
        places += [place] * len(parts)
        samples += parts
    flags = [any(tag != OUTSIDE for tag in tags) for _, tags in samples]
    return _Rows(places, samples, flags, _facts(windowed, n_cut, windows.overlap_tokens, examples))


def _facts(windowed: int, n_cut: int, overlap_tokens: int, examples: Sequence[Example]) -> dict[str, object]:
    return {
        "windowed_documents": windowed,
        "cut_entities": n_cut,
        "overlap_tokens": overlap_tokens,
        "types": sorted(entity_types(examples)),
    }


def _write(rows: _Rows, path: Path) -> None:
    from datasets import Dataset, DatasetInfo, Features, Value
    from datasets import Sequence as Values

    ids = Values(Value("int32"))
    features = {
        "row": Value("int32"),
        "prompt_ids": ids,
        "completion_ids": ids,
        "has_entities": Value("bool"),
    }
    dataset = Dataset.from_dict(
        {
            "row": rows.places,
            "prompt_ids": [prompt for prompt, _ in rows.samples],
            "completion_ids": [answer for _, answer in rows.samples],
            "has_entities": rows.has_entities,
        },
        features=Features(features),
        info=DatasetInfo(description=json.dumps(rows.facts), features=Features(features)),
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)  # it may have been there
    scratch = tempfile.mkdtemp(dir=path.parent)
    dataset.save_to_disk(scratch)
    try:
        Path(scratch).replace(path)  # a directory appears whole or not at all
    except OSError:  # another trial was first
        shutil.rmtree(scratch)
