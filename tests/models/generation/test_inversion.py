"""Inversion on models of random weights: similarity rises, a callback can stop it, the seed determines it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from brivl.errors import Cancelled
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.generation.inversion import (
    InversionSettings,
    InversionStep,
    _Inversion,
    image_latents,
    invert,
    random_latents,
)
from brivl.models.generation.vqgan import Vqgan, VqganConfig
from tests.support.tiny_models import SIDE, save_bert, tiny_config

SETTINGS = InversionSettings(n_steps=12, n_crops=2, report_every=4, learning_rate=0.3)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Vqgan, DualStream]:
    torch.manual_seed(0)
    generator = Vqgan(
        VqganConfig(
            resolution=SIDE,
            z_channels=8,
            ch=8,
            ch_mult=(1, 2),
            num_res_blocks=1,
            attn_resolutions=(),
            embed_dim=6,
            n_embed=40,
            norm_groups=4,
        )
    )
    torch.nn.init.normal_(generator.quantize.embedding.weight)
    guide = DualStream(tiny_config(save_bert(tmp_path_factory.mktemp("bert"))))
    return generator.eval().requires_grad_(False), guide.eval().requires_grad_(False)


def target(seed: int = 1) -> torch.Tensor:
    return normalize(torch.randn(8, generator=torch.Generator().manual_seed(seed)), dim=0)


def test_similarity_rises_and_the_curve_is_what_was_reported(models: tuple[Vqgan, DualStream]) -> None:
    generator, guide = models
    reports: list[InversionStep] = []
    result = invert(generator, guide, target(), random_latents(generator, 2, 0), SETTINGS, reports.append)
    assert result.similarity > result.similarities[0] + 0.02
    assert (np.diff(result.similarities) >= 0).all() and result.similarity == result.similarities[-1]
    assert result.steps.tolist() == [0, 4, 8, 12] == [report.step for report in reports]
    assert result.previews.shape == (4, SIDE, SIDE, 3) and result.previews.dtype == np.uint8
    assert np.array_equal(result.previews[-1], result.image)


def test_the_saved_image_has_the_reported_similarity(models: tuple[Vqgan, DualStream]) -> None:
    generator, guide = models
    result = invert(generator, guide, target(), random_latents(generator, 1, 0), replace(SETTINGS, n_steps=3))
    visual = guide.config.visual
    pixels = torch.from_numpy(result.image).permute(2, 0, 1)[None].float() / 255
    pixels = (pixels - torch.tensor(visual.mean).view(1, 3, 1, 1)) / torch.tensor(visual.std).view(1, 3, 1, 1)
    with torch.no_grad():
        assert float(guide.encode_image(pixels)[0] @ target()) == pytest.approx(result.similarity, abs=0.01)


def test_an_image_consists_of_codes(models: tuple[Vqgan, DualStream]) -> None:
    generator, guide = models
    run = _Inversion(generator, guide, target(), random_latents(generator, 2, 0), SETTINGS)
    run.take_step()
    z = generator.quantize(run.z).z.detach()
    codes = generator.quantize.codes(generator.quantize.nearest(run.z))
    assert torch.allclose(z, codes, atol=1e-5)
    assert not torch.allclose(run.z.detach(), codes, atol=1e-3), "the latent itself is free"


def test_only_the_best_latents_are_kept(models: tuple[Vqgan, DualStream]) -> None:
    generator, guide = models
    run = _Inversion(generator, guide, target(), random_latents(generator, 5, 0), SETTINGS)
    before, scores = run.z.detach().clone(), run.scores()[1]
    run.keep_best(2)
    assert torch.equal(run.z.detach(), before[scores.argsort(descending=True)[:2]])


def test_undivided_views_are_the_image_and_crops_lie_within(models: tuple[Vqgan, DualStream]) -> None:
    generator, guide = models
    images = torch.rand(2, 3, SIDE, SIDE)
    still = replace(SETTINGS, crop_scale=(1.0, 1.0), noise=0.0)
    run = _Inversion(generator, guide, target(), random_latents(generator, 1, 0), still)
    assert torch.allclose(run.crops(images), images.repeat_interleave(2, 0), atol=1e-5)
    ramp = torch.linspace(0, 1, SIDE).expand(1, 3, SIDE, SIDE)  # brighter to the right: a mirrored one would be darker
    run = _Inversion(generator, guide, target(), random_latents(generator, 1, 0), replace(SETTINGS, noise=0.0))
    views = run.crops(ramp)
    assert views.shape == (2, 3, SIDE, SIDE)
    assert views.min() >= 0 and views.max() <= 1 and (views.diff(dim=-1) >= -1e-6).all()


def test_seed_decides(models: tuple[Vqgan, DualStream]) -> None:
    generator, guide = models
    short = replace(SETTINGS, n_steps=3)
    start = random_latents(generator, 1, 5)
    first, again = (invert(generator, guide, target(), start, short) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    other = invert(generator, guide, target(), start, replace(short, seed=1))
    assert not np.array_equal(first.image, other.image)
    assert torch.equal(start, random_latents(generator, 1, 5))
    assert not torch.equal(start, random_latents(generator, 1, 6))


def test_a_callback_can_stop_it(models: tuple[Vqgan, DualStream]) -> None:
    def stop(progress: InversionStep) -> None:
        if progress.step:
            raise Cancelled("stopped")

    generator, guide = models
    with pytest.raises(Cancelled):
        invert(generator, guide, target(), random_latents(generator, 1, 0), SETTINGS, stop)


def test_latents_of_images_decode_to_their_reconstruction(models: tuple[Vqgan, DualStream], tmp_path: Path) -> None:
    generator, _ = models
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    z = image_latents(generator, images)
    again = generator(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1)[0]
    assert torch.allclose(generator.decode(generator.quantize(z).z), again, atol=1e-5)
