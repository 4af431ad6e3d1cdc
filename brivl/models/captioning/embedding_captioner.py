"""A sentence from one point of BriVL-mini's image-text space, by a decoder that learned from texts alone (CapDec).

Nukrai et al. 2022: pictures and texts of such a space differ by little but an offset, so that a decoder trained on
noisy embeddings of texts reads embeddings of pictures too. Here the offset goes first: every point is taken less the
mean of its own modality, and has length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from brivl.errors import DataError
from brivl.models.captioning.beam_search import beam_search
from brivl.models.captioning.captioners import read_decoder
from brivl.models.captioning.decoder import CaptionDecoder
from brivl.models.captioning.digests import EMBEDDING_CAPTIONER, check_beam
from brivl.models.captioning.vocabulary import WordVocabulary
from brivl.models.feature_model import file_sha

BATCH = 500


@dataclass(frozen=True)
class EmbeddingCaptioner:
    """A decoder whose memory is one token, the point itself, and its words."""

    decoder: CaptionDecoder
    vocabulary: WordVocabulary

    @property
    def width(self) -> int:
        """Dimensions of the space."""
        return self.decoder.config.patch_width


def load_embedding_captioner(path: Path = EMBEDDING_CAPTIONER) -> EmbeddingCaptioner:
    """The shipped one, or that of a file, in evaluation mode; loaded once for each state of its file.

    Raises DataError for a file that is missing, broken, or a captioner of pictures.
    """
    return _loaded(path, file_sha(path))


@lru_cache(maxsize=2)
def _loaded(path: Path, _sha: str) -> EmbeddingCaptioner:
    decoder, vocabulary = read_decoder(path)
    if decoder.config.n_patches != 1:
        raise DataError(f"Wanted a captioner of single points and {path.name!r} reads {decoder.config.n_patches}.")
    return EmbeddingCaptioner(decoder, vocabulary)


def decode_embeddings(captioner: EmbeddingCaptioner, points: np.ndarray, beam: int = 1) -> list[str]:
    """A sentence for each point (n, D), less the mean of its modality; its length does not count.

    Raises DataError for points of another space, RequestError for a beam outside 1..16.
    """
    check_beam(beam)
    if points.ndim != 2 or points.shape[1] != captioner.width or not np.isfinite(points).all():
        raise DataError(f"Wanted finite points (n, {captioner.width}) and got {points.dtype} {points.shape}.")
    said: list[str] = []
    for start in range(0, len(points), BATCH):
        memory = normalize(torch.from_numpy(np.asarray(points[start : start + BATCH], np.float32)), dim=1)[:, None]
        said += [captioner.vocabulary.decode(found.ids) for found in beam_search(captioner.decoder, memory, beam)]
    return said


def centre_and_normalise(vectors: np.ndarray | Sequence) -> np.ndarray:
    """(n, D) less their mean, each brought to length 1."""
    less = np.asarray(vectors, np.float32) - np.mean(vectors, axis=0, dtype=np.float32)
    return less / np.maximum(np.linalg.norm(less, axis=1, keepdims=True), 1e-12)
