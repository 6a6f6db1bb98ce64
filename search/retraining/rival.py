"""What a full-length training is compared with: a config that is trained in the same way, or an adapter that exists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from search.planning.space import SearchSpace
from search.retraining.starting_config import starting_config
from trainable.config import TrialConfig, TrialSettings
from trainable.model.bases import locate_base
from trainable.predicting.predictor import ModelPlace, find_model
from trainable.training.full_length import FullLengthSettings

_FLAG = "--compare"
COMPARED = "compare"
"""Folder of the other training, beside the adapter of the first."""


@dataclass(frozen=True, slots=True)
class Rival:
    """What is compared with; it has either config and settings, or a place."""

    name: str
    """In a sentence, such as: the starting config "conservative"."""
    config: TrialConfig | None = None
    settings: FullLengthSettings | None = None
    place: ModelPlace | None = None


def find_rival(
    wanted: str, space: SearchSpace, seed: int, settings: FullLengthSettings, shared: TrialSettings | None
) -> Rival:
    """Return what `--compare` names.

    A config is trained as the first is, with the same seed, but at its own learning rate: no search found it at another
    length. An adapter is tested as it is.

    Args:
        wanted: Name of a starting config, a file of hyperparameters, or a folder with an adapter, such as a study.
        space: Has the starting configs and what is fixed.
        seed: Of the first training.
        settings: Of the first training.
        shared: What the trials of the study share; None without a study.

    Raises:
        FileNotFoundError: If the folder holds no adapter, or a base model is missing.
        ValueError: If there is nothing of that name, or the file or adapter is wrong.
    """
    if wanted not in space.starting_configs and Path(wanted).is_dir():
        place = find_model(wanted)
        if place.adapter is None:
            raise FileNotFoundError(f"`{_FLAG}` is {wanted}, but must hold an adapter (adapter_config.json)")
        return Rival(f"the adapter of {'/'.join(Path(wanted).resolve().parts[-2:])}", place=place)
    config = starting_config(wanted, space, seed, _FLAG).with_changes(seed=seed)
    locate_base(config.model)
    own = replace(
        settings,
        out_dir=settings.out_dir / COMPARED,
        searched_steps=None,
        prompt=shared.prompt(config.model) if shared else settings.prompt,
    )
    known = wanted in space.starting_configs
    name = f'the starting config "{wanted}"' if known else f"the config of {Path(wanted).name}"
    return Rival(name, config, own)
