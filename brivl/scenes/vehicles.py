"""Drawings of a car, a bus, a boat and an airplane, all facing right."""

from __future__ import annotations

from types import MappingProxyType

from brivl.scenes.pen import GLASS, GLASS_DARK, GOLD, INK, STEEL, WHITE, WOOD, Drawing, Pen, Pose, Tones, mix


def _speed_lines(pen: Pen, pose: Pose, x: float, heights: tuple[float, ...]) -> None:
    """Draw pale lines behind a fast thing, which flicker with the phase and belong to no mask."""
    marks = pen.unowned()
    for k, y in enumerate(heights):
        length = 0.09 + 0.05 * pose.swing(k / 3)
        marks.limb((x - length, y), (x, y), (0.02, 0.03), WHITE)


def _wheel(pen: Pen, x: float, y: float, radius: float, pose: Pose) -> None:
    rolling = pose.action == "driving"
    pen.dot(x, y, radius, (46, 46, 54))
    pen.dot(x, y, radius * 0.56, STEEL)
    hub = pen.moved(x, y, turn=360 * pose.phase if rolling else 20)
    for angle in (0, 60, 120):
        spoke = hub.moved(turn=angle)
        spoke.limb((-radius * 0.48, 0), (radius * 0.48, 0), (radius * 0.14, radius * 0.14), (110, 116, 130))
    pen.dot(x, y, radius * 0.16, (70, 72, 82))


