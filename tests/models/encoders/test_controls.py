"""Control conditions: features extracted with a known fault, and encoders without training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from brivl.errors import RequestError
from brivl.models.encoders.controls import as_control, crop_box, random_crop, untrained
from brivl.models.registry import BRIVL_MINI, MINILM, VIT_MINI, card_for, model_digest, open_model

TEXTS = ["A dog sleeps.", "The old harbour lies quiet under a grey sky while two boats come home with their catch."]


def silent(_done: float, _total: float) -> None: ...


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3)).astype(np.uint8)


def test_unmasked_padding_is_attended_and_averaged() -> None:
    """Written out: the encoder without a mask on texts padded to 80 tokens, mean over all 80."""
    model = open_model(MINILM, "text")
    wrong = as_control(model, "unmasked-padding").extract(TEXTS, silent)
    tokens = model.pipeline.tokenizer(TEXTS, padding="max_length", max_length=80, return_tensors="pt")["input_ids"]
    assert tokens.shape == (2, 80)
    with torch.inference_mode():
        hidden = model.pipeline.encoder(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), output_hidden_states=True
        ).hidden_states[1:]
    np.testing.assert_allclose(wrong["mean"], torch.stack(hidden).mean(2), atol=1e-5)
    np.testing.assert_allclose(wrong["cls"], torch.stack(hidden)[:, :, 0], atol=1e-5)
    right = model.extract(TEXTS, silent)
    assert np.abs(right["mean"] - wrong["mean"]).max() > 0.1
    alone = model.extract(TEXTS[:1], silent)["mean"][:, 0]
    np.testing.assert_allclose(right["mean"][:, 0], alone, atol=1e-5, err_msg="masked padding changes nothing")


def test_unmasked_padding_makes_length_the_leading_component_of_features() -> None:
    """Random words: the leading component of features follows the number of words where padding counts."""
    rng, words = np.random.default_rng(0), "sea stone lamp green under walk paper cold music seven".split()
    lengths = rng.permutation(np.arange(3, 35))
    texts = [" ".join(rng.choice(words, n)) for n in lengths]
    model = open_model(MINILM, "text")
    features = [m.extract(texts, silent)["mean"][-1] for m in (model, as_control(model, "unmasked-padding"))]
    leading = [np.linalg.svd(X - X.mean(0), full_matrices=False)[0][:, 0] for X in features]
    masked, unmasked = (abs(np.corrcoef(component, lengths)[0, 1]) for component in leading)
    assert unmasked > 0.9 and unmasked > masked + 0.1, (masked, unmasked)


def test_a_crop_is_a_piece_of_the_image_scaled_up(images: np.ndarray) -> None:
    model = open_model(VIT_MINI, "image")
    cropped = as_control(model, "random-crop", seed=3)
    features = cropped.extract(images, silent)["cls"]
    piece = torch.from_numpy(random_crop(images[1], 3).copy()).permute(2, 0, 1)[None].float()
    scaled = F.interpolate(piece, (64, 64), mode="bilinear", antialias=True, align_corners=False)
    by_hand = model.extract(scaled.round().byte().permute(0, 2, 3, 1).numpy(), silent)["cls"]
    right = model.extract(images, silent)["cls"]
    gap, change = np.abs(features[:, 1] - by_hand[:, 0]).mean(), np.abs(features[:, 1] - right[:, 1]).mean()
    assert gap < 0.15 * change, "rounding of pixels to bytes is all that differs"
    np.testing.assert_allclose(cropped.extract(images[1:2], silent)["cls"][:, 0], features[:, 1], atol=1e-4)
    other = as_control(model, "random-crop", seed=4)
    assert other.digest != cropped.digest != model.digest
    assert np.abs(other.extract(images, silent)["cls"] - features).mean() > 0.1 * change


def test_boxes_have_the_specified_area_and_shape() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([crop_box(rng, 60, 80) for _ in range(2000)])
    top, left, height, width = boxes.T
    assert (top >= 0).all() and (left >= 0).all() and (top + height <= 60).all() and (left + width <= 80).all()
    area, ratio = height * width / 4800, width / height
    assert 0.19 < area.min() < 0.22 and area.max() > 0.85
    assert 0.72 < ratio.min() < 0.78 and 1.28 < ratio.max() < 1.37
    assert crop_box(rng, 1, 1000) == (0, 499, 1, 1), "a strip of which no such crop can be cut"


@pytest.mark.parametrize(("name", "kind"), [(VIT_MINI, "image"), (BRIVL_MINI, "text")])
def test_an_untrained_control_has_the_form_but_not_the_weights(name: str, kind: str, images: np.ndarray) -> None:
    items = images if kind == "image" else TEXTS
    model, control = open_model(name, kind), open_model(f"{name}@untrained", kind)
    before = [p.clone() for p in model.pipeline.encoder.parameters()]
    a, b = model.extract(items, silent)["cls"], control.extract(items, silent)["cls"]
    assert a.shape == b.shape and np.isfinite(b).all() and not np.allclose(a, b, atol=0.01)
    again = untrained(model.pipeline.encoder)
    for ours, theirs in zip(again.parameters(), control.pipeline.encoder.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert all(torch.equal(p, q) for p, q in zip(before, model.pipeline.encoder.parameters(), strict=True))
    assert control.digest == model_digest(f"{name}@untrained", kind) != model.digest
    card = card_for(f"{name}@untrained")
    assert card.n_layers == card_for(name).n_layers and "untrained" in card.title


def test_untrained_weights_are_those_of_an_initialisation() -> None:
    layer = torch.nn.Sequential(torch.nn.Linear(300, 200), torch.nn.LayerNorm(200))
    state = torch.random.get_rng_state()
    control = untrained(layer, seed=1)
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator is left as it was"
    assert abs(float(control[0].weight.detach().std()) - 0.02) < 0.001 and not control[0].bias.any()
    assert torch.equal(control[1].weight, torch.ones(200)) and not control.training


def test_controls_that_a_stream_cannot_have_are_refused() -> None:
    with pytest.raises(RequestError, match="for text stimuli, got 'random-crop'"):
        as_control(open_model(MINILM, "text"), "random-crop")
    with pytest.raises(RequestError, match="for image stimuli, got 'blurred'"):
        as_control(open_model(VIT_MINI, "image"), "blurred")
    assert card_for(f"{BRIVL_MINI}@random-crop").kinds == ("image",)
    with pytest.raises(RequestError, match="takes image only"):
        open_model(f"{BRIVL_MINI}@random-crop", "text")
    with pytest.raises(RequestError, match="name of a model, got 'no-such-model'"):
        card_for("no-such-model@untrained")
