"""Weights on disk: a round trip in half precision, no tensor dropped silently, errors for damaged files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from brivl.errors import DataError
from brivl.models import shipped
from brivl.models.encoders.minilm import minilm_folder
from brivl.models.feature_model import file_sha
from brivl.models.generation import vqgan_files
from brivl.models.generation.vqgan_files import load_vqgan_mini
from brivl.models.shipped import load_brivl_mini, load_vit_mini
from brivl.models.weights import load_into, read_info, read_weights, save_exact, save_weights

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture
def module() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


def test_round_trip_is_half_precision_of_every_tensor(module: torch.nn.Module, tmp_path: Path) -> None:
    file, state = tmp_path / "folder" / "some.safetensors", module.state_dict()
    state["1.num_batches_tracked"] += 3
    save_weights(file, state, {"model": "some", "metrics": {"r1": 0.5}})
    read = read_weights(file)
    assert read.keys() == state.keys()
    for name, value in state.items():
        assert read[name].dtype == torch.float32
        torch.testing.assert_close(read[name], value.float(), rtol=2**-11, atol=1e-7)
    assert read["1.num_batches_tracked"] == 3
    assert read_info(file) == {"model": "some", "metrics": {"r1": 0.5}}
    assert [path.name for path in file.parent.iterdir()] == ["some.safetensors"]


def test_saving_replaces_what_was_there(module: torch.nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "some.safetensors"
    save_weights(file, {"a": torch.zeros(2)}, {"step": 1})
    save_weights(file, {"b": torch.ones(3)}, {"step": 2})
    assert list(read_weights(file)) == ["b"] and read_info(file) == {"step": 2}


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_umask_decides_who_may_read_weights(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        save_weights(tmp_path / "weights.safetensors", {"a": torch.zeros(2)}, {})
        save_exact(tmp_path / "checkpoint.safetensors", {"a": torch.zeros(2)})
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in sorted(tmp_path.iterdir())] == [mode, mode]


def test_loading_fills_the_module(module: torch.nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "some.safetensors"
    save_weights(file, module.state_dict(), {})
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    load_into(other, read_weights(file), source=file.name, missing_ok=frozenset())
    torch.testing.assert_close(other[0].weight, module[0].weight, rtol=2**-11, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), r"missing \['0.bias'\] \(1 in all\)"),
        (lambda s: s.update({"2.weight": torch.zeros(1)}), r"unexpected \['2.weight'\]"),
        (lambda s: s.update({"0.bias": torch.zeros(5)}), r"another shape \['0.bias'\]"),
    ],
    ids=["missing", "unexpected", "misshapen"],
)
def test_keys_that_do_not_fit_are_named(module: torch.nn.Module, change, message: str) -> None:
    state = {name: value.clone() + 1 for name, value in module.state_dict().items()}
    change(state)
    before = module[0].weight.clone()
    with pytest.raises(DataError, match=message):
        load_into(module, state, source="some.safetensors", missing_ok=frozenset())
    assert torch.equal(module[0].weight, before), "nothing is loaded in part"


def test_only_what_may_be_missing_may_be_missing(module: torch.nn.Module) -> None:
    state = {"0.weight": torch.ones(4, 3, 3, 3)}
    others = frozenset(module.state_dict()) - {"0.weight"}
    load_into(module, state, source="some", missing_ok=others)
    assert bool((module[0].weight == 1).all())
    with pytest.raises(DataError, match="missing"):
        load_into(module, {}, source="some", missing_ok=others)


@pytest.mark.parametrize("read", [read_weights, read_info])
@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "empty"])
def test_damaged_files_are_refused(read, damage: str, module: torch.nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "some.safetensors"
    if damage == "truncated":
        save_weights(file, module.state_dict(), {})
        file.write_bytes(file.read_bytes()[:-40])
    elif damage != "missing":
        file.write_bytes(b"no weights, but a page of an error message" * 9 if damage == "text" else b"")
    with pytest.raises(DataError, match="some.safetensors") as caught:
        read(file)
    assert "Fetch the file again" in str(caught.value)


def test_packaged_minilm_is_the_published_one() -> None:
    assert file_sha(minilm_folder() / "model.safetensors") == MINILM_SHA256


@pytest.mark.parametrize(
    ("load", "cached"),
    [
        (load_vit_mini, shipped._vit_mini),
        (load_brivl_mini, shipped._brivl_mini),
        (load_vqgan_mini, vqgan_files._vqgan_mini),
    ],
)
def test_shared_models_can_be_differentiated_wherever_they_are_loaded(load: Callable, cached: Any) -> None:
    """Inference mode of the first caller must not stay with a model that others share."""
    cached.cache_clear()
    with torch.inference_mode():
        model = load()
    assert not any(tensor.is_inference() for tensor in model.state_dict().values())
