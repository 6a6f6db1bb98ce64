"""A tagging model in onnxruntime finds what ours finds, with the script that lies beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data.entities import Example
from tests.families import save_family
from tests.tagging import CONFIG, TAGS, tagging_backend
from tests.trainable.exporting.packages import needs
from trainable.exporting.onnx_export import export_onnx, write_graph
from trainable.predicting.predictor import find_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_document_has_the_same_entities_and_the_script_needs_nothing_of_ours(
    tagging: Path, tmp_path: Path, documents: list[Example]
) -> None:
    needs("onnx", "onnxscript", "onnxruntime")
    place = find_model(str(tagging / "adapter"))
    long = Example("long", "\n".join(example.text for example in documents[:40]), ())
    parity, problems = export_onnx(place, tagging / "merged", tmp_path, [*documents, long])
    assert problems == []
    assert parity.rows[1].same == 1.0
    assert {file.name for file in tmp_path.iterdir()} == {
        "model.onnx", "tokenizer.json", "finder.json", "find.py", "spelling.py", "tag_windows.py", "tagset.py",
    }  # fmt: skip
    command = [sys.executable, "-P", str(tmp_path / "find.py"), documents[0].text]
    done = subprocess.run(command[:1] + command[2:], cwd="/", capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert [documents[0].text[one["start"] : one["end"]] for one in found] == [one["text"] for one in found]
    assert {one["type"] for one in found} <= set(TAGS.types)
    loads = "import sys; sys.path.insert(0, sys.argv[1]); import find; print(sorted({'torch', 'transformers', 'trainable'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", loads, str(tmp_path)], cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("family", ["gemma3", "granite", "llama3"])
def test_other_families_have_the_same_logits(family: str, tmp_path: Path) -> None:
    import torch

    needs("onnx", "onnxscript", "onnxruntime")
    import onnxruntime

    from trainable.model.tag_head import every_logit

    base = save_family(family, tmp_path / "base")
    model = tagging_backend(CONFIG.with_changes(model=str(base)), base).model.merge_and_unload().eval()
    write_graph(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    ids = torch.randint(5, 2000, (3, 90))
    real = torch.ones_like(ids)
    real[1, 40:] = 0
    [found] = session.run(None, {"input_ids": ids.numpy(), "attention_mask": real.numpy()})
    with torch.no_grad():
        expected = every_logit(model, ids, real.bool())
    assert (torch.tensor(found) - expected)[real.bool()].abs().max() < 1e-3
