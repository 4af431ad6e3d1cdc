"""Sentences from embeddings in BriVL-mini's image-text space, by a decoder that was trained on texts alone.

After CapDec (Nukrai et al. 2022): images and texts of such a space differ by little more than an offset, so a decoder
that is trained on noisy embeddings of texts also decodes embeddings of images. Here the offset is removed first: from
every embedding the mean of its own modality is subtracted, and the result is scaled to length 1.
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
    """A decoder whose memory is one token, the embedding itself, and its vocabulary."""

    decoder: CaptionDecoder
    vocabulary: WordVocabulary

    @property
    def width(self) -> int:
        """Dimensions D of the space.

        Returns
        -------
        int
            D.
        """
        return self.decoder.config.patch_width


def load_embedding_captioner(path: Path = EMBEDDING_CAPTIONER) -> EmbeddingCaptioner:
    """Load a captioner of embeddings, once for each state of its file.

    Parameters
    ----------
    path
        Weights file; by default the shipped one.

    Returns
    -------
    EmbeddingCaptioner
        The captioner, in evaluation mode.

    Raises
    ------
    DataError
        If the file is missing or broken, or holds a captioner of images.
    """
    return _loaded(path, file_sha(path))


@lru_cache(maxsize=2)
def _loaded(path: Path, _sha: str) -> EmbeddingCaptioner:
    decoder, vocabulary = read_decoder(path)
    if decoder.config.n_patches != 1:
        raise DataError(
            f"Expected a captioner of single embeddings, got {path.name!r}, which reads {decoder.config.n_patches}. "
            "Give a file of `python -m brivl.train embedding-captioner`."
        )
    return EmbeddingCaptioner(decoder, vocabulary)


def decode_embeddings(captioner: EmbeddingCaptioner, points: np.ndarray, beam: int = 1) -> list[str]:
    """Decode embeddings to sentences.

    Parameters
    ----------
    captioner
        The captioner.
    points : (n, D) array
        Embeddings, less the mean of their modality; their length does not matter.
    beam
        Width of the beam search; 1 is greedy.

    Returns
    -------
    list of str
        n sentences.

    Raises
    ------
    DataError
        If the embeddings are of another space or not finite.
    RequestError
        If the beam is outside 1..16.
    """
    check_beam(beam)
    if points.ndim != 2 or points.shape[1] != captioner.width or not np.isfinite(points).all():
        raise DataError(
            f"Expected finite embeddings (n, {captioner.width}), got {points.dtype} {points.shape}. Use those of the "
            "model that the captioner was trained on."
        )
    sentences: list[str] = []
    for start in range(0, len(points), BATCH):
        memory = normalize(torch.from_numpy(np.asarray(points[start : start + BATCH], np.float32)), dim=1)[:, None]
        hypotheses = beam_search(captioner.decoder, memory, beam)
        sentences += [captioner.vocabulary.decode(hypothesis.ids) for hypothesis in hypotheses]
    return sentences


def centre_and_normalise(vectors: np.ndarray | Sequence) -> np.ndarray:
    """Subtract the mean over rows and scale each row to length 1.

    Parameters
    ----------
    vectors : (n, D) array
        Embeddings of one modality.

    Returns
    -------
    np.ndarray
        (n, D) float32.
    """
    centred = np.asarray(vectors, np.float32) - np.mean(vectors, axis=0, dtype=np.float32)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
