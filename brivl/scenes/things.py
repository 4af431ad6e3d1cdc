"""The vocabulary of things: kinds, colours, actions, sizes of their boxes, and the function that draws each kind."""

from __future__ import annotations

from types import MappingProxyType

from brivl.scenes.animals import ANIMALS
from brivl.scenes.buildings import BUILDINGS_AND_PLANTS
from brivl.scenes.objects import OBJECTS
from brivl.scenes.pen import Drawing
from brivl.scenes.people import PEOPLE
from brivl.scenes.vehicles import VEHICLES

CATEGORY = MappingProxyType(
    {
        "face": "face",
        "person": "body",
        "hand": "body",
        "dog": "animal",
        "cat": "animal",
        "horse": "animal",
        "elephant": "animal",
        "bird": "animal",
        "fish": "animal",
        "car": "vehicle",
        "bus": "vehicle",
        "boat": "vehicle",
        "airplane": "vehicle",
        "hammer": "tool",
        "scissors": "tool",
        "key": "tool",
        "house": "building",
        "castle": "building",
        "church": "building",
        "tree": "plant",
        "flower": "plant",
        "chair": "object",
        "cup": "object",
        "ball": "object",
        "umbrella": "object",
        "sign": "word",
    }
)
KINDS: tuple[str, ...] = tuple(CATEGORY)

COLOURS = MappingProxyType(
    {
        "red": (216, 44, 44),
        "orange": (243, 132, 29),
        "yellow": (250, 204, 38),
        "green": (62, 160, 72),
        "blue": (48, 102, 214),
        "purple": (134, 70, 178),
        "pink": (246, 138, 184),
        "brown": (122, 74, 40),
        "white": (244, 244, 242),
        "black": (40, 40, 46),
    }
)

ACTIONS = MappingProxyType(
    {
        "face": ("still", "smiling", "talking", "sleeping"),
        "person": ("still", "walking", "jumping", "waving"),
        "hand": ("still", "waving", "pointing"),
        "dog": ("still", "running", "jumping", "barking"),
        "cat": ("still", "walking", "jumping", "sleeping"),
        "horse": ("still", "running", "jumping"),
        "elephant": ("still", "walking", "spraying"),
        "bird": ("still", "flying", "singing"),
        "fish": ("still", "swimming", "jumping"),
        "car": ("still", "driving"),
        "bus": ("still", "driving"),
        "boat": ("still", "sailing"),
        "airplane": ("still", "flying"),
        "hammer": ("still", "hitting"),
        "scissors": ("still", "cutting"),
        "key": ("still", "turning"),
        "house": ("still", "smoking"),
        "castle": ("still",),
        "church": ("still", "ringing"),
        "tree": ("still", "swaying"),
        "flower": ("still", "swaying", "opening"),
        "chair": ("still", "rocking"),
        "cup": ("still", "steaming", "falling"),
        "ball": ("still", "bouncing", "rolling"),
        "umbrella": ("still", "floating", "spinning"),
        "sign": ("still", "flashing"),
    }
)

# Words on signs; short, so that they are legible in images of 64 pixels.
WORDS: tuple[str, ...] = ("stop", "open", "home", "love", "food", "sale", "exit", "taxi")

# Width and height of each drawing's box, in units of the thing's size.
EXTENT = MappingProxyType(
    {
        "face": (0.96, 1.06),
        "person": (0.62, 1.22),
        "hand": (0.86, 1.04),
        "dog": (1.12, 0.96),
        "cat": (1.0, 1.0),
        "horse": (1.16, 1.12),
        "elephant": (1.16, 1.0),
        "bird": (1.12, 0.92),
        "fish": (1.1, 0.74),
        "car": (1.24, 0.62),
        "bus": (1.28, 0.78),
        "boat": (1.08, 0.96),
        "airplane": (1.28, 0.7),
        "hammer": (0.94, 1.06),
        "scissors": (0.8, 1.08),
        "key": (1.06, 0.54),
        "house": (1.1, 1.02),
        "castle": (1.08, 1.06),
        "church": (0.88, 1.18),
        "tree": (0.86, 1.14),
        "flower": (0.76, 1.1),
        "chair": (0.74, 1.06),
        "cup": (0.86, 0.86),
        "ball": (0.86, 0.92),
        "umbrella": (1.04, 0.96),
        "sign": (1.1, 1.0),
    }
)

DRAWINGS: MappingProxyType[str, Drawing] = MappingProxyType(
    {**PEOPLE, **ANIMALS, **VEHICLES, **OBJECTS, **BUILDINGS_AND_PLANTS}
)

# Kinds that may be anywhere in the frame; the others stand on the ground unless they fly.
FREE: frozenset[str] = frozenset({"face", "hand", "hammer", "scissors", "key", "umbrella", "ball", "cup", "fish"})


def habitat(kind: str, action: str) -> str:
    """Return the part of the frame in which a thing may be.

    Parameters
    ----------
    kind : str
        Kind of the thing.
    action : str
        What it does.

    Returns
    -------
    str
        "air", "free" (anywhere) or "ground".
    """
    if action == "flying":
        return "air"
    if kind == "ball" and action == "rolling":
        return "ground"
    if kind == "cup" and action != "falling":
        return "ground"
    return "free" if kind in FREE else "ground"
