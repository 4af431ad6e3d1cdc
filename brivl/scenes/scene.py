"""Scenes: their content, how they are sampled, and how they are drawn with a mask for each thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from brivl.errors import RequestError
from brivl.scenes.backgrounds import BACKGROUNDS, INDOORS, N_VIEWS, background_image
from brivl.scenes.pen import RGB, Pen, Pose, mix, tones_of
from brivl.scenes.things import ACTIONS, CATEGORY, COLOURS, DRAWINGS, EXTENT, KINDS, WORDS, habitat

Size = Literal["small", "large"]
Facing = Literal["left", "right"]
# Height of a thing with a box of height 1, as a fraction of the frame.
SIZES: dict[str, float] = {"small": 0.28, "large": 0.45}


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    Attributes
    ----------
    kind, colour, action : str
        Words of the vocabulary (`brivl.scenes.things`).
    size : str
        "small" or "large".
    x, y : float
        Centre, 0 to 1 of the frame.
    phase : float
        Phase of its motion, 0 to 1.
    facing : str
        "left" or "right".
    scale : float
        Factor of its size, near 1.
    word : str
        Word on a sign.
    """

    kind: str
    colour: str
    size: Size
    x: float
    y: float
    action: str = "still"
    phase: float = 0.0
    facing: Facing = "right"
    scale: float = 1.0
    word: str = ""

    @property
    def extent(self) -> tuple[float, float]:  # numpydoc ignore=RT01
        """Width and height of the thing's box as fractions of the frame."""
        unit = SIZES[self.size] * self.scale
        w, h = EXTENT[self.kind]
        return w * unit, h * unit


@dataclass(frozen=True)
class Scene:
    """A background and the things before it.

    Attributes
    ----------
    background : str
        One of `brivl.scenes.backgrounds.BACKGROUNDS`.
    things : tuple of Thing
        Things, drawn in this order.
    view : int
        View of the background.
    """

    background: str
    things: tuple[Thing, ...]
    view: int = 0


@dataclass(frozen=True)
class Rendered:
    """A drawn scene.

    Attributes
    ----------
    image : (size, size, 3) array of uint8
        Image.
    masks : (n_things, size, size) array of bool
        Visible pixels of each thing; masks do not overlap.
    """

    image: np.ndarray
    masks: np.ndarray


def overlap(one: Thing, other: Thing) -> float:
    """Compute the overlap of the boxes of two things.

    Parameters
    ----------
    one, other : Thing
        Things.

    Returns
    -------
    float
        Shared area as a fraction of the smaller box, 0 to 1.
    """
    (w1, h1), (w2, h2) = one.extent, other.extent
    across = min(one.x + w1 / 2, other.x + w2 / 2) - max(one.x - w1 / 2, other.x - w2 / 2)
    down = min(one.y + h1 / 2, other.y + h2 / 2) - max(one.y - h1 / 2, other.y - h2 / 2)
    return max(across, 0.0) * max(down, 0.0) / min(w1 * h1, w2 * h2)


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _fits(kind: str, background: str) -> float:
    """Return the probability of keeping a kind before a background; unusual kinds are rare but not impossible."""
    if background in INDOORS and (CATEGORY[kind] in ("building", "vehicle") or kind in ("tree", "horse", "elephant")):
        return 0.15
    if kind in ("fish", "boat") and background not in ("sea", "beach"):
        return 0.4
    return 1.0


def _kind_for(rng: np.random.Generator, background: str, taken: list[str]) -> str:
    while True:
        kind = _pick(rng, KINDS)
        if kind not in taken and rng.random() < _fits(kind, background):
            return kind


