"""A tagging model as a folder that plain transformers loads: `AutoModelForTokenClassification`, or a short script beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainable.model.parts import HEAD
from trainable.model.tag_head import head_of
from trainable.tokens.tagset import TagSet

if TYPE_CHECKING:
    from trainable.model.backend import LanguageModel

SCRIPT = "tag.py"
"""Written where transformers has no class for token classification of the family."""


def save_tagger(model: LanguageModel, tag_set: TagSet, directory: Path, original: bool = True) -> bool:
    """Write a model whose adapter was merged; its config says that tokens see both sides.

    Args:
        model: A causal language model of transformers with a head for tags.
        tag_set: Tags of the head.
        directory: Created if missing.
        original: Whether weights are written in the format that they were stored in.

    Returns:
        Whether `AutoModelForTokenClassification` loads it; otherwise `tag.py` in the folder does.
    """
    from transformers import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

    config = model.config
    config.is_causal = False
    config.id2label = dict(enumerate(tag_set.names))
    config.label2id = {name: number for number, name in enumerate(tag_set.names)}
    config.classifier_dropout = 0.0
    has_class = type(config) in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING
    if has_class:
        model = _as_classifier(model)
    model.save_pretrained(directory, safe_serialization=True, save_original_format=original)
    if not has_class:
        (directory / SCRIPT).write_text(_SCRIPT, encoding="utf-8")
    return has_class


def _as_classifier(model: LanguageModel) -> LanguageModel:
    """Return the same weights in the family's class for token classification."""
    import torch
    from transformers import AutoModelForTokenClassification

    with torch.device("meta"):
        classifier = AutoModelForTokenClassification.from_config(model.config)
    setattr(classifier, classifier.base_model_prefix, model.get_decoder())
    setattr(classifier, HEAD, head_of(model))
    return classifier


_SCRIPT = '''"""Tag texts with this model in plain transformers: python tag.py "Call Ann Lee at 555 0199." """

import sys
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = Path(__file__).parent
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
head = {}
for file in folder.glob("*.safetensors"):  # the head lies beside the model's own weights
    with safe_open(file, framework="pt") as stored:
        head |= {name: stored.get_tensor(name).float() for name in stored.keys() if name.startswith("score.")}

for text in sys.argv[1:]:
    encoded = tokenizer(text, return_offsets_mapping=True, return_tensors="pt")
    width = encoded.input_ids.shape[1]
    everything = torch.ones(1, 1, width, width, dtype=torch.bool)  # each token sees both sides
    kinds = set(getattr(model.config, "layer_types", None) or [])
    mask = dict.fromkeys(kinds, everything) if len(kinds) > 1 else everything
    with torch.inference_mode():
        hidden = model.get_decoder()(input_ids=encoded.input_ids, attention_mask=mask).last_hidden_state
    logits = hidden @ head["score.weight"].T + head["score.bias"]
    for (start, end), tag in zip(encoded.offset_mapping[0].tolist(), logits[0].argmax(-1).tolist()):
        if end > start:
            print(f"{start}-{end}\\t{text[start:end]}\\t{model.config.id2label[tag]}")
'''
