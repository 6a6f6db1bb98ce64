"""What lies beside exported weights says our prompt, and a model card keeps one table of each export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainable.exporting.folder_texts import add_to_card, write_modelfile, write_onnx_readme, write_request
from trainable.exporting.prompt_pieces import PromptPieces
from trainable.model.prediction_settings import PredictionSettings

PIECES = PromptPieces("<s>", "Find names.", "</s><u>", "</u><a>")
SETTINGS = PredictionSettings(window_tokens=300, max_new_tokens=70)


def test_the_modelfile_has_prompt_limits_and_end(tmp_path: Path) -> None:
    write_modelfile(tmp_path, "model.gguf", PIECES, SETTINGS, '<|"end"|>')
    assert (tmp_path / "Modelfile").read_text(encoding="utf-8").splitlines() == [
        "FROM ./model.gguf",
        'TEMPLATE """<s>{{ .System }}</s><u>{{ .Prompt }}</u><a>"""',
        'SYSTEM """Find names."""',
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        "PARAMETER num_ctx 300",
        "PARAMETER num_predict 70",
        'PARAMETER stop "<|\\"end\\"|>"',
    ]
    with pytest.raises(ValueError, match="three quotes"):
        write_modelfile(tmp_path, "model.gguf", PromptPieces("", '"""', "", ""), SETTINGS, "")


def test_the_request_asks_greedily_with_our_system_message(tmp_path: Path) -> None:
    write_request(tmp_path, "pii", PIECES, SETTINGS)
    body = json.loads((tmp_path / "request.json").read_text(encoding="utf-8"))
    assert body["messages"][0] == {"role": "system", "content": "Find names."}
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("pii", 0, 70)


def test_a_readme_shows_the_table(tmp_path: Path) -> None:
    write_onnx_readme(tmp_path, "pii", "| a |\n")
    assert (tmp_path / "README.md").read_text(encoding="utf-8").startswith("# pii for onnxruntime\n\n| a |\n")


def test_a_card_keeps_the_newest_table_of_each_export(tmp_path: Path) -> None:
    card = tmp_path / "model_card.md"
    assert not add_to_card(card, "gguf", "| old |\n")
    card.write_text("# Card\n\n## Limits\n\nSome.\n", encoding="utf-8")
    for target, table in (("gguf", "| old |\n"), ("onnx", "| other |\n"), ("gguf", "| new |\n")):
        assert add_to_card(card, target, table)
    assert card.read_text(encoding="utf-8") == (
        "# Card\n\n## Limits\n\nSome.\n\n## Export to gguf\n\n| new |\n\n## Export to onnx\n\n| other |\n"
    )
