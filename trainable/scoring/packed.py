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
