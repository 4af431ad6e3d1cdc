"""VisualBERT (Li et al. 2019) and LXMERT (Tan and Bansal 2019) as encoders of pictures alone and of texts alone.

Both were trained on a text together with the regions that a detector (Faster R-CNN) found in a picture. No detector is
used here: a picture enters as a grid of GRID x GRID regions, each the mean of ViT-mini's patches there, brought to the
width of a region by a fixed random projection, with an empty text; a text enters without a picture. This differs from
Oota et al. 2022, where picture and text enter together, with regions of a detector.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, layer_norm

from brivl.models.brivl.configs import MINI
from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.encoders.activations import image_layers
from brivl.models.encoders.streams import ImagePipeline
from brivl.models.feature_model import Kind, file_sha
from brivl.models.shipped import VIT_FILE, load_vit_mini

VISUAL_BERT, LXMERT = "visual_bert", "lxmert"  # transformers' model_type
REGION_FED = (VISUAL_BERT, LXMERT)
GRID = 6  # 36 regions, as many as LXMERT was trained with
VERSION = 1
NOTE = (
    f"Pictures enter as {GRID} x {GRID} regions of ViT-mini's patches with an empty text, texts without a picture; "
    "published with a detector's regions and both at once."
)


def region_fed_layers(config: Any) -> dict[Kind, int]:
    """Layers by kind of stimulus; {} for a configuration that cannot be used.

    LXMERT's are those of the stream that reads the stimulus and then those across modalities. A VisualBERT whose
    regions bypass the transformer, or an LXMERT whose regions have no boxes, has none.
    """
    if config.model_type == LXMERT:
        pictures, texts = config.r_layers + config.x_layers, config.l_layers + config.x_layers
        return {"image": pictures, "text": texts} if config.visual_pos_dim == 4 else {}
    return {} if config.bypass_transformer else {"image": config.num_hidden_layers, "text": config.num_hidden_layers}


def region_source(kind: Kind, model_type: str) -> dict[str, Any]:
    """What features depend on beside the model's own files, for a digest; {} where nothing."""
    if kind != "image" or model_type not in REGION_FED:
        return {}
    return {"regions": [file_sha(VIT_FILE), GRID, VERSION]}


def model_type_of(folder: Path) -> str:
    """What config.json of a transformers model says; "" where it says nothing that can be read."""
    try:
        return str(json.loads((folder / "config.json").read_text()).get("model_type", ""))
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""


def picture_parts(model: nn.Module, empty_text: list[int]) -> ImagePipeline:
    """The stream of a REGION_FED model that looks at pictures; empty_text: ids of a text without words."""
    config, ids = model.config, torch.tensor([empty_text])
    if config.model_type == LXMERT:
        return ImagePipeline(_LxmertPictures(model, ids), _regions_of(config.visual_feat_dim))
    return ImagePipeline(_VisualBertPictures(model, ids), _regions_of(config.visual_embedding_dim))


def text_reader(model: nn.Module) -> nn.Module:
    """The part of a transformers model that reads texts, called as BERT is."""
    if model.config.model_type == LXMERT:
        return _LxmertTexts(model)
    return getattr(model, "text_model", model)


def grid_boxes() -> torch.Tensor:
    """(GRID**2, 4) left, top, right and bottom of each region, row by row, in shares of width and height."""
    rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    corners = torch.stack([columns, rows, columns + 1, rows + 1], dim=-1)
    return corners.reshape(-1, 4).float() / GRID


@torch.inference_mode()
def grid_regions(images: np.ndarray, width: int) -> torch.Tensor:
    """Images (n, H, W, 3) uint8 -> (n, GRID**2, width) float32 of about unit variance, in the order of `grid_boxes`."""
    visual = MINI.visual
    pixels = to_pixels(images, visual.image_size, visual.mean, visual.std)
    patches = image_layers(load_vit_mini(), pixels)[-1][:, 1:]  # (n, n_patches, visual.width)
    side = round(patches.shape[1] ** 0.5)
    grid = layer_norm(patches, patches.shape[-1:]).transpose(1, 2).unflatten(2, (side, side))
    return adaptive_avg_pool2d(grid, GRID).flatten(2).transpose(1, 2) @ _projection(visual.width, width)


