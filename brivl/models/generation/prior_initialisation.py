"""Initialisation of an inversion by the prior over codes: latents of images that the prior samples for a target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from brivl.errors import DataError
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.feature_model import file_sha
from brivl.models.generation.code_prior import (
    CodePrior,
    PriorConfig,
    SamplingSettings,
    sample_codes,
    sample_masked_codes,
)
from brivl.models.generation.digests import PRIOR_FILE
from brivl.models.generation.inversion import InversionSettings, image_text_similarities, invert
from brivl.models.generation.vqgan import Vqgan
from brivl.models.generation.vqgan_files import load_vqgan_mini
from brivl.models.shipped import load_brivl_mini
from brivl.models.weights import load_into, read_info, read_weights

N_CANDIDATES = 32  # images sampled for a target, of which the guide selects
N_SELECTED = 4
N_ROUNDS = 3  # in which part of the codes of the selected images is sampled again
REDRAWN_SHARE = 0.5
REDRAW_SETTINGS = SamplingSettings(n_rounds=6)


@dataclass(frozen=True)
class GuidanceTarget:
    """The target of image generation in the guide's space."""

    target: torch.Tensor  # (D,): compared with the guide's embeddings of images
    condition: torch.Tensor  # (D,): input of the prior, an image embedding less the mean over images


@dataclass(frozen=True)
class SteeringSettings:
    """How an image is made for a direction; values are those of text to image."""

    n_starts: int = 3
    n_steps: int = 30
    learning_rate: float = 0.1


def load_code_prior() -> CodePrior:
    """Load the shipped prior, once for each state of its file.

    Returns
    -------
    CodePrior
        The prior, frozen and in evaluation mode.
    """
    return _code_prior(file_sha(PRIOR_FILE))


@lru_cache(maxsize=1)
def _code_prior(_sha: str) -> CodePrior:
    return read_code_prior(PRIOR_FILE).eval().requires_grad_(False)


def read_code_prior(path: Path) -> CodePrior:
    """Read a prior that training wrote.

    Parameters
    ----------
    path
        Weights file.

    Returns
    -------
    CodePrior
        The prior.

    Raises
    ------
    DataError
        If it is another kind of file.
    """
    info = read_info(path)
    if info.get("model") != "code-prior":
        raise DataError(
            f"Expected a prior over codes in {path.name!r}, got another kind of file. Give one of "
            "`python -m brivl.train code-prior`."
        )
    prior = CodePrior(PriorConfig(**info["config"]))
    load_into(prior, read_weights(path), source=path.name, missing_ok=frozenset())
    return prior


def guidance_for_text(prior: CodePrior, text: torch.Tensor) -> GuidanceTarget:
    """Make the target for a text.

    The prior was trained on embeddings of images; the embedding of a text is shifted by the difference of the means of
    both (Liang et al. 2022, modality gap).

    Parameters
    ----------
    prior
        The prior.
    text : (D,) tensor
        Unit vector of the text.

    Returns
    -------
    GuidanceTarget
        The target.
    """
    return GuidanceTarget(text, text - prior.text_centre)


@torch.no_grad()
def sample_prior_latents(
    prior: CodePrior, generator: Vqgan, guide: DualStream, target: GuidanceTarget, n: int, seed: int
) -> torch.Tensor:
    """Sample latents whose images the guide finds most similar to a target.

    N_CANDIDATES images are sampled and the most similar ones selected; in each round half of their codes is sampled
    again, and the most similar ones of old and new are selected.

    Parameters
    ----------
    prior
        The prior.
    generator
        The generator whose codes the prior samples.
    guide
        The dual stream.
    target
        The target.
    n
        Number of latents.
    seed
        Random seed.

    Returns
    -------
    torch.Tensor
        (n, D, h, w) latents.
    """
    vectors = target.condition.expand(N_CANDIDATES, -1)
    random = torch.Generator().manual_seed(seed)

    def _latents(codes: torch.Tensor) -> torch.Tensor:
        return generator.quantize.codes(codes.unflatten(1, (generator.config.side, -1)))

    def _nearest(codes: torch.Tensor, k: int) -> torch.Tensor:
        similarities = image_text_similarities(generator, guide, target.target, _latents(codes))
        return codes[similarities.topk(k).indices]

    codes = sample_codes(prior, vectors, seed)
    for number in range(N_ROUNDS):
        selected = _nearest(codes, N_SELECTED)
        masked = _partly_masked(selected.repeat(N_CANDIDATES // N_SELECTED, 1), prior.mask, random)
        redrawn = sample_masked_codes(prior, masked, vectors, seed + number + 1, REDRAW_SETTINGS)
        codes = torch.cat([selected, redrawn])
    return _latents(_nearest(codes, n)).contiguous()


def _partly_masked(codes: torch.Tensor, mask: int, random: torch.Generator) -> torch.Tensor:
    """Codes (B, n_places) of which REDRAWN_SHARE, at random in each row, are masked."""
    order = torch.rand(codes.shape, generator=random).argsort(1)
    return codes.scatter(1, order[:, : int(REDRAWN_SHARE * codes.shape[1])], mask)


def steer_image(direction: np.ndarray, condition: np.ndarray, seed: int, settings: SteeringSettings) -> np.ndarray:
    """Generate an image whose embedding has a large dot product with a direction.

    Parameters
    ----------
    direction : (D,) array
        Unit vector in the guide's space.
    condition : (D,) array
        Input of the prior: an embedding less the mean of images' embeddings.
    seed
        Random seed; it determines the image.
    settings
        How the image is made.

    Returns
    -------
    np.ndarray
        (H, W, 3) uint8 image.
    """
    generator, guide = load_vqgan_mini(), load_brivl_mini().requires_grad_(False)
    vector = torch.tensor(direction, dtype=torch.float32)
    target = GuidanceTarget(vector, torch.tensor(condition, dtype=torch.float32))
    start = sample_prior_latents(load_code_prior(), generator, guide, target, settings.n_starts, seed)
    inversion = InversionSettings(n_steps=settings.n_steps, seed=seed)
    inversion = replace(inversion, learning_rate=settings.learning_rate)
    return invert(generator, guide, vector, start, inversion).image
