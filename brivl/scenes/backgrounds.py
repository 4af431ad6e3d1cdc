"""The backgrounds of scenes: ten kinds, each drawn in a few views that differ in detail."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from brivl.scenes.pen import RGB, WHITE, Pen, mix

N_VIEWS = 4  # of each background
Sky = tuple[RGB, RGB]


def _fade(array: np.ndarray, top: float, bottom: float, colours: Sky) -> None:
    """Fill the rows between two heights (0..1) with a vertical gradient, in place."""
    size = array.shape[0]
    first, last = round(top * size), round(bottom * size)
    share = np.linspace(0, 1, max(last - first, 1))[:, None, None]
    one, other = (np.array(c, float) for c in colours)
    array[first:last, :, :3] = (one + (other - one) * share).round().astype(np.uint8)


def _canvas(size: int, sky: Sky, ground: Sky, horizon: float) -> tuple[Image.Image, Pen]:
    array = np.zeros((size, size, 4), np.uint8)
    _fade(array, 0, horizon, sky)
    _fade(array, horizon, 1, ground)
    image = Image.fromarray(array, "RGBA")
    return image, Pen(ImageDraw.Draw(image), float(size), 0j)


def _cloud(pen: Pen, x: float, y: float, size: float, colour: RGB = WHITE) -> None:
    cloud = pen.moved(x, y, scale=size)
    for cx, cy, r in ((-0.5, 0.0, 0.28), (-0.15, -0.16, 0.38), (0.3, -0.05, 0.34), (0.62, 0.05, 0.22)):
        cloud.dot(cx, cy, r, colour)
    cloud.box((-0.7, 0.02, 0.78, 0.28), colour, 0.12)


def _hill(pen: Pen, x: float, base: float, size: tuple[float, float], colour: RGB) -> None:
    along = np.linspace(-1, 1, 41)
    heights = base - size[1] * np.cos(np.pi / 2 * along) ** 1.5
    pen.poly(tuple(zip((x + size[0] * along).tolist(), heights.tolist(), strict=True)), colour)


def _meadow(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((150, 205, 245), (226, 242, 250)), ((168, 212, 120), (128, 186, 92)), 0.6)
    x, y = rng.uniform((0.1, 0.1), (0.9, 0.2))
    pen.dot(x, y, 0.07, (255, 236, 150))
    for _ in range(3):
        x, y = rng.uniform((0.05, 0.08), (0.95, 0.3))
        _cloud(pen, x, y, rng.uniform(0.1, 0.16), (250, 252, 254))
    for colour in ((150, 200, 130), (160, 206, 126), (168, 212, 120)):
        _hill(pen, rng.uniform(0, 1), 0.61, (rng.uniform(0.35, 0.6), rng.uniform(0.06, 0.16)), colour)
    pen.box((0, 0.61, 1, 0.64), (168, 212, 120))
    for x, y in rng.uniform((0, 0.66), (1, 0.98), (22, 2)):
        pen.limb((x, y), (x + 0.008, y - 0.025), (0.01, 0.005), (108, 166, 78))
    for k, (x, y) in enumerate(rng.uniform((0, 0.66), (1, 0.98), (9, 2))):
        pen.dot(x, y, 0.009, ((255, 244, 170), WHITE, (248, 196, 214))[k % 3])
    return image


def _beach(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((128, 204, 240), (232, 246, 250)), ((246, 226, 176), (232, 204, 148)), 0.66)
    pen.dot(rng.uniform(0.1, 0.9), 0.14, 0.08, (255, 240, 170))
    _cloud(pen, rng.uniform(0.1, 0.9), 0.22, 0.12)
    pen.box((0, 0.46, 1, 0.67), (84, 176, 206))
    pen.box((0, 0.46, 1, 0.5), (70, 156, 192))
    for x, y in rng.uniform((0, 0.5), (1, 0.63), (9, 2)):
        pen.limb((x, y), (x + 0.1, y), (0.008, 0.004), (186, 226, 236))
    points = tuple((x, 0.665 + 0.012 * (-1) ** k) for k, x in enumerate(np.linspace(-0.1, 1.1, 9)))
    pen.ribbon(points, (0.03, 0.03), (244, 250, 250))
    for x, y in rng.uniform((0, 0.73), (1, 0.98), (16, 2)):
        pen.oval((x, y), (0.012, 0.005), (214, 184, 128))
    x, y = rng.uniform((0.06, 0.85), (0.94, 0.95))
    for angle in range(0, 360, 72):
        pen.moved(x, y, turn=angle).limb((0, 0), (0, -0.03), (0.018, 0.008), (238, 150, 110))
    return image


def _street(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((176, 212, 236), (232, 240, 244)), ((150, 152, 160), (124, 126, 136)), 0.72)
    x = -0.05
    walls = ((222, 196, 176), (206, 206, 214), (226, 214, 186), (198, 184, 178), (190, 204, 200))
    for k in range(7):
        width, top = rng.uniform(0.16, 0.24), rng.uniform(0.2, 0.4)
        pen.box((x, top, x + width, 0.66), walls[(k + int(rng.integers(5))) % 5])
        pen.box((x - 0.005, top, x + width + 0.005, top + 0.02), (160, 150, 150))
        for wx in np.arange(x + 0.025, x + width - 0.03, 0.06):
            for wy in np.arange(top + 0.05, 0.58, 0.09):
                pen.box((wx, wy, wx + 0.032, wy + 0.05), (164, 188, 204))
        x += width
    pen.box((0, 0.66, 1, 0.72), (206, 204, 202))
    pen.box((0, 0.715, 1, 0.73), (174, 172, 172))
    for mark in np.arange(rng.uniform(-0.1, 0), 1, 0.2):
        pen.poly(((mark, 0.87), (mark + 0.11, 0.87), (mark + 0.1, 0.89), (mark - 0.01, 0.89)), (236, 232, 214))
    return image


def _kitchen(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((244, 236, 218), (238, 226, 204)), ((214, 190, 164), (196, 168, 140)), 0.74)
    for y in np.arange(0.4, 0.56, 0.053):
        for x in np.arange(0, 1, 0.0667):
            tile = ((220, 234, 232), (206, 226, 226))[int(rng.integers(2))]
            pen.box((x + 0.003, y + 0.003, x + 0.063, y + 0.05), tile)
    pen.box((0, 0.56, 1, 0.6), (150, 128, 112))
    pen.box((0, 0.6, 1, 0.74), (168, 196, 196))
    for x in np.arange(0.01, 1, 0.2):
        pen.box((x, 0.615, x + 0.18, 0.725), (184, 210, 208), 0.01)
        pen.limb((x + 0.07, 0.635), (x + 0.11, 0.635), (0.008, 0.008), (120, 130, 134))
    left = rng.uniform(0.05, 0.6)
    pen.box((left, 0.06, left + 0.34, 0.34), WHITE, 0.01)
    for x in (left + 0.015, left + 0.175):
        pen.box((x, 0.075, x + 0.15, 0.325), (186, 222, 244))
    stove = (left + 0.55) % 0.8
    pen.box((stove, 0.58, stove + 0.2, 0.74), (120, 124, 134), 0.01)
    pen.box((stove + 0.02, 0.63, stove + 0.18, 0.72), (72, 76, 86), 0.01)
    _tiles(pen, (206, 180, 152))
    return image


def _tiles(pen: Pen, colour: RGB) -> None:
    for k in range(-6, 7):
        pen.poly(
            ((0.5 + 0.1 * k, 0.74), (0.503 + 0.1 * k, 0.74), (0.506 + 0.22 * k, 1), (0.5 + 0.22 * k, 1)),
            mix(colour, (120, 90, 70), 0.25),
        )
    for y in (0.8, 0.88, 0.97):
        pen.box((0, y, 1, y + 0.004), mix(colour, (120, 90, 70), 0.25))


def _forest(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((188, 218, 196), (214, 232, 204)), ((132, 156, 98), (106, 130, 80)), 0.66)
    for depth, colour in enumerate(((164, 198, 168), (128, 172, 138), (96, 146, 112))):
        for x in np.arange(-0.05, 1.1, 0.13) + rng.uniform(0, 0.1):
            top, base = 0.16 + 0.06 * depth + rng.uniform(0, 0.12), 0.66 + 0.015 * depth
            pen.box((x - 0.01, base - 0.08, x + 0.01, base), (112, 92, 74))
            for k in range(3):
                y = top + (base - 0.06 - top) * k / 3
                w = 0.05 + 0.018 * k
                pen.poly(((x, y), (x + w, y + 0.17), (x - w, y + 0.17)), colour)
    pen.box((0, 0.69, 1, 0.7), (120, 146, 90))
    for x, y in rng.uniform((0, 0.74), (1, 0.98), (14, 2)):
        pen.oval((x, y), (0.016, 0.006), (150, 128, 80))
    for x, y in rng.uniform((0.04, 0.76), (0.96, 0.94), (3, 2)):
        pen.limb((x, y), (x, y + 0.022), (0.012, 0.014), (238, 228, 206))
        pen.oval((x, y), (0.02, 0.013), (196, 84, 72))
    return image


def _desert(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((250, 206, 150), (254, 236, 200)), ((236, 194, 128), (218, 166, 98)), 0.62)
    pen.dot(rng.uniform(0.1, 0.9), 0.2, 0.09, (255, 244, 206))
    for colour in ((228, 184, 128), (232, 190, 128)):
        _hill(pen, rng.uniform(0, 1), 0.63, (rng.uniform(0.4, 0.7), rng.uniform(0.08, 0.16)), colour)
    pen.box((0, 0.63, 1, 0.66), (236, 194, 128))
    for _ in range(5):
        x, y = rng.uniform((0, 0.7), (0.8, 0.97))
        pen.ribbon(((x, y), (x + 0.1, y - 0.012), (x + 0.22, y)), (0.004, 0.007), (206, 152, 88))
    for x, y, s in ((rng.uniform(0.03, 0.4), 0.68, 0.8), (rng.uniform(0.55, 0.97), 0.71, 1.0)):
        cactus = pen.moved(x, y, scale=s)
        cactus.limb((0, 0), (0, -0.19), (0.04, 0.036), (112, 152, 108))
        for side, h in ((-1, -0.08), (1, -0.11)):
            cactus.ribbon(((0, h + 0.02), (side * 0.05, h), (side * 0.055, h - 0.06)), (0.024, 0.024), (112, 152, 108))
    return image


def _mountains(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((146, 188, 228), (222, 236, 248)), ((238, 244, 250), (210, 222, 238)), 0.66)
    for colour, base in (((168, 186, 212), 0.68), ((132, 152, 184), 0.68)):
        for x in np.arange(-0.1, 1.2, 0.32) + rng.uniform(0, 0.25):
            w, top = rng.uniform(0.2, 0.3), rng.uniform(0.14, 0.36)
            pen.poly(((x - w, base), (x, top), (x + w, base)), colour)
            pen.poly(((x, top), (x + w, base), (x + w * 0.2, base)), mix(colour, (70, 90, 130), 0.2))
            c = 0.3
            pen.poly(
                (
                    (x, top),
                    (x - w * c, top + (base - top) * c),
                    (x - w * c * 0.4, top + (base - top) * c * 0.8),
                    (x, top + (base - top) * c * 1.15),
                    (x + w * c * 0.5, top + (base - top) * c * 0.8),
                    (x + w * c, top + (base - top) * c),
                ),
                (248, 251, 254),
            )
    pen.box((0, 0.66, 1, 0.69), (238, 244, 250))
    for x in rng.uniform(0.02, 0.98, 5):
        for k in range(3):
            y, w = 0.58 + 0.035 * k, 0.025 + 0.008 * k
            pen.poly(((x, y), (x + w, y + 0.055), (x - w, y + 0.055)), (92, 132, 122))
    for x, y in rng.uniform((0, 0), (1, 0.95), (26, 2)):
        pen.dot(x, y, 0.006, WHITE)
    return image


def _city(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((24, 28, 66), (86, 74, 126)), ((70, 70, 92), (52, 52, 74)), 0.74)
    for x, y in rng.uniform((0, 0), (1, 0.4), (28, 2)):
        pen.dot(x, y, 0.004, (236, 236, 250))
    mx, my = rng.uniform((0.1, 0.08), (0.9, 0.2))
    pen.dot(mx, my, 0.065, (250, 244, 210))
    for dx, dy, r in ((-0.02, -0.015, 0.013), (0.02, 0.02, 0.017)):
        pen.dot(mx + dx, my + dy, r, (232, 224, 188))
    for colour, low, high in (((58, 56, 104), 0.2, 0.4), ((42, 42, 82), 0.32, 0.54)):
        x = rng.uniform(-0.15, 0.0)
        while x < 1:
            width, top = rng.uniform(0.1, 0.18), rng.uniform(low, high)
            pen.box((x, top, x + width - 0.008, 0.75), colour)
            for wx in np.arange(x + 0.02, x + width - 0.035, 0.034):
                for wy in np.arange(top + 0.03, 0.7, 0.05):
                    if rng.random() < 0.5:
                        pen.box((wx, wy, wx + 0.016, wy + 0.024), (250, 214, 130))
            x += width
    pen.box((0, 0.735, 1, 0.755), (104, 100, 124))
    for mark in np.arange(rng.uniform(-0.1, 0), 1, 0.2):
        pen.box((mark, 0.87, mark + 0.1, 0.884), (204, 190, 140))
    return image


def _sea(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((134, 214, 230), (58, 142, 190)), ((206, 196, 160), (176, 166, 138)), 0.8)
    for x in rng.uniform(0, 0.9, 3):
        _ray(pen, x)
    for shade in ((66, 146, 188), (84, 152, 180)):
        _hill(pen, rng.uniform(0, 1), 0.83, (rng.uniform(0.4, 0.6), rng.uniform(0.08, 0.16)), shade)
    pen.ribbon(((-0.1, 0.82), (0.2, 0.79), (0.5, 0.83), (0.8, 0.8), (1.1, 0.82)), (0.04, 0.04), (206, 196, 160))
    for x in rng.uniform(0.02, 0.98, 8):
        sway, tall = rng.uniform(-0.02, 0.02), rng.uniform(0.1, 0.22)
        weed = ((x, 0.85), (x + 0.02 + sway, 0.85 - tall / 2), (x + sway, 0.85 - tall))
        pen.ribbon(weed, (0.018, 0.008), (72, 148, 120))
    for x in rng.uniform(0.05, 0.95, 3):
        for angle in (-40, -12, 18, 45):
            pen.moved(x, 0.88, turn=angle).limb((0, 0), (0, -0.07), (0.018, 0.014), (228, 138, 132))
    for x, y in rng.uniform((0, 0.05), (1, 0.7), (16, 2)):
        pen.dot(x, y, rng.uniform(0.005, 0.012), (196, 234, 242))
    return image


def _ray(pen: Pen, x: float) -> None:
    """Draw a ray of light from the surface that fades with depth."""
    for k in range(24):
        top, bottom = k / 32, (k + 1.02) / 32
        water = mix((134, 214, 230), (58, 142, 190), (top + bottom) / 1.6)
        edges = (
            (x - 0.2 * top, top),
            (x + 0.08 - 0.06 * top, top),
            (x + 0.08 - 0.06 * bottom, bottom),
            (x - 0.2 * bottom, bottom),
        )
        pen.poly(edges, mix(water, (190, 236, 244), 0.34 * (1 - k / 24)))


def _room(size: int, rng: np.random.Generator) -> Image.Image:
    image, pen = _canvas(size, ((212, 202, 222), (224, 214, 228)), ((186, 146, 112), (160, 122, 92)), 0.7)
    for x in np.arange(0.03, 1, 0.09):
        pen.box((x, 0, x + 0.012, 0.7), (204, 192, 216))
    pen.box((0, 0.68, 1, 0.71), (246, 242, 244))
    for y in (0.77, 0.85, 0.93):
        pen.box((0, y, 1, y + 0.004), (142, 106, 80))
    left = rng.uniform(0.06, 0.2) + 0.5 * rng.integers(2)
    pen.box((left, 0.1, left + 0.24, 0.36), (250, 248, 246), 0.01)
    pen.box((left + 0.015, 0.115, left + 0.225, 0.345), (176, 214, 238))
    pen.box((left + 0.115, 0.115, left + 0.125, 0.345), (250, 248, 246))
    frame = (left + 0.46) % 0.8
    pen.box((frame, 0.14, frame + 0.17, 0.3), (168, 128, 84))
    pen.box((frame + 0.015, 0.155, frame + 0.155, 0.285), (232, 226, 206))
    pen.poly(((frame + 0.02, 0.28), (frame + 0.07, 0.2), (frame + 0.12, 0.28)), (140, 170, 140))
    middle = rng.uniform(0.3, 0.7)
    sofa = ((176, 168, 190), (164, 184, 176), (198, 170, 160), (160, 176, 200))[int(rng.integers(4))]
    pen.box((middle - 0.25, 0.47, middle + 0.25, 0.7), mix(sofa, (90, 80, 110), 0.15), 0.03)
    pen.box((middle - 0.21, 0.58, middle + 0.21, 0.68), sofa, 0.02)
    for side in (-1, 1):
        pen.box((middle + side * 0.25 - 0.04, 0.54, middle + side * 0.25 + 0.04, 0.72), sofa, 0.03)
    pen.oval((0.5, 0.88), (0.42, 0.075), (204, 178, 172))
    pen.oval((0.5, 0.88), (0.36, 0.058), (216, 194, 186))
    return image


_PAINTERS: MappingProxyType[str, Callable[[int, np.random.Generator], Image.Image]] = MappingProxyType(
    {
        "meadow": _meadow,
        "beach": _beach,
        "street": _street,
        "kitchen": _kitchen,
        "forest": _forest,
        "desert": _desert,
        "mountains": _mountains,
        "city": _city,
        "sea": _sea,
        "room": _room,
    }
)
BACKGROUNDS: tuple[str, ...] = tuple(_PAINTERS)
INDOORS: frozenset[str] = frozenset({"kitchen", "room"})

# The words by which a caption names the background.
BACKGROUND_PHRASE = MappingProxyType(
    {
        "meadow": "in a meadow",
        "beach": "on a beach",
        "street": "on a street",
        "kitchen": "in a kitchen",
        "forest": "in a forest",
        "desert": "in a desert",
        "mountains": "in the snowy mountains",
        "city": "in a city at night",
        "sea": "under the sea",
        "room": "in a living room",
    }
)


def _paint(background: str, view: int, size: int) -> Image.Image:
    seed = 1000 * BACKGROUNDS.index(background) + view
    return _PAINTERS[background](size, np.random.default_rng(seed))


@lru_cache(maxsize=len(BACKGROUNDS) * N_VIEWS)
def _small(background: str, view: int, size: int) -> Image.Image:
    return _paint(background, view, size)


@lru_cache(maxsize=3)
def _large(background: str, view: int, size: int) -> Image.Image:
    return _paint(background, view, size)


def background_image(background: str, view: int, size: int) -> Image.Image:
    """Draw a background, or return it from the cache: copy it before drawing on it.

    Parameters
    ----------
    background : str
        One of BACKGROUNDS.
    view : int
        Number of the view; numbers from N_VIEWS on start again at 0.
    size : int
        Pixels of a side.

    Returns
    -------
    Image
        RGBA image (size, size); alpha is 0 everywhere, as no thing owns a pixel.
    """
    return (_small if size <= 600 else _large)(background, view % N_VIEWS, size)
