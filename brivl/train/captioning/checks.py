"""Which things of a scene a sentence mentions, with the right colour."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from brivl.scenes.captions import SYNONYMS
from brivl.scenes.scene import Scene
from brivl.scenes.things import COLOURS, KINDS

NOUNS = {kind: kind for kind in KINDS} | {other: kind for kind in KINDS for other in SYNONYMS.get(kind, ())}
_COLOUR, _NOUN = "|".join(COLOURS), "|".join(NOUNS)
# "a red dog"; "a person in red"; "a pair of red scissors"
COLOUR_FIRST = re.compile(rf"\b({_COLOUR}) ({_NOUN})\b")
COLOUR_LAST = re.compile(rf"\b(person) in ({_COLOUR})\b")


@dataclass(frozen=True)
class ThingScores:
    """Shares (0..1) of scenes and of their things."""

    exact_match: float  # scenes whose (object, colour) pairs are mentioned, all of them and no other, in any order
    thing_match: float  # things mentioned with the right colour
    object_match: float  # things mentioned with any colour


def mentioned_things(sentence: str) -> Counter[tuple[str, str]]:
    """Find the things that a sentence mentions with a colour.

    Parameters
    ----------
    sentence
        A caption of a scene.

    Returns
    -------
    Counter
        (kind, colour) pairs; synonyms of a kind count as the kind.
    """
    text = sentence.lower()
    pairs = [(NOUNS[noun], colour) for colour, noun in COLOUR_FIRST.findall(text)]
    return Counter(pairs + [(noun, colour) for noun, colour in COLOUR_LAST.findall(text)])


def score_things(scenes: Sequence[Scene], sentences: Sequence[str]) -> ThingScores:
    """Measure how often sentences mention the things of their scenes with the right colours.

    Parameters
    ----------
    scenes
        Scenes.
    sentences
        A sentence about each scene.

    Returns
    -------
    ThingScores
        Shares of scenes and things.
    """
    exact, things, objects, total = 0, 0, 0, 0
    for scene, sentence in zip(scenes, sentences, strict=True):
        present, mentioned = Counter((t.kind, t.colour) for t in scene.things), mentioned_things(sentence)
        exact += present == mentioned
        things += (present & mentioned).total()
        objects += (Counter(k for k, _ in present.elements()) & Counter(k for k, _ in mentioned.elements())).total()
        total += present.total()
    return ThingScores(round(exact / len(scenes), 4), round(things / total, 4), round(objects / total, 4))
