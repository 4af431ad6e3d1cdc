"""Control conditions of a model: features extracted with a known fault, and encoders without training."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import TypeVar, cast, get_args

import numpy as np
import torch
from torch import nn

from brivl.errors import RequestError
from brivl.models.encoders.activations import ImageEncoder
from brivl.models.encoders.streams import ImagePipeline, TextPipeline, image_stream, text_stream
from brivl.models.feature_model import CONTROL_KIND, Control, FeatureModel, control_digest

CROP_SCALE = (0.2, 1.0)  # share of the area; RandomResizedCrop(384, scale=(0.2, 1)) of the authors' code
CROP_RATIO = (3 / 4, 4 / 3)  # width over height, torchvision's default
N_TRIES = 10  # torchvision's
INIT_SD = 0.02  # of BERT and ViT
INIT_SCALE = 0.1  # of BEiT's layer scales (Touvron et al. 2021), whose blocks would add almost nothing at INIT_SD
LAYER_SCALES = ("lambda", "gamma")  # how the names of layer scales begin in transformers and timm
Encoder = TypeVar("Encoder", bound=nn.Module)


def as_control(model: FeatureModel, control: Control, seed: int = 0) -> FeatureModel:
    """Turn a stream into one of its control conditions.

    Parameters
    ----------
    model
        The stream.
    control
        "unmasked-padding": every text is padded to the largest length, and attention and the mean over tokens include
        the padding. "random-crop": one random crop of each image (20 to 100 % of its area), scaled to full size, is
        used; it depends on the image and the seed alone. "untrained": the weights are random (`untrained`).
    seed
        Random seed of crops or weights.

    Returns
    -------
    FeatureModel
        A stream of the same form with a digest of its own.

    Raises
    ------
    RequestError
        If this kind of stream has no such control condition.
    """
    if control not in get_args(Control) or CONTROL_KIND.get(control, model.kind) != model.kind:
        raise RequestError(
            f"Expected a control condition for {model.kind} stimuli, got {control!r}. Choose one of "
            f"{[c for c in get_args(Control) if CONTROL_KIND.get(c, model.kind) == model.kind]}."
        )
    name, digest, pipeline = f"{model.name}@{control}", control_digest(model.digest, control, seed), model.pipeline
    if isinstance(pipeline, TextPipeline):
        encoder = untrained(pipeline.encoder, seed) if control == "untrained" else pipeline.encoder
        changed = TextPipeline(encoder, pipeline.tokenizer, pipeline.max_tokens)
        return text_stream(name, digest, changed, masked=control != "unmasked-padding")
    if isinstance(pipeline, ImagePipeline):
        # every image encoder is a module, which the protocol ImageEncoder does not say
        module = cast(nn.Module, pipeline.encoder)
        image_encoder = cast(ImageEncoder, untrained(module, seed)) if control == "untrained" else pipeline.encoder
        preprocess = _cropping(pipeline.preprocess, seed) if control == "random-crop" else pipeline.preprocess
        return image_stream(name, digest, ImagePipeline(image_encoder, preprocess))
    raise RequestError(f"Expected a model that has control conditions, got {model.name!r}. Choose another model.")


def untrained(encoder: Encoder, seed: int = 0) -> Encoder:
    """Copy an encoder and give the copy weights as they are before training.

    Linear and embedding weights, and parameters outside of layers ([CLS], positions), are normal with standard
    deviation 0.02 (BERT, ViT), biases 0 and layer scales 0.1 (BEiT); norms and convolutions get PyTorch's defaults.

    Parameters
    ----------
    encoder
        The trained encoder, which is left as it is.
    seed
        Random seed of the weights.

    Returns
    -------
    Encoder
        The untrained copy, in evaluation mode.
    """
    control = copy.deepcopy(encoder)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in control.modules():
            _initialise(module)
    return control.eval()


def crop_box(rng: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
    """Draw the box of a random crop as torchvision's RandomResizedCrop does.

    Parameters
    ----------
    rng
        Random generator.
    height
        Height of the image in pixels.
    width
        Width of the image in pixels.

    Returns
    -------
    tuple of int
        Top, left, height and width in pixels.
    """
    for _ in range(N_TRIES):
        area = height * width * rng.uniform(*CROP_SCALE)
        ratio = np.exp(rng.uniform(*np.log(CROP_RATIO)))
        h, w = round(np.sqrt(area / ratio)), round(np.sqrt(area * ratio))
        if 0 < h <= height and 0 < w <= width:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def random_crop(image: np.ndarray, seed: int) -> np.ndarray:
    """Crop an image at random; the crop depends on content and seed alone, so batches do not matter.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The image.
    seed
        Random seed.

    Returns
    -------
    np.ndarray
        (h, w, 3) uint8, a view of the image.
    """
    content = hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).digest()
    rng = np.random.default_rng([seed, int.from_bytes(content, "big")])
    top, left, height, width = crop_box(rng, image.shape[0], image.shape[1])
    return image[top : top + height, left : left + width]


def _cropping(preprocess: Callable[[np.ndarray], torch.Tensor], seed: int) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda images: torch.cat([preprocess(random_crop(image, seed)[None]) for image in images])


def _initialise(module: nn.Module) -> None:
    """Draw random weights for the parameters that belong to this module itself."""
    if isinstance(module, nn.Linear | nn.Embedding):
        module.weight.normal_(0, INIT_SD)
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.zero_()
    elif callable(reset := getattr(module, "reset_parameters", None)):
        reset()
    else:
        for name, parameter in module.named_parameters(recurse=False):
            parameter.fill_(INIT_SCALE) if name.startswith(LAYER_SCALES) else parameter.normal_(0, INIT_SD)
