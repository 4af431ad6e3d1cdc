"""Captions of scenes: one canonical sentence, and many paraphrases."""

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

# Verbs by which a paraphrase may describe a thing that does not move.
STANDING = ("standing", "waiting", "resting")


@dataclass(frozen=True)
class _Wording:
    """The choices of a sentence.

    Attributes
    ----------
    rng : Generator or None
        Random numbers of a paraphrase; None for the canonical sentence.
    sizes, background, actions : bool
        Which details the sentence names.
    """

    rng: np.random.Generator | None
    sizes: bool
    background: bool
    actions: bool

    def chance(self, share: float) -> bool:
        return self.rng is not None and bool(self.rng.random() < share)

    def word(self, word: str) -> str:
        """Return the word itself, or in a paraphrase sometimes a synonym."""
        others = SYNONYMS.get(word, ())
        if self.rng is None or not others or self.rng.random() < 0.6:
            return word
        return others[int(self.rng.integers(len(others)))]


def with_article(words: str) -> str:
    """Put "a" or "an" before words.

    Parameters
    ----------
    words : str
        Words.

    Returns
    -------
    str
        Words with their article.
    """
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def relation(scene: Scene, first: int, second: int) -> str:
    """Return the position of one thing relative to another.

    Parameters
    ----------
    scene : Scene
        Scene.
    first, second : int
        Numbers of the two things.

    Returns
    -------
    str
        "in front of" or "behind" where their boxes overlap by a tenth or more; else "to the left of", "to the right
        of", "above" or "below", along the longer of the two distances between their centres.
    """
    a, b = scene.things[first], scene.things[second]
    if overlap(a, b) >= 0.1:
        return "in front of" if first > second else "behind"
    dx, dy = a.x - b.x, a.y - b.y
    if abs(dx) >= abs(dy):
        return "to the left of" if dx < 0 else "to the right of"
    return "above" if dy < 0 else "below"


def _noun_phrase(thing: Thing, wording: _Wording) -> str:
    """Name a thing with its article, size (if the sentence names sizes), colour, and word."""
    size = [wording.word(thing.size)] if wording.sizes else []
    noun = wording.word(thing.kind)
    if thing.kind == "person":
        return f"{with_article(' '.join([*size, noun]))} in {thing.colour}"
    inscription = f" with the word {thing.word}" if thing.word else ""
    if thing.kind == "scissors":
        return f"{with_article(' '.join([*size, 'pair']))} of {thing.colour} scissors"
    return with_article(" ".join([*size, thing.colour, noun])) + inscription


def _doing(thing: Thing, wording: _Wording) -> str:
    """Return a verb such as "running"; for a still thing "", or sometimes in a paraphrase "standing"."""
    if thing.action == "still":
        return STANDING[int(wording.rng.integers(3))] if wording.rng is not None and wording.chance(0.2) else ""
    return thing.action if wording.actions else ""


def _described(thing: Thing, wording: _Wording) -> str:
    """Return a noun phrase with the action as an attribute: "a red dog that is running"."""
    doing = thing.action if thing.action != "still" and wording.actions else ""
    if not doing:
        return _noun_phrase(thing, wording)
    link = " " if wording.chance(0.5) else " that is "
    return _noun_phrase(thing, wording) + link + doing


def _clause(thing: Thing, wording: _Wording, tail: str) -> str:
    """Return a clause about one thing; `tail` follows its verb, such as its relation to another thing."""
    doing = _doing(thing, wording)
    phrase = _noun_phrase(thing, wording)
    if not doing and not tail:
        return f"there is {phrase}"
    if doing and not tail and wording.chance(0.3):
        return f"there is {phrase} {doing}"
    return " ".join(part for part in (phrase, "is", doing, tail) if part)


def _paired(scene: Scene, wording: _Wording) -> str:
    """Return a clause about the two nearest things of a scene and their relation."""
    last = len(scene.things) - 1
    first, second = (last - 1, last) if wording.chance(0.5) else (last, last - 1)
    position = relation(scene, first, second)
    return _clause(scene.things[first], wording, f"{position} {_described(scene.things[second], wording)}")


def _wording(scene: Scene, rng: np.random.Generator | None) -> _Wording:
    differ = len({thing.size for thing in scene.things}) > 1 or len(scene.things) == 1
    if rng is None:
        return _Wording(None, differ, True, True)
    keep = rng.random(3)
    return _Wording(rng, differ and keep[0] < 0.75, keep[1] < 0.85, keep[2] < 0.85)


def _listed(scene: Scene, wording: _Wording) -> str:
    """Return a paraphrase that lists the things without their relation."""
    phrases = [_described(thing, wording) for thing in scene.things]
    start = ("a picture of ", "a scene with ", "", "there is ")[int(wording.rng.integers(4))] if wording.rng else ""
    if len(phrases) == 1:
        return start + phrases[0]
    return f"{start}{', '.join(phrases[:-1])} and {phrases[-1]}"


def caption(scene: Scene, rng: np.random.Generator | None = None) -> str:
    """Describe a scene in an English sentence.

    Parameters
    ----------
    scene : Scene
        Scene.
    rng : Generator, optional
        Random numbers for a paraphrase: synonyms, another order, some details left out. Default: the canonical
        sentence, with the colour of every thing, its size where sizes differ (or where it is alone), its action, the
        relation of the two nearest things, and the background.

    Returns
    -------
    str
        Sentence with a full stop.
    """
    wording = _wording(scene, rng)
    background = wording.word(BACKGROUND_PHRASE[scene.background]) if wording.background else ""
    if wording.chance(0.25):
        return _finish_sentence(_listed(scene, wording), background, front=False)
    if len(scene.things) == 1:
        body, background = _clause(scene.things[0], wording, background), ""
    else:
        body = _paired(scene, wording)
        if len(scene.things) == 3:
            body += f", and {_clause(scene.things[0], wording, '')}"
    return _finish_sentence(body, background, front=len(scene.things) > 1 and not wording.chance(0.5))


def _finish_sentence(body: str, background: str, *, front: bool) -> str:
    """Put the background before or after the body, and add a capital letter and a full stop."""
    sentence = body if not background else f"{background}, {body}" if front else f"{body} {background}"
    return sentence[0].upper() + sentence[1:] + "."
