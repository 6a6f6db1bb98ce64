"""The libraries' own output, turned off."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from trainable.predicting.quiet_loading import quieten


@pytest.fixture
def _as_before() -> Iterator[None]:
    from transformers.utils import logging as transformers_logging

    logger = logging.getLogger("bitsandbytes")
    level, bars = logger.level, transformers_logging.is_progress_bar_enabled()
    transformers_logging.enable_progress_bar()
    yield
    logger.setLevel(level)
    (transformers_logging.enable_progress_bar if bars else transformers_logging.disable_progress_bar)()


@pytest.mark.usefixtures("_as_before")
def test_bars_and_hints_are_off_and_errors_are_still_told() -> None:
    from transformers.utils import logging as transformers_logging

    quieten()
    assert not transformers_logging.is_progress_bar_enabled()
    logger = logging.getLogger("bitsandbytes")
    assert not logger.isEnabledFor(logging.WARNING)
    assert logger.isEnabledFor(logging.ERROR)
