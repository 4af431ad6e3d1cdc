"""Which thing of a scene a phrase names."""

from __future__ import annotations

import re

from brivl.scenes.backgrounds import BACKGROUND_PHRASE
from brivl.scenes.captions import SYNONYMS
from brivl.scenes.scene import SIZES, Scene
from brivl.scenes.things import ACTIONS, COLOURS, KINDS, WORDS

_KIND_OF = {word: kind for kind in KINDS for word in (kind, *SYNONYMS.get(kind, ()))}

_GRAMMAR = (
    "a an the of to in on at and is are that there this with without it its near next left right above below behind "
    "front picture scene photo showing pair word standing waiting resting"
)
_SAID = (*KINDS, *COLOURS, *SIZES, *WORDS, *SYNONYMS, *BACKGROUND_PHRASE.values(), _GRAMMAR)
_SAID_TOO = [word for words in (*SYNONYMS.values(), *ACTIONS.values()) for word in words]
VOCABULARY = frozenset(re.findall(r"[a-z]+", " ".join((*_SAID, *_SAID_TOO)).lower()))


def kind_of(word: str) -> str:
    """The kind of things that a word names, "" for none."""
    return _KIND_OF.get(word.lower(), "")


def is_kind(word: str) -> bool:
    """Whether a word is a name of things, not of their colour."""
    return bool(kind_of(word))


def vocabulary_share(text: str) -> float:
    """Share of a text's words that captions of scenes are made of, in the singular or plural; 1 for no word."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    return sum(w in VOCABULARY or w.removesuffix("s") in VOCABULARY for w in words) / len(words) if words else 1.0


def named_thing(scene: Scene, phrase: str) -> int | None:
    """Index of the one thing that fits every kind and colour word of the phrase; None for none, or more than one.

    "car" and "a red automobile" name the red car; "red" does if nothing else in the scene is red.
    """
    words = re.findall(r"[a-z]+", phrase.lower())
    kinds = {_KIND_OF[w] for w in words if w in _KIND_OF}
    colours = {w for w in words if w in COLOURS}
    if not kinds and not colours:
        return None
    fits = [i for i, thing in enumerate(scene.things) if kinds <= {thing.kind} and colours <= {thing.colour}]
    return fits[0] if len(fits) == 1 else None
