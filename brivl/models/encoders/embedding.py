"""Images and sentences as unit vectors of one space, by BriVL-mini, a BriVL trained here, or a CLIP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch.nn.functional import normalize

from brivl.errors import RequestError
from brivl.models.brivl.checkpoint import dual_tokenizer, load_dual
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import build_tokenizer, import_transformers, tokenize
from brivl.models.encoders.activations import pixel_maker
from brivl.models.encoders.embedding_digest import check_both_streams, embedder_digest
from brivl.models.encoders.normalisation import Normalisation, model_normalisation
from brivl.models.registry import BRIVL_MINI, SHIPPED
from brivl.threads import torch_on_all_cores

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BATCH = 32
CLIP_NORMALISATION: Normalisation = ((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758))  # as CLIP was published
Items = TypeVar("Items", np.ndarray, Sequence[str])


@dataclass(frozen=True)
class Embedder:
    """Both streams of a model.

    Attributes
    ----------
    name : str
        Name of the model.
    digest : str
        Digest of the model.
    image_size : int
        Side of the encoder's input in pixels.
    max_tokens : int
        Number of word pieces after which a sentence is cut.
    encode_images : Callable
        (n, H, W, 3) uint8 images -> (n, D) float32 unit vectors.
    encode_texts : Callable
        n sentences -> (n, D) float32 unit vectors.
    count_tokens : Callable
        A sentence -> the number of its word pieces.
    """

    name: str
    digest: str
    image_size: int
    max_tokens: int
    encode_images: Callable[[np.ndarray], np.ndarray]
    encode_texts: Callable[[Sequence[str]], np.ndarray]
    count_tokens: Callable[[str], int]


def open_embedder(name: str) -> Embedder:
    """Load a model whose streams share one space, once for each state of its files.

    Parameters
    ----------
    name
        Shipped model, file, folder or name on the hub.

    Returns
    -------
    Embedder
        The model.

    Raises
    ------
    RequestError
        If it has one stream only, its weights are missing, or it is of another kind.
    """
    check_both_streams(name)
    if name not in SHIPPED and not Path(name).exists():
        _open_clip(name, "")  # may download it, which changes the digest
    return _opened(name, embedder_digest(name))


@lru_cache(maxsize=3)
def _opened(name: str, digest: str) -> Embedder:
    if name == BRIVL_MINI:
        from brivl.models.shipped import load_brivl_mini

        model = load_brivl_mini()
        return dual_stream_embedder(name, digest, model, build_tokenizer(model.config.lingual.pretrained))
    if Path(name).is_file():
        model = load_dual(Path(name))
        return dual_stream_embedder(name, digest, model, dual_tokenizer(model.config))
    return _open_clip(name, digest)


def dual_stream_embedder(name: str, digest: str, model: DualStream, tokenizer: PreTrainedTokenizerBase) -> Embedder:
    """Make the embedder of a dual stream.

    Parameters
    ----------
    name
        Name of the model.
    digest
        Digest of the model.
    model
        The dual stream, in evaluation mode.
    tokenizer
        Its tokenizer.

    Returns
    -------
    Embedder
        The embedder.
    """
    visual, max_tokens = model.config.visual, model.config.lingual.max_tokens
    preprocess = pixel_maker(visual.image_size, visual.mean, visual.std)
    return Embedder(
        name,
        digest,
        visual.image_size,
        max_tokens,
        lambda images: _in_batches(lambda batch: model.encode_image(preprocess(batch)), images),
        lambda texts: _in_batches(lambda batch: model.encode_text(**tokenize(tokenizer, batch, max_tokens)), texts),
        lambda text: len(tokenizer(text)["input_ids"]),
    )


def _open_clip(name: str, digest: str) -> Embedder:
    from brivl.models.encoders.external import external_card, open_external

    if set(external_card(name).kinds) != {"image", "text"}:
        raise RequestError(
            f"Expected a model that embeds images and sentences in one space, got {name!r}, which has one stream only. "
            f"Choose {BRIVL_MINI!r}, or a CLIP by its name or folder."
        )
    open_external(name, "image")  # downloads and checks the files, or raises RequestError
    transformers = import_transformers()
    model = transformers.CLIPModel.from_pretrained(
        name, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
    ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=True, trust_remote_code=False)
    size, max_tokens = model.config.vision_config.image_size, model.config.text_config.max_position_embeddings
    preprocess = pixel_maker(size, *model_normalisation(name, CLIP_NORMALISATION))

    def _encode_images(batch: np.ndarray) -> torch.Tensor:
        pooled = model.vision_model(pixel_values=preprocess(batch)).pooler_output
        return normalize(model.visual_projection(pooled), dim=-1)

    def _encode_texts(batch: Sequence[str]) -> torch.Tensor:
        pooled = model.text_model(**tokenize(tokenizer, batch, max_tokens)).pooler_output
        return normalize(model.text_projection(pooled), dim=-1)

    return Embedder(
        name,
        digest,
        size,
        max_tokens,
        lambda images: _in_batches(_encode_images, images),
        lambda texts: _in_batches(_encode_texts, texts),
        lambda text: len(tokenizer(text)["input_ids"]),
    )


@torch_on_all_cores()
def _in_batches(encode: Callable[[Items], torch.Tensor], items: Items) -> np.ndarray:
    with torch.inference_mode():
        batches = [encode(items[start : start + BATCH]).float().numpy() for start in range(0, len(items), BATCH)]
    return np.concatenate(batches)