def _draw_car(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a car from the side; when driving its wheels turn, it rocks, and leaves lines behind it."""
    moving = pose.action == "driving"
    body = pen.moved(0, 0.012 * pose.swing(0.25) if moving else 0)
    if moving:
        _speed_lines(pen, pose, -0.66, (-0.05, 0.06, 0.17))
    body.blob(((-0.4, -0.02), (-0.3, -0.24), (-0.12, -0.3), (0.1, -0.29), (0.24, -0.16), (0.34, -0.02)), tones.main)
    body.poly(((-0.29, -0.04), (-0.235, -0.19), (-0.05, -0.235), (-0.05, -0.04)), GLASS)
    body.poly(((0.0, -0.04), (0.0, -0.235), (0.1, -0.225), (0.24, -0.04)), GLASS)
    body.poly(((0.06, -0.04), (0.03, -0.235), (0.075, -0.23), (0.13, -0.04)), WHITE)
    body.blob(
        (
            (-0.6, 0.02),
            (-0.5, -0.06),
            (0.0, -0.07),
            (0.36, -0.06),
            (0.58, 0.02),
            (0.6, 0.14),
            (0.5, 0.2),
            (-0.5, 0.2),
            (-0.61, 0.14),
        ),
        tones.main,
    )
    body.box((-0.57, 0.13, 0.57, 0.2), tones.dark, 0.03)
    body.limb((-0.46, -0.015), (0.3, -0.015), (0.025, 0.025), tones.light)
    body.limb((-0.02, 0.03), (-0.02, 0.13), (0.015, 0.015), tones.dark)
    body.limb((0.03, 0.045), (0.09, 0.045), (0.025, 0.025), tones.dark)
    body.oval((0.56, 0.045), (0.035, 0.045), GOLD)
    body.oval((-0.585, 0.045), (0.025, 0.04), (214, 60, 50))
    for x in (-0.34, 0.35):
        _wheel(pen, x, 0.17, 0.135, pose)


def _draw_bus(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a long bus with a row of windows and a door; drives like the car."""
    moving = pose.action == "driving"
    body = pen.moved(0, 0.012 * pose.swing(0.25) if moving else 0)
    if moving:
        _speed_lines(pen, pose, -0.68, (-0.15, 0.0, 0.15))
    body.box((-0.63, -0.37, 0.63, 0.27), tones.main, 0.08)
    body.box((-0.63, 0.17, 0.63, 0.27), tones.dark, 0.04)
    body.limb((-0.54, -0.325), (0.5, -0.325), (0.03, 0.03), tones.light)
    for k in range(4):
        x = -0.56 + 0.215 * k
        body.box((x, -0.26, x + 0.17, -0.05), GLASS, 0.02)
        body.poly(((x + 0.03, -0.05), (x + 0.1, -0.26), (x + 0.14, -0.26), (x + 0.07, -0.05)), WHITE)
    body.box((0.32, -0.26, 0.44, 0.2), GLASS_DARK, 0.02)
    body.limb((0.38, -0.24), (0.38, 0.19), (0.014, 0.014), tones.dark)
    body.box((0.49, -0.26, 0.62, 0.0), GLASS, 0.03)
    body.limb((-0.58, 0.06), (0.28, 0.06), (0.04, 0.04), tones.trim)
    body.oval((0.61, 0.13), (0.03, 0.04), GOLD)
    for x in (-0.38, 0.38):
        _wheel(pen, x, 0.26, 0.13, pose)


def _draw_boat(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a sailing boat: sails and hull in the main colour; rocks on the waves when sailing."""
    sailing = pose.action == "sailing"
    tilted = pen.moved(0, 0.02 * pose.swing() if sailing else 0, turn=7 * pose.swing() if sailing else 0)
    tilted.limb((-0.02, -0.46), (-0.02, 0.2), (0.035, 0.045), WOOD)
    full = 0.06 if sailing else 0.0
    tilted.blob(
        ((0.015, -0.42), (0.16 + full, -0.18), (0.34 + full, 0.08), (0.16, 0.11), (0.02, 0.1), (0.01, -0.2)), tones.main
    )
    tilted.blob(((-0.05, -0.34), (-0.14 + full * 0.5, -0.12), (-0.3, 0.08), (-0.16, 0.11), (-0.05, 0.1)), tones.light)
    for y in (-0.14, 0.0):
        tilted.limb((0.03, y), (0.16 + full + 0.1 * (y + 0.2), y + 0.01), (0.014, 0.01), tones.dark)
    tilted.blob(
        (
            (-0.5, 0.18),
            (-0.3, 0.2),
            (0.0, 0.2),
            (0.32, 0.2),
            (0.54, 0.16),
            (0.4, 0.4),
            (0.24, 0.44),
            (-0.24, 0.44),
            (-0.4, 0.4),
        ),
        tones.main,
    )
    tilted.poly(((-0.44, 0.33), (0.46, 0.32), (0.38, 0.42), (0.24, 0.45), (-0.24, 0.45), (-0.38, 0.42)), tones.dark)
    tilted.limb((-0.44, 0.235), (0.46, 0.23), (0.035, 0.035), tones.trim)
    tilted.poly(((-0.02, -0.47), (-0.17, -0.43 + 0.02 * pose.swing(0.3)), (-0.02, -0.39)), mix(tones.trim, GOLD, 0.3))
    sea = pen.unowned()
    for k in range(4):
        x = -0.42 + 0.28 * k + (0.06 * pose.swing() if sailing else 0)
        sea.ribbon(((x - 0.14, 0.45), (x, 0.41), (x + 0.14, 0.45)), (0.045, 0.045), (150, 205, 232))


def _draw_airplane(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw an airplane from the side, nose to the right; in flight it tips and leaves a trail."""
    flying = pose.action == "flying"
    if flying:
        pen = pen.moved(0, 0.02 * pose.swing(), turn=-8 + 3 * pose.swing(0.2))
        _speed_lines(pen, pose, -0.66, (-0.06, 0.03, 0.1))
    pen.poly(((-0.02, -0.08), (-0.2, -0.3), (-0.1, -0.3), (0.18, -0.08)), tones.dark)
    pen.poly(((-0.4, -0.04), (-0.62, -0.32), (-0.48, -0.32), (-0.24, -0.08)), tones.dark)
    pen.blob(
        (
            (-0.58, -0.06),
            (-0.3, -0.13),
            (0.2, -0.14),
            (0.5, -0.1),
            (0.64, 0.02),
            (0.5, 0.11),
            (0.2, 0.13),
            (-0.3, 0.08),
        ),
        tones.main,
    )
    pen.limb((-0.34, -0.085), (0.3, -0.1), (0.025, 0.025), tones.light)
    pen.poly(((0.44, -0.085), (0.53, -0.06), (0.57, -0.015), (0.43, -0.015)), GLASS)
    for k in range(6):
        pen.dot(-0.3 + 0.12 * k, -0.03, 0.03, GLASS_DARK if sum(tones.main) > 640 else GLASS)
    pen.poly(((-0.04, 0.04), (0.24, 0.04), (-0.02, 0.32), (-0.16, 0.33)), tones.main)
    pen.poly(((-0.04, 0.04), (0.02, 0.04), (-0.1, 0.33), (-0.16, 0.33)), tones.dark)
    pen.limb((0.06, 0.2), (0.16, 0.2), (0.075, 0.075), tones.dark)
    pen.poly(((-0.52, -0.04), (-0.36, -0.03), (-0.52, 0.1), (-0.6, 0.1)), tones.main)
    if not flying:
        for x in (0.34, -0.02):
            pen.limb((x, 0.1), (x, 0.24), (0.025, 0.025), STEEL)
            pen.dot(x, 0.29, 0.05, INK)


VEHICLES: MappingProxyType[str, Drawing] = MappingProxyType(
    {
        "car": _draw_car,
        "bus": _draw_bus,
        "boat": _draw_boat,
        "airplane": _draw_airplane,
    }
)
