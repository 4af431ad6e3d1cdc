"""The shipped captioners: a frozen visual encoder and the decoder that was trained on its patches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

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

BATCH = 50


@dataclass(frozen=True)
class Captioner:
    """A visual encoder, its decoder, and the decoder's words."""

    encoder: str
    visual: torch.nn.Module
    decoder: CaptionDecoder
    vocabulary: WordVocabulary


@dataclass(frozen=True)
class Caption:
    """A sentence about one image, and how it came about: n words, END included where it was reached."""

    text: str
    words: tuple[str, ...]  # n
    log_probs: np.ndarray  # (n,) float32, of each word given those before it
    attention: np.ndarray  # (n, side, side) float32: what each word looked at, without [CLS]; sums to at most 1
    score: float  # sum of log_probs / n


def visual_encoder(name: str) -> torch.nn.Module:
    """The shipped visual encoder. Raises RequestError for a name that has no captioner."""
    check_captioner(name)
    return load_brivl_mini().visual if name == BRIVL_MINI else load_vit_mini()


@torch.inference_mode()
def shift_averaged_memory(visual: torch.nn.Module, images: np.ndarray) -> torch.Tensor:
    """`patch_memory` averaged over VIEWS of each image, (n, n_tokens, len(READ_BLOCKS) * width) float32.

    Strided convolutions make a token depend on where a thing lies to the pixel; a mean over neighbouring places less.
    """
    height, width = images.shape[1:3]
    step = max(1, round(min(height, width) / MINI.visual.image_size))  # one pixel of what the encoder sees
    padded = np.pad(images, ((0, 0), (step, step), (step, step), (0, 0)), mode="edge")
    views = (padded[:, y : y + height, x : x + width] for y, x in step * (np.array(VIEWS) + 1))
    return torch.stack([patch_memory(visual, view).float() for view in views]).mean(0)


@torch.inference_mode()
def patch_memory(visual: torch.nn.Module, images: np.ndarray) -> torch.Tensor:
    """What a decoder reads: images (n, H, W, 3) uint8 -> (n, n_tokens, len(READ_BLOCKS) * width) float16.

    Tokens of READ_BLOCKS, [CLS] first, each brought to mean 0 and variance 1 (so that half precision holds them).
    """
    parts = []
    for start in range(0, len(images), BATCH):
        pixels = to_pixels(images[start : start + BATCH], MINI.visual.image_size, MINI.visual.mean, MINI.visual.std)
        layers = image_layers(visual, pixels)
        read = [layer_norm(layers[k - 1], layers[k - 1].shape[-1:]) for k in READ_BLOCKS]
        parts.append(torch.cat(read, dim=-1).half())
    return torch.cat(parts)


def save_captioner(path: Path, decoder: CaptionDecoder, vocabulary: WordVocabulary, info: dict[str, object]) -> None:
    """Write the decoder with its size and words in the header."""
    header = {**info, "config": asdict(decoder.config), "words": list(vocabulary.words)}
    save_weights(path, decoder.state_dict(), header)


def load_captioner(encoder: str) -> Captioner:
    """The shipped captioner of an encoder, in evaluation mode; loaded once for each state of its file."""
    path = captioner_file(encoder)
    return _loaded(encoder, path, file_sha(path))


@lru_cache(maxsize=2)
def _loaded(encoder: str, path: Path, _sha: str) -> Captioner:
    return Captioner(encoder, visual_encoder(encoder), *read_decoder(path))


def read_decoder(path: Path) -> tuple[CaptionDecoder, WordVocabulary]:
    """A decoder of save_captioner, in evaluation mode, and its words. Raises DataError for another kind of file."""
    info = read_info(path)
    if not {"config", "words"} <= info.keys():
        raise DataError(f"Wanted a captioner and {path.name!r} is none; see python -m brivl.train captioner.")
    decoder = CaptionDecoder(DecoderConfig(**info["config"]))
    load_into(decoder, read_weights(path), source=path.name, missing_ok=frozenset())
    return decoder.eval(), WordVocabulary(tuple(info["words"]))


def caption_images(captioner: Captioner, images: np.ndarray, beam: int = 1) -> list[Caption]:
    """Sentences about images (n, H, W, 3) uint8; beam 1 is greedy. Raises RequestError for a beam outside 1..16."""
    check_captioner(captioner.encoder, beam)
    captions = []
    for start in range(0, len(images), BATCH):
        patches = shift_averaged_memory(captioner.visual, images[start : start + BATCH])
        captions += [_caption(captioner, found) for found in beam_search(captioner.decoder, patches, beam)]
    return captions


def _caption(captioner: Captioner, found: Hypothesis) -> Caption:
    side = round((found.attention.shape[1] - 1) ** 0.5)
    words = tuple(captioner.vocabulary.words[i] for i in found.ids)
    maps = found.attention[:, 1:].reshape(-1, side, side)
    return Caption(captioner.vocabulary.decode(found.ids), words, found.log_probs, maps, found.score)
