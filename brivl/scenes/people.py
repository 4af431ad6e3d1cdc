"""Drawings of a face, a person and a hand."""

from __future__ import annotations

from types import MappingProxyType

from brivl.scenes.pen import HAIR, INK, RGB, SKIN, SKIN_DARK, WHITE, Drawing, Pen, Pose, Tones, mix


def draw_eye(pen: Pen, x: float, y: float, radius: float, gaze: float = 0.25) -> None:
    """Draw a round eye that looks a little to the side.

    Parameters
    ----------
    pen : Pen
        Pen.
    x, y : float
        Centre, in units of the pen.
    radius : float
        Half of its width.
    gaze : float
        Shift of the pupil to the right, in radii.
    """
    pen.oval((x, y), (radius, radius * 1.12), WHITE)
    pen.dot(x + gaze * radius, y + 0.1 * radius, radius * 0.62, INK)
    pen.dot(x + (gaze + 0.2) * radius, y - 0.2 * radius, radius * 0.2, WHITE)


def _mouth(pen: Pen, pose: Pose, lip: RGB) -> None:
    if pose.action == "talking":
        opened = 0.05 + 0.06 * (0.5 + 0.5 * pose.swing())
        pen.oval((0.02, 0.25), (0.12, opened), INK)
        pen.oval((0.02, 0.25 + opened * 0.5), (0.07, opened * 0.42), (216, 92, 92))
    elif pose.action == "smiling":
        wide = 0.2 + 0.02 * pose.swing()
        pen.blob(((-wide, 0.18), (0.02, 0.24), (wide + 0.04, 0.18), (0.02, 0.37)), INK)
        pen.poly(((-wide * 0.6, 0.215), (0.02, 0.24), (wide * 0.7, 0.215), (0.02, 0.285)), WHITE)
    else:
        pen.limb((-0.1, 0.26), (0.14, 0.26), (0.04, 0.04), lip)


