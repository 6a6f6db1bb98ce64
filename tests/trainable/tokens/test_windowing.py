"""Long documents with a real tokenizer: nothing is dropped, nothing doubled, everything fits."""

from __future__ import annotations

import json
import random
import shutil
import unicodedata
from pathlib import Path

import pytest

from data.entities import Entity, Example, locate
from data.prompt import Parsed, completion, parse
from data.texts.windows import Window
from trainable.model.bases import locate_base
from trainable.scoring.counts import Prediction, document_counts
from trainable.tokens.chat import ChatFormat, read_chat_format
from trainable.tokens.windowing import Windowing, join_answers, split_all


@pytest.fixture(scope="module")
def chat() -> ChatFormat:
    return read_chat_format(locate_base("small-2m"))


def long_example(n_entities: int, seed: int) -> Example:
    """A text of many sentences in which every third one names a person and a number."""
    rng = random.Random(seed)
    text, entities = "", []
    for number in range(3 * n_entities):
        text += rng.choice(
            ("会议改到下午三点，请准时参加。", "The meeting was moved to Monday. ", "材料已经寄出！")
        )
        if number % 3 == 0:
            for kind, value in (
                ("PERSON", rng.choice(("王芳", "欧阳娜娜", "Ann Lee"))),
                ("PHONE", f"138{number:08d}"),
            ):
                text += "联系"
                entities.append(Entity(kind, value, len(text), len(text) + len(value)))
                text += value
            text += "。"
    return Example("long", text, tuple(entities), language="mixed")


def test_the_answers_to_all_windows_give_the_gold_entities_of_the_document(chat: ChatFormat) -> None:
    example = long_example(60, seed=1)
    windowing = Windowing(chat, 384, None, [example])
    parts, n_cut = windowing.split(example)
    assert len(parts) > 5
    assert n_cut == 0
    assert max(len(p) + len(a) for p, a in chat.samples(parts)) <= 384
    windows = windowing.cut(example.text)
    answers = [Prediction(parse(completion(part.entities)), truncated=False) for part in parts]
    if len(windows) != len(parts):  # gold answers needed smaller windows than the text alone
        windows = [Window(part.text, example.text.index(part.text)) for part in parts]
    prediction = join_answers(windows, answers)
    assert prediction.entities == example.entities
    counts = document_counts(example, prediction)
    assert (counts.tp, counts.fp, counts.fn) == (120, 0, 0)


def test_every_window_of_a_text_fits_its_share_of_the_window(chat: ChatFormat) -> None:
    windowing = Windowing(chat, 256, 24)
    for text in (long_example(40, 2).text, "😀👍🏽" * 300, "a" * 3000, "\n" * 3000, "𠮷" * 500):
        windows = windowing.cut(text)
        prompts = chat.prompt_ids([window.text for window in windows])
        assert max(map(len, prompts)) <= 256 * 3 // 4 + 2
        assert windows[0].start == 0
        assert windows[-1].end == len(text)


def test_a_document_with_many_entities_is_cut_until_its_answers_fit(chat: ChatFormat) -> None:
    phones = [f"139{number:08d}" for number in range(40)]
    text = "，".join(phones)
    dense = Example("dense", text, locate(text, [("PHONE", phone) for phone in phones])[0])
    split = split_all(Windowing(chat, 384), [dense, Example("short", "你好", ())])
    assert (split.windowed_documents, split.cut_entities) == (1, 0)
    parts = [part for part, place in split.parts if place == 0]
    assert {entity.text for part in parts for entity in part.entities} == set(phones)
    assert max(len(p) + len(a) for p, a in chat.samples(parts)) <= 384
    assert split.samples == chat.samples([part for part, _ in split.parts])


def test_the_default_overlap_holds_the_longest_entity(chat: ChatFormat) -> None:
    address = "北京市海淀区中关村大街一百二十三号院四号楼五单元六零七室旁边的快递柜子里面第八个格子" * 2
    example = Example("1", address, (Entity("ADDRESS", address, 0, len(address)),))
    assert Windowing(chat, 1024).overlap_tokens == 32
    assert Windowing(chat, 1024, None, [example]).overlap_tokens > len(
        chat.tokenizer(address, add_special_tokens=False)["input_ids"]
    )


def test_an_overlap_that_leaves_no_room_is_refused(chat: ChatFormat) -> None:
    with pytest.raises(ValueError, match="`overlap_tokens` is 300, but must be between 0 and"):
        Windowing(chat, 512, 300)


