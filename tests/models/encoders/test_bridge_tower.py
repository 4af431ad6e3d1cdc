"""BridgeTower as an external encoder: cross-modal layers of one modality beside an empty one, against transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.models.encoders.controls import untrained
from brivl.models.registry import card_for, model_digest, open_model
from tests.support.tiny_models import DEPTH, SIDE, WIDTH, save_bridge_tower

QUIET = lambda _done, _total: None  # noqa: E731
TEXTS = ["a dog", "the red house on green grass", "cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bridge_tower(tmp_path_factory.mktemp("models") / "bridge")


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)


def test_card_and_digests(folder: Path) -> None:
    card = card_for(str(folder))
    assert card.n_layers == {"image": DEPTH - 1, "text": DEPTH - 1} and card.multimodal and not card.is_proxy
    assert "empty" in card.note
    assert model_digest(str(folder), "image") != model_digest(str(folder), "text")


def cross_states(folder: Path, ids: torch.Tensor, mask: torch.Tensor, pixels: torch.Tensor) -> list:
    from transformers import BridgeTowerModel

    model = BridgeTowerModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        out = model(input_ids=ids, attention_mask=mask, pixel_values=pixels, output_hidden_states=True)
    return out.hidden_states[2]


def test_texts_beside_an_empty_image(folder: Path) -> None:
    from transformers import AutoTokenizer

    batch = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    mask = batch["attention_mask"]
    expected = cross_states(folder, batch["input_ids"], mask, torch.zeros(3, 3, SIDE, SIDE))
    features = open_model(str(folder), "text").extract(TEXTS, QUIET)
    assert features["mean"].shape == (DEPTH - 1, 3, WIDTH)
    for layer, (text, _) in enumerate(expected):
        np.testing.assert_allclose(features["cls"][layer], text[:, 0].numpy(), rtol=1e-4, atol=1e-5)
        means = [x[m.bool()].mean(0).numpy() for x, m in zip(text, mask, strict=True)]
        np.testing.assert_allclose(features["mean"][layer], means, rtol=1e-4, atol=1e-5)


def test_images_beside_an_empty_text(folder: Path, images: np.ndarray) -> None:
    from transformers import AutoTokenizer

    ids = torch.tensor([AutoTokenizer.from_pretrained(folder)("")["input_ids"]] * 3)
    pixels = torch.nn.functional.interpolate(
        torch.tensor(images).permute(0, 3, 1, 2) / 255 * 2 - 1, (SIDE, SIDE), mode="bilinear", antialias=True
    )
    expected = cross_states(folder, ids, torch.ones_like(ids), pixels)
    features = open_model(str(folder), "image").extract(images, QUIET)
    for layer, (_, image) in enumerate(expected):
        np.testing.assert_allclose(features["cls"][layer], image[:, 0].numpy(), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(features["mean"][layer], image[:, 1:].mean(1).numpy(), rtol=1e-4, atol=1e-4)


def test_the_untrained_control_has_other_features(folder: Path, images: np.ndarray) -> None:
    stream = open_model(str(folder), "image")
    control = open_model(f"{folder}@untrained", "image")
    assert control.digest != stream.digest
    assert np.abs(control.extract(images, QUIET)["mean"] - stream.extract(images, QUIET)["mean"]).max() > 1e-3
    assert untrained(stream.pipeline.encoder) is not stream.pipeline.encoder
