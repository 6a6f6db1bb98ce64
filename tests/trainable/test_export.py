"""The command that writes a model for other programs: what it leaves, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data.corpus import SAMPLE_DIR
from data.paths import ROOT
from tests.adapters import backend_with
from tests.tagging import CONFIG, save_tagging_adapter
from tests.trainable.exporting.packages import needs
from trainable.export import ExportOptions, export

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


def save_writing_adapter(folder: Path) -> Path:
    """Write an adapter that changes what small-2m writes; return its folder."""
    from trainable.model.adapters import save_adapter
    from trainable.model.prediction_settings import PredictionSettings

    save_adapter(backend_with(CONFIG.with_changes(answers="json")).model, folder, CONFIG.model)
    PredictionSettings(max_new_tokens=60).save(folder)
    return folder


@pytest.mark.slow
def test_a_retrained_study_becomes_a_gguf_and_its_card_tells_so(tmp_path: Path) -> None:
    needs("gguf", "xllamacpp")
    retrain = tmp_path / "study" / "retrain"
    save_writing_adapter(retrain / "adapter")
    (retrain / "model_card.md").write_text("# Card\n", encoding="utf-8")
    command = [sys.executable, str(ROOT / "trainable" / "export.py"), str(tmp_path / "study"), "--to", "gguf"]
    flags = ["--documents", "100", "--data-dir", str(SAMPLE_DIR)]
    done = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    out = tmp_path / "study" / "export-gguf"
    assert summary == {"export": str(out), "to": "gguf", "documents": 100, "in_model_card": True}
    assert {file.name for file in out.iterdir()} == {
        "README.md",
        "Modelfile",
        "request.json",
        "model-f16.gguf",
    }
    assert out.stat().st_mode & 0o077 == 0
    [code] = re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shown = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith('{"entities":[')
    card = (retrain / "model_card.md").read_text(encoding="utf-8")
    assert card.startswith("# Card\n\n## Export to gguf\n\n| 100 documents | same answers |")
    assert not list(tmp_path.glob("study/*.unfinished"))
    again = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "export-gguf exists; remove it or choose another name" in again.stderr


@pytest.mark.slow
def test_what_answers_otherwise_is_not_called_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("gguf", "xllamacpp")
    import trainable.exporting.parity as parity

    monkeypatch.setattr(parity, "LEAST_SAME", 1.1)
    adapter = save_writing_adapter(tmp_path / "adapter")
    out = tmp_path / "out"
    with pytest.raises(
        ValueError, match=r"llama\.cpp f16: .* of the answers are the same as ours, but must be"
    ):
        export(ExportOptions(str(adapter), "gguf", out=out, data_dir=SAMPLE_DIR, documents=5))
    assert not out.exists()
    assert (tmp_path / "out.unfinished" / "model-f16.gguf").is_file()


@pytest.mark.slow
def test_a_tagging_adapter_becomes_a_folder_for_onnxruntime(tmp_path: Path) -> None:
    needs("onnx", "onnxscript", "onnxruntime")
    adapter = save_tagging_adapter(tmp_path / "adapter")
    summary = export(ExportOptions(str(adapter), "onnx", data_dir=SAMPLE_DIR))
    assert summary == {
        "export": str(tmp_path / "adapter-onnx"), "to": "onnx", "documents": 300, "in_model_card": False,
    }  # fmt: skip
    assert "python find.py" in (tmp_path / "adapter-onnx" / "README.md").read_text(encoding="utf-8")


def test_a_model_that_tags_is_refused_where_answers_are_written_and_the_reverse(tmp_path: Path) -> None:
    tagging, writing = save_tagging_adapter(tmp_path / "tagging"), save_writing_adapter(tmp_path / "writing")
    for adapter, to, where in ((tagging, "gguf", "goes to onnx"), (writing, "onnx", "goes to gguf or vllm")):
        with pytest.raises(OSError, match=where):
            export(ExportOptions(str(adapter), to, data_dir=SAMPLE_DIR))  # type: ignore[arg-type]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    adapter = save_writing_adapter(tmp_path / "adapter")
    with pytest.raises(OSError) as caught:
        export(ExportOptions(str(adapter), "vllm", "q8_0", tmp_path, SAMPLE_DIR, documents=0))
    message = str(caught.value)
    assert "`--quantise` is for `--to gguf`, but `--to` is vllm" in message
    assert "`--documents` is 0, but must be at least 1" in message
    assert f"`--out` {tmp_path} exists" in message
    with pytest.raises(OSError, match="must be an adapter's folder"):
        export(ExportOptions("no such model", "gguf", data_dir=SAMPLE_DIR))
