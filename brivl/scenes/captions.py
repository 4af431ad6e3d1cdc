"""Sentences that say what a scene shows: one canonical sentence, and many paraphrases."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from brivl.scenes.backgrounds import BACKGROUND_PHRASE
from brivl.scenes.scene import Scene, Thing, overlap

# Other words for the same thing, used in paraphrases only.
SYNONYMS = MappingProxyType(
    {
        "car": ("automobile",),
        "airplane": ("plane", "jet"),
        "dog": ("puppy",),
        "cat": ("kitten",),
        "horse": ("pony",),
        "boat": ("ship",),
        "cup": ("mug",),
        "house": ("home",),
        "church": ("chapel",),
        "castle": ("fortress",),
        "large": ("big", "huge"),
        "small": ("little", "tiny"),
        "in a meadow": ("in a grassy field", "on the grass"),
        "on a beach": ("by the sea", "on the sand"),
        "on a street": ("on a road", "in the street"),
        "in a kitchen": ("in the kitchen",),
        "in a forest": ("in the woods", "among the trees"),
        "in a desert": ("in the desert",),
        "in the snowy mountains": ("on a snowy mountain", "in the snow"),
        "in a city at night": ("in the city at night", "in a dark city"),
        "under the sea": ("under water", "at the bottom of the sea"),
        "in a living room": ("in a room", "inside a house"),
    }
)

# How the verb of a paraphrase may describe a thing that does not move.
STANDING = ("standing", "waiting", "resting")


@dataclass(frozen=True)
class _Wording:
    """What a sentence says and how: details kept, and the source of chance (None for the canonical sentence)."""

    rng: np.random.Generator | None
    sizes: bool
    place: bool
    actions: bool

    def chance(self, share: float) -> bool:
        return self.rng is not None and bool(self.rng.random() < share)

    def word(self, word: str) -> str:
        """The word itself, or in a paraphrase now and then another one for the same."""
        others = SYNONYMS.get(word, ())
        if self.rng is None or not others or self.rng.random() < 0.6:
            return word
        return others[int(self.rng.integers(len(others)))]


def with_article(words: str) -> str:
    """The words with "a" or "an" before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def relation(scene: Scene, first: int, second: int) -> str:
    """Where thing `first` is as seen from thing `second`.

    "in front of" or "behind" where their boxes overlap by a tenth or more; else "to the left of", "to the right of",
    "above" or "below" along the longer of the two distances between their centres.
    """
    a, b = scene.things[first], scene.things[second]
    if overlap(a, b) >= 0.1:
        return "in front of" if first > second else "behind"
    dx, dy = a.x - b.x, a.y - b.y
    if abs(dx) >= abs(dy):
        return "to the left of" if dx < 0 else "to the right of"
    return "above" if dy < 0 else "below"


def noun_phrase(thing: Thing, wording: _Wording) -> str:
    """The thing with its article, size (if wanted), colour, and what it wears or carries."""
    size = [wording.word(thing.size)] if wording.sizes else []
    noun = wording.word(thing.kind)
    if thing.kind == "person":
        return f"{with_article(' '.join([*size, noun]))} in {thing.colour}"
    carried = f" with the word {thing.word}" if thing.word else ""
    if thing.kind == "scissors":
        return f"{with_article(' '.join([*size, 'pair']))} of {thing.colour} scissors"
    return with_article(" ".join([*size, thing.colour, noun])) + carried


def _doing(thing: Thing, wording: _Wording) -> str:
    """ "running", or for a still thing nothing (in paraphrases sometimes "standing")."""
    if thing.action == "still":
        return STANDING[int(wording.rng.integers(3))] if wording.rng is not None and wording.chance(0.2) else ""
    return thing.action if wording.actions else ""


def _described(thing: Thing, wording: _Wording) -> str:
    """Noun phrase with the action as an attribute: "a red dog that is running"."""
    doing = thing.action if thing.action != "still" and wording.actions else ""
    if not doing:
        return noun_phrase(thing, wording)
    link = " " if wording.chance(0.5) else " that is "
    return noun_phrase(thing, wording) + link + doing


def _clause(thing: Thing, wording: _Wording, tail: str) -> str:
    """A clause about one thing and what follows its verb, such as its relation to another thing."""
    doing = _doing(thing, wording)
    phrase = noun_phrase(thing, wording)
    if not doing and not tail:
        return f"there is {phrase}"
    if doing and not tail and wording.chance(0.3):
        return f"there is {phrase} {doing}"
    return " ".join(part for part in (phrase, "is", doing, tail) if part)


def _paired(scene: Scene, wording: _Wording) -> str:
    """Clause about the two nearest things of a scene and how they stand to each other."""
    last = len(scene.things) - 1
    first, second = (last - 1, last) if wording.chance(0.5) else (last, last - 1)
    where = relation(scene, first, second)
    return _clause(scene.things[first], wording, f"{where} {_described(scene.things[second], wording)}")


def _wording(scene: Scene, rng: np.random.Generator | None) -> _Wording:
    differ = len({thing.size for thing in scene.things}) > 1 or len(scene.things) == 1
    if rng is None:
        return _Wording(None, differ, True, True)
    keep = rng.random(3)
    return _Wording(rng, differ and keep[0] < 0.75, keep[1] < 0.85, keep[2] < 0.85)


def _listed(scene: Scene, wording: _Wording) -> str:
    """Paraphrase that lists the things without saying how they stand to each other."""
    phrases = [_described(thing, wording) for thing in scene.things]
    start = ("a picture of ", "a scene with ", "", "there is ")[int(wording.rng.integers(4))] if wording.rng else ""
    if len(phrases) == 1:
        return start + phrases[0]
    return f"{start}{', '.join(phrases[:-1])} and {phrases[-1]}"


def caption(scene: Scene, rng: np.random.Generator | None = None) -> str:
    """An English sentence about the scene.

    Without rng it is the full canonical sentence: every thing with its colour, its size where sizes differ (or where
    it is alone), its action, how the two nearest things stand to each other, and the place. With rng it is a
    paraphrase: other words, another frame, some details left out.
    """
    wording = _wording(scene, rng)
    place = wording.word(BACKGROUND_PHRASE[scene.background]) if wording.place else ""
    if wording.chance(0.25):
        return finish_sentence(_listed(scene, wording), place, front=False)
    else:
        body = _clause(scene.things[0], wording, place) if len(scene.things) == 1 else _paired(scene, wording)
        if len(scene.things) == 1:
            place = ""
        if len(scene.things) == 3:
            body += f", and {_clause(scene.things[0], wording, '')}"
    return finish_sentence(body, place, front=len(scene.things) > 1 and not wording.chance(0.5))


def finish_sentence(body: str, place: str, *, front: bool) -> str:
    """The sentence with its place before or after the body, a capital letter and a full stop."""
    sentence = body if not place else f"{place}, {body}" if front else f"{body} {place}"
    return sentence[0].upper() + sentence[1:] + "."
