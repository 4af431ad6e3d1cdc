"""Drawings of a dog, a cat, a horse, an elephant, a bird and a fish, all facing right."""

from __future__ import annotations

import math
from types import MappingProxyType

from brivl.scenes.pen import GOLD, INK, RGB, WHITE, Drawing, Pen, Pose, Tones, mix
from brivl.scenes.people import draw_eye


def _angles(pose: Pose, reach: float) -> tuple[float, float, float, float]:
    """Angles of four legs (far fore, far hind, near fore, near hind) in degrees for the pose."""
    if pose.action in ("walking", "running"):
        wide = reach * (0.75 if pose.action == "walking" else 1.0)
        return (wide * pose.swing(0.5), wide * pose.swing(0.05), wide * pose.swing(), wide * pose.swing(0.55))
    if pose.action == "jumping":
        return (-reach * 1.3, reach * 1.3, -reach, reach)
    return (-5.0, 5.0, 3.0, -3.0)


def _leg(pen: Pen, hip: tuple[float, float], angle: float, size: tuple[float, float], colours: tuple[RGB, RGB]) -> None:
    """One leg: `size` is (length, width), `colours` those of the leg and of the foot."""
    length, width = size
    leg = pen.moved(*hip, turn=angle)
    leg.limb((0, 0), (0, length * 0.55), (width * 1.25, width), colours[0])
    shin = leg.moved(0, length * 0.55, turn=abs(angle) * 0.5)
    shin.limb((0, 0), (0, length * 0.36), (width, width * 0.85), colours[0])
    shin.limb((-0.01, length * 0.43), (width * 0.35, length * 0.43), (width * 0.95, width * 0.9), colours[1])


def _jumped(pen: Pen, pose: Pose) -> Pen:
    return pen.moved(0, -0.1 * pose.hop(), turn=-12) if pose.action == "jumping" else pen


