"""The flags of predict.py and evaluate.py as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest
import tyro

from trainable.predicting.options import EvaluateOptions, PredictOptions


def test_a_model_alone_reads_standard_input_and_asks_again_where_answers_fail() -> None:
    options = tyro.cli(PredictOptions, args=["results/study-001"])
    assert options == PredictOptions("results/study-001")
    assert (options.source, options.format, options.input, options.once) == ("-", "jsonl", "auto", False)
    assert (options.window_tokens, options.overlap_tokens, options.max_new_tokens) == (None, None, None)


def test_every_flag_of_predict_reaches_its_field() -> None:
    line = "adapter texts.txt --format redacted --input lines --out a.jsonl --rejects b --with-rules --once"
    more = "--window-tokens 256 --max-new-tokens 64 --min-confidence 0.5 --every-mention --column note"
    options = tyro.cli(PredictOptions, args=[*line.split(), *more.split()])
    assert options == PredictOptions(
        "adapter", "texts.txt", "redacted", "lines", Path("a.jsonl"), Path("b"), with_rules=True,
        window_tokens=256, max_new_tokens=64, once=True, min_confidence=0.5, every_mention=True, column="note",
    )  # fmt: skip


def test_evaluate_needs_a_model_and_a_file() -> None:
    options = tyro.cli(EvaluateOptions, args=["adapter", "test.jsonl", "--against", "other", "--errors", "5"])
    assert options == EvaluateOptions("adapter", Path("test.jsonl"), against="other", errors=5)
    more = ["adapter", "validation.jsonl", "--operating-point", "recall=0.9", "--save"]
    chosen = tyro.cli(EvaluateOptions, args=more)
    assert (chosen.operating_point, chosen.save, chosen.min_confidence) == ("recall=0.9", True, None)
    assert not options.show_text  # private text only when it is asked for


@pytest.mark.parametrize(
    "arguments", [[], ["adapter", "in", "--format", "xml"], ["adapter", "--window-tokens", "many"]]
)
def test_what_cannot_be_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        tyro.cli(PredictOptions, args=arguments)
    assert caught.value.code == 2
    capsys.readouterr()
