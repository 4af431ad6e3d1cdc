"""A small closed vocabulary: sentences to word ids and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
PUNCTUATION = frozenset(",.")
TOKEN = re.compile(r"[a-z0-9']+|[,.]")


def split_into_words(text: str) -> list[str]:
    """Split a sentence into lower-case words.

    Parameters
    ----------
    text
        The sentence.

    Returns
    -------
    list of str
        Its words; commas and full stops are words of their own.
    """
    return TOKEN.findall(text.lower())


@dataclass(frozen=True)
class WordVocabulary:
    """Words in a fixed order, special ones first; an id is a position in it."""

    words: tuple[str, ...]

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> WordVocabulary:
        """Collect the words of texts in alphabetical order.

        Parameters
        ----------
        texts
            Sentences.

        Returns
        -------
        WordVocabulary
            The vocabulary.
        """
        return cls((*SPECIAL, *sorted({word for text in texts for word in split_into_words(text)})))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def encode(self, text: str) -> list[int]:
        """Convert a sentence to ids.

        Parameters
        ----------
        text
            The sentence.

        Returns
        -------
        list of int
            Its ids between START and END; words outside the vocabulary become UNKNOWN.
        """
        return [START, *(self._ids.get(word, UNKNOWN) for word in split_into_words(text)), END]

    def decode(self, ids: Sequence[int]) -> str:
        """Convert ids to a sentence.

        Parameters
        ----------
        ids
            Ids of words; special ones are left out.

        Returns
        -------
        str
            The sentence, with a capital letter.
        """
        sentence = ""
        for word in (self.words[i] for i in ids if i >= len(SPECIAL)):
            sentence += word if word in PUNCTUATION or not sentence else f" {word}"
        return sentence[:1].upper() + sentence[1:]
