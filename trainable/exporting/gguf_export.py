"""From a merged model that writes its answers to a checked GGUF file: llama.cpp must tokenise and answer as we do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from data.entities import Example
from data.prompt import parse
from data.spelling import canonical
from data.texts.windows import Window
from trainable.exporting.folder_texts import write_gguf_readme, write_modelfile, write_request
from trainable.exporting.llama_file import Precision, write_gguf, write_probe
from trainable.exporting.llama_layout import check_family
from trainable.exporting.llama_server import Answer, CannotLoad, LlamaServer
from trainable.exporting.llama_vocabulary import Vocabulary, find_pre_tokenizer, read_vocabulary
from trainable.exporting.packages import optional
from trainable.exporting.parity import Answered, Parity, compare
from trainable.exporting.prompt_pieces import prompt_pieces
from trainable.model.prediction_settings import PredictionSettings
from trainable.predicting.predictor import AnswerPredictor, ModelPlace, load_predictor
from trainable.scoring.counts import Prediction
from trainable.tokens.chat import ChatFormat, read_chat_format
from trainable.tokens.windowing import Windowing, join_answers

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True, slots=True)
class Asked:
    """The documents of the comparison, cut into windows; each window is one question."""

    examples: tuple[Example, ...]
    windows: tuple[tuple[Window, ...], ...]

    @property
    def texts(self) -> list[str]:
        """The text of each window, in NFC as in our prompts."""
        return [canonical(window.text) for windows in self.windows for window in windows]

    def answered(self, name: str, answers: Sequence[Answer], seconds: float, n_bytes: int) -> Answered:
        """Join the answers to all windows of a document."""
        rest = iter(answers)
        predictions, written = [], []
        for windows in self.windows:
            own = list(islice(rest, len(windows)))
            found = [Prediction(parse(answer.text), answer.truncated) for answer in own]
            predictions.append(join_answers(windows, found))
            written.append(tuple(answer.text for answer in own))
        speed = len(self.examples) / seconds
        return Answered(name, tuple(predictions), tuple(written), speed, n_bytes)


def answer_ourselves(place: ModelPlace, examples: Sequence[Example]) -> tuple[Asked, Answered]:
    """Return the questions, and what the model answers through `trainable/predict.py`'s own path."""
    predictor = load_predictor(place, place.settings, once=True)
    assert isinstance(predictor, AnswerPredictor)
    backend, limit = predictor.backend, place.settings.max_new_tokens
    asked = Asked(
        tuple(examples), tuple(tuple(predictor.windowing.cut(example.text)) for example in examples)
    )
    started = time.monotonic()
    outputs = backend.generate(backend.chat.prompt_ids(asked.texts), limit)
    seconds = time.monotonic() - started
    texts = backend.chat.tokenizer.batch_decode(
        outputs, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    end = backend.chat.end_of_turn_id
    answers = [Answer(text, ids[-1:] != [end]) for text, ids in zip(texts, outputs, strict=True)]
    n_bytes = sum(parameter.nbytes for parameter in backend.model.parameters())
    return asked, asked.answered("ours", answers, seconds, n_bytes)


class GgufExport:
    """Writes GGUF files of one merged model.

    Args:
        merged: Folder of the merged model.
        settings: How it is asked.
        to: Folder of the files.

    Raises:
        ValueError: If its family, tokenizer or template is not known to llama.cpp, or a package is missing.
    """

    def __init__(self, merged: Path, settings: PredictionSettings, to: Path) -> None:
        from transformers import AutoConfig

        self._merged, self._settings, self._to = merged, settings, to
        self._config: PretrainedConfig = AutoConfig.from_pretrained(merged, local_files_only=True)
        check_family(self._config)
        self.chat: ChatFormat = read_chat_format(merged).asked_with(settings.prompt)
        self.pieces = prompt_pieces(self.chat)
        self._vocabulary: Vocabulary = read_vocabulary(
            self.chat, self._config.vocab_size, self.pieces.jinja()
        )
        self.pre_tokenizer = ""

    def find_pre_tokenizer(self, asked: Asked) -> None:
        """Find out how llama.cpp must split texts to make our tokens of all prompts.

        Raises:
            ValueError: If it cannot.
        """
        probe = self._to / "probe.gguf"
        servers: dict[str, LlamaServer | None] = {}

        def tokenize(name: str, text: str) -> list[int] | None:
            if name not in servers:
                servers.clear()  # one at a time
                write_probe(self._vocabulary, name, probe)
                try:
                    servers[name] = LlamaServer(probe, 64)
                except CannotLoad:
                    servers[name] = None
            server = servers[name]
            return None if server is None else server.tokenize(text, opened=False)

        try:
            self.pre_tokenizer = find_pre_tokenizer(self.chat, self.chat.prompts(asked.texts), tokenize)
        finally:
            servers.clear()
            probe.unlink(missing_ok=True)

    def write(self, precision: Precision) -> Path:
        """Write a file; return its path."""
        file = self._to / f"model-{precision}.gguf"
        write_gguf(self._merged, self._config, self._vocabulary, self.pre_tokenizer, file, precision)
        return file

    def ask(self, file: Path, asked: Asked) -> Answered:
        """Return what llama.cpp answers with a file.

        Raises:
            ValueError: If it cannot load the file, or makes another prompt than we do.
        """
        texts, settings = asked.texts, self._settings
        with LlamaServer(file, settings.window_tokens) as server:
            prompts = [server.prompt(text) for text in texts]
            ours = self.chat.prompt_ids(texts)
            different = sum(server.tokenize(prompt) != ids for prompt, ids in zip(prompts, ours, strict=True))
            if different:
                raise ValueError(
                    f"llama.cpp makes other tokens than we do of {different} of {len(texts)} prompts"
                )
            started = time.monotonic()
            answers = server.answers(texts, settings.max_new_tokens)
            seconds = time.monotonic() - started
        return asked.answered(
            f"llama.cpp {file.stem.removeprefix('model-')}", answers, seconds, file.stat().st_size
        )


def export_gguf(
    place: ModelPlace,
    merged: Path,
    to: Path,
    name: str,
    quantise: Precision | None,
    examples: Sequence[Example],
) -> tuple[Parity, list[str]]:
    """Write the files and compare them with ours; return also what forbids to call the export done.

    Args:
        place: Our model.
        merged: The same, merged into its base.
        to: Folder of the files, which exists.
        name: What the model is called.
        quantise: How the second file is quantised (None: there is none).
        examples: Documents of the comparison.

    Raises:
        ValueError: If a package is missing, or llama.cpp cannot serve the model.
    """
    for package in ("gguf", "xllamacpp"):
        optional(package)
    export = GgufExport(merged, place.settings, to)
    asked, ours = answer_ourselves(place, examples)
    export.find_pre_tokenizer(asked)
    wanted: list[Precision] = ["f16", *([quantise] if quantise else [])]
    files = [export.write(precision) for precision in wanted]
    others = [export.ask(file, asked) for file in files]
    parity = compare(examples, ours, others, place.settings)
    settings, smallest = place.settings, files[-1].name
    room = Windowing(export.chat, settings.window_tokens, settings.overlap_tokens).room_tokens
    write_modelfile(to, smallest, export.pieces, settings, export.chat.end_of_turn)
    write_request(to, name, export.pieces, settings)
    write_gguf_readme(to, name, smallest, parity.table(), export.pre_tokenizer, room, settings)
    return parity, parity.problems([other.name for other in others[1:]])
