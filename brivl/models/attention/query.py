"""Explanation of an image, a query and a phrase of it in both streams of BriVL-mini, for all start layers at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from brivl.core.retrieval.query_words import split_words, sum_per_word
from brivl.models.attention.relevance import explain_image, explain_text
from brivl.models.brivl.configs import MINI
from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.brivl.text_encoder import build_tokenizer, tokenize
from brivl.models.shipped import load_brivl_mini

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class QueryExplanation:
    """Relevance in both streams; entry s - 1 of the first axis is that of start layer s.

    Attributes
    ----------
    patches : (12, rows, columns) array
        Relevance of the image's patches for <image, phrase>.
    words : (6, n_words) array
        Relevance of the query's words for <image, query>, summed over each word's pieces; 0 for words beyond the last
        token.
    phrase_similarity : float
        Cosine of image and phrase.
    query_similarity : float
        Cosine of image and query.
    n_words_read : int
        Number of words before the query is cut.
    """

    patches: np.ndarray
    words: np.ndarray
    phrase_similarity: float
    query_similarity: float
    n_words_read: int


def explain_query(image: np.ndarray, query: str, phrase: str) -> QueryExplanation:
    """Explain an image against a query, and against a phrase alone, with BriVL-mini.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The image.
    query
        A sentence.
    phrase
        A part of the sentence.

    Returns
    -------
    QueryExplanation
        Relevance of patches and words.
    """
    model, visual, tokenizer = load_brivl_mini(), MINI.visual, shipped_tokenizer()
    pixels = to_pixels(image[None], visual.image_size, visual.mean, visual.std)
    tokens = tokenize(tokenizer, [query], MINI.lingual.max_tokens)
    with torch.no_grad():
        of_image = model.encode_image(pixels)
        of_phrase = model.encode_text(**tokenize(tokenizer, [phrase], MINI.lingual.max_tokens))
    by_image = explain_image(model, pixels, of_phrase, range(1, len(model.visual.blocks) + 1))
    by_text = explain_text(model, tokens, of_image, range(1, len(model.lingual.encoder.layer) + 1))
    spans = token_spans(tokenizer, query)
    words, end_of_tokens = split_words(query), max(end for _, end in spans)
    return QueryExplanation(
        by_image.relevance[:, 0].numpy(),
        sum_per_word(words, spans, by_text.relevance[:, 0].numpy()),
        float(by_image.similarity[0]),
        float(by_text.similarity[0]),
        sum(word.end <= end_of_tokens for word in words),
    )


def token_spans(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[int, int]]:
    """Locate the word pieces of a text.

    Parameters
    ----------
    tokenizer
        Tokenizer of the lingual stream.
    text
        The text.

    Returns
    -------
    list of tuple
        First and last position (exclusive) of each piece, (0, 0) for [CLS] and [SEP]; as many as `tokenize` returns.
    """
    batch = tokenizer(text, truncation=True, max_length=MINI.lingual.max_tokens, return_offsets_mapping=True)
    return [tuple(span) for span in batch["offset_mapping"]]


@lru_cache(maxsize=1)
def shipped_tokenizer() -> PreTrainedTokenizerBase:
    """Load the tokenizer of BriVL-mini's lingual stream.

    Returns
    -------
    PreTrainedTokenizerBase
        The tokenizer.
    """
    return build_tokenizer(MINI.lingual.pretrained)
