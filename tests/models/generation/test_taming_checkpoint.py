"""Checkpoints in the form of taming-transformers: every key is loaded, or an error names those that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from brivl.errors import DataError
from brivl.models.generation.taming_checkpoint import LEFT_OUT, load_taming, read_taming_config
from brivl.models.generation.vqgan import Vqgan

DDCONFIG = {
    "double_z": False,
    "z_channels": 8,
    "resolution": 16,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 32,
    "ch_mult": [1, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [8],
    "dropout": 0.0,
}


def config_of(ddconfig: dict[str, Any] = DDCONFIG, **params: Any) -> dict[str, Any]:
    """A config as it lies beside published checkpoints."""
    loss = {"target": "taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator", "params": {"disc_start": 0}}
    return {
        "model": {
            "base_learning_rate": 4.5e-6,
            "target": "taming.models.vqgan.VQModel",
            "params": {"embed_dim": 8, "n_embed": 20, "ddconfig": ddconfig, "lossconfig": loss, **params},
        },
        "data": {"target": "main.DataModuleFromConfig"},
    }


def conv(name: str, n_out: int, n_in: int, side: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (n_out, n_in, side, side), f"{name}.bias": (n_out,)}


def norm(name: str, n: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (n,), f"{name}.bias": (n,)}


def res(name: str, n_in: int, n_out: int) -> dict[str, tuple[int, ...]]:
    short = conv(f"{name}.nin_shortcut", n_out, n_in, 1) if n_in != n_out else {}
    return {
        **norm(f"{name}.norm1", n_in),
        **conv(f"{name}.conv1", n_out, n_in, 3),
        **norm(f"{name}.norm2", n_out),
        **conv(f"{name}.conv2", n_out, n_out, 3),
        **short,
    }


def attn(name: str, n: int) -> dict[str, tuple[int, ...]]:
    parts = [conv(f"{name}.{part}", n, n, 1) for part in ("q", "k", "v", "proj_out")]
    return norm(f"{name}.norm", n) | {key: shape for part in parts for key, shape in part.items()}


def middle(name: str, n: int) -> dict[str, tuple[int, ...]]:
    return res(f"{name}.block_1", n, n) | attn(f"{name}.attn_1", n) | res(f"{name}.block_2", n, n)


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Keys and shapes of taming's VQModel for DDCONFIG, written out from the published architecture."""
    encoder = {
        **conv("conv_in", 32, 3, 3),
        **res("down.0.block.0", 32, 32),
        **conv("down.0.downsample.conv", 32, 32, 3),
        **res("down.1.block.0", 32, 64),
        **attn("down.1.attn.0", 64),
        **middle("mid", 64),
        **norm("norm_out", 64),
        **conv("conv_out", 8, 64, 3),
    }
    decoder = {
        **conv("conv_in", 64, 8, 3),
        **middle("mid", 64),
        **res("up.1.block.0", 64, 64),
        **attn("up.1.attn.0", 64),
        **res("up.1.block.1", 64, 64),
        **attn("up.1.attn.1", 64),
        **conv("up.1.upsample.conv", 64, 64, 3),
        **res("up.0.block.0", 64, 32),
        **res("up.0.block.1", 32, 32),
        **norm("norm_out", 32),
        **conv("conv_out", 3, 32, 3),
    }
    rest = {**conv("quant_conv", 8, 8, 1), **conv("post_quant_conv", 8, 8, 1), "quantize.embedding.weight": (20, 8)}
    loss = {**conv("loss.discriminator.main.0", 64, 3, 4), "loss.perceptual_loss.lin0.model.1.weight": (1, 64, 1, 1)}
    sides = {f"encoder.{key}": shape for key, shape in encoder.items()}
    return {**sides, **{f"decoder.{key}": shape for key, shape in decoder.items()}, **rest, **loss}


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Write a config and a Lightning checkpoint."""

    def write(config: Any = None, state: Any = None, **more: Any) -> tuple[Path, Path]:
        yaml_file, checkpoint = tmp_path / "model.yaml", tmp_path / "last.ckpt"
        yaml_file.write_text(yaml.safe_dump(config_of() if config is None else config))
        checkpoint_content = {
            "epoch": 3,
            "global_step": 12,
            "pytorch-lightning_version": "1.0.8",
            "state_dict": state,
            **more,
        }
        torch.save(checkpoint_content, checkpoint)
        return yaml_file, checkpoint

    return write


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return {key: 0.1 * torch.randn(shape, generator=rng) for key, shape in published_shapes().items()}


def test_every_key_is_loaded_but_those_of_the_loss(files: Callable, state: dict[str, torch.Tensor]) -> None:
    model, report = load_taming(*files(state=state))
    own = model.state_dict()
    assert report.n_loaded == len(own) == len([key for key in state if not key.startswith(LEFT_OUT)])
    assert all(torch.equal(own[key], state[key]) for key in own)
    assert report.left_out == tuple(sorted(key for key in state if key.startswith("loss.")))
    assert not any(p.requires_grad for p in model.parameters()) and not model.training


def test_a_loaded_model_computes_what_the_saved_one_does(files: Callable, tmp_path: Path) -> None:
    torch.manual_seed(3)
    yaml_file, checkpoint = files(state={})
    original = Vqgan(read_taming_config(yaml_file)).eval()
    torch.save({"state_dict": original.state_dict()}, checkpoint)
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert torch.equal(load_taming(yaml_file, checkpoint)[0](images)[0], original(images)[0])


def test_missing_unexpected_and_misshapen_keys_are_named(files: Callable, state: dict[str, torch.Tensor]) -> None:
    del state["encoder.mid.attn_1.q.weight"]
    state["encoder.mid.attn_2.q.weight"] = torch.zeros(1)
    state["decoder.conv_in.bias"] = torch.zeros(7)
    with pytest.raises(DataError) as caught:
        load_taming(*files(state=state))
    for named in ("mid.attn_1.q.weight", "mid.attn_2.q.weight", "decoder.conv_in.bias (7,), not (64,)"):
        assert named in str(caught.value)


class Callback:
    """What Lightning also puts into checkpoints."""


def test_objects_in_a_checkpoint_are_not_unpickled(files: Callable, state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(DataError, match="'state_dict' alone"):
        load_taming(*files(state=state, callbacks={"best": Callback()}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": {"target": "taming.models.vqgan.GumbelVQ", "params": {}}}, "GumbelVQ"),
        ({"data": 1}, "'model'"),
        (config_of({**DDCONFIG, "ch": "many"}), "'ch'.*'many'"),
        (config_of({**DDCONFIG, "ch_mult": 3}), "'ch_mult'"),
        (config_of({**DDCONFIG, "ch": 12}), "32 groups"),
        (config_of(n_embed=10**9), "'n_embed'"),
        (config_of(embed_dim=True), "'embed_dim'"),
        ([1, 2], "'config'"),
    ],
)
def test_configs_that_cannot_be_used(files: Callable, config: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_taming(*files(config=config, state={}))


def test_files_of_another_kind(files: Callable, tmp_path: Path) -> None:
    yaml_file, checkpoint = files(state={})
    with pytest.raises(DataError, match="nowhere.yaml"):
        load_taming(tmp_path / "nowhere.yaml", checkpoint)
    with pytest.raises(DataError, match="nowhere.ckpt"):
        load_taming(yaml_file, tmp_path / "nowhere.ckpt")
    checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(DataError, match="last.ckpt"):
        load_taming(yaml_file, checkpoint)
    torch.save({"state_dict": [1, 2]}, checkpoint)
    with pytest.raises(DataError, match="something else"):
        load_taming(yaml_file, checkpoint)
    yaml_file.write_text("model: !!python/object/apply:os.system ['true']")
    with pytest.raises(DataError, match="model.yaml"):
        load_taming(yaml_file, checkpoint)
