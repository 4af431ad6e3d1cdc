"""The words of a query: where they stand, phrases made of some of them, and whether they look like English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SMALL_WORDS = {  # such as nearly every sentence holds, and as no English sentence does
    "German": "der die das ein eine einen einem und ist im mit auf auto rotes rote roter nicht vor neben",
    "French": "le la les un une des du et est dans avec sur rouge voiture pas devant",
    "Spanish": "el los las una unos y es en con sobre rojo coche del junto",
    "Italian": "il lo gli uno una e con su rosso macchina della nel accanto",
    "Portuguese": "o os uma um e com em vermelho carro do da perto",
    "Dutch": "een het de en met op rode rood niet voor naast",
}
ENGLISH = frozenset(
    "a an the and of in on at is are with to by near beside behind before not red blue green car dog cat that".split()
)
SHARED = 0.25  # share of a query's words that must be another language's


def detect_other_language(text: str) -> str | None:
    """What speaks against English: the name of another language, or "another script"; None where nothing does."""
    letters = [c for c in text if c.isalpha()]
    plain = [c for c in letters if unicodedata.normalize("NFKD", c)[0].isascii()]
    if letters and len(plain) < 0.8 * len(letters):
        return "another script"
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words or ENGLISH & set(words):
        return None
    counts = {name: sum(word in small.split() for word in words) for name, small in SMALL_WORDS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= max(1, SHARED * len(words)) else None


MAX_QUERY_CHARACTERS = 2000  # of a query; far more than any model here reads


@dataclass(frozen=True)
class Word:
    """A word and the place of its characters, text[start:end]."""

    text: str
    start: int
    end: int


def split_words(text: str) -> tuple[Word, ...]:
    """Words of letters and digits; an apostrophe or hyphen within belongs to its word."""
    return tuple(Word(m.group(), *m.span()) for m in re.finditer(r"\w+(?:['’-]\w+)*", text))


def remove_word(text: str, index: int) -> str:
    """The text without its word `index` and the space before it."""
    word = split_words(text)[index]
    return (text[: word.start].rstrip() + text[word.end :]).strip()


def select_words(text: str, indices: Sequence[int]) -> str:
    """The words with these indices, in the order of the text; the whole text if there are none."""
    words = split_words(text)
    chosen = [words[i].text for i in sorted(set(indices)) if 0 <= i < len(words)]
    return " ".join(chosen) if chosen else text


def sum_per_word(words: Sequence[Word], spans: Sequence[tuple[int, int]], values: np.ndarray) -> np.ndarray:
    """Sums over the word pieces of each word: spans of T pieces, values (..., T) -> (..., n_words).

    Pieces of no width (special tokens) and punctuation belong to no word.
    """
    of_word = np.array([[w.start <= a < b <= w.end for w in words] for a, b in spans], bool).reshape(-1, len(words))
    return values @ of_word.astype(values.dtype)


def has_foreign_letters(text: str) -> bool:
    """Whether a fifth of the letters or more are not of the alphabet that English is written in."""
    letters = [c for c in text if c.isalpha()]
    plain = [c for c in letters if unicodedata.normalize("NFKD", c)[0].isascii()]
    return bool(letters) and len(plain) <= 0.8 * len(letters)
