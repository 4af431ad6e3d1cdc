"""Prompts as they are typed: cleaned, cut, and compared with the vocabulary of the scenes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from brivl.errors import RequestError
from brivl.scenes.captions import SYNONYMS
from brivl.scenes.naming import unknown_words
from brivl.scenes.things import COLOURS, KINDS

MAX_CHARACTERS = 200
MORE_NAMES = {"gray": "", "man": "person", "woman": "person", "plane": "airplane", "jet": "airplane"}


@dataclass(frozen=True)
class Prompt:
    """A prompt, the kinds and colours that it names, and notices about it."""

    text: str
    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    notices: tuple[str, ...] = ()


def read_prompt(typed: str) -> Prompt:
    """Clean a prompt.

    Parameters
    ----------
    typed : str
        What was typed.

    Returns
    -------
    Prompt
        The prompt with notices.

    Raises
    ------
    RequestError
        Where there is no word in it.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in typed).split())
    if not re.search(r"\w", text):
        raise RequestError("Expected a few English words, such as 'a red car', got none. Type a prompt.")
    notices = []
    if len(text) > MAX_CHARACTERS:
        cut = text[:MAX_CHARACTERS].rsplit(" ", 1)[0]
        notices.append(f"The prompt has {len(text):,} characters; the first {len(cut)} are used.")
        text = cut
    kinds, colours = named(text)
    if not text.isascii():
        notices.append(_not_english(text))
    elif not kinds:
        notices.append(
            "Out of domain: the prompt names none of the 26 kinds of things that the models were trained on (car, dog, "
            "house, tree, ...); the image will hardly show it. The models know English only."
        )
    elif unknown := [word for word in unknown_words(text) if word not in MORE_NAMES]:
        words = ", ".join(unknown[:10])
        notices.append(f"Unknown words, which the models were not trained on: {words}. They will hardly be shown.")
    return Prompt(text, kinds, colours, tuple(notices))


def named(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the kinds and colours that a text names, also by a synonym or in the plural.

    Parameters
    ----------
    text : str
        English words.

    Returns
    -------
    tuple of tuple of str
        Kinds and colours, in the order of the vocabulary.
    """
    words = set(re.findall(r"[a-z]+", text.lower()))
    words |= {word.removesuffix("s") for word in words}
    for kind, others in SYNONYMS.items():
        words |= {kind} if words & set(others) else set()
    words |= {meant for word, meant in MORE_NAMES.items() if word in words}
    return tuple(k for k in KINDS if k in words), tuple(c for c in COLOURS if c in words)


def _not_english(text: str) -> str:
    strange = "".join(dict.fromkeys(c for c in text if not c.isascii()))[:8]
    return (
        f"Out of domain: the models know English only; {strange!r} is not English, and the image may not follow the "
        "prompt."
    )
