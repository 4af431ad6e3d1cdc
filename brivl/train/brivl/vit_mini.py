"""Training of vit-mini, the visual encoder alone, by classification of drawn scenes.

[CLS] predicts the kinds of things, the colours and the background of the image; every patch predicts what covers it
(dense labels let a small transformer learn in minutes what would take hours with image labels alone). No text is
involved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from brivl.errors import RequestError
from brivl.models.brivl.configs import MINI, VisualConfig
from brivl.models.brivl.image_encoder import build_image_encoder, to_pixels
from brivl.models.weights import load_into, read_weights, save_weights
from brivl.scenes.backgrounds import BACKGROUNDS
from brivl.scenes.things import KINDS
from brivl.train.loop import train
from brivl.train.scene_pairs import COLOUR_NAMES, HELD_OUT_SEED, ScenePairs, scene_pairs


@dataclass(frozen=True)
class UnimodalRecipe:
    """How vit-mini is trained; all values are this project's choice."""

    n_scenes: int = 14_000
    n_steps: int = 700
    batch_size: int = 96
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 1
    n_held_out: int = 500


class Classifier(nn.Module):
    """A visual encoder with linear heads on [CLS] and on patches.

    Parameters
    ----------
    config
        Sizes of the encoder.
    """

    def __init__(self, config: VisualConfig) -> None:
        super().__init__()
        self.visual = build_image_encoder(config)
        self.sizes = [len(KINDS), len(COLOUR_NAMES), len(BACKGROUNDS)]
        self.image_head = nn.Linear(config.width, sum(self.sizes))
        self.patch_head = nn.Linear(config.width, len(KINDS) + 1 + len(COLOUR_NAMES) + 1)

    def forward(self, pixels: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """Classify images and patches.

        Parameters
        ----------
        pixels : (B, 3, H, W) tensor
            Normalised pixels.

        Returns
        -------
        image : tuple of tensors
            Logits (B, n) of kinds, colours and backgrounds.
        patch : tuple of tensors
            Logits (B, n_patches, n + 1) of kinds and colours; class 0 is the background.
        """
        tokens = self.visual.forward_features(pixels)  # (B, 1 + n_patches, width)
        image = self.image_head(tokens[:, 0]).split(self.sizes, dim=-1)
        patch = self.patch_head(tokens[:, 1:]).split([len(KINDS) + 1, len(COLOUR_NAMES) + 1], dim=-1)
        return image, patch


def classification_loss(model: Classifier, data: ScenePairs, rows: np.ndarray, pixels: torch.Tensor) -> torch.Tensor:
    """Compute the sum of the losses of both heads.

    Parameters
    ----------
    model
        The encoder with its heads.
    data
        Scenes with labels.
    rows : (B,) integer array
        Scenes of the batch.
    pixels : (B, 3, H, W) tensor
        Their normalised pixels.

    Returns
    -------
    torch.Tensor
        A scalar.
    """
    (kinds, colours, backgrounds), (patch_kinds, patch_colours) = model(pixels)
    target = torch.from_numpy
    return (
        10 * binary_cross_entropy_with_logits(kinds, target(data.kinds[rows]).float())
        + 5 * binary_cross_entropy_with_logits(colours, target(data.colours[rows]).float())
        + 0.5 * cross_entropy(backgrounds, target(data.backgrounds[rows]))
        + cross_entropy(patch_kinds.flatten(0, 1), target(data.patch_kinds[rows]).long().flatten())
        + cross_entropy(patch_colours.flatten(0, 1), target(data.patch_colours[rows]).long().flatten())
    )


def shuffled_batches(n: int, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Draw batches of rows, each row at most once an epoch, without end.

    Parameters
    ----------
    n
        Number of rows.
    batch_size
        Rows of a batch.
    seed
        Random seed.

    Yields
    ------
    np.ndarray
        (batch_size,) rows.

    Raises
    ------
    RequestError
        If there are fewer rows than a batch has.
    """
    if n < batch_size:
        raise RequestError(f"Expected at least {batch_size} scenes to fill a batch, got {n}. Train on more scenes.")
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(n)
        yield from (order[i : i + batch_size] for i in range(0, n - batch_size + 1, batch_size))


@torch.inference_mode()
def held_out_accuracy(model: Classifier, data: ScenePairs, config: VisualConfig) -> dict[str, float]:
    """Measure the accuracy on held-out scenes.

    Parameters
    ----------
    model
        The encoder with its heads.
    data
        Held-out scenes.
    config
        Sizes of the encoder.

    Returns
    -------
    dict
        "exact_kinds", share of scenes whose set of kinds is exactly right, and "patch_kind", share of covered patches
        whose kind is right.
    """
    model.eval()
    batches = [
        model(to_pixels(data.images[i : i + 100], config.image_size, config.mean, config.std))
        for i in range(0, len(data.images), 100)
    ]
    model.train()
    kinds = torch.cat([image[0] for image, _ in batches]).numpy() > 0
    patches = torch.cat([patch[0] for _, patch in batches]).argmax(-1).numpy()
    covered = data.patch_kinds > 0
    return {
        "exact_kinds": round(float((kinds == data.kinds).all(1).mean()), 4),
        "patch_kind": round(float((patches == data.patch_kinds)[covered].mean()), 4),
    }


def train_vit_mini(
    out: Path, log: Path, recipe: UnimodalRecipe, config: VisualConfig = MINI.visual, start: Path | None = None
) -> dict[str, float]:
    """Train vit-mini and write its weights, without the heads.

    Parameters
    ----------
    out
        Weights file to write.
    log
        File for lines of metrics.
    recipe
        How it is trained.
    config
        Sizes of the encoder.
    start
        Weights file of an encoder to start from; the heads are always initialised anew.

    Returns
    -------
    dict
        Held-out accuracy.
    """
    torch.manual_seed(recipe.seed)
    data = scene_pairs(recipe.n_scenes, recipe.seed, config.image_size, config.patch_size, n_paraphrases=0)
    held_out = scene_pairs(recipe.n_held_out, HELD_OUT_SEED, config.image_size, config.patch_size, n_paraphrases=0)
    model = Classifier(config)
    if start is not None:
        load_into(model.visual, read_weights(start), source=start.name, missing_ok=frozenset())
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def _loss_of(rows: np.ndarray) -> torch.Tensor:
        pixels = to_pixels(data.images[rows], config.image_size, config.mean, config.std)
        return classification_loss(model, data, rows, pixels)

    def _evaluate(step: int) -> dict[str, float]:
        if step % 200 and step != recipe.n_steps:
            return {}
        metrics = held_out_accuracy(model, held_out, config)
        info = {"model": "vit-mini", "recipe": vars(recipe), "step": step, "metrics": metrics}
        save_weights(out, model.visual.state_dict(), info)
        return metrics

    batches = shuffled_batches(recipe.n_scenes, recipe.batch_size, recipe.seed)
    train(optimizer, batches, _loss_of, recipe.n_steps, log, _evaluate)
    return held_out_accuracy(model, held_out, config)