def test_an_invalid_answer_loses_its_window_only() -> None:
    windows = [Window("王芳在。", 0), Window("李雷在。", 4)]
    answers = [
        Prediction(Parsed((), valid=False), truncated=True),
        Prediction(
            Parsed((("PERSON", "李雷"), ("PERSON", "无名")), valid=True, malformed=1), truncated=False
        ),
    ]
    prediction = join_answers(windows, answers)
    assert not prediction.parsed.valid
    assert prediction.truncated
    assert prediction.entities == (Entity("PERSON", "李雷", 4, 6),)
    gold = locate("王芳在。李雷在。", [("PERSON", "王芳"), ("PERSON", "李雷")])[0]
    counts = document_counts(Example("1", "王芳在。李雷在。", gold), prediction)
    assert (counts.tp, counts.fp, counts.fn, counts.hallucinated) == (1, 2, 1, 1)


NAMES = (("刘林", "刘\uf9f4"), ("José", "Jose\u0301"), ("김한", unicodedata.normalize("NFD", "김한")))


@pytest.fixture(scope="module", params=["NFC", "NFD", "none"])
def either_chat(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ChatFormat:
    """The bundled tokenizer as it is, and with the normalisation that Qwen's has."""
    folder = tmp_path_factory.mktemp(request.param) / "base"
    shutil.copytree(locate_base("small-2m"), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["normalizer"] = None if request.param == "none" else {"type": request.param}
    file.write_text(json.dumps(content), encoding="utf-8")
    return read_chat_format(folder)


@pytest.mark.parametrize(("name", "other"), NAMES)
def test_a_name_is_asked_for_and_found_alike_in_every_spelling(
    either_chat: ChatFormat, name: str, other: str
) -> None:
    examples = [
        Example("1", text, locate(text, [("PERSON", value)])[0])
        for value in (name, other)
        for text in [f"客户{value}来了。"]
    ]
    (sample, other_sample) = either_chat.samples(examples)
    assert sample == other_sample
    answer = either_chat.tokenizer.decode(sample[1], skip_special_tokens=True)
    prediction = join_answers([Window(examples[1].text, 0)], [Prediction(parse(answer), truncated=False)])
    assert prediction.entities == examples[1].entities
    assert prediction.entities[0].text == other
    assert document_counts(examples[1], prediction).tp == 1


def test_windows_of_a_decomposed_text_fit_and_lose_nothing(either_chat: ChatFormat) -> None:
    plain = long_example(40, 3).text.replace("Ann", "José")
    text = unicodedata.normalize("NFD", plain)
    windowing = Windowing(either_chat, 256, 24)
    windows = windowing.cut(text)
    assert [unicodedata.normalize("NFC", window.text) for window in windows] == [
        window.text for window in windowing.cut(plain)
    ]
    assert all(text[window.start : window.end] == window.text for window in windows)


def test_values_that_a_tokenizer_writes_in_nfkc_are_found_where_they_stand(tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(locate_base("small-2m"), base, ignore=shutil.ignore_patterns("*.safetensors"))
    content = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    content["normalizer"] = {"type": "NFKC"}
    (base / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    chat = read_chat_format(base)
    text = "电话１３８\u3000００１，Ａｎｎ。"
    example = Example("1", text, locate(text, [("PHONE", "１３８\u3000００１"), ("PERSON", "Ａｎｎ")])[0])
    ((_, answer_ids),) = chat.samples([example])
    answer = parse(chat.tokenizer.decode(answer_ids, skip_special_tokens=True))
    assert answer.items == (("PHONE", "138 001"), ("PERSON", "Ann"))
    prediction = join_answers([Window(text, 0)], [Prediction(answer, truncated=False)])
    assert prediction.entities == example.entities
    counts = document_counts(example, prediction)
    assert (counts.tp, counts.fp, counts.leaked) == (2, 0, 0)


def test_an_entity_of_several_windows_has_the_highest_certainty_and_lost_values_have_none() -> None:
    windows = [Window("Wei met Ann", 0), Window("Ann in Bonn", 8)]
    answers = [
        Prediction(
            Parsed((("NAME", "Wei"), ("NAME", "Nobody"), ("NAME", "Ann")), True), False, (), (0.9, 0.8, 0.3)
        ),
        Prediction(Parsed((("NAME", "Ann"), ("CITY", "Bonn")), True), False, (), (0.6, 0.5)),
    ]
    joined = join_answers(windows, answers)
    assert [(one.text, one.start) for one in joined.entities] == [("Wei", 0), ("Ann", 8), ("Bonn", 15)]
    assert joined.certainties == (0.9, 0.6, 0.5)
    assert joined.parsed.items[3:] == (("NAME", "Nobody"),)
    untold = join_answers(windows, [answers[0], Prediction(answers[1].parsed, False)])
    assert (untold.entities, untold.certainties) == (joined.entities, ())
