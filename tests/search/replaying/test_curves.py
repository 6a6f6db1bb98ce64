"""The learning-curve table: its file, its shapes, and which recorded config answers for a suggested one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search.replaying.curves import CurveTable, snapped_rungs

CONFIG = {"model": "a", "load_in_4bit": False, "lora_rank": 8, "learning_rate": 1e-3, "oversampling": 1}


def of_configs(table: CurveTable, *configs: dict[str, object]) -> CurveTable:
    """The first rows of a table, under other configs."""
    n = len(configs)
    rows = {
        name: getattr(table, name)[:n]
        for name in ("tp_by_type", "fp_by_type", "fp_other", "valid", "truncated")
    }
    return replace(
        table, **rows, train_loss=table.train_loss[:n], answer_loss=table.answer_loss[:n],
        configs=np.array([json.dumps(config) for config in configs]),
    )  # fmt: skip


def test_a_table_survives_its_file_and_leaves_no_scratch(curve_table: CurveTable, tmp_path: Path) -> None:
    curve_table.save(tmp_path / "table.npz")
    read = CurveTable.load(tmp_path / "table.npz")
    for name in ("tp_by_type", "train_loss", "answer_loss", "configs", "types"):
        np.testing.assert_array_equal(getattr(read, name), getattr(curve_table, name))
    assert [path.name for path in tmp_path.iterdir()] == ["table.npz"]


def test_a_file_that_is_no_table_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(ValueError, match="does not exist, but must be a learning-curve table"):
        CurveTable.load(path)
    path.write_text("text", encoding="utf-8")
    with pytest.raises(ValueError, match=f"{path} is no learning-curve table"):
        CurveTable.load(path)
    np.savez(path, tp_by_type=np.zeros(3), steps=np.arange(3))
    with pytest.raises(ValueError, match="it lacks answer_loss, answer_tokens, configs"):
        CurveTable.load(path)


def test_arrays_that_do_not_fit_together_are_all_named(curve_table: CurveTable) -> None:
    with pytest.raises(ValueError) as error:
        replace(curve_table, valid=curve_table.valid[:, :1], steps=curve_table.steps[:-1])
    assert "`valid` has shape (60, 1, 9, 120), but must be (configs, seeds, steps, documents)" in str(
        error.value
    )
    assert "`steps` has shape (8,)" in str(error.value)
    with pytest.raises(ValueError, match="must rise"):
        replace(curve_table, steps=curve_table.steps[::-1])


def test_the_totals_are_found_wrong_and_missed_entities(curve_table: CurveTable) -> None:
    found, wrong, missed = np.moveaxis(curve_table.totals[3, 1, -1], -1, 0)
    np.testing.assert_array_equal(found + missed, curve_table.gold_by_type.sum(1))
    np.testing.assert_array_equal(found, curve_table.tp_by_type[3, 1, -1].sum(1))
    np.testing.assert_array_equal(
        wrong, curve_table.fp_by_type[3, 1, -1].sum(1) + curve_table.fp_other[3, 1, -1]
    )


@pytest.mark.parametrize(
    ("change", "distance"),
    [
        ({}, 0.0),
        ({"model": "b"}, 8.0),
        ({"load_in_4bit": True}, 4.0),
        ({"learning_rate": 1e-3 * np.e}, 1.0),
        ({"lora_rank": 32}, 2.0),
        ({"oversampling": 3.5}, 2.5),
        ({"model": "b", "lora_rank": 16, "oversampling": 2}, 10.0),
        ({"weight_decay": 0.04}, 2.0),
        ({"optimizer": "adamw_8bit"}, 1.0),
        ({"lora_alpha": 16}, 1.0),
        ({"weight_decay": 0.01, "optimizer": "adamw", "seed": 7}, 0.0),
    ],
)
def test_the_distance_of_two_configs_adds_what_differs(
    curve_table: CurveTable, change: dict[str, object], distance: float
) -> None:
    table = of_configs(curve_table, CONFIG)
    assert table.nearest({**CONFIG, **change}) == (0, pytest.approx(distance))


def test_the_nearest_that_is_not_used_answers_and_of_equal_ones_the_first(curve_table: CurveTable) -> None:
    table = of_configs(curve_table, {**CONFIG, "lora_rank": 64}, CONFIG, CONFIG, {**CONFIG, "model": "b"})
    assert table.nearest(CONFIG) == (1, 0.0)
    assert table.nearest(CONFIG, frozenset({1})) == (2, 0.0)
    assert table.nearest(CONFIG, frozenset({1, 2})) == (0, 3.0)
    assert table.nearest(CONFIG, frozenset({0, 1, 2})) == (3, 8.0)


def test_one_table_follows_another_of_the_same_documents(curve_table: CurveTable) -> None:
    first, second = of_configs(curve_table, CONFIG), of_configs(curve_table, {**CONFIG, "model": "b"}, CONFIG)
    joined = first.followed_by(second)
    assert [config["model"] for config in joined.parsed_configs] == ["a", "b", "a"]
    np.testing.assert_array_equal(joined.train_loss[1:], second.train_loss)
    with pytest.raises(ValueError, match="the tables differ in seeds, but only their configs may"):
        first.followed_by(replace(second, seeds=second.seeds + 1))


def test_the_same_configs_with_another_seed_follow_along_the_seeds(curve_table: CurveTable) -> None:
    first = curve_table.taken([1, 0])
    assert first.parsed_configs == [curve_table.parsed_configs[1], curve_table.parsed_configs[0]]
    second = replace(first, seeds=first.seeds + 100, train_loss=first.train_loss + 1)
    joined = first.followed_by(second, along="seeds")
    n = len(first.seeds)
    assert joined.seeds.tolist() == [*first.seeds.tolist(), *second.seeds.tolist()]
    np.testing.assert_array_equal(joined.train_loss[:, :n], first.train_loss)
    np.testing.assert_array_equal(joined.train_loss[:, n:], second.train_loss)
    with pytest.raises(ValueError, match="the tables differ in configs, but only their seeds may"):
        first.followed_by(curve_table.taken([0, 1]), along="seeds")


def test_planned_rungs_snap_to_recorded_steps_and_end_at_the_horizon(curve_table: CurveTable) -> None:
    assert snapped_rungs((17, 34, 136, 153), curve_table) == (17, 34, 136, 153)
    assert snapped_rungs((1, 20, 30, 200), curve_table) == (17, 34, 153)
    assert snapped_rungs((152, 153), curve_table) == (153,)
