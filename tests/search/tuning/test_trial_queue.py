"""The queue hands Tune trials under their ids, as many as there are slots, and says when the search is over."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.experiment import Experiment, Trial

from search.tuning.seating.placement import Placement
from search.tuning.seating.slots import Slots
from search.tuning.trial_queue import TrialQueue
from trainable.trial.seat import Seat, seat_of


class Suggestions:
    """Numbered configs, and what was told of them."""

    def __init__(self) -> None:
        self.made, self.told = 0, list[tuple[Any, ...]]()

    def next_trial(self) -> tuple[str, dict[str, Any]]:
        self.made += 1
        return f"t{self.made:03d}", {"rate": self.made / 10}

    def knows(self, trial_id: str, step: int) -> bool:
        return (trial_id, step) == ("t001", 3)

    def on_trial_result(self, trial_id: str, result: Any) -> None:
        self.told.append((trial_id, result))

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        self.told.append((trial_id, result, error))


class Nothing(tune.Trainable):
    """Never runs here."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([seat_of(config).request(2)])


def queue_of(slots: int, trials: int, folder: Path) -> TrialQueue:
    return queue_at(Placement.alike(slots), trials, folder)


def queue_at(placement: Placement, trials: int, folder: Path, ahead: int = 0) -> TrialQueue:
    queue = TrialQueue(Suggestions(), placement, ahead)
    queue.add_configurations(
        [
            Experiment(
                "tune", Nothing, num_samples=trials, config={"settings": "settings.json"}, max_failures=1,
                storage_path=str(folder), trial_name_creator=name_of, trial_dirname_creator=name_of,
            )
        ]
    )  # fmt: skip
    return queue


def name_of(trial: Trial) -> str:
    return f"trial {trial.trial_id}"


def handed_out(queue: TrialQueue) -> Trial:
    trial = queue.next_trial()
    assert trial is not None
    return trial


def test_a_trial_carries_its_id_the_config_of_the_search_and_its_own(tmp_path: Path) -> None:
    queue = queue_of(1, 2, tmp_path)
    trial = handed_out(queue)
    assert (trial.trial_id, trial.experiment_tag, trial.status) == ("t001", "t001", Trial.PENDING)
    assert trial.config == Seat(0).told({"settings": "settings.json", "rate": 0.1})
    assert trial.evaluated_params == {"rate": 0.1}
    assert (trial.max_failures, trial.trainable_name) == (1, "Nothing")
    assert (str(trial), trial.custom_dirname) == ("trial t001", "trial t001")
    assert queue.total_samples == 2


def test_no_more_trials_are_asked_for_than_there_are_slots_and_paused_ones_take_none(tmp_path: Path) -> None:
    queue = queue_of(2, 9, tmp_path)
    first, second = handed_out(queue), handed_out(queue)
    assert queue.next_trial() is None
    first.set_status(Trial.PAUSED)
    assert queue.next_trial() is None  # it is given another worker
    queue.waiting.add(first.trial_id)  # now it waits at a rung
    third = handed_out(queue)
    for trial, status in ((second, Trial.TERMINATED), (third, Trial.ERROR)):
        assert queue.next_trial() is None
        trial.set_status(status)
        handed_out(queue)


def test_a_search_goes_on_as_long_as_a_trial_waits_for_its_next_turn(tmp_path: Path) -> None:
    queue = queue_of(2, 2, tmp_path)
    first, second = handed_out(queue), handed_out(queue)
    assert queue.all_handed_out()
    assert not queue.is_finished()
    assert queue.next_trial() is None
    first.set_status(Trial.RUNNING)
    second.set_status(Trial.PAUSED)
    assert not queue.is_finished()
    second.set_status(Trial.TERMINATED)
    assert queue.is_finished()


def test_nothing_more_is_handed_out_once_the_search_is_to_end(tmp_path: Path) -> None:
    queue = queue_of(2, 9, tmp_path)
    handed_out(queue).set_status(Trial.RUNNING)
    assert not queue.all_handed_out()
    queue.set_finished()
    assert queue.next_trial() is None
    assert queue.is_finished()


def test_results_and_ends_are_passed_on(tmp_path: Path) -> None:
    suggestions = Suggestions()
    queue = TrialQueue(suggestions, Placement.alike(1))
    queue.on_trial_result("t001", {"score": 0.5})
    queue.on_trial_complete("t001", {"score": 0.6})
    queue.on_trial_complete("t002", error=True)
    assert suggestions.told == [
        ("t001", {"score": 0.5}),
        ("t001", {"score": 0.6}, False),
        ("t002", None, True),
    ]
    assert (queue.knows("t001", 3), queue.knows("t001", 9)) == (True, False)


def test_it_has_no_state_that_tune_could_restore(tmp_path: Path) -> None:
    queue = queue_of(1, 2, tmp_path)
    (state := tmp_path / "state").mkdir()
    queue.save_to_dir(str(state), session_str="s")
    assert list(state.iterdir()) == []
    assert not queue.has_checkpoint(str(state))
    assert pickle.loads(pickle.dumps(TrialQueue(Suggestions(), Placement.alike(1)))).waiting == set()


@pytest.mark.parametrize("experiments", [[], {}])
def test_a_search_is_one_experiment(experiments: Any) -> None:
    with pytest.raises((AssertionError, ValueError)):
        TrialQueue(Suggestions(), Placement.alike(1)).add_configurations(experiments)


def test_a_trial_is_bound_to_its_seat_and_to_another_when_it_goes_on_there(tmp_path: Path) -> None:
    queue = queue_of(2, 9, tmp_path)
    first, second = handed_out(queue), handed_out(queue)
    assert [seat_of(trial.config).number for trial in (first, second)] == [0, 1]
    first.set_status(Trial.PAUSED)
    queue.placement.put("other", {}, queue.placement.seats[0])
    queue.seat(first, ["other"])
    assert seat_of(first.config).number == 1
    assert first.placement_group_factory.required_resources == {"CPU": 2, "seat-1": 1}


def test_what_fits_only_a_taken_card_waits_for_it_and_the_free_card_gets_the_next(tmp_path: Path) -> None:
    seats = [Seat(number, str(number), room_gib=room) for number, room in enumerate((24.0, 80.0))]
    placement = Placement(seats, Slots(2), lambda config: 60.0 if config["rate"] < 0.25 else 10.0)
    queue = queue_at(placement, 4, tmp_path, ahead=2)
    first, second = handed_out(queue), handed_out(queue)
    assert [(trial.trial_id, seat_of(trial.config).device) for trial in (first, second)] == [
        ("t001", "1"),
        ("t003", "0"),
    ]
    assert queue.next_trial() is None
    second.set_status(Trial.TERMINATED)
    assert handed_out(queue).trial_id == "t004"  # t002 still does not fit there
    assert not queue.all_handed_out()
    first.set_status(Trial.TERMINATED)
    last = handed_out(queue)
    assert (last.trial_id, seat_of(last.config).device) == ("t002", "1")
    assert queue.all_handed_out()
