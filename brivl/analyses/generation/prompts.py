"""What a visitor types as a prompt: cleaned, cut, and held against the words that the scenes know."""

from __future__ import annotations

import re
from dataclasses import dataclass

from brivl.errors import RequestError
from brivl.scenes.captions import SYNONYMS
from brivl.scenes.things import COLOURS, KINDS

MOST_CHARACTERS = 200
MORE_NAMES = {"gray": "", "man": "person", "woman": "person", "plane": "airplane", "jet": "airplane"}


@dataclass(frozen=True)
class Prompt:
    """A prompt that can be answered, the kinds and colours that it names, and what must be said about it."""

    text: str
    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    notices: tuple[str, ...] = ()


def read_prompt(typed: str) -> Prompt:
    """A prompt as it was typed -> as it is answered. Raises RequestError where there is nothing to answer."""
    text = " ".join("".join(c if c.isprintable() else " " for c in typed).split())
    if not re.search(r"\w", text):
        raise RequestError("Wanted a few English words, such as 'a red car', and got none; type what shall be shown.")
    notices = []
    if len(text) > MOST_CHARACTERS:
        cut = text[:MOST_CHARACTERS].rsplit(" ", 1)[0]
        notices.append(f"The prompt has {len(text):,} characters; the first {len(cut)} are used.")
        text = cut
    kinds, colours = named(text)
    if not text.isascii():
        notices.append(_not_english(text))
    elif not kinds:
        notices.append(
            "The prompt names none of the 26 things that the mini models know (car, dog, house, tree, ...), so the "
            "picture will hardly show it; the models know English only."
        )
    return Prompt(text, kinds, colours, tuple(notices))


def named(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Kinds and colours that a text names, also by another word or in the plural, in the order of the vocabulary."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    words |= {word.removesuffix("s") for word in words}
    for kind, others in SYNONYMS.items():
        words |= {kind} if words & set(others) else set()
    words |= {meant for word, meant in MORE_NAMES.items() if word in words}
    return tuple(k for k in KINDS if k in words), tuple(c for c in COLOURS if c in words)


def _not_english(text: str) -> str:
    strange = "".join(dict.fromkeys(c for c in text if not c.isascii()))[:8]
    return f"The models know English only, and {strange!r} is not of it; the picture may not follow the prompt."
