"""A picture, a query and a phrase of it, explained in both streams of BriVL-mini for every start layer at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from brivl.core.retrieval.query_words import split_words, sum_per_word
from brivl.models.attention.relevance import explain_image, explain_text
from brivl.models.brivl.configs import MINI
from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.brivl.text_encoder import build_tokenizer, tokenize
from brivl.models.shipped import load_brivl_mini


@dataclass(frozen=True)
class QueryExplanation:
    """What both streams rest on; entry s - 1 of the first axis is that of start layer s.

    patches (12, rows, columns): relevance of the image's patches for <image, phrase>. words (6, n_words): relevance
    of the query's words for <image, query>, the sum over each word's pieces; of words past the last token 0.
    """

    patches: np.ndarray
    words: np.ndarray
    phrase_similarity: float
    query_similarity: float
    n_words_read: int


def explain_query(image: np.ndarray, query: str, phrase: str) -> QueryExplanation:
    """Explain image (H, W, 3) uint8 against a query, and against the phrase alone, with BriVL-mini."""
    model, visual, tokenizer = load_brivl_mini(), MINI.visual, shipped_tokenizer()
    pixels = to_pixels(image[None], visual.image_size, visual.mean, visual.std)
    tokens = tokenize(tokenizer, [query], MINI.lingual.max_tokens)
    with torch.no_grad():
        of_image = model.encode_image(pixels)
        of_phrase = model.encode_text(**tokenize(tokenizer, [phrase], MINI.lingual.max_tokens))
    seen = explain_image(model, pixels, of_phrase, range(1, len(model.visual.blocks) + 1))
    read = explain_text(model, tokens, of_image, range(1, len(model.lingual.encoder.layer) + 1))
    spans = token_spans(tokenizer, query)
    words, reached = split_words(query), max(end for _, end in spans)
    return QueryExplanation(
        seen.relevance[:, 0].numpy(),
        sum_per_word(words, spans, read.relevance[:, 0].numpy()),
        float(seen.similarity[0]),
        float(read.similarity[0]),
        sum(word.end <= reached for word in words),
    )


def token_spans(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """Where each word piece stands in the text, (0, 0) for [CLS] and [SEP]; as many as tokenize gives of one text."""
    batch = tokenizer(text, truncation=True, max_length=MINI.lingual.max_tokens, return_offsets_mapping=True)
    return [tuple(span) for span in batch["offset_mapping"]]


@lru_cache(maxsize=1)
def shipped_tokenizer() -> Any:
    """The tokenizer of BriVL-mini's lingual stream."""
    return build_tokenizer(MINI.lingual.pretrained)
