"""What the base models of a search are, as its plan tells it, and why one cannot be tuned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data.entities import Example
from data.texts.overlaps import overlapping_share
from search.planning.memory import GIB, NF4_BYTES
from search.planning.space import SearchSpace, fix
from trainable.config import JSON, TAGS, TrialSettings
from trainable.knob import Choice
from trainable.model.bases import BUNDLED, locate_base
from trainable.model.description import BaseModel, UnusableBase, base_problems, read_base
from trainable.tokens.chat import ChatFormat, read_chat_format
from trainable.tokens.tokenizer import NoChatFormat


def model_problems(space: SearchSpace, models: Iterable[str]) -> list[str]:
    """Return why base models cannot be tuned in all the ways that a space allows, a sentence each.

    Args:
        space: Says whether 4-bit is searched or fixed.
        models: Names whose weights were found.
    """
    problems: list[str] = []
    for model in models:
        try:
            base = read_base(locate_base(model))
            read_chat_format(locate_base(model))
        except (UnusableBase, NoChatFormat) as error:
            problems.append(f"`model` {model}: {error}")
            continue
        for load_in_4bit in _bits(space):
            problems += base_problems(base, model, load_in_4bit=load_in_4bit)
    return list(dict.fromkeys(problems))  # some are the same in both


def _bits(space: SearchSpace) -> Sequence[bool]:
    parameter = space.parameters.get("load_in_4bit")
    if isinstance(parameter, Choice):
        return [bool(value) for value in parameter.values]
    return [bool(space.fixed.get("load_in_4bit", False))]


OVERLAPS_MAX = 0.05
"""Share of entities that overlap a longer one above which a search tries no tags: they would be lost."""


def with_possible_answers(
    space: SearchSpace, examples: Sequence[Example], backend: str
) -> tuple[SearchSpace, str]:
    """Return the space without tags where they cannot serve, and what is to be said about it.

    Args:
        space: May search `answers`, or fix it.
        examples: Training documents.
        backend: unsloth or peft.

    Raises:
        ValueError: If tags are asked for and cannot serve.
    """
    searched, fixed = space.parameters.get("answers"), space.fixed.get("answers")
    if fixed != TAGS and not (isinstance(searched, Choice) and TAGS in searched):
        return space, ""
    share = overlapping_share(examples)
    others = [model for model in space.models() if model not in BUNDLED]  # ours can be tagged
    reasons = [reason for model in others if (reason := _why_no_tags(model, backend))]
    if share > OVERLAPS_MAX:
        reasons.append(f"{share:.1%} of the entities overlap a longer one and would be lost")
    if not reasons:
        note = f"{share:.1%} of the entities overlap a longer one; tags learn the longer" if share else ""
        return space, note
    if fixed == TAGS:
        raise ValueError(f"`answers` cannot be {TAGS}: {'; '.join(reasons)}; set it to {JSON} in --space")
    return fix(space, {"answers": JSON}), f"{JSON} alone, no {TAGS}: {'; '.join(reasons)}"


def check_answers(
    space: SearchSpace, new_models: Sequence[str], examples: Sequence[Example], backend: str
) -> None:
    """Check that the base models which a study takes up as it goes on can answer in all the ways that it searches.

    Raises:
        ValueError: If one cannot.
    """
    possible, note = with_possible_answers(space, examples, backend) if new_models else (space, "")
    if possible != space:
        raise ValueError(
            f"`--space`: `model` has new values that cannot answer as the study searches it: {note}; choose another --study"
        )


def _why_no_tags(model: str, backend: str) -> str:
    base = read_base(locate_base(model))
    if base.one_sided:
        return f"{model}: {base.one_sided}"
    if backend == "unsloth" and base.slow:
        return f"{model}: Unsloth's own passes, which it needs ({base.slow}), look to the left only; --backend peft does not"
    return ""


def described(space: SearchSpace, settings: TrialSettings) -> list[str]:
    """Return two lines a base model for the plan: what it is, and what is done to it.

    Args:
        space: Names the models.
        settings: Of the study, which goes on with the end of a turn that it was started with.

    Raises:
        UnusableBase: If there is no such model; `model_problems` tells all at once.
    """
    targets = space.fixed.get("target_modules")
    lines = []
    for model in space.models():
        base, chat = read_base(locate_base(model)), read_chat_format(locate_base(model))
        chat = chat.asked_with(settings.prompt(model))
        chosen = tuple(map(str, targets)) if isinstance(targets, tuple) else None
        lines += [f"{model}: {_size(base)}; {_chat(chat)}", f"  {_treatment(base, chosen)}"]
    return lines


def _size(base: BaseModel) -> str:
    kind = f", stored in {base.quantised}" if base.quantised else ""
    whole = 2 * base.parameters / GIB
    linear = sum(layer.weights for layer in base.linears)
    small = (2 * (base.parameters - linear) + NF4_BYTES * linear) / GIB
    return f"{base.family}, {base.parameters / 1e6:,.0f}M parameters{kind}, {whole:.2g} GiB in 16-bit, {small:.2g} in 4-bit"


def _chat(chat: ChatFormat) -> str:
    system = "in the user's turn" if chat.folded else "as the template has it"
    date = ", date fixed" if chat.dated else ""
    source = "as stored" if chat.end_source == "stored" else f"from the {chat.end_source.replace('_', ' ')}"
    turn = f", tagged texts stand behind {chat.user_turn.strip()}" if chat.user_turn else ""
    return f"answers end with {chat.end_of_turn} ({source}), system message {system}{date}{turn}"


def _treatment(base: BaseModel, targets: tuple[str, ...] | None) -> str:
    names = ", ".join(targets or base.targets)
    experts = "; the experts get none" if base.experts else ""
    path = f"the library's own passes ({base.slow})" if base.slow else "our own passes"
    return f"adapters on {base.adapted_share(targets):.0%} of the weights between embedding and head ({names}){experts}; {path}"
