"""The scene classifier: a small convolutional network that is used only to check generated images.

It shares no weights, no architecture and no training scenes with brivl-mini, vit-mini or vqgan-mini.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.nn.functional import relu

from brivl.models.feature_model import file_sha
from brivl.models.generation.digests import CLASSIFIER_FILE
from brivl.models.generation.vqgan_files import images_to_tensor
from brivl.models.weights import load_into, read_weights


@dataclass(frozen=True)
class SceneProbabilities:
    """Probabilities that each kind of thing, and each colour, is present in n images."""

    kinds: np.ndarray  # (n, n_kinds) in 0..1, in the order of things.KINDS
    colours: np.ndarray  # (n, n_colours) in 0..1, in the order of things.COLOURS


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return relu(x + self.norm2(self.conv2(relu(self.norm1(self.conv1(x))))))


class SceneClassifier(nn.Module):
    """Classifies which kinds and colours are in an image, and which cover each cell of 8 x 8 pixels.

    Parameters
    ----------
    n_kinds
        Number of kinds of things.
    n_colours
        Number of colours.
    widths
        Channels of each stage; every stage halves the side.
    n_blocks
        Residual blocks of a stage.
    """

    def __init__(self, n_kinds: int, n_colours: int, widths: Sequence[int] = (32, 64, 128), n_blocks: int = 2) -> None:
        super().__init__()
        self.n_kinds, self.n_colours = n_kinds, n_colours
        stages: list[nn.Module] = []
        for before, after in zip((3, *widths), widths, strict=False):
            stages += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            stages += [_Residual(after) for _ in range(n_blocks)]
        self.body = nn.Sequential(*stages)
        self.cells = nn.Conv2d(widths[-1], n_kinds + 1 + n_colours + 1, 1)
        self.whole = nn.Linear(2 * widths[-1], n_kinds + n_colours)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute logits for images and for their cells.

        Parameters
        ----------
        x : (B, 3, H, W) tensor
            Images in -1..1.

        Returns
        -------
        image_logits : (B, n_kinds + n_colours) tensor
            Logits of presence in the image.
        cell_logits : (B, n_kinds + n_colours + 2, H / 8, W / 8) tensor
            Logits of classes of a cell; class 0 of kinds and of colours is the background.
        """
        h = self.body(x)
        pooled = torch.cat([h.mean((2, 3)), h.amax((2, 3))], 1)
        return self.whole(pooled), self.cells(h)


@torch.inference_mode()
def classify_images(classifier: SceneClassifier, images: np.ndarray) -> SceneProbabilities:
    """Estimate which kinds and colours are present in images.

    Parameters
    ----------
    classifier
        The classifier, in evaluation mode.
    images : (n, H, W, 3) uint8 array
        Images.

    Returns
    -------
    SceneProbabilities
        Probabilities of kinds and colours.
    """
    logits = torch.cat([classifier(batch)[0] for batch in images_to_tensor(images).split(100)])
    kinds, colours = logits.sigmoid().split([classifier.n_kinds, classifier.n_colours], dim=1)
    return SceneProbabilities(kinds.numpy(), colours.numpy())


def load_scene_classifier(n_kinds: int, n_colours: int) -> SceneClassifier:
    """Load the shipped classifier, once for each state of its file.

    Parameters
    ----------
    n_kinds
        Number of kinds of things.
    n_colours
        Number of colours.

    Returns
    -------
    SceneClassifier
        The classifier, frozen and in evaluation mode.
    """
    return _loaded(file_sha(CLASSIFIER_FILE), n_kinds, n_colours)


@lru_cache(maxsize=1)
def _loaded(_sha: str, n_kinds: int, n_colours: int) -> SceneClassifier:
    model = SceneClassifier(n_kinds, n_colours)
    counters = frozenset(name for name in model.state_dict() if name.endswith("num_batches_tracked"))
    load_into(model, read_weights(CLASSIFIER_FILE), source=CLASSIFIER_FILE.name, missing_ok=counters)
    return model.eval().requires_grad_(False)
