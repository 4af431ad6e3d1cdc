"""Image regions on a grid, for models that were trained on the regions of a detector.

VisualBERT (Li et al. 2019) and LXMERT (Tan and Bansal 2019) were trained on a text together with the regions that a
detector (Faster R-CNN) found in an image. No detector is used here: an image enters as a grid of GRID x GRID regions,
each the mean of ViT-mini's patches there, brought to the width of a region by a fixed random projection, with an empty
text; a text enters without an image. This differs from Oota et al. 2022, where image and text enter together, with the
regions of a detector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d, layer_norm

from brivl.models.brivl.configs import MINI
from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.encoders.activations import LayeredImageEncoder, image_layers
from brivl.models.encoders.transformers_models import Model
from brivl.models.feature_model import Kind, file_sha
from brivl.models.shipped import VIT_FILE, load_vit_mini

GRID = 6  # 36 regions, as many as LXMERT was trained with
VERSION = 1
NOTE = (
    f"Images enter as {GRID} x {GRID} regions of ViT-mini's patches with an empty text, texts without an image; "
    "published with a detector's regions and both at once."
)


def region_digest_extras(kind: Kind) -> Mapping[str, Any]:
    """List what features from a grid of regions depend on beside the model's own files.

    Parameters
    ----------
    kind
        Kind of stimulus.

    Returns
    -------
    Mapping
        Values for a digest; empty for texts.
    """
    return {"regions": [file_sha(VIT_FILE), GRID, VERSION]} if kind == "image" else {}


def grid_boxes() -> torch.Tensor:
    """Compute the boxes of all regions, row by row.

    Returns
    -------
    torch.Tensor
        (GRID ** 2, 4) left, top, right and bottom, as fractions of width and height.
    """
    rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    corners = torch.stack([columns, rows, columns + 1, rows + 1], dim=-1)
    return corners.reshape(-1, 4).float() / GRID


@torch.inference_mode()
def grid_regions(images: np.ndarray, width: int) -> torch.Tensor:
    """Compute the features of all regions of images.

    Parameters
    ----------
    images : (n, H, W, 3) uint8 array
        Images.
    width
        Number of features of a region.

    Returns
    -------
    torch.Tensor
        (n, GRID ** 2, width) float32 of about unit variance, in the order of `grid_boxes`.
    """
    visual = MINI.visual
    pixels = to_pixels(images, visual.image_size, visual.mean, visual.std)
    patches = image_layers(load_vit_mini(), pixels)[-1][:, 1:]  # (n, n_patches, visual.width)
    side = round(patches.shape[1] ** 0.5)
    grid = layer_norm(patches, patches.shape[-1:]).transpose(1, 2).unflatten(2, (side, side))
    return adaptive_avg_pool2d(grid, GRID).flatten(2).transpose(1, 2) @ _projection(visual.width, width)


@lru_cache(maxsize=4)
def _projection(n_in: int, n_out: int) -> torch.Tensor:
    """(n_in, n_out) Gaussian with a fixed seed, which keeps distances (Johnson and Lindenstrauss 1984)."""
    values = np.random.default_rng(0).standard_normal((n_in, n_out)) / np.sqrt(n_in)
    return torch.from_numpy(values.astype(np.float32))


def region_maker(width: int) -> Callable[[np.ndarray], torch.Tensor]:
    """Make the preprocessing of images for a model that takes regions.

    Parameters
    ----------
    width
        Number of features of a region.

    Returns
    -------
    Callable
        (n, H, W, 3) uint8 images -> (n, GRID ** 2, width) regions.
    """
    return lambda images: grid_regions(images, width)


class RegionEncoder(LayeredImageEncoder):
    """Base of image encoders that take regions beside an empty text.

    Parameters
    ----------
    model
        Model of transformers.
    n_layers
        Number of layers.
    n_prefix
        Number of tokens before the regions.
    empty_ids
        Ids of a text without words.
    """

    empty_text: torch.Tensor  # (1, T)

    def __init__(self, model: Model, n_layers: int, n_prefix: int, empty_ids: list[int]) -> None:
        super().__init__(n_layers, n_prefix)
        self.model = model
        self.register_buffer("empty_text", torch.tensor([empty_ids]))
