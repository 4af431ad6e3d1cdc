"""The shipped captioners: a frozen visual encoder and the decoder that was trained on its patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import layer_norm

from brivl.errors import DataError
from brivl.models.brivl.configs import MINI
from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.captioning.beam_search import Hypothesis, beam_search
from brivl.models.captioning.decoder import CaptionDecoder, DecoderConfig
from brivl.models.captioning.digests import READ_BLOCKS, VIEWS, captioner_file, check_captioner
from brivl.models.captioning.vocabulary import WordVocabulary
from brivl.models.encoders.activations import image_layers
from brivl.models.feature_model import file_sha
from brivl.models.registry import BRIVL_MINI
from brivl.models.shipped import load_brivl_mini, load_vit_mini
from brivl.models.weights import load_into, read_info, read_weights, save_weights

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

BATCH = 50


@dataclass(frozen=True)
class Captioner:
    """A visual encoder by name, the encoder, its decoder, and the decoder's vocabulary."""

    encoder: str
    visual: VisionTransformer
    decoder: CaptionDecoder
    vocabulary: WordVocabulary


@dataclass(frozen=True)
class Caption:
    """A sentence of n words about one image (END included if it was reached), and how it came about."""

    text: str
    words: tuple[str, ...]  # n
    log_probs: np.ndarray  # (n,) float32, of each word given those before it
    attention: np.ndarray  # (n, side, side) float32: of each word to patches, without [CLS]; sums to at most 1
    score: float  # sum of log_probs / n


def visual_encoder(name: str) -> VisionTransformer:
    """Load the shipped visual encoder of a captioner.

    Parameters
    ----------
    name
        Name of the encoder.

    Returns
    -------
    VisionTransformer
        The encoder.

    Raises
    ------
    RequestError
        If it has no captioner.
    """
    check_captioner(name)
    return load_brivl_mini().visual if name == BRIVL_MINI else load_vit_mini()


@torch.inference_mode()
def shift_averaged_memory(visual: VisionTransformer, images: np.ndarray) -> torch.Tensor:
    """Compute `patch_memory` averaged over small shifts of each image (VIEWS).

    Strided convolutions make a token depend on the position of a thing to the pixel; the average depends less on it.

    Parameters
    ----------
    visual
        The visual encoder.
    images : (n, H, W, 3) uint8 array
        Images.

    Returns
    -------
    torch.Tensor
        (n, n_tokens, len(READ_BLOCKS) * width) float32.
    """
    height, width = images.shape[1:3]
    step = max(1, round(min(height, width) / MINI.visual.image_size))  # one pixel of the encoder's input
    padded = np.pad(images, ((0, 0), (step, step), (step, step), (0, 0)), mode="edge")
    views = (padded[:, y : y + height, x : x + width] for y, x in step * (np.array(VIEWS) + 1))
    return torch.stack([patch_memory(visual, view).float() for view in views]).mean(0)


@torch.inference_mode()
def patch_memory(visual: VisionTransformer, images: np.ndarray) -> torch.Tensor:
    """Compute the tokens that a decoder attends to.

    Parameters
    ----------
    visual
        The visual encoder.
    images : (n, H, W, 3) uint8 array
        Images.

    Returns
    -------
    torch.Tensor
        (n, n_tokens, len(READ_BLOCKS) * width) float16: tokens of READ_BLOCKS, [CLS] first, each scaled to mean 0 and
        variance 1 so that half precision holds them.
    """
    batches = []
    for start in range(0, len(images), BATCH):
        pixels = to_pixels(images[start : start + BATCH], MINI.visual.image_size, MINI.visual.mean, MINI.visual.std)
        layers = image_layers(visual, pixels)
        read = [layer_norm(layers[k - 1], layers[k - 1].shape[-1:]) for k in READ_BLOCKS]
        batches.append(torch.cat(read, dim=-1).half())
    return torch.cat(batches)


def save_captioner(path: Path, decoder: CaptionDecoder, vocabulary: WordVocabulary, info: Mapping[str, object]) -> None:
    """Write a decoder with its size and vocabulary in the header.

    Parameters
    ----------
    path
        Weights file to write.
    decoder
        The decoder.
    vocabulary
        Its vocabulary.
    info
        Further values for the header.
    """
    header = {**info, "config": asdict(decoder.config), "words": list(vocabulary.words)}
    save_weights(path, decoder.state_dict(), header)


def load_captioner(encoder: str) -> Captioner:
    """Load the shipped captioner of an encoder, once for each state of its file.

    Parameters
    ----------
    encoder
        Name of the visual encoder.

    Returns
    -------
    Captioner
        The captioner, in evaluation mode.
    """
    path = captioner_file(encoder)
    return _loaded(encoder, path, file_sha(path))


@lru_cache(maxsize=2)
def _loaded(encoder: str, path: Path, _sha: str) -> Captioner:
    return Captioner(encoder, visual_encoder(encoder), *read_decoder(path))


def read_decoder(path: Path) -> tuple[CaptionDecoder, WordVocabulary]:
    """Read a decoder that `save_captioner` wrote.

    Parameters
    ----------
    path
        Weights file.

    Returns
    -------
    decoder : CaptionDecoder
        The decoder, in evaluation mode.
    vocabulary : WordVocabulary
        Its vocabulary.

    Raises
    ------
    DataError
        If it is another kind of file.
    """
    info = read_info(path)
    if not {"config", "words"} <= info.keys():
        raise DataError(
            f"Expected a captioner in {path.name!r}, got another kind of file. Give one of "
            "`python -m brivl.train captioner`."
        )
    decoder = CaptionDecoder(DecoderConfig(**info["config"]))
    load_into(decoder, read_weights(path), source=path.name, missing_ok=frozenset())
    return decoder.eval(), WordVocabulary(tuple(info["words"]))


def caption_images(captioner: Captioner, images: np.ndarray, beam: int = 1) -> list[Caption]:
    """Caption images.

    Parameters
    ----------
    captioner
        The captioner.
    images : (n, H, W, 3) uint8 array
        Images.
    beam
        Width of the beam search; 1 is greedy.

    Returns
    -------
    list of Caption
        One for each image.

    Raises
    ------
    RequestError
        If the beam is outside 1..16.
    """
    check_captioner(captioner.encoder, beam)
    captions = []
    for start in range(0, len(images), BATCH):
        patches = shift_averaged_memory(captioner.visual, images[start : start + BATCH])
        captions += [_caption(captioner, hypothesis) for hypothesis in beam_search(captioner.decoder, patches, beam)]
    return captions


def _caption(captioner: Captioner, hypothesis: Hypothesis) -> Caption:
    side = round((hypothesis.attention.shape[1] - 1) ** 0.5)
    words = tuple(captioner.vocabulary.words[i] for i in hypothesis.ids)
    maps = hypothesis.attention[:, 1:].reshape(-1, side, side)
    text = captioner.vocabulary.decode(hypothesis.ids)
    return Caption(text, words, hypothesis.log_probs, maps, hypothesis.score)
