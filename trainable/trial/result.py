"""What a trial reports of an evaluation: flat numbers, the recall of each type, and packed document counts."""

from __future__ import annotations

from typing import Any

from trainable.config import METRIC
from trainable.requirements import TYPE_RECALL, Requirements
from trainable.scoring.evaluation import Evaluation
from trainable.scoring.intervals import bootstrap_interval
from trainable.scoring.packed import DOCUMENT_COUNTS, pack_counts


def evaluation_result(evaluation: Evaluation, requirements: Requirements) -> dict[str, Any]:
    """Return the headline numbers and what the search decides by; no text of any document.

    The score loses what is lacking to every floor of `requirements`.
    """
    import numpy as np

    low, high = bootstrap_interval(evaluation.documents, "micro_recall")
    counts = np.array([(document.tp, document.fp, document.fn) for document in evaluation.documents])
    result: dict[str, Any] = {
        **evaluation.headline(),
        "micro_recall_low": low,
        "micro_recall_high": high,
        **{TYPE_RECALL + row.type: row.recall for row in evaluation.per_type if row.support},
        DOCUMENT_COUNTS: pack_counts(counts),
    }
    result[METRIC] -= requirements.penalty(result)
    return result
