"""Images that a direction of the guide's space points at: drawn by the prior over codes, then pulled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from brivl.models.generation.inversion import InversionSettings, invert
from brivl.models.generation.prior_starts import Goal, drawn_latents, load_code_prior
from brivl.models.generation.vqgan_files import load_vqgan_mini
from brivl.models.shipped import load_brivl_mini


@dataclass(frozen=True)
class Steering:
    """How an image is made; values are those of text to image."""

    n_starts: int = 3
    n_steps: int = 30
    learning_rate: float = 0.1


def steered_image(direction: np.ndarray, condition: np.ndarray, seed: int, how: Steering) -> np.ndarray:
    """An image (H, W, 3) uint8 whose embedding e has a large product with a direction (D,), a unit vector.

    condition (D,): what the prior is told, an embedding less the mean of pictures' embeddings. Deterministic by seed.
    """
    generator, guide = load_vqgan_mini(), load_brivl_mini().requires_grad_(False)
    target = torch.tensor(direction, dtype=torch.float32)
    goal = Goal(target, torch.tensor(condition, dtype=torch.float32))
    start = drawn_latents(load_code_prior(), generator, guide, goal, how.n_starts, seed)
    settings = replace(InversionSettings(n_steps=how.n_steps, seed=seed), learning_rate=how.learning_rate)
    return invert(generator, guide, target, start, settings).image
