"""Prompts and completions of every family: end of turn, system message, date, BOS, and the same tokens everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from data.corpus import SAMPLE_DIR
from data.entities import Example
from data.files.jsonl import read_examples
from data.prompt import FIXED_DATE, SYSTEM_PROMPT, PromptSettings, completion
from tests.families import FAMILIES, make_tokenizer
from trainable.model.bases import BUNDLED_DIR, locate_base
from trainable.tokens.chat import ChatFormat, read_chat_format
from trainable.tokens.tokenizer import NoChatFormat

EXAMPLES = read_examples(SAMPLE_DIR / "train.jsonl")[:40]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tokenizers of every family, with the generation_config.json that their models would have."""
    root = tmp_path_factory.mktemp("tokenizers")
    for name, family in FAMILIES.items():
        tokenizer = make_tokenizer(family)
        tokenizer.save_pretrained(root / name)
        eos = tokenizer.convert_tokens_to_ids(family.specials[1])
        (root / name / "generation_config.json").write_text(json.dumps({"eos_token_id": [eos]}))
    return {name: root / name for name in FAMILIES}


@pytest.fixture(scope="module")
def formats(folders: dict[str, Path]) -> dict[str, ChatFormat]:
    return {name: read_chat_format(folder) for name, folder in folders.items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_ends_with_the_token_that_the_template_closes_a_turn_with(
    formats: dict[str, ChatFormat], name: str
) -> None:
    assert formats[name].end_of_turn == FAMILIES[name].end
    assert formats[name].end_source == ("generation_config" if name == "unclosed" else "template")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_system_message_and_the_text_are_in_every_prompt(
    formats: dict[str, ChatFormat], name: str
) -> None:
    (prompt,) = formats[name].prompts(["请联系王小明"])
    assert formats[name].folded == (FAMILIES[name].system == "folded")
    assert prompt.count(SYSTEM_PROMPT) == 1
    assert prompt.index(SYSTEM_PROMPT) < prompt.index("请联系王小明")


@pytest.mark.parametrize("name", FAMILIES)
def test_what_opens_a_turn_of_the_user_stands_before_the_text_of_a_later_question(
    formats: dict[str, ChatFormat], name: str
) -> None:
    chat = formats[name]
    assert chat.user_turn
    assert chat.end_of_turn not in chat.user_turn
    turns = [("system", SYSTEM_PROMPT), ("user", "one"), ("assistant", "two"), ("user", "three")]
    messages = [{"role": role, "content": text} for role, text in turns[1 if chat.folded else 0 :]]
    rendered = chat.tokenizer.apply_chat_template(messages, tokenize=False)
    assert f"{chat.user_turn}three" in rendered.replace(" three", "three")
    ids = chat.opening()
    assert (ids[0] == chat.tokenizer.bos_token_id) or not chat.adds_bos
    assert chat.tokenizer.decode(ids).replace(" ", "").endswith(chat.user_turn.replace(" ", ""))


def test_a_template_that_takes_one_question_alone_opens_no_turn(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["qwen3"], tmp_path / "one")
    for file in folder.glob("*.jinja"):
        text = file.read_text(encoding="utf-8")
        file.write_text("{% if messages | length > 3 %}{{ raise_exception('one only') }}{% endif %}" + text)
    chat = read_chat_format(folder)
    assert (chat.user_turn, chat.opening()) == ("", [])


SYSTEM_IN_LAST_TURN = (
    "{{ bos_token }}{% set rest = messages[1:] if messages[0].role == 'system' else messages %}"
    "{% for message in rest %}{% if message.role == 'user' %}[INST] "
    "{% if loop.last and messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}"
    "{{ message.content }}[/INST]{% else %} {{ message.content }}</s>{% endif %}{% endfor %}"
)


def test_a_system_message_that_a_template_puts_into_the_last_turn_does_not_open_it(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["mistral"], tmp_path / "last")
    (folder / "chat_template.jinja").write_text(SYSTEM_IN_LAST_TURN, encoding="utf-8")
    chat = read_chat_format(folder)
    assert (chat.folded, chat.user_turn) == (False, "[INST]")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_system_message_of_ones_own_takes_the_place_of_ours(
    formats: dict[str, ChatFormat], name: str
) -> None:
    (prompt,) = formats[name].asked_with(PromptSettings("Find names in the text.")).prompts(["Call Ann"])
    assert "Find names in the text." in prompt
    assert SYSTEM_PROMPT not in prompt


@pytest.mark.parametrize("name", FAMILIES)
def test_no_prompt_holds_the_day_of_today(formats: dict[str, ChatFormat], name: str) -> None:
    (prompt,) = formats[name].prompts(["x"])
    assert formats[name].dated == FAMILIES[name].dated
    assert (FIXED_DATE[:4] in prompt) == FAMILIES[name].dated


@pytest.mark.parametrize("name", FAMILIES)
def test_the_stored_day_and_end_of_an_answer_are_used_in_place_of_those_of_now(
    formats: dict[str, ChatFormat], name: str
) -> None:
    other = FAMILIES[name].specials[0]
    stored = formats[name].asked_with(PromptSettings(date="2031-05-17", end_of_turn=other))
    (prompt,) = stored.prompts(["x"])
    assert ("2031" in prompt) == FAMILIES[name].dated
    ((asked, answer),) = stored.samples([EXAMPLES[0]])
    assert [asked] == stored.prompt_ids([EXAMPLES[0].text])
    assert (stored.end_of_turn, answer[-1]) == (other, stored.end_of_turn_id)
    assert formats[name].asked_with(PromptSettings()).samples([EXAMPLES[0]]) == formats[name].samples(
        [EXAMPLES[0]]
    )


def test_a_stored_end_that_is_no_token_of_the_base_is_refused(formats: dict[str, ChatFormat]) -> None:
    with pytest.raises(
        NoChatFormat, match=r"answers end with <\|eot_id\|>, but the tokenizer .* has no such token"
    ):
        formats["gemma2"].asked_with(PromptSettings(end_of_turn="<|eot_id|>"))


@pytest.mark.parametrize("name", FAMILIES)
def test_training_text_equals_inference_text_token_by_token(
    formats: dict[str, ChatFormat], name: str
) -> None:
    chat_format = formats[name]
    asked = chat_format.prompt_ids([example.text for example in EXAMPLES])
    samples = chat_format.samples(EXAMPLES)
    assert [prompt for prompt, _ in samples] == asked
    for example, (_, answer) in zip(EXAMPLES, samples, strict=True):
        assert answer[-1] == chat_format.end_of_turn_id
        assert chat_format.end_of_turn_id not in answer[:-1]
        assert chat_format.tokenizer.decode(answer[:-1]).strip() == completion(example.entities)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_sample_is_what_the_template_and_the_answer_make_in_one_go(
    formats: dict[str, ChatFormat], name: str
) -> None:
    chat_format = formats[name]
    (prompt,), (example, *_) = chat_format.prompts([EXAMPLES[0].text]), EXAMPLES
    ((ids, answer),) = chat_format.samples([example])
    whole = chat_format.tokenizer(prompt + completion(example.entities), add_special_tokens=False)[
        "input_ids"
    ]
    assert [*ids, *answer[:-1]][-len(whole) :] == whole


@pytest.mark.parametrize(
    "name", [name for name, family in FAMILIES.items() if family.pieces or name in ("llama3", "lfm2")]
)
def test_a_prompt_of_a_tokenizer_with_bos_has_exactly_one(formats: dict[str, ChatFormat], name: str) -> None:
    (ids,) = formats[name].prompt_ids(["x"])
    bos = formats[name].tokenizer.bos_token_id
    assert ids[0] == bos
    assert ids.count(bos) == 1


def test_thinking_is_off(formats: dict[str, ChatFormat]) -> None:
    (prompt,) = formats["qwen3"].prompts(["x"])
    assert prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_the_bundled_models_have_the_ids_that_they_always_had() -> None:
    chat_format = read_chat_format(BUNDLED_DIR / "small-2m")
    tokenizer = chat_format.tokenizer
    for example, (prompt, answer) in zip(EXAMPLES, chat_format.samples(EXAMPLES), strict=True):
        text = f"<|im_start|>system\n{SYSTEM_PROMPT}<|im_end|>\n<|im_start|>user\n{example.text}<|im_end|>\n<|im_start|>assistant\n"
        assert prompt == tokenizer(text)["input_ids"]
        assert answer == tokenizer(completion(example.entities) + "<|im_end|>")["input_ids"]


def test_nothing_is_made_of_nothing(formats: dict[str, ChatFormat]) -> None:
    assert formats["qwen3"].samples([]) == []
    assert formats["qwen3"].prompt_ids([]) == []


def test_a_token_across_the_border_of_prompt_and_answer_is_not_trained_on(
    formats: dict[str, ChatFormat],
) -> None:
    (sample,) = formats["unclosed"].samples([Example("1", "x", ())])
    asked = formats["unclosed"].prompt_ids(["x"])
    assert sample[0] == asked[0]


def test_a_tokenizer_without_a_template_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    tokenizer = make_tokenizer(FAMILIES["qwen3"])
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(NoChatFormat, match="no chat template; choose an instruction-tuned model"):
        read_chat_format(tmp_path)


def test_a_model_that_nothing_ends_is_refused(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(FAMILIES["unclosed"])
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(NoChatFormat, match="nothing ends an answer"):
        read_chat_format(tmp_path)


def test_the_end_token_of_the_tokenizer_is_the_last_resort(tmp_path: Path) -> None:
    make_tokenizer(FAMILIES["unclosed"]).save_pretrained(tmp_path)
    assert read_chat_format(tmp_path).end_source == "tokenizer"
    assert read_chat_format(tmp_path).end_of_turn == "<|endoftext|>"


@pytest.mark.parametrize(
    ("normalizer", "lost"),
    [
        ({"type": "Lowercase"}, True),
        ({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}, True),
        ({"type": "NFC"}, False),
        ({"type": "NFD"}, False),
        ({"type": "NFKC"}, False),
        (None, False),
    ],
)
def test_a_tokenizer_that_drops_capitals_or_accents_is_refused(
    tmp_path: Path, normalizer: object, lost: bool
) -> None:
    base = tmp_path / "base"
    shutil.copytree(locate_base("small-2m"), base, ignore=shutil.ignore_patterns("*.safetensors"))
    content = json.loads((base / "tokenizer.json").read_text("utf-8"))
    (base / "tokenizer.json").write_text(json.dumps({**content, "normalizer": normalizer}), "utf-8")
    if lost:
        with pytest.raises(NoChatFormat, match="drops capitals or accents"):
            read_chat_format(base)
    else:
        assert read_chat_format(base).end_of_turn
