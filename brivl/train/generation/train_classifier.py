"""Train the judge of generated images: a small CNN on drawn scenes of its own seed."""

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
DETECTION_THRESHOLD = 0.5  # probability from which the judge is taken to see something


@dataclass(frozen=True)
class ClassifierRecipe:
    """How the judge is trained; all values are this project's choice."""

    n_scenes: int = 12_000
    n_steps: int = 600
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    seed: int = 71  # no other model's
    n_held_out: int = 500


def classifier_loss(judge: SceneClassifier, data: ScenePairs, rows: np.ndarray, images: torch.Tensor) -> torch.Tensor:
    """Sum of the losses on whole pictures and on cells."""
    whole, cells = judge(images)
    present = torch.from_numpy(np.hstack([data.kinds[rows], data.colours[rows]])).float()
    side = cells.shape[-1]
    kinds, colours = cells.split([judge.n_kinds + 1, judge.n_colours + 1], dim=1)
    labels = (torch.from_numpy(x[rows]).long().view(-1, side, side) for x in (data.patch_kinds, data.patch_colours))
    return 10 * binary_cross_entropy_with_logits(whole, present) + sum(
        cross_entropy(logits, wanted) for logits, wanted in zip((kinds, colours), labels, strict=True)
    )


def augment_with_noise(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Pictures shifted by up to 2 pixels' worth of blur, with noise: the judge must not hang on single pixels."""
    soft = avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.from_numpy(rng.random((len(images), 1, 1, 1)) * rng.integers(0, 2, (len(images), 1, 1, 1))).float()
    noise = torch.from_numpy(rng.normal(0, 0.04, images.shape)).float()
    return images + share * (soft - images) + noise * float(rng.random())


def held_out_accuracy(judge: SceneClassifier, images: np.ndarray, data: ScenePairs) -> dict[str, float]:
    """How well the judge sees what is in images (n, H, W, 3) uint8 that show the scenes of `data`.

    Of kinds and of colours: share of those present that it sees, share of those absent that it thinks to see.
    """
    judge.eval()
    verdicts = classify_images(judge, images)
    found: dict[str, float] = {}
    for name, seen, there in (
        ("kind", verdicts.kinds > DETECTION_THRESHOLD, data.kinds),
        ("colour", verdicts.colours > DETECTION_THRESHOLD, data.colours),
    ):
        found[f"{name}_seen"] = round(float(seen[there].mean()), 4)
        found[f"{name}_imagined"] = round(float(seen[~there].mean()), 4)
    return found


def train_scene_classifier(out: Path, log: Path, recipe: ClassifierRecipe) -> Mapping[str, float]:
    """Train, report held-out accuracy, write float16 weights to `out`; returns the metrics."""
    torch.manual_seed(recipe.seed)
    data = scene_pairs(recipe.n_scenes, recipe.seed, SIZE, CELL, n_paraphrases=0)
    held_out = scene_pairs(recipe.n_held_out, HELD_OUT_SEED, SIZE, CELL, n_paraphrases=0)
    judge, rng = SceneClassifier(len(KINDS), len(COLOUR_NAMES)), np.random.default_rng([recipe.seed, 2])
    optimizer = torch.optim.AdamW(judge.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def evaluate(step: int) -> dict[str, float]:
        if step % 100 and step != recipe.n_steps:
            return {}
        metrics = held_out_accuracy(judge, held_out.images, held_out)
        judge.train()
        state = {k: v for k, v in judge.state_dict().items() if not k.endswith("num_batches_tracked")}
        save_weights(out, state, {"model": "judge", "recipe": asdict(recipe), "step": step, "metrics": metrics})
        return metrics

    train(
        optimizer,
        shuffled_batches(recipe.n_scenes, recipe.batch_size, recipe.seed),
        lambda rows: classifier_loss(judge, data, rows, augment_with_noise(images_to_tensor(data.images[rows]), rng)),
        recipe.n_steps,
        log,
        evaluate,
    )
    return held_out_accuracy(judge, held_out.images, held_out)
