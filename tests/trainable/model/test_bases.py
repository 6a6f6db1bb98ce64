"""Where the weights of a base model are looked for, and what is said when there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainable.model.bases import BUNDLED, BUNDLED_DIR, MODELS_DIR_VARIABLE, locate_base, read_ahead


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_models_are_found_by_name(name: str) -> None:
    assert locate_base(name) == BUNDLED_DIR / name


def test_a_directory_with_a_config_is_a_base_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", "utf-8")
    assert locate_base(str(tmp_path)) == tmp_path.resolve()


def test_the_models_directory_is_searched_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Qwen3-0.6B").mkdir()
    (tmp_path / "Qwen3-0.6B" / "config.json").write_text("{}", "utf-8")
    monkeypatch.setenv(MODELS_DIR_VARIABLE, str(tmp_path))
    assert locate_base("Qwen3-0.6B") == (tmp_path / "Qwen3-0.6B").resolve()


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"`model` is 'Qwen3-1\.5B', but must be one of small-2m"):
        locate_base("Qwen3-1.5B")


def test_weights_are_read_ahead_and_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}", "utf-8")
    read_ahead(tmp_path)
    read_ahead(tmp_path / "without weights")
    assert (tmp_path / "model.safetensors").read_bytes() == b"weights"
