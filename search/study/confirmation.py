"""Confirming the winner: which trials are trained again with a fresh seed, and which is best by the mean of its scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from search.study.confirming_runs import ConfirmingRun, read_runs
from search.study.files import StudyFiles, last_step, outcome_of, ranked, violated
from search.study.json_content import ConfirmationJson
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    import optuna

BEST, AUTOMATIC = "best", "auto"
"""Both confirm the best trial first, and the second best only if the best one's fresh score does not reach it. `best` does so
however far ahead the best is: a config that one seed carried has lost up to 50 points of recall with the next."""
CLOSE = 0.03
"""`auto` confirms nothing where the two best scores differ by more than this."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A trial among those of which the best is chosen."""

    trial: str
    score: float
    """With its own seed."""
    fresh_scores: tuple[float, ...] = ()
    """With other seeds."""
    problem: str = ""
    """Why there is no score with another seed; empty if there is."""

    @property
    def mean(self) -> float:
        """Mean over its own and its confirming runs."""
        return fmean((self.score, *self.fresh_scores))

    def words(self) -> str:
        """Return its scores in words."""
        own = f"{self.trial}: score {self.score:.3f} with its own seed"
        if self.fresh_scores:
            fresh = ", ".join(f"{score:.3f}" for score in self.fresh_scores)
            return f"{own}, {fresh} with a fresh one, mean {self.mean:.3f}"
        return f"{own} only ({self.problem or 'not confirmed yet'})"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What confirming the best trials showed, or has shown so far."""

    contenders: tuple[Contender, ...]
    """By their own score, best first; never empty."""
    pending: tuple[str, ...] = ()
    """Trials that are still to be confirmed."""

    @property
    def best_trial(self) -> str:
        """The confirmed trial with the highest mean; the one with the highest own score until all are confirmed."""
        if self.pending:
            return self.contenders[0].trial
        return max(
            self.contenders, key=lambda contender: (bool(contender.fresh_scores), contender.mean)
        ).trial

    @property
    def confirmed(self) -> tuple[str, ...]:
        """Trials with a score of a confirming run."""
        return tuple(contender.trial for contender in self.contenders if contender.fresh_scores)

    @property
    def selection_bias(self) -> float | None:
        """Own score less mean of the trial with the highest own score; None if it was not confirmed."""
        first = self.contenders[0]
        return first.score - first.mean if first.fresh_scores else None

    def words(self) -> str:
        """Return the outcome in one line."""
        told = "; ".join(contender.words() for contender in self.contenders)
        return f"confirmed {told}; best is {self.best_trial}"

    def as_json(self) -> ConfirmationJson:
        """Return plain values for best.json."""
        return {
            "trials": [
                {
                    "trial": contender.trial,
                    "score": contender.score,
                    "fresh_scores": list(contender.fresh_scores),
                    "problem": contender.problem,
                    "mean": contender.mean,
                }
                for contender in self.contenders
            ],
            "pending": list(self.pending),
            "selection_bias": self.selection_bias,
        }

    @classmethod
    def from_json(cls, content: ConfirmationJson) -> Confirmation:
        """Read what `as_json` returned."""
        contenders = [
            Contender(row["trial"], row["score"], tuple(row["fresh_scores"]), row["problem"])
            for row in content["trials"]
        ]
        return cls(tuple(contenders), tuple(content["pending"]))


def runs_at_most(confirm: str, trials: int) -> int:
    """Return how many confirming runs `--confirm` may lead to."""
    return min(trials, 2 if confirm in (BEST, AUTOMATIC) else int(confirm))


def to_confirm(scores: Mapping[str, float], confirm: str) -> list[str]:
    """Return the trials that are to be confirmed.

    Args:
        scores: Own score of each completed trial, best first.
        confirm: The option: a number, best for the two best, or auto for the two best if they are close.

    Example:
        >>> to_confirm({"t005": 0.48, "t003": 0.47, "t001": 0.2}, "auto")
        ['t005', 't003']
        >>> to_confirm({"t005": 0.48, "t003": 0.45}, "auto")
        []
        >>> to_confirm({"t005": 0.48, "t003": 0.45}, "best")
        ['t005', 't003']
    """
    names = list(scores)
    if confirm not in (BEST, AUTOMATIC):
        return names[: int(confirm)]
    if len(names) < 2:  # nothing could take the best one's place
        return []
    close = round(scores[names[0]] - scores[names[1]], 9) <= CLOSE
    return names[:2] if close or confirm == BEST else []


def weigh(scores: Mapping[str, float], runs: Iterable[ConfirmingRun], confirm: str) -> Confirmation | None:
    """Return the trials that compete for being the best, with all their scores; None if nothing is to be confirmed.

    Trials confirmed earlier, when they were among the best, compete too.

    Args:
        scores: Own score of each completed trial, best first.
        runs: The confirming runs so far.
        confirm: The option.
    """
    wanted = to_confirm(scores, confirm)
    if not wanted:
        return None
    by_trial: dict[str, list[ConfirmingRun]] = {}
    for run in runs:
        by_trial.setdefault(run.trial, []).append(run)
    contenders = [
        _contender(trial, score, by_trial.get(trial, ()))
        for trial, score in scores.items()
        if trial in wanted or trial in by_trial
    ]
    pending = [trial for trial in wanted if trial not in by_trial]
    if confirm in (BEST, AUTOMATIC) and pending == wanted[1:] and _settled(*contenders[:2]):
        best, other = contenders[:2]
        contenders[1] = replace(other, problem=f"not needed: {best.trial} reaches it with a fresh seed")
        pending = []
    return Confirmation(tuple(contenders), tuple(pending))


def _settled(best: Contender, other: Contender) -> bool:
    """Return whether the second best need not be confirmed: the best one's fresh score reaches its own."""
    return bool(best.fresh_scores) and min(best.fresh_scores) >= other.score


def confirmation_of(study: optuna.Study, files: StudyFiles, confirm: str) -> Confirmation | None:
    """Return where confirming the best trials of a study stands; None if nothing is to be confirmed."""
    return weigh(completed_scores(study), read_runs(files.confirmations), confirm)


def completed_scores(study: optuna.Study) -> dict[str, float]:
    """Return the score at the horizon of the trials that may win, best first.

    Those that miss a requirement are among them only if all do.
    """
    completed = [trial for trial in ranked(study) if outcome_of(trial) == Outcome.COMPLETED]
    usable = [trial for trial in completed if not violated(trial)] or completed
    return {trial.user_attrs["ray_trial_id"]: trial.intermediate_values[last_step(trial)] for trial in usable}


def ranked_by_mean(study: optuna.Study, confirmation: Confirmation | None) -> list[optuna.trial.FrozenTrial]:
    """Return the trials with a score, the best by the mean of its scores first, the others by their own."""
    trials = ranked(study)
    if confirmation is None:
        return trials
    return sorted(trials, key=lambda trial: trial.user_attrs["ray_trial_id"] != confirmation.best_trial)


def _contender(trial: str, score: float, runs: Sequence[ConfirmingRun]) -> Contender:
    fresh = tuple(run.score for run in runs if run.score is not None)
    broken = [f"its confirming run: {run.reason or run.outcome}" for run in runs if run.score is None]
    return Contender(trial, score, fresh, "; ".join(broken))
