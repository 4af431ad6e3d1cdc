"""Where an inversion may start: latents of pictures that the prior over codes draws for a text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from brivl.errors import DataError
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.feature_model import file_sha
from brivl.models.generation.code_prior import CodePrior, DrawSettings, PriorConfig, draw_codes, fill_codes
from brivl.models.generation.inversion import cosines
from brivl.models.generation.vqgan import Vqgan
from brivl.models.generation.vqgan_files import PRIOR_FILE
from brivl.models.weights import load_into, read_info, read_weights

N_DRAWN = 32  # pictures drawn for a text, of which the guide picks
N_PICKED = 4
N_ROUNDS = 3  # in which half of the codes of the picked pictures are drawn anew
SHARE = 0.5
REDRAW = DrawSettings(n_rounds=6)


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
class Goal:
    """What pictures are to come near to."""

    target: torch.Tensor  # (D,): the guide's vectors of pictures are compared with it
    condition: torch.Tensor  # (D,): what the prior is told, a vector of a picture less the mean of pictures


def text_goal(prior: CodePrior, text: torch.Tensor) -> Goal:
    """The goal of a text's vector (D,).

    The prior knows vectors of pictures; a text's vector is moved by the difference of the means of both (Liang et al.
    2022, modality gap).
    """
    return Goal(text, text - prior.text_centre)


@torch.no_grad()
def drawn_latents(prior: CodePrior, generator: Vqgan, guide: DualStream, goal: Goal, n: int, seed: int) -> torch.Tensor:
    """Latents (n, D, h, w) of drawn pictures that the guide finds nearest to the goal.

    N_DRAWN are drawn, the nearest picked, parts of them drawn anew, the nearest of old and new picked, and so on.
    """
    vectors = goal.condition.expand(N_DRAWN, -1)
    random = torch.Generator().manual_seed(seed)

    def latents(codes: torch.Tensor) -> torch.Tensor:
        return generator.quantize.codes(codes.unflatten(1, (generator.config.side, -1)))

    def nearest(codes: torch.Tensor, k: int) -> torch.Tensor:
        return codes[cosines(generator, guide, goal.target, latents(codes)).topk(k).indices]

    codes = draw_codes(prior, vectors, seed)
    for number in range(N_ROUNDS):
        picked = nearest(codes, N_PICKED)
        holed = _with_holes(picked.repeat(N_DRAWN // N_PICKED, 1), prior.mask, random)
        codes = torch.cat([picked, fill_codes(prior, holed, vectors, seed + number + 1, REDRAW)])
    return latents(nearest(codes, n)).contiguous()


def _with_holes(codes: torch.Tensor, mask: int, random: torch.Generator) -> torch.Tensor:
    """Codes (B, n_places) of which SHARE, at random in each row, are masked."""
    order = torch.rand(codes.shape, generator=random).argsort(1)
    return codes.scatter(1, order[:, : int(SHARE * codes.shape[1])], mask)
