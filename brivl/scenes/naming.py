"""Which thing of a scene a phrase names."""

from __future__ import annotations

import re

from brivl.scenes.captions import SYNONYMS
from brivl.scenes.scene import Scene
from brivl.scenes.things import COLOURS, KINDS

_KIND_OF = {word: kind for kind in KINDS for word in (kind, *SYNONYMS.get(kind, ()))}


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
