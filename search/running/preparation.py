"""What a search does while Ray starts, which is mostly waiting: it writes the study's settings and loads libraries."""

from __future__ import annotations

from importlib import import_module

from search.planning.plan import SearchPlan
from search.running.settings_files import note_session, write_settings
from search.study.json_content import ProvenanceJson
from trainable.timeline import Timeline

_LIBRARIES = (
    "trainable.trial.ray_trainable",
    "search.tuning.controller",
    "search.tuning.searcher",
    "search.watching.callbacks",
    "optuna_dashboard",
)
"""Our modules that load Ray Tune and Optuna, and what takes as long."""


def prepare(plan: SearchPlan, start: Timeline) -> ProvenanceJson:
    """Do all that needs no Ray; return the study's provenance."""
    with start.part("settings"):
        source = note_settings(plan)
    with start.part("imports"):
        for name in _LIBRARIES:
            import_module(name)
    return source


def note_settings(plan: SearchPlan) -> ProvenanceJson:
    """Write the settings of a new study, or that one goes on, and let go of its documents; return its provenance."""
    source = note_session(plan) if plan.options.resume else write_settings(plan)
    plan.documents.drop()
    return source
