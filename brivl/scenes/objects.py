"""Drawings of tools and objects: hammer, scissors, key, chair, cup, ball, umbrella, sign."""

from __future__ import annotations

import math
from types import MappingProxyType

from brivl.scenes.pen import (
    INK,
    RGB,
    STEEL,
    STEEL_DARK,
    WHITE,
    WOOD,
    WOOD_DARK,
    Drawing,
    Pen,
    Pose,
    Tones,
    luminance,
    mix,
)

HOT: RGB = (246, 246, 248)


def _draw_hammer(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a hammer: head and grip in the main colour; swings about its grip when hitting."""
    turn = -22 + 34 * pose.swing() if pose.action == "hitting" else 24
    pen = pen.moved(0, 0.06, turn=turn, scale=0.94)
    pen.limb((0.0, -0.26), (0.0, 0.44), (0.1, 0.12), WOOD)
    pen.limb((0.03, -0.26), (0.035, 0.44), (0.03, 0.04), WOOD_DARK)
    pen.limb((0.0, 0.06), (0.0, 0.44), (0.16, 0.18), tones.main)
    for y in (0.14, 0.24, 0.34):
        pen.limb((-0.06, y), (0.06, y), (0.02, 0.02), tones.dark)
    pen.blob(((-0.1, -0.44), (-0.26, -0.42), (-0.42, -0.24), (-0.46, -0.12), (-0.3, -0.2), (-0.1, -0.22)), tones.main)
    pen.box((-0.14, -0.47, 0.26, -0.19), tones.main, 0.04)
    pen.box((-0.14, -0.28, 0.26, -0.19), tones.dark, 0.03)
    pen.box((0.24, -0.5, 0.4, -0.16), tones.main, 0.04)
    pen.box((0.34, -0.5, 0.4, -0.16), tones.dark, 0.03)
    pen.limb((-0.08, -0.42), (0.2, -0.42), (0.035, 0.035), tones.light)
    if pose.action == "hitting":
        sparks = pen.unowned().moved(0.5, -0.33)
        for angle in (-60, 0, 60):
            sparks.moved(turn=angle).limb((0.01, 0), (0.1, 0), (0.03, 0.02), WHITE)


def _draw_scissors(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw scissors: broad blades and handles in the main colour; open and shut when cutting."""
    gape = 16 + 14 * pose.swing() if pose.action == "cutting" else 20
    for side in (-1, 1):
        half = pen.moved(0, 0.02, turn=side * gape)
        shade = tones.main if side > 0 else tones.dark
        half.poly(((-0.055, 0.06), (-0.075, -0.12), (side * 0.01, -0.52), (0.075, -0.12), (0.055, 0.06)), STEEL)
        half.poly(((0.0, 0.06), (0.0, -0.2), (side * 0.01, -0.52), (0.075, -0.12), (0.055, 0.06)), STEEL_DARK)
        half.limb((0, 0.0), (-side * 0.06, 0.2), (0.15, 0.14), shade)
        ring = half.moved(-side * 0.1, 0.34, turn=side * 14)
        _ring(ring, (0.145, 0.185), 0.085, shade)
    pen.dot(0, 0.02, 0.05, STEEL)
    pen.dot(0, 0.02, 0.02, STEEL_DARK)


def _ring(pen: Pen, radii: tuple[float, float], width: float, colour: RGB) -> None:
    """A ring with a true hole, so that what lies behind shows through."""
    corners = tuple((math.cos(math.pi * k / 12), math.sin(math.pi * k / 12)) for k in range(25))
    outer = tuple((x * (radii[0] + width / 2), y * (radii[1] + width / 2)) for x, y in corners)
    inner = tuple((x * (radii[0] - width / 2), y * (radii[1] - width / 2)) for x, y in corners)
    half = len(corners) // 2
    for part in (slice(0, half + 1), slice(half, None)):
        pen.poly(outer[part] + inner[part][::-1], colour)


def _draw_key(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a key with a round bow and a toothed bit in the main colour; turns when turning."""
    pen = pen.moved(turn=36 * pose.swing() if pose.action == "turning" else -12)
    _ring(pen.moved(-0.32, 0), (0.17, 0.17), 0.11, tones.main)
    pen.limb((-0.14, 0.0), (0.5, 0.0), (0.11, 0.1), tones.main)
    for x, length in ((0.25, 0.16), (0.36, 0.21), (0.47, 0.16)):
        pen.box((x - 0.035, 0.0, x + 0.035, length), tones.main)
        pen.box((x + 0.015, 0.03, x + 0.035, length), tones.dark)
    pen.limb((-0.1, -0.02), (0.46, -0.02), (0.025, 0.025), tones.light)
    pen.limb((-0.14, 0.04), (0.48, 0.04), (0.02, 0.02), tones.dark)
    pen.box((-0.16, -0.08, -0.1, 0.08), tones.dark, 0.02)


def _draw_chair(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a chair seen from an angle, its back, seat and legs in the main colour; rocks on its feet when rocking."""
    rocking = pose.action == "rocking"
    if rocking:
        pen = pen.moved(0, 0.5, turn=13 * pose.swing()).moved(0, -0.5)
        pen.ribbon(((-0.4, 0.44), (-0.2, 0.52), (0.15, 0.52), (0.4, 0.43)), (0.06, 0.06), tones.dark)
    for x0, x1 in ((-0.16, -0.2), (0.28, 0.31)):
        pen.limb((x0, 0.1), (x1, 0.42), (0.07, 0.06), tones.dark)
    for x0, x1 in ((-0.26, -0.29), (0.2, 0.21)):
        pen.limb((x0, 0.12), (x1, 0.49), (0.08, 0.07), tones.main)
    pen.box((-0.31, -0.52, -0.21, 0.14), tones.main, 0.04)
    pen.box((0.13, -0.52, 0.23, 0.1), tones.main, 0.04)
    pen.box((-0.26, -0.5, 0.18, -0.14), tones.main, 0.05)
    for x in (-0.13, 0.0):
        pen.box((x - 0.005, -0.42, x + 0.065, -0.2), tones.dark, 0.02)
    pen.limb((-0.24, -0.48), (0.16, -0.48), (0.03, 0.03), tones.light)
    pen.poly(((-0.33, 0.1), (-0.2, -0.0), (0.32, -0.0), (0.27, 0.1)), tones.light)
    pen.box((-0.34, 0.09, 0.28, 0.17), tones.main, 0.03)
    pen.poly(((0.27, 0.1), (0.33, 0.0), (0.33, 0.07), (0.27, 0.17)), tones.dark)


def _draw_cup(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a cup with a handle and a band; gives off steam when steaming, tilts when falling."""
    if pose.action == "falling":
        pen = pen.moved(turn=45 + 40 * pose.swing())
    if pose.action == "steaming":
        for k in range(3):
            x, sway = -0.18 + 0.15 * k, 0.04 * pose.swing(k / 3)
            pen.unowned().ribbon(
                ((x, -0.22), (x + 0.04 + sway, -0.31), (x - 0.03 + sway, -0.4), (x + sway, -0.5)), (0.04, 0.02), HOT
            )
    _ring(pen.moved(0.32, 0.08), (0.13, 0.15), 0.075, tones.dark)
    pen.blob(
        (
            (-0.37, -0.18),
            (0.0, -0.2),
            (0.33, -0.18),
            (0.31, 0.15),
            (0.22, 0.36),
            (-0.02, 0.4),
            (-0.26, 0.36),
            (-0.35, 0.15),
        ),
        tones.main,
    )
    pen.blob(((0.16, -0.14), (0.32, -0.16), (0.3, 0.15), (0.21, 0.35), (0.06, 0.38), (0.15, 0.2)), tones.dark)
    pen.limb((-0.26, -0.04), (-0.22, 0.22), (0.06, 0.04), tones.light)
    pen.oval((-0.02, -0.17), (0.35, 0.085), tones.light)
    pen.oval((-0.02, -0.16), (0.3, 0.06), (104, 66, 44))


def _draw_ball(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a ball with curved bands and a star; bounces (squashed at the floor) or rolls."""
    if pose.action == "bouncing":
        pen = pen.moved(0, 0.06 - 0.14 * pose.hop())
        for x in (-0.24, 0.0, 0.24):
            pen.unowned().limb((x, 0.5), (x, 0.58), (0.03, 0.02), WHITE)
    if pose.action == "rolling":
        for y in (-0.2, 0.0, 0.2):
            pen.unowned().limb((-0.62 + 0.06 * pose.swing(y), y), (-0.48, y), (0.02, 0.035), WHITE)
    pen.dot(0, 0, 0.42, tones.dark)
    pen.oval((-0.025, -0.03), (0.39, 0.385), tones.main)
    spun = pen.moved(turn=360 * pose.phase if pose.action == "rolling" else 20)
    spun.ribbon(((-0.23, -0.31), (-0.1, 0.0), (-0.23, 0.31)), (0.06, 0.06), tones.trim)
    spun.ribbon(((0.23, -0.31), (0.1, 0.0), (0.23, 0.31)), (0.06, 0.06), tones.trim)
    pen.oval((-0.16, -0.22), (0.09, 0.055), tones.light, turn=-35)


def _draw_umbrella(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw an open umbrella with scalloped edge and hooked handle; turns or floats in the wind."""
    turn = {"floating": 16 * pose.swing(), "spinning": 0.0}.get(pose.action, 8.0)
    pen = pen.moved(0, 0.02 * pose.swing() if pose.action == "floating" else 0, turn=turn)
    pen.limb((0.0, -0.48), (0.0, 0.36), (0.035, 0.035), WOOD_DARK)
    pen.ribbon(((0.0, 0.34), (0.03, 0.45), (0.12, 0.45), (0.15, 0.36)), (0.045, 0.045), WOOD_DARK)
    pen.blob(
        (
            (-0.5, 0.02),
            (-0.44, -0.2),
            (-0.24, -0.38),
            (0.0, -0.43),
            (0.24, -0.38),
            (0.44, -0.2),
            (0.5, 0.02),
            (0.34, -0.06),
            (0.17, 0.02),
            (0.0, -0.06),
            (-0.17, 0.02),
            (-0.34, -0.06),
        ),
        tones.main,
    )
    shift = 0.09 * pose.swing() if pose.action == "spinning" else 0.0
    pen.blob(
        (
            (-0.02, -0.425),
            (0.16 + shift, -0.22),
            (0.18 + shift, 0.0),
            (0.0 + shift, -0.06),
            (-0.17 + shift, 0.0),
            (-0.14 + shift, -0.22),
        ),
        tones.dark if luminance(tones.main) > 60 else tones.light,
    )
    pen.blob(
        (
            (-0.01, -0.42),
            (0.12 + shift, -0.22),
            (0.14 + shift, 0.0),
            (shift, -0.055),
            (-0.13 + shift, 0.0),
            (-0.1 + shift, -0.22),
        ),
        tones.main,
    )
    pen.ribbon(((-0.4, -0.16), (-0.3, -0.28), (-0.16, -0.36)), (0.03, 0.03), tones.light)
    if pose.action == "spinning":
        for side in (-1, 1):
            pen.unowned().ribbon(((side * 0.3, 0.14), (side * 0.42, 0.17), (side * 0.52, 0.11)), (0.03, 0.02), WHITE)


def _draw_sign(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a board on a post carrying a printed word; lamps round its edge blink when flashing."""
    pen.limb((0.0, 0.0), (0.0, 0.48), (0.07, 0.08), STEEL_DARK)
    pen.limb((-0.015, 0.0), (-0.015, 0.48), (0.02, 0.025), STEEL)
    pen.box((-0.55, -0.43, 0.55, 0.17), tones.dark, 0.07)
    pen.box((-0.55, -0.45, 0.55, 0.14), tones.main, 0.07)
    letters = WHITE if luminance(tones.main) < 150 else INK
    for box in ((-0.49, -0.4, 0.49, -0.375), (-0.49, 0.065, 0.49, 0.09)):
        pen.box(box, mix(tones.main, letters, 0.75))
    pen.write(pose.word.upper(), (0.0, -0.155), 0.38, letters)
    if pose.action == "flashing":
        for k in range(8):
            for y in (-0.45, 0.14):
                on = (k + round(4 * pose.phase)) % 2 == 0
                pen.dot(-0.49 + 0.14 * k, y, 0.04, (255, 240, 150) if on else (130, 96, 60))


OBJECTS: MappingProxyType[str, Drawing] = MappingProxyType(
    {
        "hammer": _draw_hammer,
        "scissors": _draw_scissors,
        "key": _draw_key,
        "chair": _draw_chair,
        "cup": _draw_cup,
        "ball": _draw_ball,
        "umbrella": _draw_umbrella,
        "sign": _draw_sign,
    }
)
