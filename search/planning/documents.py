"""The documents of a search's corpus: each file is read once, for everything that is decided before the start; their length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from data.corpus import CorpusFiles
from data.entities import Example
from data.files.jsonl import read_examples
from data.prompt import DEFAULT_PROMPT, PromptSettings
from trainable.model.bases import locate_base
from trainable.tokens.chat import read_chat_format

_SAMPLE = 200


class Documents:
    """Reads a part of the corpus when it is first asked for, and keeps it until `drop`.

    Args:
        files: The corpus.
        read: Parts of it that have been read already.
    """

    def __init__(self, files: CorpusFiles, read: dict[str, Sequence[Example]] | None = None) -> None:
        self.files = files
        self._read = read or {}

    @property
    def train(self) -> Sequence[Example]:
        """Training documents."""
        return self.part("train")

    @property
    def validation(self) -> Sequence[Example]:
        """Validation documents."""
        return self.part("validation")

    def part(self, name: str) -> Sequence[Example]:
        """Return the documents of train, validation or test.

        Raises:
            DataError: Lists every bad line of the file.
            KeyError: If the corpus has no such part.
        """
        if name not in self._read:
            self._read[name] = read_examples(self.files.by_name()[name])
        return self._read[name]

    def parts(self) -> dict[str, Sequence[Example]]:
        """Return all parts by name."""
        return {name: self.part(name) for name in self.files.by_name()}

    def readable(self, problems: list[str]) -> dict[str, Sequence[Example]]:
        """Return the parts that can be read, by name; add to `problems` why others cannot."""
        read = dict[str, Sequence[Example]]()
        for name in self.files.by_name():
            try:
                read[name] = self.part(name)
            except (OSError, ValueError) as error:
                problems.append(str(error))
        return read

    def problems(self) -> list[str]:
        """Read all parts; return what is wrong with them: bad lines, or no document."""
        problems, paths = list[str](), self.files.by_name()
        empty = [name for name, documents in self.readable(problems).items() if not documents]
        return problems + [f"{paths[name]} must hold at least one document" for name in empty]

    def handed_over(self) -> Documents:
        """Return what has been read as documents of their own; these let go of it."""
        read, self._read = self._read, {}
        return Documents(self.files, read)

    def drop(self) -> None:
        """Let go of the documents: a search that runs has no use for them, and hands its plan to Ray."""
        self._read.clear()


def mean_tokens(
    examples: Sequence[Example], model: str, window_tokens: int, prompt: PromptSettings = DEFAULT_PROMPT
) -> float:
    """Return the mean length of a training sample in tokens, from an even draw of documents.

    Args:
        examples: Training documents.
        model: Whose tokenizer counts.
        window_tokens: Longer samples are cut into windows of this length.
        prompt: What is asked beside the text.
    """
    drawn = list(islice(examples, 0, None, max(1, len(examples) // _SAMPLE)))
    samples = read_chat_format(locate_base(model)).asked_with(prompt).samples(drawn)
    return sum(min(len(prompt) + len(answer), window_tokens) for prompt, answer in samples) / len(samples)
