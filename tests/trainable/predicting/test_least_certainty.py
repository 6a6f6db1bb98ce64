"""evaluate.py's least certainty: chosen on labelled texts, stored with the model, used by predict.py, and refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import run_script
from tests.tagging import save_tagging_adapter
from trainable.predicting.least_certainty import flag_problems, model_problems
from trainable.predicting.options import EvaluateOptions

_TEXTS = [
    "Call Orla Quist, 王小明, at 0711 555 0199. " * 2,
    "The desk lamp arrived.",
    "今天天气很好，李雷来了。",
]


@pytest.mark.timeout(300)
def test_a_threshold_is_chosen_stored_and_used(tmp_path: Path) -> None:
    adapter = save_tagging_adapter(tmp_path / "adapter")
    rows = [{"id": f"d{number}", "input": text} for number, text in enumerate(_TEXTS)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def predicted() -> list[dict[str, object]]:
        done = run_script("trainable/predict.py", str(adapter), str(tmp_path / "in.jsonl"))
        return [json.loads(line) for line in done.stdout.splitlines()]

    every = predicted()
    values = sorted(item["certainty"] for row in every for item in row["output"]["entities"])  # type: ignore[index]
    middle = values[len(values) // 2]
    gold = tmp_path / "gold.jsonl"
    with gold.open("w", encoding="utf-8") as file:
        for row in every:
            sure = [item for item in row["output"]["entities"] if item["certainty"] >= middle]  # type: ignore[index]
            file.write(json.dumps({**row, "output": {"entities": sure}}) + "\n")

    def evaluated(*flags: str) -> dict[str, object]:
        done = run_script("trainable/evaluate.py", str(adapter), str(gold), *flags)
        assert done.returncode == 0, done.stderr.decode()
        return {"shown": done.stdout.decode(), **json.loads(done.stdout.splitlines()[-1])}

    chosen = evaluated("--operating-point", "precision=1.0", "--save")
    assert (chosen["micro_recall"], chosen["micro_precision"]) == (1.0, 1.0)
    assert values[0] < float(str(chosen["min_confidence"])) <= middle + 1e-6
    assert "chosen on these very documents" in str(chosen["shown"])
    assert chosen["saved"] == str(adapter / "prediction.json")
    assert sorted(path.name for path in adapter.iterdir() if path.name.startswith("prediction")) == [
        "prediction.json"
    ]
    assert predicted() == [json.loads(line) for line in gold.read_text("utf-8").splitlines()]
    assert evaluated()["micro_precision"] == 1.0
    again = evaluated("--operating-point", "recall=1.0")  # what is stored does not narrow the choice
    assert (again["min_confidence"], again["saved"]) == (chosen["min_confidence"], None)
    assert evaluated("--min-confidence", "0", "--save")["micro_recall"] == 1.0
    assert predicted() == every
    surplus = evaluated("--operating-point", "precision=0.01")
    assert surplus["min_confidence"] == 0.0
    assert "a surplus of precision cannot become recall" in " ".join(str(surplus["shown"]).split())
    low = run_script("trainable/evaluate.py", str(adapter), str(gold), "--operating-point", "false-alarm=x")
    assert low.returncode == 2


def test_flags_that_contradict_each_other_are_refused_together() -> None:
    options = EvaluateOptions("m", Path("f"), min_confidence=3.0, operating_point="f1=0.9")
    assert [problem.split(",")[0] for problem in flag_problems(options)] == [
        "`--min-confidence` is 3",
        "`--operating-point` is 'f1=0.9'",
        "`--operating-point` chooses what `--min-confidence` gives; leave one of them out",
    ]
    assert "there is none" in flag_problems(EvaluateOptions("m", Path("f"), save=True))[0]
    assert flag_problems(EvaluateOptions("m", Path("f"), operating_point="recall=0.9", save=True)) == []


def test_a_model_that_writes_has_no_operating_point_and_a_file_cannot_store_one() -> None:
    options = EvaluateOptions("m", Path("f"), operating_point="recall=0.9", save=True)
    refused, lost = model_problems(options, "m", False, None)
    assert refused.startswith("`--operating-point` needs the certainty of each entity, but m has none")
    assert lost == "`--save` needs a model to store with, but m is a file of predictions"
    assert len(model_problems(options, "m", True, None)) == 1
