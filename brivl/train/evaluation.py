"""Held-out measures of the shipped models."""

from __future__ import annotations

import numpy as np

from brivl.core.retrieval import Recall, recall
from brivl.errors import RequestError
from brivl.models.configs import MINI
from brivl.models.shipped import load_brivl_mini
from brivl.models.text_encoder import build_tokenizer
from brivl.train.multimodal import embed_pairs
from brivl.train.scene_pairs import HELD_OUT_SEED, scene_pairs


def evaluate_retrieval(n: int) -> tuple[Recall, Recall]:
    """Text-to-image and image-to-text recall of brivl-mini on n held-out scenes whose canonical captions all differ.

    The seed is none of training's or of the checks made during training. Raises RequestError for n outside 2..20,000.
    """
    if not 2 <= n <= 20_000:
        raise RequestError(f"Wanted between 2 and 20,000 pairs and got {n}.")
    images, texts = distinct_pairs(n)
    image, text = embed_pairs(load_brivl_mini(), build_tokenizer(MINI.lingual.pretrained), images, texts)
    return recall(text, image), recall(image, text)


def distinct_pairs(n: int) -> tuple[np.ndarray, list[str]]:
    """The first n held-out scenes whose captions all differ: images (n, size, size, 3) uint8 and captions."""
    visual, n_scenes, first = MINI.visual, n, np.empty(0, int)
    while len(first) < n:
        n_scenes += n_scenes // 10 + 10
        pairs = scene_pairs(n_scenes, HELD_OUT_SEED + 1, visual.image_size, visual.patch_size, n_paraphrases=0)
        texts = [c[0] for c in pairs.captions]
        first = np.sort(np.unique(texts, return_index=True)[1])[:n]
    return pairs.images[first], [texts[i] for i in first]
