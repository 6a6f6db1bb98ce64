"""Found, wrong and missed entities of each document in one short string, so that a result can carry them."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

DOCUMENT_COUNTS = "document_counts"
"""Name of the packed counts in a trial's result."""


def pack_counts(counts: np.ndarray) -> str:
    """Return (documents, 3) counts as text of about one character a document; counts above 255 become 255."""
    import numpy as np

    small = np.minimum(counts, 255).astype(np.uint8)
    return base64.b85encode(zlib.compress(small.T.tobytes(), 9)).decode("ascii")


def unpack_counts(packed: str) -> np.ndarray:
    """Return the (documents, 3) counts that `pack_counts` packed."""
    import numpy as np

    content = zlib.decompress(base64.b85decode(packed))
    return np.frombuffer(content, np.uint8).reshape(3, -1).T


def score_of(tp: int, fp: int, fn: int, min_precision: float) -> float:
    """Return `micro_recall - max(0, min_precision - micro_precision)`; undefined ratios count as 0."""
    return (ratio(tp, tp + fn) or 0.0) - max(0.0, min_precision - (ratio(tp, tp + fp) or 0.0))


def ratio(part: float, whole: float) -> float | None:
    """Return part / whole; None if there is no whole."""
    return part / whole if whole else None
