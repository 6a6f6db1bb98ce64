"""Small invented evaluations and studies that the tests of the report share."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from data.entities import Entity, Example
from data.prompt import Parsed
from search.study.trial_view import TrialView
from search.study.view import StudyView
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import evaluate_predictions
from trainable.scoring.record import EvaluationRecord, make_record

NAME, PHONE = "欧阳青云", "13800138000"
TYPES = frozenset({"PERSON", "PHONE"})


def documents() -> list[Example]:
    """Forty documents with a name and a telephone number each, then ten without any."""
    labelled = []
    for n in range(40):
        name, phone = f"{NAME}{n}", f"{PHONE}{n}"
        text = f"{name}的电话是{phone}。"
        at = text.index(phone)
        entities = (Entity("PERSON", name, 0, len(name)), Entity("PHONE", phone, at, at + len(phone)))
        labelled.append(Example(f"private-id-{n}", text, entities, "g", "zh", "test"))
    empty = [Example(f"none-{n}", "会议改到下午三点。", (), "g", "zh", "test") for n in range(10)]
    return [*labelled, *empty]


def record_of(examples: list[Example], found_names: int) -> EvaluationRecord:
    """A record with every telephone number, the first names, and a false alarm in the first document without entities."""
    predictions, alarm = [], [("PERSON", "会议")]
    for n, example in enumerate(examples):
        items = [(e.type, e.text) for e in example.entities if e.type == "PHONE" or n < found_names]
        predictions.append(Prediction(Parsed(tuple(items or (alarm if n == 40 else [])), valid=True), False))
    evaluation = evaluate_predictions(examples, predictions, known_types=TYPES, min_precision=0.85)
    return make_record(examples, predictions, evaluation, known_types=TYPES, step=153, min_precision=0.85)


def planted(
    view: StudyView, score_of: Callable[[Mapping[str, object]], float], n: int = 40, noise: float = 0.01
) -> StudyView:
    """The same study with n completed trials at random configs whose scores at the horizon follow a rule."""
    draw = random.Random(0)
    trials = []
    for number in range(n):
        config = {
            **view.trials[0].config,
            "model": draw.choice(["small-2m", "small-4m"]),
            "load_in_4bit": draw.random() < 0.5,
            "lora_rank": draw.choice([8, 12, 16, 32, 64]),
            "learning_rate": 3e-4 * 100 ** draw.random(),
            "oversampling": draw.randint(1, 4),
        }
        score = score_of(config) + draw.gauss(0, noise)
        trials.append(TrialView(number, f"t{number}", "", "completed", {153: score}, config, {}, None, None))
    ranking = sorted(trials, key=lambda trial: -trial.scores[153])
    return replace(view, trials=tuple(trials), ranking=tuple(trial.name for trial in ranking))


def changed(view: StudyView, name: str, **changes: object) -> StudyView:
    """The same study with one trial changed."""
    trials = (replace(trial, **changes) if trial.name == name else trial for trial in view.trials)  # type: ignore[arg-type]
    return replace(view, trials=tuple(trials))
