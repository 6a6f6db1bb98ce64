"""The published search, read and evaluated once for all tests of the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from search.reporting.document import Report
from search.reporting.sections.write import build_report
from search.study.view import StudyView, read_study
from tests.search.reporting.invented import documents, record_of
from trainable.scoring.record import save_record


@pytest.fixture(scope="session")
def heavy_imports() -> None:
    """Import scikit-learn and Optuna's importances before a test needs them, which takes seconds."""
    import sklearn.gaussian_process  # noqa: F401
    from optuna.importance import PedAnovaImportanceEvaluator  # noqa: F401


@pytest.fixture(scope="session")
def view(_reference_study: Path) -> StudyView:
    """The published search; not to be changed."""
    return read_study(_reference_study)


@pytest.fixture(scope="session")
def judged(_reference_study: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """The published search with the answers of its best two trials: they find 30 and 10 of 40 names."""
    root = Path(shutil.copytree(_reference_study, tmp_path_factory.mktemp("judged") / "study-001"))
    for name, found_names in zip(read_study(root).ranking, (30, 10), strict=False):
        (root / "adapters" / name).mkdir(parents=True)
        save_record(root / "adapters" / name / "evaluation.json", record_of(documents(), found_names))
    return read_study(root)


@pytest.fixture(scope="session")
def report(judged: StudyView, heavy_imports: None) -> Report:
    """The report of the published search, answers included."""
    return build_report(judged)
