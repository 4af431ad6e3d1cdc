"""Content vectors: counts of what a scene shows, and the same counts of what a text names."""

from __future__ import annotations

import re
from types import MappingProxyType

import numpy as np

from brivl.scenes.backgrounds import BACKGROUND_PHRASE, BACKGROUNDS
from brivl.scenes.captions import SYNONYMS
from brivl.scenes.naming import kind_of
from brivl.scenes.scene import Scene
from brivl.scenes.things import CATEGORY, COLOURS

CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(CATEGORY.values()))
CONTENT: tuple[str, ...] = (*CATEGORIES, *BACKGROUNDS, *COLOURS)  # columns of a content vector
_PHRASES = MappingProxyType(
    {background: (phrase, *SYNONYMS.get(phrase, ())) for background, phrase in BACKGROUND_PHRASE.items()}
)


def content_of_scene(scene: Scene) -> np.ndarray:
    """Count what a scene shows.

    Parameters
    ----------
    scene : Scene
        Scene.

    Returns
    -------
    (len(CONTENT),) array
        Number of things of each category and of each colour, and 1 for the background.
    """
    counts = np.zeros(len(CONTENT))
    for thing in scene.things:
        counts[CONTENT.index(CATEGORY[thing.kind])] += 1
        counts[CONTENT.index(thing.colour)] += 1
    counts[CONTENT.index(scene.background)] = 1
    return counts


def content_of_text(text: str) -> np.ndarray:
    """Count what a text names.

    Parameters
    ----------
    text : str
        Text in the vocabulary of the captions.

    Returns
    -------
    (len(CONTENT),) array
        The same counts as of a scene; a kind or colour that is named twice counts once.
    """
    words = set(re.findall(r"[a-z]+", text.lower()))
    counts = np.zeros(len(CONTENT))
    for kind in {kind_of(word) for word in words} - {""}:
        counts[CONTENT.index(CATEGORY[kind])] += 1
    for colour in words & set(COLOURS):
        counts[CONTENT.index(colour)] += 1
    for background, phrases in _PHRASES.items():
        if any(phrase in text.lower() for phrase in phrases):
            counts[CONTENT.index(background)] = 1
    return counts