def _draw_face(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a face seen from the front, its skin in the main colour, with dark hair."""
    hair = HAIR if tones.main != (122, 74, 40) else INK
    pen.oval((0, -0.12), (0.44, 0.4), hair)
    for x in (-0.41, 0.41):
        pen.oval((x, 0.04), (0.07, 0.1), tones.dark)
    pen.oval((0, 0.05), (0.4, 0.47), tones.dark)
    pen.oval((0.015, 0.035), (0.385, 0.45), tones.main)
    pen.blob(
        (
            (-0.4, -0.12),
            (-0.3, -0.44),
            (0.0, -0.53),
            (0.32, -0.43),
            (0.4, -0.1),
            (0.26, -0.24),
            (0.02, -0.3),
            (-0.24, -0.2),
        ),
        hair,
    )
    for x in (-0.24, 0.27):
        pen.oval((x, 0.17), (0.075, 0.05), mix(tones.main, (255, 120, 130), 0.35))
    for x in (-0.14, 0.18):
        if pose.action == "sleeping":
            pen.ribbon(
                ((x - 0.08, 0.0), (x, 0.04), (x + 0.08, 0.0)),
                (0.03, 0.03),
                INK if tones.trim != WHITE or sum(tones.main) > 150 else WHITE,
            )
        else:
            draw_eye(pen, x, 0.0, 0.078)
        pen.ribbon(((x - 0.09, -0.12), (x, -0.155), (x + 0.09, -0.12)), (0.032, 0.032), hair)
    pen.ribbon(((0.03, 0.03), (0.075, 0.12), (0.01, 0.14)), (0.03, 0.03), tones.dark)
    _mouth(pen, pose, mix(tones.contour, (190, 60, 60), 0.4))
    if pose.action == "sleeping":
        for k in range(2):
            drift = 0.06 * pose.swing(0.2 * k)
            pen.unowned().write("z", (0.42 + 0.09 * k, -0.4 - 0.1 * k + drift), 0.2 + 0.04 * k, WHITE)


def _leg(pen: Pen, tones: Tones, angle: float, bend: float) -> None:
    leg = pen.moved(0, 0.16, turn=angle)
    leg.limb((0, 0), (0, 0.2), (0.17, 0.14), tones.dark)
    shin = leg.moved(0, 0.2, turn=bend)
    shin.limb((0, 0), (0, 0.2), (0.14, 0.11), tones.dark)
    shin.limb((0.0, 0.23), (0.08, 0.23), (0.1, 0.09), INK)


def _arm(pen: Pen, sleeve: tuple[RGB, RGB], x: float, angle: float, bend: float) -> None:
    """An arm from the shoulder at x; `sleeve` holds the colours of its edge and of its cloth."""
    arm = pen.moved(x, -0.2, turn=angle)
    fore = arm.moved(0, 0.19, turn=bend)
    fore.dot(0, 0.2, 0.06, SKIN)
    for part, length in ((arm, 0.19), (fore, 0.15)):
        part.limb((0, 0), (0, length), (0.13, 0.12), sleeve[0])
    for part, length in ((arm, 0.19), (fore, 0.15)):
        part.limb((0, 0), (0, length), (0.1, 0.09), sleeve[1])


def _head(pen: Pen) -> None:
    pen.limb((0, -0.32), (0, -0.26), (0.1, 0.1), SKIN_DARK)
    pen.dot(-0.01, -0.46, 0.155, HAIR)
    pen.oval((0.02, -0.43), (0.125, 0.135), SKIN)
    pen.blob(((-0.15, -0.44), (-0.1, -0.6), (0.08, -0.61), (0.15, -0.5), (0.0, -0.52), (-0.08, -0.42)), HAIR)
    for x in (0.0, 0.085):
        pen.dot(x, -0.44, 0.02, INK)
    pen.ribbon(((0.0, -0.365), (0.045, -0.35), (0.09, -0.365)), (0.022, 0.022), (170, 70, 66))


def _draw_person(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw a whole person dressed in the main colour; walks, jumps or waves."""
    s = pose.swing()
    if pose.action == "jumping":
        pen = pen.moved(0, -0.12 * pose.hop())
    stride = {"walking": 30 * s, "jumping": 22.0}.get(pose.action, 7.0)
    back = {"walking": -34 * s, "jumping": 150.0}.get(pose.action, 13.0)
    front = {"walking": 34 * s, "jumping": -150.0, "waving": -145 + 24 * s}.get(pose.action, -13.0)
    apart = 0.06
    _arm(pen, (tones.dark, tones.dark), -0.14, back, 12 if pose.action == "jumping" else -10)
    _leg(pen.moved(-apart), tones, stride, 18 if pose.action != "still" else 0)
    _leg(pen.moved(apart), tones, -stride, 26 if pose.action == "jumping" else 4)
    pen.blob(
        ((-0.19, -0.27), (0.0, -0.3), (0.19, -0.27), (0.18, 0.0), (0.17, 0.2), (0.0, 0.22), (-0.17, 0.2), (-0.18, 0.0)),
        tones.main,
    )
    pen.limb((0.02, -0.2), (0.03, 0.12), (0.05, 0.04), tones.light)
    _head(pen)
    _arm(pen, (mix(tones.main, tones.contour, 0.6), tones.main), 0.14, front, -12 if pose.action != "waving" else -18)


def _draw_hand(pen: Pen, tones: Tones, pose: Pose) -> None:
    """Draw an open hand (or a pointing one) in the main colour, with a cuff."""
    if pose.action == "waving":
        pen = pen.moved(0, 0.3, turn=20 * pose.swing()).moved(0, -0.3)
    pointing = pose.action == "pointing"
    if pointing:
        pen = pen.moved(0.02 * pose.swing(), 0, turn=78)
    fingers = ((-0.2, -0.14, -0.34, -14), (-0.075, -0.2, -0.44, -4), (0.06, -0.2, -0.42, 5), (0.18, -0.12, -0.3, 16))
    for k, (x, y0, y1, angle) in enumerate(fingers):
        curled = pointing and k != 0
        finger = pen.moved(x, y0 + 0.16, turn=0 if pointing else angle)
        length = -0.12 if curled else (y1 - y0 - 0.16) * (1.35 if pointing else 1.0)
        finger.limb((0, 0), (0, length), (0.125, 0.105), tones.dark)
        finger.limb((0.012, 0), (0.012, length), (0.1, 0.085), tones.main)
    pen.blob(
        ((-0.26, 0.0), (0.0, -0.08), (0.24, 0.0), (0.24, 0.24), (0.13, 0.36), (-0.14, 0.36), (-0.25, 0.24)), tones.main
    )
    if pointing:
        pen.limb((-0.16, 0.14), (0.12, 0.06), (0.13, 0.11), tones.dark)
        pen.limb((-0.16, 0.13), (0.12, 0.05), (0.1, 0.09), tones.main)
    else:
        pen.limb((0.16, 0.22), (0.4, 0.0), (0.16, 0.11), tones.dark)
        pen.limb((0.16, 0.2), (0.39, -0.01), (0.13, 0.085), tones.main)
    pen.ribbon(((-0.12, 0.12), (0.02, 0.2), (0.05, 0.32)), (0.03, 0.02), tones.dark)
    pen.box((-0.2, 0.34, 0.2, 0.5), WHITE if tones.trim == WHITE else tones.trim, 0.04)
    pen.box((-0.2, 0.44, 0.2, 0.5), mix(tones.trim, INK, 0.2), 0.03)


PEOPLE: MappingProxyType[str, Drawing] = MappingProxyType(
    {
        "face": _draw_face,
        "person": _draw_person,
        "hand": _draw_hand,
    }
)
