"""Section 2 of the report: importance, effect and interactions of the hyperparameters."""

from __future__ import annotations

from itertools import combinations

from search.planning.continued_space import parameter_of
from search.planning.rates import expectation_of
from search.planning.space import SearchSpace
from search.reporting.document import Block, Items, Section, Text, counted, percent
from search.reporting.sections.effect_curves import MIN_TRIALS, Effect, EffectModel, Pair
from search.reporting.sections.hyperparameter_figures import effect_figure, importance_figure, pair_figure
from search.reporting.sections.importance import Share, importances
from search.reporting.words import knob, value_of
from search.study.view import StudyView
from trainable.knob import KnobValue

FLAT = 0.02
"""Scores that differ by less are called equal: two points of recall."""
_TITLE = "Effect of each hyperparameter"
_HOW_TO_READ = (
    "Read with care: a search tries few configs where scores are low. The score of a stopped trial is extrapolated to the "
    "horizon by the median gain of the trials that continued. Each effect is estimated with all other hyperparameters as in "
    "the winner; ± is a 99 % confidence interval, because best and worst value are picked after seeing the scores."
)


def knobs_section(view: StudyView, resamples: int) -> Section:
    """Return the section.

    Args:
        view: The study.
        resamples: How often trials are resampled for the intervals of the importances.
    """
    usable = sum(trial.usable for trial in view.trials)
    if usable < MIN_TRIALS:
        text = f"{counted(usable, 'trial')} with a score so far; effects are estimated from {MIN_TRIALS} on."
        return Section(_TITLE, (Text(text),))
    shares = importances(view, resamples)
    model = EffectModel(view)
    order = sorted(view.searched, key=lambda name: -shares[name].point)
    effects = [model.effect(name) for name in order]
    pairs = [model.pair(a, b) for a, b in combinations(order, 2)]
    blocks: list[Block] = [
        Text(_HOW_TO_READ),
        Items(tuple(_sentence(effect, shares[effect.name]) for effect in effects)),
        *expected_and_found(view),
        importance_figure(order, shares),
        *(effect_figure(view, effect) for effect in effects),
        *_pairs(view, pairs),
    ]
    return Section(_TITLE, tuple(blocks))


def expected_and_found(view: StudyView) -> list[Block]:
    """Return what the rule expected of the learning rates and what the best trials have; nothing where it knew nothing."""
    best, searched = view.best, view.config_json["space"]
    if best is None or "learning_rate" not in searched["parameters"]:
        return []
    parameters = {name: parameter_of(entry) for name, entry in searched["parameters"].items()}
    fixed = {name: value for name, value in searched["fixed"].items() if isinstance(value, KnobValue)}
    expectation = expectation_of(SearchSpace(parameters, fixed, {}), view.rungs[-1])
    by_name = {trial.name: trial.config for trial in view.trials}
    leading = [by_name[name] for name in view.ranking if name in by_name][: max(3, len(view.trials) // 4)]
    rates = [(float(str(config["learning_rate"])), expectation.rate(config)) for config in leading]
    times = [rate / expected for rate, expected in rates if expected]
    if len(times) < len(leading) or not times:
        return []
    shown = [value_of("learning_rate", value) for value in (rates[0][1], rates[0][0])]
    return [
        Text(
            f"Learning rate, expected and found: for a config like the winner's the rule expected {shown[0]}, and most rates were "
            f"drawn near that; the winner has {shown[1]}, {times[0]:.2g} times as much. The best {len(times)} trials have "
            f"{min(times):.2g} to {max(times):.2g} times what was expected of each."
        )
    ]


def _sentence(effect: Effect, share: Share) -> str:
    importance = f"importance {percent(share.point, 0)}, {100 * share.low:.0f}-{100 * share.high:.0f} %"
    start = f"{_capital(knob(effect.name))} ({importance}):"
    shown = [value_of(effect.name, level) for level in effect.levels]
    order = sorted(range(len(shown)), key=lambda n: effect.means[n])
    worst, best = order[0], order[-1]
    gap, half = effect.difference(best, worst)
    if gap <= half:
        change = (
            f"the best value ({shown[best]}) scores {gap:.2f} ± {half:.2f} above the worst ({shown[worst]})"
        )
        return f"{start} no significant effect in these trials; {change}."
    text = f"{start} best at {shown[best]}; at {shown[worst]} the score is lower by {gap:.2f} ± {half:.2f}."
    plateau = _plateau(effect, best, shown) if effect.ordered else ""
    return f"{text} {plateau}" if plateau else text


def _plateau(effect: Effect, best: int, shown: list[str]) -> str:
    """Return a sentence about the range of values that are as good as the best one; empty if there is none."""
    good = [n for n in range(len(shown)) if effect.difference(best, n)[0] < FLAT]
    low, high = good[0], good[-1]
    if low == high:
        return ""
    if high == len(shown) - 1:
        return f"From {shown[low]} upwards the score differs by less than {FLAT:g}."
    if low == 0:
        return f"Up to {shown[high]} the score differs by less than {FLAT:g}."
    return f"From {shown[low]} to {shown[high]} the score differs by less than {FLAT:g}."


def _pairs(view: StudyView, pairs: list[Pair]) -> list[Block]:
    """Return the interactions that are significant, otherwise the strongest candidate."""
    clear = sorted((pair for pair in pairs if pair.clear), key=lambda pair: -abs(pair.contrast))
    if not clear:
        closest = max(pairs, key=lambda pair: abs(pair.contrast) / (pair.half_width or 1.0), default=None)
        hint = f" Strongest candidate, {_pair_words(closest)}" if closest else ""
        return [Text(f"No two hyperparameters interact significantly.{hint}")]
    return [
        Text("Interactions:"),
        Items(tuple(_capital(_pair_words(pair)) for pair in clear[:4])),
        pair_figure(view, clear[0]),
    ]


def _pair_words(pair: Pair) -> str:
    a, b = knob(pair.a), knob(pair.b)
    from_a, to_a = (value_of(pair.a, value) for value in pair.a_ends)
    first, second = (value_of(pair.b, value) for value in pair.b_ends)
    return (
        f"{a} and {b}: changing {a} from {from_a} to {to_a} changes the score by {pair.gains[0]:+.2f} at {b} {first} and by "
        f"{pair.gains[1]:+.2f} at {b} {second} (difference {pair.contrast:+.2f} ± {pair.half_width:.2f})."
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
