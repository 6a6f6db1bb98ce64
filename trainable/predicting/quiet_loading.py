"""What the libraries print of themselves while a model is loaded, turned off."""

from __future__ import annotations

import logging


def quieten() -> None:
    """Turn off progress bars and hints of transformers and bitsandbytes; our own lines say what happens."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
