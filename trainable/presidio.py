"""A recogniser for Presidio: `AnalyzerEngine`'s registry takes `PiiTunerRecognizer("results/study-001")` like one of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING

try:
    from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult
except ImportError as error:
    raise ImportError(
        f"trainable/presidio.py needs Presidio ({error}); install it with: pip install -e '.[presidio]'"
    ) from error

from trainable.predicting.predictor import Predictor, find_model, load_predictor
from trainable.scoring.confidence import least_problems

if TYPE_CHECKING:
    from presidio_analyzer.nlp_engine import NlpArtifacts

    from trainable.scoring.counts import Prediction

_LOG = logging.getLogger(__name__)


class PiiTunerRecognizer(EntityRecognizer):  # type: ignore[misc, unused-ignore]
    """Finds what a trained model finds, in texts of any length; calls from several threads wait for each other.

    Args:
        model: Adapter folder, merged model folder, study folder or best.json.
        supported_language: The language in which Presidio asks this recogniser; the model itself is not told.
        supported_entities: The names to report, after `names` (None: all types of the model).
        names: What Presidio shall call our types, such as `{"PHONE": "PHONE_NUMBER"}`; others keep their names.
        min_confidence: Leave out entities less certain than this; None: as stored with the model.
        name: The recogniser's name in Presidio.

    Raises:
        FileNotFoundError: If there is no such model.
        ValueError: If the model's types are unknown, lack one that is named here, or the least certainty is no probability.
    """

    def __init__(
        self,
        model: str,
        supported_language: str = "en",
        supported_entities: Sequence[str] | None = None,
        names: Mapping[str, str] | None = None,
        min_confidence: float | None = None,
        name: str = "PiiTunerRecognizer",
    ) -> None:
        self._place = find_model(model)
        self._names = dict(names or {})
        settings = self._place.settings
        types = settings.tag_types or settings.types
        reported = sorted({self._names.get(kind, kind) for kind in types})
        problems = least_problems(min_confidence)
        if not types:
            problems.append(f"{model} has no prediction.json with the types that it was trained to find")
        for what, given, known in (
            ("names", self._names, types),
            ("supported_entities", supported_entities or (), reported),
        ):
            if unknown := sorted(set(given) - set(known)):
                problems.append(
                    f"`{what}` has {', '.join(unknown)}, but must be among {', '.join(known) or 'none'}"
                )
        if problems:
            raise ValueError("\n".join(problems))
        self._settings = settings.changed(min_confidence=min_confidence)
        self._lock = Lock()
        self._predictor: Predictor | None = None
        wanted = list(reported if supported_entities is None else supported_entities)
        super().__init__(supported_entities=wanted, supported_language=supported_language, name=name)

    def load(self) -> None:
        """Load the model; Presidio calls this once."""
        self._predictor = load_predictor(self._place, self._settings)

    def analyze(
        self, text: str, entities: list[str] | None, nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return what is found of the wanted entities, with places in code points.

        The score is the model's certainty. A text that got no valid answer in parts is logged as a
        warning, without its words.

        Args:
            text: Any text.
            entities: Names to report; none given, or None: all that are supported.
            nlp_artifacts: Not used.
        """
        assert self._predictor is not None
        with self._lock:
            [(prediction, _)] = self._predictor.predict([text])
        _warn(prediction, len(text))
        wanted = set(self.supported_entities).intersection(entities or self.supported_entities)
        found = []
        for entity, score in zip(prediction.entities, prediction.certainties, strict=True):
            if (kind := self._names.get(entity.type, entity.type)) in wanted:
                why = AnalysisExplanation(self.name, score, textual_explanation="found by the model")
                facts = {
                    RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
                    RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                }
                found.append(RecognizerResult(kind, entity.start, entity.end, score, why, facts))
        return found


def _warn(prediction: Prediction, n_characters: int) -> None:
    """Log that entities may be missing or have no place, in numbers alone."""
    if prediction.truncated or not prediction.parsed.valid:
        _LOG.warning(
            "INCOMPLETE: parts of a text of %d characters got no valid answer, so that entities in them may be missing",
            n_characters,
        )
    if lost := len(prediction.parsed.items) - len(prediction.entities):
        _LOG.warning("NOT IN TEXT: the model named %d values that do not occur in the text", lost)