def _draw_dog(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a dog from the side: long snout, hanging ear, collar; runs, jumps or barks."""
    pen = _jumped(pen, pose)
    angles = _angles(pose, 36)
    for hip, angle in (((0.2, 0.1), angles[0]), ((-0.3, 0.1), angles[1])):
        _leg(pen, hip, angle, (0.33, 0.1), (tones.dark, tones.dark))
    wag = 0.06 * pose.swing() if pose.action != "still" else 0.0
    pen.ribbon(((-0.38, -0.02), (-0.47, -0.16), (-0.48 + wag, -0.34)), (0.1, 0.05), tones.main)
    pen.blob(
        ((-0.42, 0.0), (-0.3, -0.12), (0.0, -0.1), (0.24, -0.16), (0.34, 0.0), (0.25, 0.17), (0.0, 0.14), (-0.3, 0.2)),
        tones.main,
    )
    pen.blob(((-0.28, 0.16), (0.0, 0.06), (0.24, 0.12), (0.2, 0.17), (0.0, 0.14)), tones.dark)
    for hip, angle in (((0.27, 0.08), angles[2]), ((-0.36, 0.08), angles[3])):
        _leg(pen, hip, angle, (0.35, 0.11), (tones.main, tones.light))
    pen.limb((0.24, -0.06), (0.3, -0.26), (0.26, 0.2), tones.main)
    pen.limb((0.2, -0.1), (0.37, -0.05), (0.055, 0.055), tones.trim)
    bark = 0.5 + 0.5 * pose.swing() if pose.action == "barking" else 0.0
    head = pen.moved(0.3, -0.3, turn=-16 * bark)
    if bark:
        head.limb((0.08, 0.07), (0.2, 0.1 + 0.09 * bark), (0.1, 0.07), tones.dark)
        head.limb((0.1, 0.06), (0.17, 0.08 + 0.05 * bark), (0.06, 0.05), (220, 96, 100))
    head.dot(0, -0.02, 0.155, tones.main)
    head.limb((0.06, 0.03), (0.22, 0.05), (0.17, 0.12), tones.main)
    head.oval((0.26, 0.02), (0.045, 0.038), INK if sum(tones.main) > 150 else (150, 120, 130))
    head.blob(((-0.11, -0.13), (-0.02, -0.12), (0.0, 0.02), (-0.06, 0.17), (-0.14, 0.12), (-0.15, -0.02)), tones.dark)
    draw_eye(head, 0.075, -0.05, 0.04)
    if pose.action == "barking":
        _sound(pen.unowned().moved(0.6, -0.32), bark)


def _sound(pen: Pen, strength: float) -> None:
    for angle in (-32, 0, 32):
        ray = pen.moved(0, 0, turn=angle)
        ray.limb((0.02, 0), (0.06 + 0.07 * strength, 0), (0.035, 0.03), WHITE)


def _draw_cat(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a cat: round head from the front with pointed ears and whiskers, tail up; walks, jumps or sleeps."""
    if pose.action == "sleeping":
        _sleeping_cat(pen, tones, pose)
        return
    pen = _jumped(pen, pose)
    angles = _angles(pose, 32)
    for hip, angle in (((0.12, 0.16), angles[0]), ((-0.24, 0.16), angles[1])):
        _leg(pen, hip, angle, (0.27, 0.09), (tones.dark, tones.dark))
    flick = 0.07 * pose.swing()
    pen.ribbon(((-0.3, 0.08), (-0.43, -0.04), (-0.38, -0.24), (-0.44 + flick, -0.42)), (0.09, 0.065), tones.main)
    pen.blob(
        ((-0.36, 0.1), (-0.26, -0.04), (0.0, -0.02), (0.2, -0.06), (0.26, 0.12), (0.18, 0.26), (-0.26, 0.27)),
        tones.main,
    )
    pen.blob(((-0.24, 0.25), (-0.04, 0.2), (0.17, 0.2), (0.14, 0.27), (-0.1, 0.28)), tones.dark)
    for hip, angle in (((0.18, 0.16), angles[2]), ((-0.3, 0.16), angles[3])):
        _leg(pen, hip, angle, (0.28, 0.1), (tones.main, tones.light))
    for x in (-0.16, -0.05):
        pen.limb((x, -0.0), (x - 0.02, 0.1), (0.035, 0.02), tones.dark)
    _cat_head(pen.moved(0.24, -0.16), tones, False)


def _cat_head(pen: Pen, tones: Tones, asleep: bool) -> None:
    for side in (-1, 1):
        pen.poly(((side * 0.22, -0.04), (side * 0.2, -0.3), (side * 0.02, -0.15)), tones.main)
        pen.poly(((side * 0.185, -0.1), (side * 0.175, -0.23), (side * 0.08, -0.15)), (240, 160, 170))
    pen.oval((0, 0), (0.235, 0.195), tones.main)
    pen.oval((0, 0.09), (0.11, 0.085), tones.light)
    for side in (-1, 1):
        for dy in (0.05, 0.1):
            pen.limb((side * 0.09, 0.06 + dy * 0.3), (side * 0.27, dy), (0.012, 0.01), tones.contour)
        if asleep:
            pen.ribbon(
                ((side * 0.1 - 0.05, -0.01), (side * 0.1, 0.03), (side * 0.1 + 0.05, -0.01)),
                (0.025, 0.025),
                tones.contour,
            )
        else:
            draw_eye(pen, side * 0.1, -0.02, 0.058)
    pen.poly(((-0.035, 0.05), (0.035, 0.05), (0.0, 0.09)), (232, 110, 130))
    pen.ribbon(((-0.05, 0.12), (-0.02, 0.13), (0.0, 0.1), (0.02, 0.13), (0.05, 0.12)), (0.018, 0.018), tones.contour)


def _sleeping_cat(pen: Pen, tones: Tones, pose: Pose) -> None:
    breath = 0.015 * pose.swing()
    pen.oval((-0.05, 0.26), (0.42, 0.23 + breath), tones.dark)
    pen.oval((-0.05, 0.24), (0.41, 0.215 + breath), tones.main)
    pen.ribbon(((-0.42, 0.3), (-0.3, 0.44), (-0.02, 0.44), (0.12, 0.41)), (0.1, 0.07), tones.dark)
    _cat_head(pen.moved(0.22, 0.22, turn=10), tones, True)
    for k in range(2):
        pen.unowned().write("z", (0.36 + 0.1 * k, -0.14 - 0.14 * k + 0.03 * pose.swing(0.2 * k)), 0.2 + 0.05 * k, WHITE)


def _draw_horse(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a horse from the side: long legs and neck, mane and tail; runs or jumps."""
    pen = _jumped(pen, pose)
    angles = _angles(pose, 38)
    hair, hoof = mix(tones.dark, INK, 0.55), INK if sum(tones.main) > 150 else (120, 116, 124)
    flow = 0.05 * pose.swing()
    for hip, angle in (((0.16, 0.06), angles[0]), ((-0.27, 0.06), angles[1])):
        _leg(pen, hip, angle, (0.42, 0.085), (tones.dark, hoof))
    lift = 0.14 if pose.action in ("running", "jumping") else 0.0
    pen.ribbon(((-0.38, -0.08), (-0.5, -0.06 - lift * 0.4), (-0.55 + flow, 0.22 - lift)), (0.08, 0.05), hair)
    pen.blob(
        (
            (-0.41, -0.02),
            (-0.32, -0.17),
            (-0.06, -0.13),
            (0.18, -0.18),
            (0.31, -0.04),
            (0.22, 0.14),
            (-0.06, 0.12),
            (-0.32, 0.16),
        ),
        tones.main,
    )
    pen.blob(((-0.28, 0.13), (-0.05, 0.06), (0.2, 0.08), (0.17, 0.14), (-0.05, 0.12)), tones.dark)
    for hip, angle in (((0.23, 0.05), angles[2]), ((-0.34, 0.05), angles[3])):
        _leg(pen, hip, angle, (0.44, 0.095), (tones.main, hoof))
    pen.blob(
        ((0.06, -0.1), (0.2, -0.33), (0.32, -0.5), (0.44, -0.42), (0.36, -0.22), (0.32, 0.0), (0.16, 0.04)), tones.main
    )
    pen.blob(
        ((0.05, -0.13), (0.12, -0.32), (0.24, -0.49), (0.34, -0.52), (0.26, -0.38), (0.2 + flow * 0.4, -0.22)), hair
    )
    head = pen.moved(0.37, -0.42, turn=32)
    head.poly(((-0.06, -0.06), (-0.07, -0.17), (0.02, -0.09)), tones.main)
    head.limb((0, 0), (0.2, 0.0), (0.18, 0.115), tones.main)
    head.oval((0.22, 0.0), (0.045, 0.055), tones.light)
    head.dot(0.24, -0.015, 0.014, INK)
    draw_eye(head, 0.04, -0.03, 0.035)


def _draw_elephant(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw an elephant from the side: big ear, trunk, tusk; walks or lifts its trunk to spray water."""
    angles = _angles(pose, 24)
    spraying = pose.action == "spraying"
    for hip, angle in (((0.12, 0.12), angles[0]), ((-0.26, 0.12), angles[1])):
        _leg(pen, hip, angle, (0.34, 0.15), (tones.dark, tones.dark))
    pen.ribbon(((-0.44, -0.12), (-0.52, 0.0), (-0.52 + 0.03 * pose.swing(), 0.12)), (0.04, 0.03), tones.dark)
    pen.blob(
        (
            (-0.46, 0.0),
            (-0.38, -0.25),
            (-0.1, -0.34),
            (0.16, -0.26),
            (0.24, 0.0),
            (0.12, 0.22),
            (-0.12, 0.25),
            (-0.38, 0.2),
        ),
        tones.main,
    )
    pen.blob(((-0.36, 0.19), (-0.12, 0.17), (0.14, 0.14), (0.08, 0.22), (-0.12, 0.25)), tones.dark)
    for hip, angle in (((0.18, 0.1), angles[2]), ((-0.33, 0.1), angles[3])):
        _leg(pen, hip, angle, (0.35, 0.16), (tones.main, tones.light))
    tip = 0.03 * pose.swing()
    trunk = (
        ((0.42, -0.12), (0.54, -0.04), (0.58, -0.26), (0.52 + tip, -0.42))
        if spraying
        else ((0.42, -0.14), (0.5, 0.04), (0.48, 0.24), (0.54 + tip, 0.34))
    )
    pen.ribbon(trunk, (0.18, 0.075), tones.main)
    pen.ribbon(((0.36, 0.02), (0.42, 0.12), (0.52, 0.12)), (0.05, 0.02), WHITE if sum(tones.main) < 700 else GOLD)
    pen.dot(0.31, -0.17, 0.2, tones.main)
    pen.blob(((0.22, -0.3), (0.08, -0.38), (-0.06, -0.26), (-0.04, -0.02), (0.1, 0.1), (0.2, 0.0)), tones.dark)
    pen.blob(((0.19, -0.27), (0.08, -0.33), (-0.02, -0.24), (0.0, -0.04), (0.1, 0.05), (0.17, -0.02)), tones.light)
    draw_eye(pen, 0.37, -0.2, 0.04)
    if spraying:
        for k in range(5):
            far = (pose.phase + k / 5) % 1
            arc = -0.45 - 0.18 * math.sin(math.pi * far) + 0.1 * far
            pen.unowned().dot(0.5 - 0.3 * far, arc, 0.028, (120, 190, 235))


def _draw_bird(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a bird: beak, tail and wing; flies with beating wings, sings, or sits."""
    flying = pose.action == "flying"
    beak: RGB = (245, 166, 35) if tones.main != (243, 132, 29) else (250, 214, 80)
    if flying:
        pen.moved(0.02, -0.06).poly(_wing(pose, 0.8), tones.dark)
    else:
        for x in (-0.02, 0.1):
            pen.limb((x, 0.22), (x, 0.42), (0.045, 0.045), beak)
            pen.limb((x - 0.02, 0.43), (x + 0.07, 0.43), (0.045, 0.04), beak)
        pen = pen.moved(0.0, 0.02, turn=-14)
    pen.poly(((-0.2, -0.02), (-0.52, -0.12), (-0.5, 0.0), (-0.54, 0.08), (-0.2, 0.12)), tones.dark)
    pen.blob(
        ((-0.28, 0.02), (-0.1, -0.16), (0.16, -0.18), (0.32, -0.02), (0.22, 0.18), (0.0, 0.25), (-0.2, 0.16)),
        tones.main,
    )
    pen.oval((0.1, 0.12), (0.16, 0.1), tones.light, turn=-20)
    pen.dot(0.27, -0.14, 0.165, tones.main)
    gape = 0.5 + 0.5 * pose.swing() if pose.action == "singing" else 0.0
    pen.poly(((0.4, -0.19), (0.56, -0.13 - 0.06 * gape), (0.41, -0.12)), beak)
    pen.poly(((0.4, -0.13), (0.53, -0.11 + 0.06 * gape), (0.4, -0.07)), mix(beak, INK, 0.25))
    draw_eye(pen, 0.31, -0.18, 0.048)
    if flying:
        pen.moved(-0.06, -0.03).poly(_wing(pose, 1.0), mix(tones.main, tones.light, 0.5))
    else:
        pen.blob(((0.12, -0.02), (0.06, 0.12), (-0.14, 0.16), (-0.36, 0.1), (-0.1, -0.06)), tones.dark)
    if pose.action == "singing":
        _notes(pen.unowned(), pose)


def _wing(pose: Pose, size: float) -> tuple[tuple[float, float], ...]:
    up = pose.swing()
    tip = -0.42 * up * size
    return ((0.14, 0.0), (0.06, tip * 0.65), (-0.16, tip), (-0.3, tip * 0.92), (-0.24, tip * 0.5), (-0.18, 0.03))


def _notes(pen: Pen, pose: Pose) -> None:
    for k in range(2):
        x, y = 0.46 + 0.1 * k, -0.34 - 0.06 * k + 0.04 * pose.swing(0.3 * k)
        pen.oval((x, y), (0.04, 0.03), INK, turn=-20)
        pen.limb((x + 0.034, y), (x + 0.034, y - 0.14), (0.02, 0.02), INK)


def _draw_fish(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a fish: oval body, tail and fins, stripes; swims with a beating tail, or jumps."""
    if pose.action == "jumping":
        pen = pen.moved(0, -0.1 * pose.hop(), turn=-35)
    beat = 0.1 * pose.swing() if pose.action != "still" else 0.0
    pen.blob(
        (
            (-0.26, 0.0),
            (-0.5, -0.24 + beat),
            (-0.55, -0.2 + beat),
            (-0.46, beat * 0.7),
            (-0.55, 0.2 + beat),
            (-0.5, 0.24 + beat),
        ),
        tones.dark,
    )
    pen.blob(((-0.16, -0.16), (0.0, -0.34), (0.12, -0.35), (0.24, -0.16)), tones.dark)
    pen.blob(((-0.1, 0.18), (-0.06, 0.33), (0.06, 0.32), (0.12, 0.2)), tones.dark)
    pen.blob(
        (
            (-0.34, 0.0),
            (-0.12, -0.2),
            (0.16, -0.25),
            (0.4, -0.14),
            (0.51, 0.0),
            (0.4, 0.14),
            (0.14, 0.25),
            (-0.12, 0.2),
        ),
        tones.main,
    )
    for x in (-0.14, 0.0):
        pen.ribbon(((x, -0.17), (x + 0.05, 0.0), (x, 0.17)), (0.045, 0.045), tones.light)
    pen.ribbon(((0.2, -0.19), (0.15, 0.0), (0.2, 0.19)), (0.025, 0.025), tones.dark)
    flap = pen.moved(0.1, 0.05, turn=20 * pose.swing())
    flap.blob(((0.02, -0.03), (-0.12, 0.0), (-0.14, 0.12), (-0.02, 0.08)), tones.dark)
    draw_eye(pen, 0.32, -0.06, 0.06)
    pen.ribbon(((0.49, 0.05), (0.43, 0.07), (0.4, 0.05)), (0.02, 0.02), tones.contour)
    if pose.action == "swimming":
        for k in range(3):
            rise = (pose.phase + k / 3) % 1
            x = 0.54 + 0.03 * math.sin(9 * rise)
            pen.unowned().dot(x, -0.05 - 0.3 * rise, 0.02 + 0.014 * rise, (226, 244, 252))


ANIMALS: MappingProxyType[str, Drawing] = MappingProxyType(
    {
        "dog": _draw_dog,
        "cat": _draw_cat,
        "horse": _draw_horse,
        "elephant": _draw_elephant,
        "bird": _draw_bird,
        "fish": _draw_fish,
    }
)
