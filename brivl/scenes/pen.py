"""A pen that draws flat shapes in the unit coordinates of a thing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import ImageDraw, ImageFont

RGB = tuple[int, int, int]
Points = tuple[tuple[float, float], ...]

INK: RGB = (38, 34, 48)
WHITE: RGB = (252, 252, 250)
GLASS: RGB = (190, 226, 240)
GLASS_DARK: RGB = (128, 178, 206)
SKIN: RGB = (240, 196, 160)
SKIN_DARK: RGB = (214, 160, 124)
HAIR: RGB = (84, 56, 42)
WOOD: RGB = (150, 106, 68)
WOOD_DARK: RGB = (116, 78, 50)
STEEL: RGB = (176, 184, 196)
STEEL_DARK: RGB = (122, 130, 146)
GOLD: RGB = (247, 201, 72)
LEAF: RGB = (84, 158, 84)
LEAF_DARK: RGB = (56, 122, 66)


def mix(one: RGB, other: RGB, share: float) -> RGB:
    """Interpolate between two colours.

    Parameters
    ----------
    one, other : RGB
        Colours.
    share : float
        0 for `one`, 1 for `other`.

    Returns
    -------
    RGB
        Colour.
    """
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def luminance(colour: RGB) -> float:
    """Compute the luminance (Rec. 601) of a colour.

    Parameters
    ----------
    colour : RGB
        Colour.

    Returns
    -------
    float
        0 (black) to 255 (white).
    """
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


@dataclass(frozen=True)
class Tones:
    """The shades of one thing: main area, shadow, highlight, contour, and a contrasting trim."""

    main: RGB
    dark: RGB
    light: RGB
    contour: RGB
    trim: RGB


@lru_cache(maxsize=64)
def tones_of(main: RGB) -> Tones:
    """Derive the shades of a thing from its main colour.

    Parameters
    ----------
    main : RGB
        Colour.

    Returns
    -------
    Tones
        Shades.
    """
    bright = luminance(main)
    if bright < 60:
        return Tones(main, (14, 14, 18), mix(main, WHITE, 0.28), (112, 114, 126), WHITE)
    if bright > 225:
        return Tones(main, (212, 216, 226), WHITE, (120, 124, 140), (92, 100, 120))
    trim = WHITE if bright < 175 else mix(main, INK, 0.72)
    return Tones(main, mix(main, INK, 0.24), mix(main, WHITE, 0.36), mix(main, INK, 0.58), trim)


@dataclass(frozen=True)
class Pose:
    """What a thing is doing.

    Attributes
    ----------
    action : str
        Action, "still" for none.
    phase : float
        Phase of its motion, 0 to 1.
    word : str
        Word on a sign.
    """

    action: str
    phase: float
    word: str = ""

    def swing(self, offset: float = 0.0) -> float:
        """Return the deflection of a periodic motion.

        Parameters
        ----------
        offset : float
            Added to the phase.

        Returns
        -------
        float
            sin(2 pi (phase + offset)).
        """
        return math.sin(2 * math.pi * (self.phase + offset))

    def hop(self) -> float:
        """Return the height within one jump.

        Returns
        -------
        float
            0.35 + 0.65 |sin(pi phase)|, so that the thing never quite touches the ground.
        """
        return 0.35 + 0.65 * abs(math.sin(math.pi * self.phase))


@lru_cache(maxsize=64)
def _circle(n_points: int) -> np.ndarray:
    return np.exp(2j * np.pi * np.arange(n_points) / n_points)


@lru_cache(maxsize=16)
def _half_circle(n_points: int) -> np.ndarray:
    return np.exp(1j * np.pi * np.linspace(0, 1, n_points))


@lru_cache(maxsize=4096)
def _complex(points: Points) -> np.ndarray:
    return np.array([complex(x, y) for x, y in points])


@lru_cache(maxsize=2048)
def _spline(points: Points, n_between: int, closed: bool) -> np.ndarray:
    """Compute a Catmull-Rom curve through the points, n_between samples for each span."""
    z = _complex(points)
    if closed:
        before, after, later, start = np.roll(z, 1), np.roll(z, -1), np.roll(z, -2), z
    else:
        padded = np.concatenate([[2 * z[0] - z[1]], z, [2 * z[-1] - z[-2]]])
        before, start, after, later = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(n_between) / n_between)[None]
    p0, p1, p2, p3 = (v[:, None] for v in (before, start, after, later))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    flat = curve.ravel()
    return flat if closed else np.append(flat, z[-1])


@lru_cache(maxsize=64)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


class Pen:
    """A pen for shapes in unit coordinates (x right, y down, 1 = the height of the thing) on an RGBA canvas.

    The alpha channel of the canvas does not hold opacity but the number of the thing that owns the pixel, so that image
    and masks come from one drawing.

    Parameters
    ----------
    draw : ImageDraw
        Canvas.
    unit : float
        Pixels of one unit.
    origin : complex
        Pixel of the origin, x + iy.
    flip : bool
        Whether to mirror left and right.
    owner : int
        Number of the thing that owns what is drawn; 0 for none.
    """

    def __init__(self, draw: ImageDraw.ImageDraw, unit: float, origin: complex, *, flip: bool = False, owner: int = 0):
        self.draw, self.unit, self.origin, self.flip, self.owner = draw, unit, origin, flip, owner
        self._turn: complex = 1 + 0j
        self._shift: complex = 0j

    def moved(self, dx: float = 0.0, dy: float = 0.0, turn: float = 0.0, scale: float = 1.0) -> Pen:
        """Return the pen in a frame that is shifted, then rotated and scaled about its new origin.

        Parameters
        ----------
        dx, dy : float
            Shift, in units.
        turn : float
            Rotation in degrees, clockwise.
        scale : float
            Factor.

        Returns
        -------
        Pen
            New pen.
        """
        pen = Pen(self.draw, self.unit, self.origin, flip=self.flip, owner=self.owner)
        angle = math.radians(turn)
        pen._turn = self._turn * complex(math.cos(angle), math.sin(angle)) * scale
        pen._shift = self._shift + self._turn * complex(dx, dy)
        return pen

    def unowned(self) -> Pen:
        """Return the pen for marks that belong to no mask, such as smoke.

        Returns
        -------
        Pen
            New pen.
        """
        pen = self.moved()
        pen.owner = 0
        return pen

    def pixels(self, length: float) -> float:
        """Convert a length to pixels of the canvas.

        Parameters
        ----------
        length : float
            Length in units.

        Returns
        -------
        float
            Pixels.
        """
        return abs(length) * self.unit * abs(self._turn)

    def _fill(self, z: np.ndarray, colour: RGB) -> None:
        w = self._turn * z + self._shift
        if self.flip:
            w = -w.conjugate()
        w = w * self.unit + self.origin
        self.draw.polygon(w.view(np.float64).tolist(), fill=(*colour, self.owner))

    def _fineness(self, radius: float) -> int:
        r = self.pixels(radius)
        return 16 if r < 8 else 28 if r < 40 else 56 if r < 160 else 120

    def poly(self, points: Points, colour: RGB) -> None:
        """Fill a polygon.

        Parameters
        ----------
        points : tuple of (x, y)
            Corners, in units.
        colour : RGB
            Colour.
        """
        self._fill(_complex(points), colour)

    def blob(self, points: Points, colour: RGB) -> None:
        """Fill a smooth closed curve.

        Parameters
        ----------
        points : tuple of (x, y)
            Points of the curve, in units.
        colour : RGB
            Colour.
        """
        self._fill(_spline(points, 6 if self.unit < 250 else 16, True), colour)

    def oval(self, centre: tuple[float, float], radii: tuple[float, float], colour: RGB, turn: float = 0.0) -> None:
        """Fill an ellipse.

        Parameters
        ----------
        centre : (x, y)
            Centre, in units.
        radii : (rx, ry)
            Half axes, in units.
        colour : RGB
            Colour.
        turn : float
            Rotation in degrees, clockwise.
        """
        z = _circle(self._fineness(max(radii)))
        z = z.real * radii[0] + 1j * (z.imag * radii[1])
        if turn:
            z = z * complex(math.cos(math.radians(turn)), math.sin(math.radians(turn)))
        self._fill(z + complex(*centre), colour)

    def dot(self, x: float, y: float, radius: float, colour: RGB) -> None:
        """Fill a circle.

        Parameters
        ----------
        x, y : float
            Centre, in units.
        radius : float
            Radius, in units.
        colour : RGB
            Colour.
        """
        self._fill(_circle(self._fineness(radius)) * radius + complex(x, y), colour)

    def box(self, corners: tuple[float, float, float, float], colour: RGB, radius: float = 0.0) -> None:
        """Fill a rectangle.

        Parameters
        ----------
        corners : (left, top, right, bottom)
            Edges, in units.
        colour : RGB
            Colour.
        radius : float
            Radius of the rounded corners, in units; 0 for sharp corners.
        """
        x0, y0, x1, y1 = corners
        if not radius:
            self._fill(np.array([complex(x0, y0), complex(x1, y0), complex(x1, y1), complex(x0, y1)]), colour)
            return
        quarter = _half_circle(9 if self.pixels(radius) < 20 else 25)
        quarter = quarter[: len(quarter) // 2 + 1] * radius
        inner = (
            (x1 - radius, y1 - radius, 1),
            (x0 + radius, y1 - radius, 1j),
            (x0 + radius, y0 + radius, -1),
            (x1 - radius, y0 + radius, -1j),
        )
        self._fill(np.concatenate([quarter * turn + complex(x, y) for x, y, turn in inner]), colour)

    def limb(
        self, start: tuple[float, float], end: tuple[float, float], widths: tuple[float, float], colour: RGB
    ) -> None:
        """Draw a straight tapering stroke with round ends.

        Parameters
        ----------
        start, end : (x, y)
            Ends, in units.
        widths : (float, float)
            Widths at both ends, in units.
        colour : RGB
            Colour.
        """
        a, b = complex(*start), complex(*end)
        along = (b - a) / (abs(b - a) or 1.0)
        half = _half_circle(7 if self.pixels(max(widths)) < 16 else 20)
        self._fill(
            np.concatenate([a + half * (1j * along * widths[0] / 2), b + half * (-1j * along * widths[1] / 2)]), colour
        )

    def ribbon(self, points: Points, widths: tuple[float, float], colour: RGB) -> None:
        """Draw a smooth curved tapering stroke.

        Parameters
        ----------
        points : tuple of (x, y)
            Points of the curve, in units.
        widths : (float, float)
            Widths at both ends, in units.
        colour : RGB
            Colour.
        """
        line = _spline(points, 5 if self.unit < 250 else 14, False)
        normal = np.gradient(line) * 1j
        normal /= np.abs(normal) + 1e-12
        half = np.linspace(widths[0] / 2, widths[1] / 2, len(line))
        self._fill(np.concatenate([line + normal * half, (line - normal * half)[::-1]]), colour)
        for end, radius in ((line[0], half[0]), (line[-1], half[-1])):
            if self.pixels(radius) > 1.0:
                self.dot(end.real, end.imag, radius, colour)

    def write(self, text: str, centre: tuple[float, float], height: float, colour: RGB) -> None:
        """Write upright text, which is never mirrored.

        Parameters
        ----------
        text : str
            Text.
        centre : (x, y)
            Centre, in units.
        height : float
            Size of the letters, in units.
        colour : RGB
            Colour.
        """
        w = self._turn * complex(*centre) + self._shift
        if self.flip:
            w = -w.conjugate()
        w = w * self.unit + self.origin
        font = _font(max(4, round(self.pixels(height))))
        self.draw.text((w.real, w.imag), text, fill=(*colour, self.owner), font=font, anchor="mm")


Drawing = Callable[[Pen, Tones, Pose], None]  # draws a thing in its shades and pose
