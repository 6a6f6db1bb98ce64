"""The comparison of an export with ours, and when it may be called done."""

from __future__ import annotations

from data.entities import Entity, Example
from data.prompt import Parsed
from trainable.exporting.parity import Answered, compare
from trainable.model.prediction_settings import PredictionSettings
from trainable.scoring.counts import Prediction

N = 200
EXAMPLES = [Example(str(number), "Ann", (Entity("NAME", "Ann", 0, 3),)) for number in range(N)]
FOUND, MISSED = (
    Prediction(Parsed((("NAME", "Ann"),), valid=True), False),
    Prediction(Parsed((), valid=True), False),
)


def answered(name: str, n_found: int) -> Answered:
    predictions = (FOUND,) * n_found + (MISSED,) * (N - n_found)
    return Answered(name, predictions, tuple(one.parsed.items for one in predictions), 12.34, 3 << 20)


def problems(n_whole: int, n_quantised: int) -> list[str]:
    others = [answered("f16", n_whole), answered("q8_0", n_quantised)]
    return compare(EXAMPLES, answered("ours", N), others, PredictionSettings()).problems(["q8_0"])


def test_the_table_tells_answers_quality_speed_and_size() -> None:
    parity = compare(EXAMPLES, answered("ours", N), [answered("f16", 190)], PredictionSettings())
    assert parity.table().splitlines()[0].startswith("| 200 documents | same answers | recall |")
    assert parity.table().splitlines()[3] == "| f16 | 0.950 | 0.950 | 1.000 | 12.3 | 3.0 |"


def test_whole_weights_need_99_percent_of_the_same_answers() -> None:
    assert problems(198, N) == []
    assert problems(197, N) == ["f16: 0.985 of the answers are the same as ours, but must be at least 0.990"]


def test_quantised_weights_may_lose_half_a_point_of_recall() -> None:
    assert problems(N, 199) == []
    assert problems(N, 198) == ["q8_0: recall is 0.990, but must be at least 1.000 less 0.5 points"]