def _sample_thing(rng: np.random.Generator, kind: str, size: Size) -> Thing:
    """Sample a thing of this kind and size, wholly inside the frame."""
    acts = ACTIONS[kind]
    action = "still" if rng.random() < 0.3 else _pick(rng, acts[1:] or acts)
    scale = float(rng.uniform(0.9, 1.1))
    w, h = (SIZES[size] * scale * e / 2 for e in EXTENT[kind])
    x = float(rng.uniform(w + 0.01, 0.99 - w))
    limits = {"air": (h + 0.03, 0.46), "free": (h + 0.03, 0.95 - h), "ground": (0.8 - h, 0.96 - h)}
    low, high = limits[habitat(kind, action)]
    y = float(rng.uniform(min(low, high), max(low, high)))
    return Thing(
        kind,
        _pick(rng, tuple(COLOURS)),
        size,
        x,
        y,
        action,
        float(rng.random()),
        "left" if rng.random() < 0.5 else "right",
        scale,
        _pick(rng, WORDS) if kind == "sign" else "",
    )


def _depth(thing: Thing) -> float:
    """Return the lower edge of a thing: the lower it is in the frame, the nearer the thing."""
    return thing.y + thing.extent[1] / 2


def sample_scene(rng: np.random.Generator, n_things: int | None = None) -> Scene:
    """Sample a scene at random: a background and things of different kinds that hide little of one another.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    n_things : int, optional
        1, 2 or 3; default: random.

    Returns
    -------
    Scene
        Scene.

    Raises
    ------
    RequestError
        If the number of things is not 1, 2 or 3.
    """
    if n_things not in (None, 1, 2, 3):
        raise RequestError(f"Expected 1, 2 or 3 things in a scene, got n_things={n_things!r}. Give 1, 2 or 3.")
    count = n_things or int(rng.integers(1, 4))
    background = _pick(rng, BACKGROUNDS)
    kinds: list[str] = []
    for _ in range(count):
        kinds.append(_kind_for(rng, background, kinds))
    things = _sample_things(rng, kinds)
    return Scene(background, tuple(sorted(things, key=_depth)), int(rng.integers(N_VIEWS)))


def _sample_things(rng: np.random.Generator, kinds: list[str]) -> list[Thing]:
    """Sample things until their boxes overlap little; sizes become small if they do not fit."""
    sizes: list[Size] = ["small" if rng.random() < 0.45 else "large" for _ in kinds]
    allowed = 0.25 if rng.random() < 0.35 else 0.02
    for attempt in range(200):
        if attempt % 20 == 19:
            sizes = ["small" if k >= 1 or attempt > 60 else s for k, s in enumerate(sizes)]
            allowed = 0.25
        things: list[Thing] = []
        for kind, size in zip(kinds, sizes, strict=True):
            for _ in range(6):
                thing = _sample_thing(rng, kind, size)
                if all(overlap(thing, other) <= allowed for other in things):
                    things.append(thing)
                    break
            else:
                break
        if len(things) == len(kinds):
            return things
    raise AssertionError("three small things always fit")


def _check(scene: Scene, size: int) -> None:
    if not 16 <= size <= 2048:
        raise RequestError(f"Expected an image of 16 to 2048 pixels, got size={size!r}. Use for example 64.")
    if scene.background not in BACKGROUNDS:
        raise RequestError(
            f"Expected a background out of {', '.join(BACKGROUNDS)}, got {scene.background!r}. Choose one of them."
        )
    for thing in scene.things:
        if thing.kind not in KINDS or thing.colour not in COLOURS or thing.size not in SIZES:
            raise RequestError(
                "Expected a thing of the vocabulary in brivl.scenes.things, got "
                f"{thing.size!r} {thing.colour!r} {thing.kind!r}. Choose other words."
            )
        if thing.action not in ACTIONS[thing.kind]:
            actions = ", ".join(ACTIONS[thing.kind])
            raise RequestError(
                f"Expected an action of a {thing.kind} out of {actions}, got {thing.action!r}. Choose one of them."
            )


def _supersampling(size: int) -> int:
    return 4 if size <= 128 else 3 if size <= 512 else 2


