"""evaluate.py's least certainty: chosen on labelled texts, stored with the model, used by predict.py, and refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from data.entities import Entity, Example
from data.files.jsonl import read_examples
from data.prompt import Parsed
from tests.commands import run_script
from tests.tagging import save_tagging_adapter
from trainable.model.prediction_settings import PredictionSettings
from trainable.predicting.least_certainty import BIASES, choose_point, flag_problems, model_problems
from trainable.predicting.options import EvaluateOptions
from trainable.predicting.predictor import ModelPlace, find_model, load_predictor
from trainable.scoring.calibration import Calibration, fit_calibration
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.scoring.operating_point import Target

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
    calibration = PredictionSettings.load(adapter).calibration
    assert calibration != Calibration()
    least = float(str(chosen["min_confidence"]))
    assert calibration.of(values[0]) < least <= calibration.of(middle + 1e-6)
    assert "chosen on these very documents" in str(chosen["shown"])
    assert chosen["saved"] == str(adapter / "prediction.json")
    assert sorted(path.name for path in adapter.iterdir() if path.name.startswith("prediction")) == [
        "prediction.json"
    ]
    assert places(predicted()) == places(map(json.loads, gold.read_text("utf-8").splitlines()))
    assert evaluated()["micro_precision"] == 1.0
    again = evaluated("--operating-point", "recall=1.0")  # what is stored does not narrow the choice
    assert (again["min_confidence"], again["saved"]) == (chosen["min_confidence"], None)
    assert evaluated("--min-confidence", "0", "--save")["micro_recall"] == 1.0
    assert places(predicted()) == places(every)
    surplus = evaluated("--operating-point", "precision=0.01")
    assert surplus["min_confidence"] == 0.0
    assert "a surplus of precision cannot become recall" in " ".join(str(surplus["shown"]).split())
    low = run_script("trainable/evaluate.py", str(adapter), str(gold), "--operating-point", "false-alarm=x")
    assert low.returncode == 2


def places(rows: Iterable[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Type and place of every entity, whose certainty a calibration changes."""
    items = [item for row in rows for item in row["output"]["entities"]]
    return [(item["type"], item["start"], item["end"]) for item in items]


def test_flags_that_contradict_each_other_are_refused_together() -> None:
    options = EvaluateOptions("m", Path("f"), min_confidence=3.0, operating_point="f1=0.9")
    assert [problem.split(",")[0] for problem in flag_problems(options)] == [
        "`--min-confidence` is 3",
        "`--operating-point` is 'f1=0.9'",
        "`--operating-point` chooses what `--min-confidence` gives; leave one of them out",
    ]
    assert "there is none" in flag_problems(EvaluateOptions("m", Path("f"), save=True))[0]
    assert flag_problems(EvaluateOptions("m", Path("f"), operating_point="recall=0.9", save=True)) == []


def test_a_file_without_certainties_has_no_operating_point_and_cannot_store_one() -> None:
    options = EvaluateOptions("m", Path("f"), operating_point="recall=0.9", calibrate=True, save=True)
    refused, too, lost = model_problems(options, "m", False, None)
    assert refused.startswith("`--operating-point` needs the certainty of each entity, but m has none")
    assert too.startswith("`--calibrate` needs the certainty of each entity, but m has none")
    assert lost == "`--save` needs a model to store with, but m is a file of predictions"
    assert len(model_problems(options, "m", True, None)) == 1


def test_a_new_calibration_does_not_change_what_stored_thresholds_mean() -> None:
    place = ModelPlace(Path("b"), Path("a"), PredictionSettings(min_confidence=0.5))
    [problem] = model_problems(EvaluateOptions("m", Path("f"), calibrate=True), "m", True, place)
    assert problem == (
        "`--calibrate` changes what certainties mean, but m leaves out entities below 0.5; give `--operating-point` or "
        "`--min-confidence` too"
    )
    given = EvaluateOptions("m", Path("f"), calibrate=True, min_confidence=0.4)
    assert model_problems(given, "m", True, place) == []


@pytest.mark.timeout(300)
def test_a_calibration_is_stored_and_used_and_thresholds_are_told_in_it(tmp_path: Path) -> None:
    adapter = save_tagging_adapter(tmp_path / "adapter")
    place = find_model(str(adapter))
    every = load_predictor(place, place.settings).predict(_TEXTS)
    gold = tmp_path / "gold.jsonl"
    with gold.open("w", encoding="utf-8") as file:
        for number, (text, (prediction, _)) in enumerate(zip(_TEXTS, every, strict=True)):
            half = [{"type": one.type, "text": one.text} for one in prediction.entities[::2]]
            row = {"id": f"d{number}", "input": text, "output": {"entities": half}}
            file.write(json.dumps(row) + "\n")
    least = ("--calibrate", "--min-confidence", "0.001", "--save")
    done = run_script("trainable/evaluate.py", str(adapter), str(gold), *least)
    assert done.returncode == 0, done.stderr.decode()
    summary = json.loads(done.stdout.splitlines()[-1])
    stored = PredictionSettings.load(adapter)
    assert stored.calibration == fit_calibration(read_examples(gold), [one for one, _ in every])
    assert (stored.min_confidence, summary["min_confidence"]) == (0.001, 0.001)
    assert 0 <= summary["calibration_error"] < 1
    assert "expected calibration error" in done.stdout.decode()
    found = load_predictor(find_model(str(adapter)), stored).predict(_TEXTS)
    for (before, _), (after, _) in zip(every, found, strict=True):
        assert after.certainties == tuple(map(stored.calibration.of, before.certainties))


def test_the_bias_that_finds_most_is_chosen_and_the_first_of_equals() -> None:
    text = "Wei Li"
    gold = (Entity("NAME", "Wei", 0, 3), Entity("NAME", "Li", 4, 6))
    examples = [Example(f"d{number}", text, gold) for number in range(4)]

    def read(bias: float) -> list[Prediction]:
        found = gold[: 1 if bias < 1 else 2]
        parsed = Parsed(tuple((one.type, one.text) for one in found), valid=True)
        return [Prediction(parsed, False, found, (0.9,) * len(found))] * len(examples)

    def score(predictions: Sequence[Prediction]) -> Evaluation:
        return evaluate_predictions(examples, predictions, known_types=None, min_precision=0.85)

    point = choose_point(Target("precision", 0.9), examples, PredictionSettings(), read, score, BIASES)
    assert (point.settings.list_bias, point.evaluation.micro_recall) == (1.0, 1.0)
    assert point.settings.calibration == fit_calibration(examples, read(1.0))
    as_told = choose_point(Target("recall", 0.8), examples, PredictionSettings(), read, score, BIASES, False)
    assert (as_told.settings.list_bias, as_told.settings.calibration) == (1.0, Calibration())
    with pytest.raises(ValueError, match=r"recall=0\.8 cannot be reached: recall is 0\.500"):
        choose_point(Target("recall", 0.8), examples, PredictionSettings(), read, score, (0.0,))
