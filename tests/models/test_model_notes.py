"""JSON that comes with weights, wrong in many ways: a sentence, or what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from brivl.errors import BrivlError, DataError, RequestError
from brivl.models.brivl.checkpoint import dual_config
from brivl.models.encoders.normalisation import read_normalisation
from brivl.models.weights import read_info

DEFAULT = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize("content", ["{}", '{"image_mean": [0, 0, 0]}', None])
def test_a_preprocessor_that_names_no_numbers_leaves_the_default(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "p.json").write_text(content)
    assert read_normalisation(tmp_path / "p.json", DEFAULT) == DEFAULT


def test_a_preprocessor_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]}')
    assert read_normalisation(tmp_path / "p.json", DEFAULT) == ((0.1, 0.2, 0.3), (1, 2, 3))


@pytest.mark.parametrize(
    "mean", [None, 0.5, "x", [], [1, 2], [1, 2, 3, 4], [1, 2, "3"], [1, 2, float("nan")], [[1, 2, 3]]]
)
@pytest.mark.parametrize("which", ["image_mean", "image_std"])
def test_a_preprocessor_with_other_numbers_gets_a_sentence(mean: object, which: str, tmp_path: Path) -> None:
    fields = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.1, 0.2, 0.3]} | {which: mean}
    (tmp_path / "p.json").write_text(json.dumps(fields))
    with pytest.raises(RequestError, match="three numbers each"):
        read_normalisation(tmp_path / "p.json", DEFAULT)


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff\xfe", b"3", b"[]", b"null", b""])
def test_what_is_no_object_gets_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(RequestError, match="p.json"):
        read_normalisation(tmp_path / "p.json", DEFAULT)


@pytest.mark.parametrize("note", ["{", "[" * 100_000, "3", "[]", "null", ""])
def test_a_note_in_a_header_that_is_no_object_gets_a_sentence(note: str, tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "w.safetensors", metadata={"info": note})
    with pytest.raises(DataError, match="w.safetensors"):
        read_info(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "config", [None, 3, [], {"visual": 3}, {"visual": {"width": "x"}}, {"n_epochs": "four"}, {"unknown": 1}]
)
def test_settings_of_another_form_get_a_sentence(config: object, tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "w.safetensors", metadata={"info": json.dumps({"config": config})})
    with pytest.raises(BrivlError) as caught:
        dual_config(tmp_path / "w.safetensors")
    assert str(caught.value).endswith(".")