@lru_cache(maxsize=4)
def _projection(n_in: int, n_out: int) -> torch.Tensor:
    """(n_in, n_out) Gaussian, which keeps distances (Johnson and Lindenstrauss 1984); always the same one."""
    drawn = np.random.default_rng(0).standard_normal((n_in, n_out)) / np.sqrt(n_in)
    return torch.from_numpy(drawn.astype(np.float32))


def _regions_of(width: int) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda images: grid_regions(images, width)


class _Pictures(nn.Module):
    """Layers of a model that is given regions, as `activations.image_features` reads them: summary token first."""

    def __init__(self, model: nn.Module, empty_text: torch.Tensor, n_prefix: int) -> None:
        super().__init__()
        self.model, self.num_prefix_tokens = model, n_prefix
        self.register_buffer("empty_text", empty_text)
        n_layers = region_fed_layers(model.config)["image"]
        self.blocks = nn.ModuleList(nn.Identity() for _ in range(n_layers))  # each layer's tokens pass through one

    def forward_features(self, regions: torch.Tensor) -> torch.Tensor:
        layers = self.layers(regions)
        for block, tokens in zip(self.blocks, layers, strict=True):
            block(tokens)
        return layers[-1]

    def layers(self, regions: torch.Tensor) -> list[torch.Tensor]:
        """Regions (B, n_regions, width) -> tokens (B, n_prefix + n_regions, hidden) after each layer."""
        raise NotImplementedError


class _VisualBertPictures(_Pictures):
    """One stream: [CLS] [SEP], then the regions."""

    def __init__(self, model: nn.Module, empty_text: torch.Tensor) -> None:
        super().__init__(model, empty_text, empty_text.shape[1])

    def layers(self, regions: torch.Tensor) -> list[torch.Tensor]:
        ids = self.empty_text.expand(len(regions), -1)
        out = self.model(
            input_ids=ids, attention_mask=torch.ones_like(ids), visual_embeds=regions, output_hidden_states=True
        )
        return list(out.hidden_states[1:])


class _LxmertPictures(_Pictures):
    """The visual stream, alone and then across modalities.

    It has no summary token: first comes the text's [CLS] where modalities meet (what LXMERT's pooler reads), and the
    mean over regions before.
    """

    def __init__(self, model: nn.Module, empty_text: torch.Tensor) -> None:
        super().__init__(model, empty_text, 1)
        self.register_buffer("boxes", grid_boxes())

    def layers(self, regions: torch.Tensor) -> list[torch.Tensor]:
        n, config = len(regions), self.model.config
        out = _lxmert(self.model, self.empty_text.expand(n, -1), regions, self.boxes)
        summaries = [x.mean(1) for x in out.vision_hidden_states[: config.r_layers]]
        summaries += [x[:, 0] for x in out.language_hidden_states[config.l_layers :]]
        return [
            torch.cat([summary[:, None], x], dim=1)
            for summary, x in zip(summaries, out.vision_hidden_states, strict=True)
        ]


class _LxmertTexts(nn.Module):
    """The lingual stream, alone and then across modalities, beside one region of zeros as large as the picture."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("box", torch.tensor([[0.0, 0.0, 1.0, 1.0]]))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, output_hidden_states: bool = True
    ) -> SimpleNamespace:
        """As BERT answers: hidden_states[1:] are the layers, (B, T, hidden) each."""
        nothing = torch.zeros(len(input_ids), 1, self.model.config.visual_feat_dim)
        layers = _lxmert(self.model, input_ids, nothing, self.box, attention_mask).language_hidden_states
        return SimpleNamespace(hidden_states=(None, *layers), last_hidden_state=layers[-1])


def _lxmert(
    model: nn.Module, ids: torch.Tensor, regions: torch.Tensor, boxes: torch.Tensor, mask: torch.Tensor | None = None
) -> Any:
    mask = torch.ones_like(ids) if mask is None else mask
    return model(
        input_ids=ids,
        attention_mask=mask,
        visual_feats=regions,
        visual_pos=boxes.expand(len(regions), -1, -1),
        output_hidden_states=True,
        return_dict=True,
    )
