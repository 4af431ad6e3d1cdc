"""Training of the scene classifier that checks generated images: a small CNN on drawn scenes of its own seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy, pad

from brivl.models.generation.classifier import SceneClassifier, classify_images
from brivl.models.generation.vqgan_files import images_to_tensor
from brivl.models.weights import save_weights
from brivl.scenes.things import KINDS
from brivl.train.brivl.vit_mini import shuffled_batches
from brivl.train.loop import train
from brivl.train.scene_pairs import COLOUR_NAMES, HELD_OUT_SEED, ScenePairs, scene_pairs

SIZE, CELL = 64, 8
DETECTION_THRESHOLD = 0.5  # probability above which something counts as detected


@dataclass(frozen=True)
class ClassifierRecipe:
    """How the classifier is trained; all values are this project's choice."""

    n_scenes: int = 12_000
    n_steps: int = 600
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    seed: int = 71  # of no other model
    n_held_out: int = 500


def classifier_loss(
    classifier: SceneClassifier, data: ScenePairs, rows: np.ndarray, images: torch.Tensor
) -> torch.Tensor:
    """Compute the sum of the losses for whole images and for cells.

    Parameters
    ----------
    classifier
        The classifier.
    data
        Scenes with labels.
    rows : (B,) integer array
        Scenes of the batch.
    images : (B, 3, H, W) tensor
        Their images in -1..1.

    Returns
    -------
    torch.Tensor
        A scalar.
    """
    image_logits, cell_logits = classifier(images)
    present = torch.from_numpy(np.hstack([data.kinds[rows], data.colours[rows]])).float()
    side = cell_logits.shape[-1]
    kinds, colours = cell_logits.split([classifier.n_kinds + 1, classifier.n_colours + 1], dim=1)
    labels = (torch.from_numpy(x[rows]).long().view(-1, side, side) for x in (data.patch_kinds, data.patch_colours))
    cell_losses = [cross_entropy(logits, target) for logits, target in zip((kinds, colours), labels, strict=True)]
    return 10 * binary_cross_entropy_with_logits(image_logits, present) + (cell_losses[0] + cell_losses[1])


def augment_with_noise(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blur half of the images by a random amount and add noise, so that the classifier ignores single pixels.

    Parameters
    ----------
    images : (B, 3, H, W) tensor
        Images in -1..1.
    rng
        Random generator.

    Returns
    -------
    torch.Tensor
        (B, 3, H, W) augmented images.
    """
    blurred = avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.from_numpy(rng.random((len(images), 1, 1, 1)) * rng.integers(0, 2, (len(images), 1, 1, 1))).float()
    noise = torch.from_numpy(rng.normal(0, 0.04, images.shape)).float()
    return images + share * (blurred - images) + noise * float(rng.random())


def held_out_accuracy(classifier: SceneClassifier, images: np.ndarray, data: ScenePairs) -> dict[str, float]:
    """Measure the rates of detections and of false detections.

    Parameters
    ----------
    classifier
        The classifier.
    images : (n, H, W, 3) uint8 array
        Images of the scenes.
    data
        Scenes with labels.

    Returns
    -------
    dict
        For kinds and colours: "_seen", share of those present that are detected, and "_imagined", share of those
        absent that are detected.
    """
    classifier.eval()
    probabilities = classify_images(classifier, images)
    rates: dict[str, float] = {}
    for name, detected, present in (
        ("kind", probabilities.kinds > DETECTION_THRESHOLD, data.kinds),
        ("colour", probabilities.colours > DETECTION_THRESHOLD, data.colours),
    ):
        rates[f"{name}_seen"] = round(float(detected[present].mean()), 4)
        rates[f"{name}_imagined"] = round(float(detected[~present].mean()), 4)
    return rates


def train_scene_classifier(out: Path, log: Path, recipe: ClassifierRecipe) -> Mapping[str, float]:
    """Train the classifier and write its weights.

    Parameters
    ----------
    out
        Weights file to write, in half precision.
    log
        File for lines of metrics.
    recipe
        How it is trained.

    Returns
    -------
    Mapping
        Held-out accuracy.
    """
    torch.manual_seed(recipe.seed)
    data = scene_pairs(recipe.n_scenes, recipe.seed, SIZE, CELL, n_paraphrases=0)
    held_out = scene_pairs(recipe.n_held_out, HELD_OUT_SEED, SIZE, CELL, n_paraphrases=0)
    classifier, rng = SceneClassifier(len(KINDS), len(COLOUR_NAMES)), np.random.default_rng([recipe.seed, 2])
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def _loss_of(rows: np.ndarray) -> torch.Tensor:
        images = augment_with_noise(images_to_tensor(data.images[rows]), rng)
        return classifier_loss(classifier, data, rows, images)

    def _evaluate(step: int) -> dict[str, float]:
        if step % 100 and step != recipe.n_steps:
            return {}
        metrics = held_out_accuracy(classifier, held_out.images, held_out)
        classifier.train()
        state = {k: v for k, v in classifier.state_dict().items() if not k.endswith("num_batches_tracked")}
        save_weights(out, state, {"model": "judge", "recipe": asdict(recipe), "step": step, "metrics": metrics})
        return metrics

    batches = shuffled_batches(recipe.n_scenes, recipe.batch_size, recipe.seed)
    train(optimizer, batches, _loss_of, recipe.n_steps, log, _evaluate)
    return held_out_accuracy(classifier, held_out.images, held_out)
