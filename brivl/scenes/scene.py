"""Scenes: what is in them, how they are sampled, and how they become pixels with a mask per thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from brivl.errors import RequestError
from brivl.scenes.backgrounds import BACKGROUNDS, INDOORS, N_VIEWS, background_image
from brivl.scenes.pen import Pen, Pose, mix, tones_of
from brivl.scenes.things import ACTIONS, CATEGORY, COLOURS, DRAWINGS, EXTENT, KINDS, WORDS, habitat

# Height of a thing of unit box as a share of the frame.
SIZES: dict[str, float] = {"small": 0.28, "large": 0.45}


@dataclass(frozen=True)
class Thing:
    """One thing: centre (x, y) in 0..1 of the frame, phase in 0..1 of its motion; `scale` varies its size a little."""

    kind: str
    colour: str
    size: Literal["small", "large"]
    x: float
    y: float
    action: str = "still"
    phase: float = 0.0
    facing: Literal["left", "right"] = "right"
    scale: float = 1.0
    word: str = ""

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height of the thing's box as a share of the frame."""
        unit = SIZES[self.size] * self.scale
        w, h = EXTENT[self.kind]
        return w * unit, h * unit


@dataclass(frozen=True)
class Scene:
    """A place and the things in it, drawn back to front; `view` picks one of the place's backgrounds."""

    background: str
    things: tuple[Thing, ...]
    view: int = 0


@dataclass(frozen=True)
class Rendered:
    """image (size, size, 3) uint8; masks (n_things, size, size) bool, the visible pixels of each thing."""

    image: np.ndarray
    masks: np.ndarray


def overlap(one: Thing, other: Thing) -> float:
    """Area shared by the two things' boxes, as a share of the smaller box (0..1)."""
    (w1, h1), (w2, h2) = one.extent, other.extent
    across = min(one.x + w1 / 2, other.x + w2 / 2) - max(one.x - w1 / 2, other.x - w2 / 2)
    down = min(one.y + h1 / 2, other.y + h2 / 2) - max(one.y - h1 / 2, other.y - h2 / 2)
    return max(across, 0.0) * max(down, 0.0) / min(w1 * h1, w2 * h2)


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _fits(kind: str, place: str) -> float:
    """How readily a kind is taken in a place (0..1): rare, never impossible, where it would be odd."""
    if place in INDOORS and (CATEGORY[kind] in ("building", "vehicle") or kind in ("tree", "horse", "elephant")):
        return 0.15
    if kind in ("fish", "boat") and place not in ("sea", "beach"):
        return 0.4
    return 1.0


def _kind_for(rng: np.random.Generator, place: str, taken: list[str]) -> str:
    while True:
        kind = _pick(rng, KINDS)
        if kind not in taken and rng.random() < _fits(kind, place):
            return kind


def _positioned(rng: np.random.Generator, kind: str, size: Literal["small", "large"]) -> Thing:
    """A thing of the kind with everything else drawn at random, wholly inside the frame."""
    acts = ACTIONS[kind]
    action = "still" if rng.random() < 0.3 else _pick(rng, acts[1:] or acts)
    scale = float(rng.uniform(0.9, 1.1))
    w, h = (SIZES[size] * scale * e / 2 for e in EXTENT[kind])
    x = float(rng.uniform(w + 0.01, 0.99 - w))
    where = habitat(kind, action)
    low, high = {"air": (h + 0.03, 0.46), "free": (h + 0.03, 0.95 - h), "ground": (0.8 - h, 0.96 - h)}[where]
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
    """Things whose foot is lower in the frame are nearer; those in the air are behind."""
    return thing.y + thing.extent[1] / 2


def sample_scene(rng: np.random.Generator, n_things: int | None = None) -> Scene:
    """Draw a scene at random: a place and 1 to 3 things of different kinds that hide little of one another.

    Raises RequestError if n_things is not 1, 2 or 3.
    """
    if n_things not in (None, 1, 2, 3):
        raise RequestError(f"A scene holds 1, 2 or 3 things, but n_things={n_things!r} was asked for; give 1, 2 or 3.")
    count = n_things or int(rng.integers(1, 4))
    place = _pick(rng, BACKGROUNDS)
    kinds: list[str] = []
    for _ in range(count):
        kinds.append(_kind_for(rng, place, kinds))
    things = _laid_out(rng, kinds)
    return Scene(place, tuple(sorted(things, key=_depth)), int(rng.integers(N_VIEWS)))