def _shadow(draw: ImageDraw.ImageDraw, canvas: Image.Image, thing: Thing) -> None:
    """Draw a patch below a thing that stands on the ground, in a darker shade of that ground."""
    if habitat(thing.kind, thing.action) != "ground":
        return
    side = canvas.width
    foot = thing.y + thing.extent[1] / 2 - 0.01
    columns = [thing.x + share * thing.extent[0] for share in (-0.4, -0.2, 0.0, 0.2, 0.4)]
    samples = [_rgb(canvas, min(max(int(x * side), 0), side - 1), min(int(foot * side), side - 1)) for x in columns]
    ground = sorted(samples, key=sum)[2]  # the median, so that a mark on the road does not tint the shadow
    pen = Pen(draw, float(side), 0j)
    pen.oval((thing.x, foot), (thing.extent[0] * 0.46, 0.022), mix(ground, (30, 30, 60), 0.22))


def _rgb(canvas: Image.Image, x: int, y: int) -> RGB:
    pixel = canvas.getpixel((x, y))
    assert isinstance(pixel, tuple)  # the canvas is RGBA
    red, green, blue = pixel[:3]
    return red, green, blue


def _draw_thing(draw: ImageDraw.ImageDraw, side: int, owner: int, thing: Thing) -> None:
    unit = SIZES[thing.size] * thing.scale * side
    pen = Pen(draw, unit, complex(thing.x, thing.y) * side, flip=thing.facing == "left", owner=owner)
    DRAWINGS[thing.kind](pen, tones_of(COLOURS[thing.colour]), Pose(thing.action, thing.phase % 1.0, thing.word))


def _contours(pixels: np.ndarray, things: tuple[Thing, ...]) -> None:
    """Darken a thin rim inside the outline of each thing, which sets it off from any background; edits `pixels`."""
    owner = np.ascontiguousarray(pixels[..., 3])
    step = max(1, round(owner.shape[0] / 150))
    across, down = owner[:, step:] != owner[:, :-step], owner[step:] != owner[:-step]
    rim = np.zeros(owner.shape, bool)
    rim[step:] |= down
    rim[:-step] |= down
    rim[:, step:] |= across
    rim[:, :-step] |= across
    rim &= owner > 0
    at = np.flatnonzero(rim)
    palette = np.array([(0, 0, 0, 0), *((*tones_of(COLOURS[t.colour]).contour, k) for k, t in enumerate(things, 1))])
    packed = pixels.reshape(-1, 4).view(np.uint32)[:, 0]  # all four channels at once
    packed[at] = palette.astype(np.uint8).view(np.uint32)[:, 0][owner.ravel()[at]]


def render(scene: Scene, size: int = 64) -> Rendered:
    """Draw a scene, antialiased by supersampling; equal scenes give equal pixels.

    Parameters
    ----------
    scene : Scene
        Scene.
    size : int
        Pixels of a side, 16 to 2048.

    Returns
    -------
    Rendered
        Image and masks.

    Raises
    ------
    RequestError
        If a word is not in the vocabulary, or the size is out of range.
    """
    _check(scene, size)
    factor = _supersampling(size)
    canvas = background_image(scene.background, scene.view, size * factor).copy()
    draw = ImageDraw.Draw(canvas)
    for thing in scene.things:
        _shadow(draw, canvas, thing)
    for owner, thing in enumerate(scene.things, start=1):
        _draw_thing(draw, canvas.width, owner, thing)
    pixels = np.array(canvas)
    _contours(pixels, scene.things)
    image = np.asarray(Image.fromarray(pixels, "RGBA").convert("RGB").reduce(factor))
    owners = pixels[factor // 2 :: factor, factor // 2 :: factor, 3]
    masks = owners[None] == np.arange(1, len(scene.things) + 1, dtype=np.uint8)[:, None, None]
    return Rendered(image.copy(), masks)
