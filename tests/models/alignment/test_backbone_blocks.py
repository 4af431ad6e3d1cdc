"""The last blocks of a backbone on stored tokens give the backbone's features, for ViT, EVA02 and transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.errors import RequestError
from brivl.models.alignment import backbone_blocks
from brivl.models.alignment.backbone_blocks import split_backbone
from brivl.models.registry import card_for, open_model
from brivl.models.torchvision_schemas import declare_torchvision_schemas
from tests.support.tiny_models import save_vit

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), np.uint8)


def save_eva02(folder: Path) -> Path:
    """An EVA02 of timm with rotary positions, two heads and three blocks."""
    declare_torchvision_schemas()
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    args = {"img_size": 28, "embed_dim": 24, "depth": 3, "num_heads": 2}
    model = timm.create_model("eva02_tiny_patch14_224", num_classes=0, **args)
    folder.mkdir()
    config = {
        "architecture": "eva02_tiny_patch14_224",
        "num_classes": 0,
        "model_args": args,
        "pretrained_cfg": {"input_size": [3, 28, 28], "num_classes": 0},
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "model.safetensors")
    return folder


def backbone(name: str, tmp_path: Path) -> str:
    if name == "eva02":
        return str(save_eva02(tmp_path / "eva02"))
    return str(save_vit(tmp_path / "vit")) if name == "transformers" else name


@pytest.mark.parametrize("name", ["vit-mini", "eva02", "transformers"])
def test_the_upper_blocks_give_the_features_of_the_backbone(name: str, tmp_path: Path) -> None:
    name = backbone(name, tmp_path)
    depth = card_for(name).n_layers["image"]
    layers = (1, depth - 1, depth)
    split = split_backbone(name, lambda rows: IMAGES[rows], len(IMAGES), layers, 2)
    layers_of_backbone = open_model(name, "image").extract(IMAGES, lambda _done, _total: None)
    expected = np.concatenate(
        [layers_of_backbone[pooling][layer - 1] for layer in layers[1:] for pooling in ("cls", "mean")], 1
    )
    with torch.no_grad():
        features = split.upper(torch.from_numpy(split.tokens)).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-4)
    split.upper.standardise(np.full(features.shape[1], 2, np.float32), np.full(features.shape[1], 4, np.float32))
    with torch.no_grad():
        np.testing.assert_allclose(split.upper(torch.from_numpy(split.tokens)).numpy(), (expected - 2) / 4, atol=1e-4)


@pytest.mark.parametrize("name", ["eva02", "transformers"])
def test_training_the_blocks_leaves_the_backbone_as_it_is(name: str, tmp_path: Path) -> None:
    name = backbone(name, tmp_path)
    split = split_backbone(name, lambda rows: IMAGES[rows], len(IMAGES), (card_for(name).n_layers["image"],), 1)
    before = open_model(name, "image").extract(IMAGES, lambda _done, _total: None)["cls"]
    loss = split.upper(torch.from_numpy(split.tokens)).square().mean()
    loss.backward()
    gradients = [p.grad for p in split.upper.parameters() if p.grad is not None]
    assert sum(float(g.abs().sum()) for g in gradients) > 0
    with torch.no_grad():
        for p in split.upper.parameters():
            p.add_(1.0)
    after = open_model(name, "image").extract(IMAGES, lambda _done, _total: None)["cls"]
    np.testing.assert_array_equal(before, after)


def test_what_cannot_be_split(monkeypatch: pytest.MonkeyPatch) -> None:
    for layers, n_blocks in (((4,), 2), ((12,), 0), ((12,), 13)):
        with pytest.raises(RequestError, match="blocks to train"):
            split_backbone("vit-mini", lambda rows: IMAGES[rows], len(IMAGES), layers, n_blocks)
    monkeypatch.setattr(backbone_blocks, "MAX_TOKEN_BYTES", 1000)
    with pytest.raises(RequestError, match="--blocks 0"):
        split_backbone("vit-mini", lambda rows: IMAGES[rows], len(IMAGES), (12,), 2)
    with pytest.raises(RequestError, match="at least one image, got none"):
        split_backbone("vit-mini", lambda rows: IMAGES[rows], 0, (12,), 2)
