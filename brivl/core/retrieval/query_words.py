"""The words of a query: their positions, phrases of some of them, and whether they look like English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FUNCTION_WORDS = {  # occur in nearly every sentence of their language and in no English sentence
    "German": "der die das ein eine einen einem und ist im mit auf auto rotes rote roter nicht vor neben",
    "French": "le la les un une des du et est dans avec sur rouge voiture pas devant",
    "Spanish": "el los las una unos y es en con sobre rojo coche del junto",
    "Italian": "il lo gli uno una e con su rosso macchina della nel accanto",
    "Portuguese": "o os uma um e com em vermelho carro do da perto",
    "Dutch": "een het de en met op rode rood niet voor naast",
}
ENGLISH_WORDS = frozenset(
    "a an the and of in on at is are with to by near beside behind before not red blue green car dog cat that".split()
)
MIN_FOREIGN = 0.25  # fraction of a query's words that must be words of another language
MIN_LATIN = 0.8  # fraction of letters that English must have in its alphabet
MAX_QUERY_CHARACTERS = 2000  # far more than any model here reads


def detect_other_language(text: str) -> str | None:
    """Guess whether a text is in another language than English.

    Parameters
    ----------
    text : str
        Query of a user.

    Returns
    -------
    str or None
        Name of the other language, or "another script"; None if the text may be English.
    """
    n_letters, n_latin = _count_letters(text)
    if n_latin < MIN_LATIN * n_letters:
        return "another script"
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words or ENGLISH_WORDS & set(words):
        return None
    counts = {name: sum(word in typical.split() for word in words) for name, typical in FUNCTION_WORDS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= max(1, MIN_FOREIGN * len(words)) else None


def has_foreign_letters(text: str) -> bool:
    """Test whether at least a fifth of the letters are not of the Latin alphabet.

    Parameters
    ----------
    text : str
        Query of a user.

    Returns
    -------
    bool
        Whether models for English can hardly read the text.
    """
    n_letters, n_latin = _count_letters(text)
    return n_letters > 0 and n_latin <= MIN_LATIN * n_letters


def _count_letters(text: str) -> tuple[int, int]:
    """Letters, and those of the Latin alphabet with or without an accent."""
    letters = [c for c in text if c.isalpha()]
    return len(letters), sum(unicodedata.normalize("NFKD", c)[0].isascii() for c in letters)


@dataclass(frozen=True)
class Word:
    """A word and the position of its characters, text[start:end]."""

    text: str
    start: int
    end: int


def split_words(text: str) -> tuple[Word, ...]:
    """Split a text into words of letters and digits; an apostrophe or hyphen inside a word belongs to it.

    Parameters
    ----------
    text : str
        Text to split.

    Returns
    -------
    tuple of Word
        Words in their order.
    """
    return tuple(Word(m.group(), *m.span()) for m in re.finditer(r"\w+(?:['’-]\w+)*", text))


def remove_word(text: str, index: int) -> str:
    """Remove a word, and the space before it, from a text.

    Parameters
    ----------
    text : str
        Text with the word.
    index : int
        Index of the word in `split_words`.

    Returns
    -------
    str
        Text without the word.
    """
    word = split_words(text)[index]
    return (text[: word.start].rstrip() + text[word.end :]).strip()


def select_words(text: str, indices: Sequence[int]) -> str:
    """Join some words of a text to a phrase.

    Parameters
    ----------
    text : str
        Text with the words.
    indices : sequence of int
        Indices of words in `split_words`; others are ignored.

    Returns
    -------
    str
        The words in the order of the text; the whole text if there are none.
    """
    words = split_words(text)
    chosen = [words[i].text for i in sorted(set(indices)) if 0 <= i < len(words)]
    return " ".join(chosen) if chosen else text


def sum_per_word(words: Sequence[Word], spans: Sequence[tuple[int, int]], values: np.ndarray) -> np.ndarray:
    """Add values of word pieces up to words.

    Special tokens, which have no width, and punctuation belong to no word.

    Parameters
    ----------
    words : sequence of Word
        Words of a text.
    spans : sequence of (int, int)
        First character of each of the T word pieces, and the one after its last.
    values : (..., T) array
        Values of the pieces.

    Returns
    -------
    (..., n_words) array
        Sums of each word.
    """
    of_word = np.array([[w.start <= a < b <= w.end for w in words] for a, b in spans], bool).reshape(-1, len(words))
    return values @ of_word.astype(values.dtype)
