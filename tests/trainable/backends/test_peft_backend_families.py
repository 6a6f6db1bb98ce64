"""Every family that is served learns a few documents, stops by itself, and answers alike merged, resumed and in 4-bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.families import FAMILIES, save_family
from tests.family_fit import EXAMPLES, LIMIT, Fitted, fit, librarys_pass, loaded
from trainable.merge import MergeOptions, merge_adapter
from trainable.model.adapters import adapter_weights
from trainable.model.batch import collate
from trainable.model.description import read_base
from trainable.predicting.predictor import find_model, load_predictor
from trainable.training.loop import TrainingRun, schedule_batches

pytestmark = pytest.mark.slow
FAST = [name for name, family in FAMILIES.items() if family.fast]


@pytest.fixture(scope="module", params=FAMILIES)
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    work = tmp_path_factory.mktemp(request.param)
    return fit(save_family(request.param, work / "base"), work)


def test_a_small_fit_is_learnt_and_stops_by_itself(fitted: Fitted) -> None:
    assert fitted.loss < 0.05
    assert fitted.backend.generate(fitted.prompts, LIMIT) == fitted.answers


def test_the_librarys_own_forward_pass_answers_alike(fitted: Fitted) -> None:
    assert fitted.backend.generate_plain(fitted.prompts, LIMIT) == fitted.answers


def test_prompts_of_all_lengths_in_one_batch_are_answered_as_each_alone(fitted: Fitted) -> None:
    prompts = [
        fitted.backend.chat.prompt_ids([text])[0]
        for text in ("短", "请把材料寄到" * 8, "a b c", "电话 " * 30)
    ]
    together = fitted.backend.generate_plain(prompts, 12)
    assert together == [fitted.backend.generate_plain([prompt], 12)[0] for prompt in prompts]


def test_predict_finds_the_entities(fitted: Fitted) -> None:
    place = find_model(str(fitted.adapter))
    results = load_predictor(place, place.settings).predict([example.text for example in EXAMPLES])
    found = [
        sorted((entity.type, entity.start) for entity in prediction.entities) for prediction, _ in results
    ]
    assert found == [
        sorted((entity.type, entity.start) for entity in example.entities) for example in EXAMPLES
    ]


def test_the_merged_model_gives_the_same_ids_and_stops_in_plain_transformers(
    fitted: Fitted, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merge_adapter(MergeOptions(fitted.adapter, tmp_path / "merged"))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    for prompt, answer in zip(fitted.prompts, fitted.answers, strict=True):
        ids = torch.tensor([prompt])
        mask = torch.ones_like(ids)
        whole = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=LIMIT, do_sample=False, pad_token_id=0
        )
        assert whole[0, len(prompt) :].tolist() == answer
    assert tokenizer.chat_template == fitted.backend.chat.tokenizer.chat_template


def test_the_loss_is_the_models_own(fitted: Fitted) -> None:
    samples = fitted.corpus.samples()
    batch = collate(samples, fitted.backend.device)
    n_labels = sum(len(answer) for _, answer in samples)
    mask = (
        torch.arange(batch.input_ids.shape[1])[None]
        < torch.tensor([len(p) + len(a) for p, a in samples])[:, None]
    )
    with torch.no_grad():
        logits = fitted.backend.model(
            input_ids=batch.input_ids, attention_mask=mask.long(), use_cache=False
        ).logits
        expected = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), reduction="sum", ignore_index=-100
        )
        ours = fitted.backend.loss(batch, n_labels)
    assert float(ours) == pytest.approx(float(expected) / n_labels, abs=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_run_that_goes_on_in_the_middle_gives_the_same_to_the_bit(name: str, tmp_path: Path) -> None:
    folder = save_family(name, tmp_path / "base")
    config, backend, corpus = loaded(folder, tmp_path)
    whole = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), 8)
    whole.train_to(4)
    whole.save(tmp_path / "state.pt", {})
    whole.train_to(8)
    expected = adapter_weights(backend.model)
    config, backend, corpus = loaded(folder, tmp_path)
    resumed = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), 8)
    resumed.restore(tmp_path / "state.pt")
    resumed.train_to(8)
    got = adapter_weights(backend.model)
    assert all(torch.equal(got[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", FAST)
def test_own_passes_have_the_losses_and_gradients_of_transformers(name: str, tmp_path: Path) -> None:
    from trainable.passes.shared_prefix import PrefixPasses, why_no_prefix

    folder = save_family(name, tmp_path / "base")
    _, backend, corpus = loaded(folder, tmp_path)
    assert why_no_prefix(backend, False, 0.0) == ""
    expected = librarys_pass(backend, corpus)
    expected.check(PrefixPasses(backend, expected.samples).run([expected.samples], expected.n_labels))


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.four_bit])
def test_a_small_fit_is_learnt_on_an_nf4_base(name: str, tmp_path: Path) -> None:
    fitted = fit(save_family(name, tmp_path / "base"), tmp_path, load_in_4bit=True)
    facts = fitted.backend.facts()
    assert facts.quantised_layers > 0
    assert facts.adapted_share == pytest.approx(read_base(fitted.folder).adapted_share())
    assert fitted.backend.generate(fitted.prompts, LIMIT) == fitted.answers


def test_a_mixture_learns_with_dropout_and_its_experts_stay_as_they_are(tmp_path: Path) -> None:
    folder = save_family("qwen3_moe", tmp_path / "base")
    config, backend, corpus = loaded(folder, tmp_path)
    config = config.with_changes(lora_dropout=0.1)
    backend.detach_adapter()
    backend.attach_adapter(config)
    experts = {name: weight.clone() for name, weight in backend.model.named_parameters() if "experts" in name}
    run = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), 60)
    first = run.train_to(1)
    assert run.train_to(60) < first
    after = dict(backend.model.named_parameters())
    assert experts
    assert not any("lora" in name for name in experts)
    assert all(torch.equal(after[name], weight) for name, weight in experts.items())
