"""A pen that draws flat, antialiasable shapes in a thing's own unit coordinates."""

from __future__ import annotations

import math
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
    """Colour that is `share` (0..1) of the way from `one` to `other`."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def luminance(colour: RGB) -> float:
    """Perceived brightness of a colour, 0 (black) to 255 (white)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


@dataclass(frozen=True)
class Tones:
    """The shades in which one thing is painted: main area, shade, highlight, contour, and a trim that contrasts."""

    main: RGB
    dark: RGB
    light: RGB
    contour: RGB
    trim: RGB


@lru_cache(maxsize=64)
def tones_of(main: RGB) -> Tones:
    """Shades derived from a thing's main colour."""
    bright = luminance(main)
    if bright < 60:
        return Tones(main, (14, 14, 18), mix(main, WHITE, 0.28), (112, 114, 126), WHITE)
    if bright > 225:
        return Tones(main, (212, 216, 226), WHITE, (120, 124, 140), (92, 100, 120))
    trim = WHITE if bright < 175 else mix(main, INK, 0.72)
    return Tones(main, mix(main, INK, 0.24), mix(main, WHITE, 0.36), mix(main, INK, 0.58), trim)


@dataclass(frozen=True)
class Pose:
    """What a thing is doing: its action, the phase of the motion (0..1), and the word that it carries, if any."""

    action: str
    phase: float
    word: str = ""

    def swing(self, offset: float = 0.0) -> float:
        """sin(2 pi (phase + offset)), in -1..1."""
        return math.sin(2 * math.pi * (self.phase + offset))

    def hop(self) -> float:
        """|sin(pi phase)|, in 0..1: the height within one jump, never quite on the ground."""
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
    """Catmull-Rom curve through the points, n_between samples for each span."""
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
    """Draws shapes given in unit coordinates (x right, y down, 1 = the thing's height) onto an RGBA canvas.

    The alpha channel of the canvas does not hold opacity but the number of the thing that owns the pixel, so that
    image and masks come from one drawing.
    """

    def __init__(self, draw: ImageDraw.ImageDraw, unit: float, origin: complex, *, flip: bool = False, owner: int = 0):
        self.draw, self.unit, self.origin, self.flip, self.owner = draw, unit, origin, flip, owner
        self._turn: complex = 1 + 0j
        self._shift: complex = 0j

    def moved(self, dx: float = 0.0, dy: float = 0.0, turn: float = 0.0, scale: float = 1.0) -> Pen:
        """The same pen in a frame that is shifted, then turned (degrees, clockwise) and scaled about that point."""
        pen = Pen(self.draw, self.unit, self.origin, flip=self.flip, owner=self.owner)
        angle = math.radians(turn)
        pen._turn = self._turn * complex(math.cos(angle), math.sin(angle)) * scale
        pen._shift = self._shift + self._turn * complex(dx, dy)
        return pen

    def unowned(self) -> Pen:
        """The same pen drawing marks that belong to no thing (speed lines, puffs)."""
        pen = self.moved()
        pen.owner = 0
        return pen

    def pixels(self, length: float) -> float:
        """Length in canvas pixels of a length in the pen's units."""
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
        """Filled polygon."""
        self._fill(_complex(points), colour)

    def blob(self, points: Points, colour: RGB) -> None:
        """Filled smooth closed curve through the points."""
        self._fill(_spline(points, 6 if self.unit < 250 else 16, True), colour)

    def oval(self, centre: tuple[float, float], radii: tuple[float, float], colour: RGB, turn: float = 0.0) -> None:
        """Filled ellipse, turned by `turn` degrees clockwise."""
        z = _circle(self._fineness(max(radii)))
        z = z.real * radii[0] + 1j * (z.imag * radii[1])
        if turn:
            z = z * complex(math.cos(math.radians(turn)), math.sin(math.radians(turn)))
        self._fill(z + complex(*centre), colour)

    def dot(self, x: float, y: float, radius: float, colour: RGB) -> None:
        """Filled circle."""
        self._fill(_circle(self._fineness(radius)) * radius + complex(x, y), colour)

    def box(self, corners: tuple[float, float, float, float], colour: RGB, radius: float = 0.0) -> None:
        """Filled rectangle (left, top, right, bottom), with corners rounded by `radius`."""
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
        """Straight stroke with round ends, tapering from the first width to the second."""
        a, b = complex(*start), complex(*end)
        along = (b - a) / (abs(b - a) or 1.0)
        half = _half_circle(7 if self.pixels(max(widths)) < 16 else 20)
        self._fill(
            np.concatenate([a + half * (1j * along * widths[0] / 2), b + half * (-1j * along * widths[1] / 2)]), colour
        )

    def ribbon(self, points: Points, widths: tuple[float, float], colour: RGB) -> None:
        """Smooth curved stroke through the points, tapering from the first width to the second."""
        line = _spline(points, 5 if self.unit < 250 else 14, False)
        normal = np.gradient(line) * 1j
        normal /= np.abs(normal) + 1e-12
        half = np.linspace(widths[0] / 2, widths[1] / 2, len(line))
        self._fill(np.concatenate([line + normal * half, (line - normal * half)[::-1]]), colour)
        for end, radius in ((line[0], half[0]), (line[-1], half[-1])):
            if self.pixels(radius) > 1.0:
                self.dot(end.real, end.imag, radius, colour)

    def write(self, text: str, centre: tuple[float, float], height: float, colour: RGB) -> None:
        """Upright text centred on a point, never mirrored; `height` is the size of the letters in units."""
        w = self._turn * complex(*centre) + self._shift
        if self.flip:
            w = -w.conjugate()
        w = w * self.unit + self.origin
        font = _font(max(4, round(self.pixels(height))))
        self.draw.text((w.real, w.imag), text, fill=(*colour, self.owner), font=font, anchor="mm")
