"""VQGAN: its quantiser against brute force, its shapes, its gradient; its training resumed bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.errors import DataError
from brivl.models.generation.vqgan import VQGAN_MINI, VectorQuantizer, Vqgan, VqganConfig
from brivl.models.generation.vqgan_blocks import AttnBlock, NLayerDiscriminator
from brivl.models.generation.vqgan_files import images_to_tensor, tensor_to_images
from brivl.models.weights import read_weights
from brivl.train.generation.train_vqgan import VqganRecipe, VqganTraining, reconstruction_loss, train_vqgan_mini
from brivl.train.scene_pairs import scene_pairs

TINY = VqganConfig(
    resolution=16,
    z_channels=8,
    ch=4,
    ch_mult=(1, 2),
    num_res_blocks=1,
    attn_resolutions=(8,),
    embed_dim=6,
    n_embed=12,
    norm_groups=2,
)
RECIPE = VqganRecipe(
    n_scenes=12, n_steps=8, batch_size=4, n_held_out=4, n_free=2, adversary_from=0.5, adversary_width=4, revive_every=3
)


def test_nearest_code_is_the_one_of_brute_force() -> None:
    torch.manual_seed(0)
    quantizer = VectorQuantizer(17, 5, 0.25)
    torch.nn.init.normal_(quantizer.embedding.weight)
    z = torch.randn(2, 5, 3, 4)
    quantised = quantizer(z)
    for b, i, j in np.ndindex(2, 3, 4):
        distances = [(z[b, :, i, j] - code).norm().item() for code in quantizer.embedding.weight]
        assert quantised.indices[b, i, j] == int(np.argmin(distances))
        assert torch.allclose(
            quantised.z[b, :, i, j], quantizer.embedding.weight[quantised.indices[b, i, j]], atol=1e-6
        )


def test_gradient_goes_straight_through_and_codes_learn_from_the_loss_alone() -> None:
    torch.manual_seed(1)
    quantizer = VectorQuantizer(9, 4, 0.25)
    z = torch.randn(2, 4, 3, 3, requires_grad=True)
    weights = torch.randn(2, 4, 3, 3)
    quantised = quantizer(z)
    (quantised.z * weights).sum().backward()
    assert torch.equal(z.grad, weights)
    assert quantizer.embedding.weight.grad is None
    z.grad = None
    quantised = quantizer(z)
    quantised.loss.backward()
    codes = quantizer.codes(quantised.indices)
    assert torch.allclose(z.grad, 0.25 * 2 * (z - codes).detach() / z.numel(), atol=1e-7)
    assert torch.allclose(quantised.loss, 1.25 * (z - codes).square().mean())
    assert quantizer.embedding.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "config", [TINY, replace(TINY, double_z=True, ch_mult=(1, 2, 2), resolution=32, num_res_blocks=2), VQGAN_MINI]
)
def test_shapes(config: VqganConfig) -> None:
    torch.manual_seed(0)
    model = Vqgan(config)
    images = torch.rand(2, 3, config.resolution, config.resolution) * 2 - 1
    z = model.latents(images)
    assert z.shape == (2, config.embed_dim, config.side, config.side)
    reconstruction, quantised = model(images)
    assert reconstruction.shape == images.shape
    assert quantised.indices.shape == (2, config.side, config.side)
    (reconstruction.mean() + quantised.loss).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_attention_is_softmax_over_positions() -> None:
    torch.manual_seed(0)
    block = AttnBlock(8, TINY)
    x = torch.randn(1, 8, 3, 2)
    h = block.norm(x)
    q, k, v = (part(h)[0].reshape(8, 6) for part in (block.q, block.k, block.v))
    seen = v @ torch.softmax(q.T @ k / 8**0.5, dim=1).T  # (C, positions)
    expected = x + block.proj_out(seen.reshape(1, 8, 3, 2))
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_discriminator_rates_patches_independently() -> None:
    """A change in one corner leaves the rating of the opposite corner as it is."""
    torch.manual_seed(0)
    adversary = NLayerDiscriminator(3, 4, n_layers=2).eval()
    images = torch.rand(1, 3, 64, 64)
    changed = images.clone()
    changed[..., :8, :8] += 1
    difference = (adversary(images) - adversary(changed)).abs()
    assert difference.shape[1:] == (1, 14, 14)
    assert difference[..., 0, 0] > 0 and difference[..., 8:, 8:].max() == 0


def test_pixels_there_and_back(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    assert np.array_equal(tensor_to_images(images_to_tensor(images)), images)
    assert images_to_tensor(images).abs().max() <= 1


def test_a_training_starts_with_blocks_that_pass_everything_on() -> None:
    model = VqganTraining(RECIPE, TINY).model
    x = torch.randn(2, 8, 8, 8)
    assert torch.equal(model.decoder.mid(x), x)
    middle = model.encoder.mid.block_1.conv1.weight
    assert torch.allclose(middle[:, :, 1, 1] @ middle[:, :, 1, 1].T, torch.eye(8), atol=1e-5)
    assert middle.abs().sum() == middle[:, :, 1, 1].abs().sum()


def test_reconstruction_loss_is_its_formula() -> None:
    real = torch.zeros(1, 3, 2, 2)
    reconstruction = real.clone()
    reconstruction[..., 0, 0] = 0.5
    weights = torch.tensor([[[[3.0, 1.0], [1.0, 1.0]]]])
    flat = 3 * (0.5 + 4 * 0.25) / 4 / 1.5
    # differences of neighbours are weighed at the second pixel of a pair
    across = down = 0.1 * 0.5 / 2 / 1.5
    assert torch.allclose(reconstruction_loss(reconstruction, real, weights), torch.tensor(flat + across + down))


def test_a_training_learns_and_a_stopped_one_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = train_vqgan_mini(tmp_path / "a.safetensors", tmp_path / "a.jsonl", RECIPE, TINY, every=3)
    assert metrics["error"] > 0

    def stop_at_5(run: VqganTraining, data: object, step=VqganTraining.take_step) -> dict[str, float]:
        if run.step == 5:
            raise KeyboardInterrupt
        return step(run, data)

    with monkeypatch.context() as patch:
        patch.setattr(VqganTraining, "take_step", stop_at_5)
        with pytest.raises(KeyboardInterrupt):
            train_vqgan_mini(tmp_path / "b.safetensors", tmp_path / "b.jsonl", RECIPE, TINY, every=3)
    assert train_vqgan_mini(tmp_path / "b.safetensors", tmp_path / "b.jsonl", RECIPE, TINY, every=3) == metrics
    one, other = read_weights(tmp_path / "a.safetensors"), read_weights(tmp_path / "b.safetensors")
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_state_of_another_recipe_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathlib.Path.unlink", lambda *args, **kwargs: None)  # keep the state
    train_vqgan_mini(tmp_path / "a.safetensors", tmp_path / "a.jsonl", replace(RECIPE, n_steps=1), TINY)
    with pytest.raises(DataError, match="another recipe"):
        train_vqgan_mini(tmp_path / "a.safetensors", tmp_path / "a.jsonl", RECIPE, TINY)


def test_idle_codes_come_back_to_life() -> None:
    run = VqganTraining(replace(RECIPE, revive_every=1), TINY)
    data = scene_pairs(8, 3, 16, 8, 0)
    for _ in range(3):
        run.take_step(data)
    with torch.no_grad():
        run.model.quantize.embedding.weight[4:] = 1e3  # no latent comes near
    before = run.take_step(data)["codes_used"]
    with torch.no_grad():
        assert (run.model.quantize.embedding.weight.abs() < 500).all()
    assert before < 5 / 12
