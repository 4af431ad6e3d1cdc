"""Features extracted in another way than they should be, to measure what that does; and twins without training."""

from __future__ import annotations

import copy
import hashlib
from typing import get_args

import numpy as np
import torch
from torch import nn

from brivl.errors import RequestError
from brivl.models.encoders.streams import ImagePipeline, TextPipeline, image_stream, text_stream
from brivl.models.feature_model import CONTROL_KIND, Control, FeatureModel, control_digest

CROP_SCALE = (0.2, 1.0)  # of the area; RandomResizedCrop(384, scale=(0.2, 1)) of the authors' code
CROP_RATIO = (3 / 4, 4 / 3)  # width over height, torchvision's default
N_TRIES = 10  # torchvision's
INIT_SD = 0.02  # of BERT and ViT
INIT_SCALE = 0.1  # of BEiT's layer scales (Touvron et al. 2021), which would silence its blocks at INIT_SD
LAYER_SCALES = ("lambda", "gamma")  # how transformers and timm begin their names


def as_control(model: FeatureModel, variation: Control, seed: int = 0) -> FeatureModel:
    """The same stream, with another digest, that

    unmasked-padding: pads every text to the longest length and lets attention and token mean see the padding;
    random-crop: sees one random crop of each image (20 to 100 % of its area), scaled to full size, always the same one
    of the same image and seed;
    untrained: has random weights instead of trained ones (`untrained`).
    Raises RequestError for a variation that this kind of stream cannot have.
    """
    if variation not in get_args(Control) or CONTROL_KIND.get(variation, model.kind) != model.kind:
        raise RequestError(f"Wanted features of {model.kind} stimuli with {variation!r}, which they cannot have.")
    name, digest = f"{model.name}@{variation}", control_digest(model.digest, variation, seed)
    if isinstance(model.pipeline, TextPipeline):
        masked = variation != "unmasked-padding"
        return text_stream(name, digest, _with_weights(model.pipeline, variation, seed), masked)
    if isinstance(model.pipeline, ImagePipeline):
        return image_stream(name, digest, _cropping(_with_weights(model.pipeline, variation, seed), variation, seed))
    raise RequestError(f"Wanted {variation!r} of the model {model.name!r}, whose parts are not known here.")


def untrained(encoder: nn.Module, seed: int = 0) -> nn.Module:
    """A twin with the weights that it could have had before training, in evaluation mode; the encoder stays as it is.

    Linear and embedding weights, and parameters of no layer ([CLS], positions), are normal with deviation 0.02 (BERT,
    ViT), biases 0, layer scales 0.1 (BEiT); norms and convolutions as PyTorch starts them.
    """
    twin = copy.deepcopy(encoder)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in twin.modules():
            _start_again(module)
    return twin.eval()


def crop_box(rng: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop, drawn as torchvision's RandomResizedCrop does."""
    for _ in range(N_TRIES):
        area = height * width * rng.uniform(*CROP_SCALE)
        ratio = np.exp(rng.uniform(*np.log(CROP_RATIO)))
        h, w = round(np.sqrt(area / ratio)), round(np.sqrt(area * ratio))
        if 0 < h <= height and 0 < w <= width:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def random_crop(image: np.ndarray, seed: int) -> np.ndarray:
    """One random crop of an image (H, W, 3) uint8; drawn from its content, so that batches change nothing."""
    content = hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).digest()
    rng = np.random.default_rng([seed, int.from_bytes(content, "big")])
    top, left, height, width = crop_box(rng, *image.shape[:2])
    return image[top : top + height, left : left + width]


def _cropping(parts: ImagePipeline, variation: Control, seed: int) -> ImagePipeline:
    if variation != "random-crop":
        return parts
    prepare = parts.preprocess
    return ImagePipeline(
        parts.encoder, lambda images: torch.cat([prepare(random_crop(image, seed)[None]) for image in images])
    )


def _with_weights(parts: ImagePipeline | TextPipeline, variation: Control, seed: int) -> ImagePipeline | TextPipeline:
    if variation != "untrained":
        return parts
    return type(parts)(**{**vars(parts), "encoder": untrained(parts.encoder, seed)})


def _start_again(module: nn.Module) -> None:
    """Random weights for the parameters that belong to this module itself."""
    if isinstance(module, nn.Linear | nn.Embedding):
        module.weight.normal_(0, INIT_SD)
        if getattr(module, "bias", None) is not None:
            module.bias.zero_()
    elif hasattr(module, "reset_parameters"):
        module.reset_parameters()
    else:
        for name, parameter in module.named_parameters(recurse=False):
            parameter.fill_(INIT_SCALE) if name.startswith(LAYER_SCALES) else parameter.normal_(0, INIT_SD)
