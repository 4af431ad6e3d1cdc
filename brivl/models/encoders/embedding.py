"""Pictures and sentences as unit vectors of one space, by BriVL-mini, a BriVL trained here, or a CLIP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from brivl.errors import RequestError
from brivl.models.brivl.checkpoint import dual_tokenizer, load_dual
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import build_tokenizer, import_transformers, tokenize
from brivl.models.encoders.activations import pixel_maker
from brivl.models.encoders.embedding_digest import check_both_streams, embedder_digest
from brivl.models.encoders.normalisation import Normalisation, read_normalisation
from brivl.models.registry import BRIVL_MINI, SHIPPED

BATCH = 32
CLIP_MEAN, CLIP_STD = (0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)  # as CLIP was published


@dataclass(frozen=True)
class Embedder:
    """Both streams of a model.

    encode_images: (n, H, W, 3) uint8 -> (n, D); encode_texts: n sentences -> (n, D); unit vectors, float32.
    count_tokens: word pieces of a sentence, of which the first max_tokens are read.
    """

    name: str
    digest: str
    image_size: int
    max_tokens: int
    encode_images: Callable[[np.ndarray], np.ndarray]
    encode_texts: Callable[[Sequence[str]], np.ndarray]
    count_tokens: Callable[[str], int]


def open_embedder(name: str) -> Embedder:
    """A model by name or folder, loaded once for each state of its files.

    Raises RequestError where it has one stream only, its weights cannot be had, or it is of another kind.
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


def dual_stream_embedder(name: str, digest: str, model: DualStream, tokenizer: Any) -> Embedder:
    """The embedder of a dual stream in evaluation mode."""
    visual, n_tokens = model.config.visual, model.config.lingual.max_tokens
    prepare = pixel_maker(visual.image_size, visual.mean, visual.std)
    return Embedder(
        name,
        digest,
        visual.image_size,
        n_tokens,
        lambda images: _in_batches(lambda part: model.encode_image(prepare(part)), images),
        lambda texts: _in_batches(lambda part: model.encode_text(**tokenize(tokenizer, part, n_tokens)), texts),
        lambda text: len(tokenizer(text)["input_ids"]),
    )


def _open_clip(name: str, digest: str) -> Embedder:
    from brivl.models.encoders.external import external_card, open_external

    if set(external_card(name).kinds) != {"image", "text"}:
        raise RequestError(
            f"Wanted a model that puts pictures and sentences into one space, and {name!r} has one stream only. "
            f"Choose {BRIVL_MINI!r}, or a CLIP by its name or folder."
        )
    open_external(name, "image")  # its files, checked, or a sentence
    transformers = import_transformers()
    model = transformers.CLIPModel.from_pretrained(
        name, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
    ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=True, trust_remote_code=False)
    size, n_tokens = model.config.vision_config.image_size, model.config.text_config.max_position_embeddings
    prepare = pixel_maker(size, *_normalisation(name))

    def of_images(part: np.ndarray) -> torch.Tensor:
        seen = model.vision_model(pixel_values=prepare(part)).pooler_output
        return normalize(model.visual_projection(seen), dim=-1)

    def of_texts(part: Sequence[str]) -> torch.Tensor:
        read = model.text_model(**tokenize(tokenizer, part, n_tokens)).pooler_output
        return normalize(model.text_projection(read), dim=-1)

    return Embedder(
        name,
        digest,
        size,
        n_tokens,
        lambda images: _in_batches(of_images, images),
        lambda texts: _in_batches(of_texts, texts),
        lambda text: len(tokenizer(text)["input_ids"]),
    )


def _in_batches(encode: Callable[[Any], torch.Tensor], items: np.ndarray | Sequence[str]) -> np.ndarray:
    with torch.inference_mode():
        parts = [encode(items[start : start + BATCH]).float().numpy() for start in range(0, len(items), BATCH)]
    return np.concatenate(parts)


def _normalisation(name: str) -> Normalisation:
    """That of the model's preprocessor, CLIP's own where it has none."""
    from huggingface_hub import try_to_load_from_cache

    folder = Path(name)
    file = (
        folder / "preprocessor_config.json"
        if folder.is_dir()
        else try_to_load_from_cache(name, "preprocessor_config.json")
    )
    return read_normalisation(Path(str(file)), (CLIP_MEAN, CLIP_STD))
