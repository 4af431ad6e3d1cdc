"""The words of a query: where they stand, phrases made of some of them, and whether they look like English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_CHARACTERS = 2000  # of a query; far more than any model here reads


@dataclass(frozen=True)
class Word:
    """A word and the place of its characters, text[start:end]."""

    text: str
    start: int
    end: int


def split_words(text: str) -> tuple[Word, ...]:
    """Words of letters and digits; an apostrophe or hyphen within belongs to its word."""
    return tuple(Word(m.group(), *m.span()) for m in re.finditer(r"\w+(?:['’-]\w+)*", text))


def without_word(text: str, index: int) -> str:
    """The text without its word `index` and the space before it."""
    word = split_words(text)[index]
    return (text[: word.start].rstrip() + text[word.end :]).strip()


def phrase_of(text: str, indices: Sequence[int]) -> str:
    """The words with these indices, in the order of the text; the whole text if there are none."""
    words = split_words(text)
    chosen = [words[i].text for i in sorted(set(indices)) if 0 <= i < len(words)]
    return " ".join(chosen) if chosen else text


def per_word(words: Sequence[Word], spans: Sequence[tuple[int, int]], values: np.ndarray) -> np.ndarray:
    """Sums over the word pieces of each word: spans of T pieces, values (..., T) -> (..., n_words).

    Pieces of no width (special tokens) and punctuation belong to no word.
    """
    of_word = np.array([[w.start <= a < b <= w.end for w in words] for a, b in spans], bool).reshape(-1, len(words))
    return values @ of_word.astype(values.dtype)


def foreign_letters(text: str) -> bool:
    """Whether a fifth of the letters or more are not of the alphabet that English is written in."""
    letters = [c for c in text if c.isalpha()]
    plain = [c for c in letters if unicodedata.normalize("NFKD", c)[0].isascii()]
    return bool(letters) and len(plain) <= 0.8 * len(letters)
