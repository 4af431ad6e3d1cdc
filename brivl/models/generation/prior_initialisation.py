"""Where an inversion may start: latents of pictures that the prior over codes draws for a text."""

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

N_CANDIDATES = 32  # pictures drawn for a text, of which the guide picks
N_SELECTED = 4
N_ROUNDS = 3  # in which half of the codes of the picked pictures are drawn anew
REDRAWN_SHARE = 0.5
REDRAW_SETTINGS = SamplingSettings(n_rounds=6)


def load_code_prior() -> CodePrior:
    """The shipped prior, frozen and in evaluation mode; loaded once for each state of its file."""
    return _code_prior(file_sha(PRIOR_FILE))


@lru_cache(maxsize=1)
def _code_prior(_sha: str) -> CodePrior:
    return read_code_prior(PRIOR_FILE).eval().requires_grad_(False)


def read_code_prior(path: Path) -> CodePrior:
    """A prior as training wrote it. Raises DataError for another kind of file."""
    info = read_info(path)
    if info.get("model") != "code-prior":
        raise DataError(f"Wanted a prior over codes and {path.name!r} is none; see python -m brivl.train code-prior.")
    prior = CodePrior(PriorConfig(**info["config"]))
    load_into(prior, read_weights(path), source=path.name, missing_ok=frozenset())
    return prior


@dataclass(frozen=True)
class GuidanceTarget:
    """What pictures are to come near to."""

    target: torch.Tensor  # (D,): the guide's vectors of pictures are compared with it
    condition: torch.Tensor  # (D,): what the prior is told, a vector of a picture less the mean of pictures


def guidance_for_text(prior: CodePrior, text: torch.Tensor) -> GuidanceTarget:
    """The goal of a text's vector (D,).

    The prior knows vectors of pictures; a text's vector is moved by the difference of the means of both (Liang et al.
    2022, modality gap).
    """
    return GuidanceTarget(text, text - prior.text_centre)


@torch.no_grad()
def sample_prior_latents(
    prior: CodePrior, generator: Vqgan, guide: DualStream, goal: GuidanceTarget, n: int, seed: int
) -> torch.Tensor:
    """Latents (n, D, h, w) of drawn pictures that the guide finds nearest to the goal.

    N_DRAWN are drawn, the nearest picked, parts of them drawn anew, the nearest of old and new picked, and so on.
    """
    vectors = goal.condition.expand(N_CANDIDATES, -1)
    random = torch.Generator().manual_seed(seed)

    def latents(codes: torch.Tensor) -> torch.Tensor:
        return generator.quantize.codes(codes.unflatten(1, (generator.config.side, -1)))

    def nearest(codes: torch.Tensor, k: int) -> torch.Tensor:
        return codes[image_text_similarities(generator, guide, goal.target, latents(codes)).topk(k).indices]

    codes = sample_codes(prior, vectors, seed)
    for number in range(N_ROUNDS):
        picked = nearest(codes, N_SELECTED)
        holed = _with_holes(picked.repeat(N_CANDIDATES // N_SELECTED, 1), prior.mask, random)
        codes = torch.cat([picked, sample_masked_codes(prior, holed, vectors, seed + number + 1, REDRAW_SETTINGS)])
    return latents(nearest(codes, n)).contiguous()


def _with_holes(codes: torch.Tensor, mask: int, random: torch.Generator) -> torch.Tensor:
    """Codes (B, n_places) of which SHARE, at random in each row, are masked."""
    order = torch.rand(codes.shape, generator=random).argsort(1)
    return codes.scatter(1, order[:, : int(REDRAWN_SHARE * codes.shape[1])], mask)


@dataclass(frozen=True)
class SteeringSettings:
    """How an image is made; values are those of text to image."""

    n_starts: int = 3
    n_steps: int = 30
    learning_rate: float = 0.1


def steer_image(direction: np.ndarray, condition: np.ndarray, seed: int, how: SteeringSettings) -> np.ndarray:
    """An image (H, W, 3) uint8 whose embedding e has a large product with a direction (D,), a unit vector.

    condition (D,): what the prior is told, an embedding less the mean of pictures' embeddings. Deterministic by seed.
    """
    generator, guide = load_vqgan_mini(), load_brivl_mini().requires_grad_(False)
    target = torch.tensor(direction, dtype=torch.float32)
    goal = GuidanceTarget(target, torch.tensor(condition, dtype=torch.float32))
    start = sample_prior_latents(load_code_prior(), generator, guide, goal, how.n_starts, seed)
    settings = replace(InversionSettings(n_steps=how.n_steps, seed=seed), learning_rate=how.learning_rate)
    return invert(generator, guide, target, start, settings).image
