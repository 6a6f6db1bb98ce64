"""config.json of a study, read back."""

from __future__ import annotations

from data.files.own_json import checked, parsed
from search.study.files import STUDY_FORMAT, StudyFiles
from search.study.json_content import ConfigJson, SpaceJson
from trainable.knob import KnobValue

_MEND = "put a copy of it back, or choose another --study"


def read_config(files: StudyFiles) -> ConfigJson:
    """Return config.json of a study.

    Raises:
        ValueError: If it cannot be read or another version wrote it.
    """
    try:
        content = files.config.read_bytes()
    except OSError as error:
        raise ValueError(f"{files.config} cannot be read ({error}); choose another --study") from error
    config = checked(parsed(content, files.config, _MEND), dict, files.config, _MEND)
    found = config.get("format", 0)
    if found != STUDY_FORMAT:
        source = config.get("provenance")
        commit = source.get("commit", "unknown") if isinstance(source, dict) else "unknown"
        raise ValueError(
            f"study {files.root.name!r} was made by another version (commit {commit}, format {found}; this version "
            f"writes format {STUDY_FORMAT}); go on with that version, or choose another --study"
        )
    return _as_it_was(checked(config, ConfigJson, files.config, _MEND))


def _as_it_was(config: ConfigJson) -> ConfigJson:
    """Return what an older study relied on without saying it: tagged texts stood in no turn, and gradients were clipped at 1."""
    space = config["space"]
    if not config["trial_settings"].get("in_turn") and "max_grad_norm" not in space["parameters"]:
        space["fixed"].setdefault("max_grad_norm", 1.0)
    return config


def starting_configs_in(space: SpaceJson) -> dict[str, dict[str, KnobValue]]:
    """Return the starting configs of the space of config.json by name; older studies call them plans."""
    return space.get("starting_configs", space.get("plans", {}))
