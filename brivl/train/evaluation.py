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
    """Text-to-image and image-to-text recall of brivl-mini on n held-out scenes whose canonical captions are all distinct.

    The seed is none of training's or of the checks made during training. Raises RequestError for n outside 2..20,000.
    """
    if not 2 <= n <= 20_000:
        raise RequestError(f"Wanted between 2 and 20,000 pairs and got {n}.")
    visual = MINI.visual
    pairs = scene_pairs(n + n // 10 + 10, HELD_OUT_SEED + 1, visual.image_size, visual.patch_size, n_paraphrases=0)
    texts = [c[0] for c in pairs.captions]
    first = np.sort(np.unique(texts, return_index=True)[1])[:n]
    image, text = embed_pairs(
        load_brivl_mini(), build_tokenizer(MINI.lingual.pretrained), pairs.images[first], [texts[i] for i in first]
    )
    return recall(text, image), recall(image, text)
