"""Drawings of buildings and plants: house, castle, church, tree, flower."""

from __future__ import annotations

import math
from types import MappingProxyType

from brivl.scenes.pen import (
    GLASS,
    GLASS_DARK,
    GOLD,
    INK,
    LEAF,
    LEAF_DARK,
    RGB,
    WHITE,
    WOOD,
    WOOD_DARK,
    Drawing,
    Pen,
    Pose,
    Tones,
    mix,
)

ROOF: RGB = (104, 92, 108)
ROOF_DARK: RGB = (78, 68, 86)
LIT: RGB = (255, 226, 128)


def _window(pen: Pen, x: float, y: float, size: tuple[float, float], glass: RGB) -> None:
    w, h = size
    pen.box((x - w / 2 - 0.015, y - h / 2 - 0.015, x + w / 2 + 0.015, y + h / 2 + 0.02), WHITE)
    pen.box((x - w / 2, y - h / 2, x + w / 2, y + h / 2), glass)
    pen.limb((x, y - h / 2), (x, y + h / 2), (0.014, 0.014), WHITE)
    pen.limb((x - w / 2, y), (x + w / 2, y), (0.014, 0.014), WHITE)


def _draw_house(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a house: walls in the main colour, pitched roof, door, two windows; smoke rises when it is smoking."""
    if pose.action == "smoking":
        for k in range(4):
            rise = (pose.phase + k / 4) % 1
            pen.unowned().dot(
                0.27 + 0.06 * math.sin(6 * rise),
                -0.46 - 0.2 * rise,
                0.035 + 0.045 * rise,
                mix((235, 235, 238), (205, 208, 216), rise),
            )
    pen.box((0.21, -0.44, 0.33, -0.14), (158, 100, 84))
    pen.box((0.19, -0.46, 0.35, -0.4), (128, 78, 66))
    pen.box((-0.43, -0.16, 0.43, 0.5), tones.main)
    pen.poly(((-0.43, -0.16), (0.0, -0.42), (0.43, -0.16)), tones.main)
    pen.box((-0.43, 0.42, 0.43, 0.5), tones.dark)
    pen.box((0.36, -0.1, 0.43, 0.5), tones.dark)
    pen.limb((-0.49, -0.12), (0.0, -0.45), (0.11, 0.11), ROOF)
    pen.limb((0.0, -0.45), (0.49, -0.12), (0.11, 0.11), ROOF_DARK)
    pen.box((-0.09, 0.14, 0.1, 0.5), WOOD_DARK)
    pen.box((-0.07, 0.16, 0.08, 0.5), WOOD)
    pen.dot(0.05, 0.33, 0.017, GOLD)
    glass = LIT if pose.action == "smoking" else GLASS
    for x in (-0.27, 0.26):
        _window(pen, x, 0.16, (0.15, 0.18), glass)
    pen.dot(0.0, -0.17, 0.085, WHITE)
    pen.dot(0.0, -0.17, 0.066, glass)


def _tower(pen: Pen, tones: Tones, x: float, top: float, width: float) -> None:
    half = width / 2
    pen.box((x - half, top, x + half, 0.5), tones.main)
    pen.box((x + half * 0.45, top, x + half, 0.5), tones.dark)
    for k in range(3):
        left = x - half - 0.02 + k * (width + 0.04 - 0.06) / 2
        pen.box((left, top - 0.09, left + 0.06, top), tones.main)
    pen.box((x - half - 0.02, top - 0.03, x + half + 0.02, top + 0.04), tones.main)
    pen.limb((x - half, top + 0.055), (x + half, top + 0.055), (0.02, 0.02), tones.dark)
    pen.limb((x - 0.01, top + 0.15), (x - 0.01, top + 0.22), (0.06, 0.06), INK if sum(tones.main) > 150 else LIT)


def _draw_castle(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a castle: two outer towers, a keep with battlements, a gate, flags that wave in the wind."""
    _flag(pen.moved(0.0, -0.34), pose, tones)
    _tower(pen, tones, 0.0, -0.24, 0.3)
    pen.box((-0.4, 0.08, 0.4, 0.5), tones.main)
    for k in range(7):
        x = -0.36 + 0.12 * k
        pen.box((x - 0.03, 0.02, x + 0.03, 0.1), tones.main)
    pen.limb((-0.36, 0.13), (0.36, 0.13), (0.018, 0.018), tones.dark)
    for x in (-0.4, 0.4):
        _tower(pen, tones, x, -0.06, 0.23)
    pen.box((-0.11, 0.3, 0.11, 0.5), WOOD_DARK)
    pen.dot(0.0, 0.3, 0.11, WOOD_DARK)
    for x in (-0.05, 0.0, 0.05):
        pen.limb((x, 0.23), (x, 0.49), (0.014, 0.014), INK)
    for k, x in enumerate((-0.24, 0.22)):
        pen.limb((x, 0.24), (x, 0.32 + 0.0 * k), (0.05, 0.05), INK if sum(tones.main) > 150 else LIT)


def _flag(pen: Pen, pose: Pose, tones: Tones) -> None:
    wave = 0.03 * pose.swing() if pose.action != "still" else 0.0
    pen.limb((0, 0.02), (0, -0.19), (0.02, 0.02), INK)
    pen.blob(
        (
            (0.0, -0.19),
            (0.09, -0.19 + wave),
            (0.2, -0.17 - wave),
            (0.19, -0.08 - wave),
            (0.09, -0.1 + wave),
            (0.0, -0.09),
        ),
        tones.trim,
    )


def _draw_church(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a church: a nave, a tall steeple with a cross, pointed windows; the bell swings when it is ringing."""
    pen.limb((-0.2, -0.58), (-0.2, -0.46), (0.026, 0.026), GOLD)
    pen.limb((-0.245, -0.545), (-0.155, -0.545), (0.024, 0.024), GOLD)
    pen.box((-0.06, 0.0, 0.4, 0.55), tones.main)
    pen.poly(((-0.1, 0.02), (-0.02, -0.16), (0.36, -0.16), (0.45, 0.02)), ROOF)
    pen.box((-0.06, 0.48, 0.4, 0.55), tones.dark)
    pen.box((-0.37, -0.2, -0.03, 0.55), tones.main)
    pen.box((-0.1, -0.2, -0.03, 0.55), tones.dark)
    pen.poly(((-0.41, -0.18), (-0.2, -0.5), (0.01, -0.18)), ROOF)
    pen.poly(((-0.2, -0.5), (0.01, -0.18), (-0.12, -0.18)), ROOF_DARK)
    pen.limb((-0.22, -0.07), (-0.22, -0.0), (0.15, 0.15), INK)
    bell = pen.moved(-0.22, -0.1, turn=26 * pose.swing() if pose.action == "ringing" else 0)
    bell.blob(((0.0, -0.01), (0.04, 0.04), (0.06, 0.11), (0.0, 0.12), (-0.06, 0.11), (-0.04, 0.04)), GOLD)
    if pose.action == "ringing":
        for side in (-1, 1):
            pen.unowned().ribbon(
                ((-0.2 + side * 0.24, -0.15), (-0.2 + side * 0.29, -0.06), (-0.2 + side * 0.24, 0.03)),
                (0.025, 0.025),
                WHITE,
            )
    pen.box((-0.29, 0.32, -0.13, 0.55), WOOD_DARK)
    pen.dot(-0.21, 0.32, 0.08, WOOD_DARK)
    for x in (0.07, 0.2, 0.33):
        pen.limb((x, 0.18), (x, 0.34), (0.075, 0.075), GLASS_DARK)
        pen.limb((x, 0.18), (x, 0.34), (0.02, 0.02), GLASS)


def _draw_tree(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a tree: trunk and a round crown of leaves in the main colour; sways in the wind."""
    lean = 7 * pose.swing() if pose.action == "swaying" else 0.0
    pen.poly(((-0.08, 0.56), (-0.05, 0.05), (0.05, 0.05), (0.08, 0.56), (0.0, 0.53)), WOOD)
    pen.poly(((0.02, 0.54), (0.02, 0.05), (0.05, 0.05), (0.08, 0.56)), WOOD_DARK)
    pen.limb((0.0, 0.26), (0.15, 0.1), (0.05, 0.04), WOOD)
    crown = pen.moved(0, 0.2, turn=lean).moved(0, -0.2)
    lobes = (
        (0.0, -0.34, 0.22),
        (-0.2, -0.2, 0.2),
        (0.21, -0.2, 0.2),
        (-0.22, 0.02, 0.18),
        (0.22, 0.02, 0.18),
        (0.0, 0.02, 0.2),
    )
    for x, y, r in lobes:
        crown.dot(x, y + 0.025, r, tones.dark)
    for x, y, r in lobes:
        crown.dot(x - 0.012, y - 0.015, r * 0.93, tones.main)
    crown.dot(0, -0.14, 0.24, tones.main)
    for x, y in ((-0.1, -0.38), (-0.25, -0.2), (0.08, -0.16), (-0.08, 0.0)):
        crown.ribbon(((x - 0.06, y + 0.03), (x, y - 0.03), (x + 0.07, y)), (0.02, 0.035), tones.light)


def _draw_flower(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a flower: eight petals in the main colour round a golden heart, stalk and two leaves; sways or opens."""
    lean = 9 * pose.swing() if pose.action == "swaying" else 0.0
    head = pen.moved(0, 0.5, turn=lean).moved(0, -0.5)
    bend = 0.006 * lean
    pen.ribbon(((0.0, 0.54), (0.03, 0.3), (bend, -0.1)), (0.05, 0.045), LEAF_DARK)
    pen.blob(((0.02, 0.4), (0.14, 0.2), (0.32, 0.16), (0.24, 0.34)), LEAF)
    pen.blob(((0.02, 0.46), (-0.12, 0.28), (-0.3, 0.26), (-0.22, 0.42)), LEAF_DARK)
    opening = 0.62 + 0.38 * (0.5 + 0.5 * pose.swing()) if pose.action == "opening" else 1.0
    centre = head.moved(0, -0.2)
    for k in range(8):
        petal = centre.moved(turn=45 * k + 10)
        petal.oval((0, -0.21 * opening), (0.105, 0.14 * opening), tones.dark)
        petal.oval((-0.01, -0.21 * opening), (0.092, 0.128 * opening), tones.main)
        petal.limb((0, -0.12 * opening), (0, -0.22 * opening), (0.02, 0.012), tones.light)
    heart = GOLD if tones.main not in ((250, 204, 38), (243, 132, 29)) else (126, 80, 44)
    centre.dot(0, 0, 0.12, mix(heart, INK, 0.2))
    centre.dot(-0.01, -0.012, 0.1, heart)


BUILDINGS_AND_PLANTS: MappingProxyType[str, Drawing] = MappingProxyType(
    {
        "house": _draw_house,
        "castle": _draw_castle,
        "church": _draw_church,
        "tree": _draw_tree,
        "flower": _draw_flower,
    }
)
