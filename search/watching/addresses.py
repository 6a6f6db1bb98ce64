"""Where a running search can be looked at: Ray's dashboard, the learning curves, the metrics."""

from __future__ import annotations

import shlex
from pathlib import Path

from search.study.files import StudyFiles

METRICS_FILES = Path("metrics") / "prometheus" / "prometheus.yml"
"""What Ray writes for Prometheus, below the folder of its session."""
TOKEN_COMMAND = "RAY_AUTH_MODE=token ray get-auth-token"


def job_metadata(files: StudyFiles) -> dict[str, str]:
    """Return what Ray's dashboard and its API say of the search as a job."""
    name, report = files.root.name, files.root / "report.html"
    return {"job_name": f"search {name}", "study": name, "report": report.as_uri()}


def pages(files: StudyFiles, dashboard_url: str, session_dir: Path) -> str:
    """Return the addresses and commands for people, a line each.

    Args:
        files: Of the study.
        dashboard_url: Host and port of Ray's dashboard.
        session_dir: Folder of Ray's session.
    """
    return "\n".join(
        (
            f"dashboard  http://{dashboard_url} (asks for the token that `{TOKEN_COMMAND}` prints)",
            f"curves     {tensorboard_command(files)}",
            f"metrics    {prometheus_command(session_dir / METRICS_FILES, session_dir / 'prometheus')}",
        )
    )


def tensorboard_command(files: StudyFiles) -> str:
    """Return the command that shows the learning curves and hparams of all trials."""
    return f"tensorboard --logdir {shlex.quote(str(files.tensorboard))}"


def prometheus_command(config: Path, storage: Path) -> str:
    """Return the command that collects the metrics of the search and serves them on this machine alone."""
    return (
        f"prometheus --config.file={shlex.quote(str(config))} --storage.tsdb.path={shlex.quote(str(storage))} "
        "--web.listen-address=127.0.0.1:9090"
    )


def hide_token() -> None:
    """Take Ray's dashboard token away from other users; Ray leaves it readable for everyone."""
    token = Path.home() / ".ray" / "auth_token"
    if token.is_file():
        token.chmod(0o600)
