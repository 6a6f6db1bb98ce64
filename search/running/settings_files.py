"""config.json and trial_settings.json: what a study was started with, and when it went on."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from data.auditing.summary import short_audit
from data.files.checksum import file_checksum
from search.goals import keep_goals
from search.planning.continued_space import as_json
from search.planning.documents import Documents
from search.planning.plan import SearchPlan
from search.study.config_file import read_config
from search.study.files import STUDY_FORMAT, StudyFiles, write_json
from search.study.json_content import ProvenanceJson, SessionJson
from search.study.provenance import commit, provenance
from trainable.model.adapters import WEIGHTS_FILE


def check_is_new(files: StudyFiles) -> None:
    """Check that no other process made the same study meanwhile.

    Raises:
        FileExistsError: If one did.
    """
    if files.config.exists():
        raise FileExistsError(f"study {files.root.name!r} was started meanwhile; repeat the command")


def write_settings(plan: SearchPlan) -> ProvenanceJson:
    """Write trial_settings.json and config.json of a new study; config.json comes last and makes it a study.

    Returns:
        The provenance of the study.

    Raises:
        FileExistsError: If another process made the same study meanwhile.
    """
    check_is_new(plan.files)
    plan.settings.save(plan.files.trial_settings)
    keep_goals(plan.options.goals, plan.files.root)
    values = asdict(plan.options).items()
    options = {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in values}
    source = provenance(plan.corpus, plan.options.seed)
    if init_adapter := plan.space.fixed.get("init_adapter"):
        source["init_adapter"] = file_checksum(Path(str(init_adapter)) / WEIGHTS_FILE)
    write_json(
        plan.files.config,
        {
            "format": STUDY_FORMAT,
            "options": options,
            "preset": asdict(plan.preset),
            "concurrent_trials": plan.concurrent_trials,
            "space": asdict(plan.space),
            "trial_settings": plan.settings.stored(),
            "provenance": source,
            **({"known": plan.known} if plan.known else {}),
            **({"storage_folder": plan.store.folder} if plan.store else {}),
        },
    )
    return source


def tell_audit(files: StudyFiles, documents: Documents) -> None:
    """Audit the documents of a study, print the verdict and note it in config.json, unless that was done before."""
    config = read_config(files)
    if "audit" in config:
        return
    audit = short_audit(documents.parts())
    print(f"audit      {audit.verdict}", flush=True)
    write_json(files.config, {**config, "audit": audit.as_json()})


def note_session(plan: SearchPlan) -> ProvenanceJson:
    """Note in config.json that the study goes on, its new total of trials, a wider space and where its data are now.

    Returns:
        The provenance of the study.
    """
    plan.settings.save(plan.files.trial_settings)
    keep_goals(plan.options.goals, plan.files.root)
    config = read_config(plan.files)
    data_dir = str(plan.options.data_dir.resolve()) if plan.options.data_dir else None
    config["options"] |= {
        "trials": plan.options.trials,
        "confirm": plan.options.confirm,
        "data_dir": data_dir,
        "space": str(plan.options.space.resolve()) if plan.options.space else None,
    }
    config["trial_settings"] |= {
        "train_file": plan.settings.train_file,
        "validation_file": plan.settings.validation_file,
    }
    session: SessionJson = {
        "started": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}",
        "commit": commit(),
        "trials": plan.options.trials,
    }
    if plan.narrower:
        session["narrower"] = {name: as_json(parameter) for name, parameter in plan.narrower.items()}
        config["space"]["parameters"] = {
            name: as_json(parameter) for name, parameter in plan.space.parameters.items()
        }
    config.setdefault("continued", []).append(session)
    write_json(plan.files.config, config)
    return config["provenance"]
