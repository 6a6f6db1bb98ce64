"""config.json of a study, read back."""

from __future__ import annotations

import json

from search.study.files import STUDY_FORMAT, StudyFiles
from search.study.json_content import ConfigJson, SpaceJson
from trainable.knob import KnobValue


def read_config(files: StudyFiles) -> ConfigJson:
    """Return config.json of a study.

    Raises:
        ValueError: If it cannot be read or another version wrote it.
    """
    try:
        content: ConfigJson = json.loads(files.config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{files.config} cannot be read ({error}); choose another --study") from error
    found = content.get("format", 0)
    if found != STUDY_FORMAT:
        commit = content["provenance"]["commit"] if "provenance" in content else "unknown"
        raise ValueError(
            f"study {files.root.name!r} was made by another version (commit {commit}, format {found}; this version "
            f"writes format {STUDY_FORMAT}); go on with that version, or choose another --study"
        )
    return content


def starting_configs_in(space: SpaceJson) -> dict[str, dict[str, KnobValue]]:
    """Return the starting configs of the space of config.json by name; older studies call them plans."""
    return space.get("starting_configs", space.get("plans", {}))
