"""Vision transformers of transformers: ViT, DINOv2, DeiT, BEiT and the image encoder of CLIP."""

from __future__ import annotations

import torch
from torch import nn

from brivl.models.encoders.base import ModelSource
from brivl.models.encoders.streams import ImagePipeline
from brivl.models.encoders.transformers_models import Model, image_pipeline, transformers_family
from brivl.models.feature_model import Kind

# model_type -> number of tokens before the patches, [CLS] first (DeiT adds a distillation token).
PREFIX_TOKENS = {"vit": 1, "dinov2": 1, "deit": 2, "beit": 1, "clip_vision_model": 1}


class VisionBlocks(nn.Module):
    """Gives a vision model of transformers the attributes of an `activations.ImageEncoder`.

    Parameters
    ----------
    vision
        The vision model.
    n_prefix
        Number of tokens before the patches.
    """

    def __init__(self, vision: Model, n_prefix: int) -> None:
        super().__init__()
        self.vision = vision
        encoder: Model = getattr(vision, "encoder", vision)
        self.blocks: nn.ModuleList = encoder.layers if hasattr(encoder, "layers") else encoder.layer
        self.num_prefix_tokens = n_prefix

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run all blocks.

        Parameters
        ----------
        pixels : (B, 3, H, W) tensor
            Normalised pixels.

        Returns
        -------
        torch.Tensor
            (B, T, width) tokens of the last layer.
        """
        return self.vision(pixel_values=pixels).last_hidden_state


def _n_layers(source: ModelSource) -> dict[Kind, int]:
    return {"image": source.config.num_hidden_layers}


def _image(source: ModelSource, model: Model) -> ImagePipeline:
    vision = getattr(model, "vision_model", model)  # CLIP's image encoder stands within another module
    return image_pipeline(source, VisionBlocks(vision, PREFIX_TOKENS[source.architecture]), source.config.image_size)


VISION_TRANSFORMER = transformers_family(tuple(PREFIX_TOKENS), _n_layers, image=_image)