def _laid_out(rng: np.random.Generator, kinds: list[str]) -> list[Thing]:
    sizes: list[Literal["small", "large"]] = ["small" if rng.random() < 0.45 else "large" for _ in kinds]
    allowed = 0.25 if rng.random() < 0.35 else 0.02
    for attempt in range(200):
        if attempt % 20 == 19:
            sizes = ["small" if k >= 1 or attempt > 60 else s for k, s in enumerate(sizes)]
            allowed = 0.25
        things: list[Thing] = []
        for kind, size in zip(kinds, sizes, strict=True):
            for _ in range(6):
                thing = _positioned(rng, kind, size)
                if all(overlap(thing, other) <= allowed for other in things):
                    things.append(thing)
                    break
            else:
                break
        if len(things) == len(kinds):
            return things
    raise AssertionError("three small things always find room")


def _check(scene: Scene, size: int) -> None:
    if not 16 <= size <= 2048:
        raise RequestError(f"The image size must be between 16 and 2048 pixels, but size={size!r} came; 64 is usual.")
    if scene.background not in BACKGROUNDS:
        raise RequestError(f"Unknown place {scene.background!r}; choose one of {', '.join(BACKGROUNDS)}.")
    for thing in scene.things:
        if thing.kind not in KINDS or thing.colour not in COLOURS or thing.size not in SIZES:
            raise RequestError(f"No such thing: {thing.size!r} {thing.colour!r} {thing.kind!r}; see KINDS and COLOURS.")
        if thing.action not in ACTIONS[thing.kind]:
            known = ", ".join(ACTIONS[thing.kind])
            raise RequestError(f"A {thing.kind} cannot be {thing.action!r}; choose one of {known}.")


def _factor(size: int) -> int:
    return 4 if size <= 128 else 3 if size <= 512 else 2


def _shadow(draw: ImageDraw.ImageDraw, canvas: Image.Image, thing: Thing) -> None:
    """A soft patch on the ground below a thing that stands on it, in a darker shade of that ground."""
    if habitat(thing.kind, thing.action) != "ground":
        return
    side = canvas.width
    foot = thing.y + thing.extent[1] / 2 - 0.01
    columns = [thing.x + share * thing.extent[0] for share in (-0.4, -0.2, 0.0, 0.2, 0.4)]
    samples = [
        canvas.getpixel((min(max(int(x * side), 0), side - 1), min(int(foot * side), side - 1)))[:3] for x in columns
    ]
    ground = sorted(samples, key=sum)[2]  # the middle one, so that a mark on the road does not tint the shadow
    pen = Pen(draw, float(side), 0j)
    pen.oval((thing.x, foot), (thing.extent[0] * 0.46, 0.022), mix(ground, (30, 30, 60), 0.22))


def _draw_thing(draw: ImageDraw.ImageDraw, side: int, owner: int, thing: Thing) -> None:
    unit = SIZES[thing.size] * thing.scale * side
    pen = Pen(draw, unit, complex(thing.x, thing.y) * side, flip=thing.facing == "left", owner=owner)
    DRAWINGS[thing.kind](pen, tones_of(COLOURS[thing.colour]), Pose(thing.action, thing.phase % 1.0, thing.word))


def _contours(pixels: np.ndarray, things: tuple[Thing, ...]) -> None:
    """Darken a thin rim inside each thing's outline, in place, so that it stands out from any background."""
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
    whole = pixels.reshape(-1, 4).view(np.uint32)[:, 0]  # four channels at once
    whole[at] = palette.astype(np.uint8).view(np.uint32)[:, 0][owner.ravel()[at]]


def render(scene: Scene, size: int = 64) -> Rendered:
    """Draw a scene, antialiased by supersampling and the same every time.

    Returns image (size, size, 3) uint8 and masks (n_things, size, size) bool, which never overlap.
    Raises RequestError for unknown words or a size outside 16..2048.
    """
    _check(scene, size)
    factor = _factor(size)
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
