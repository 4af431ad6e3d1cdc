"""Short animated scenes: things move along straight lines, reverse at the edge of the frame, and cycle their motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.scene import Facing, Scene, Thing, sample_scene
from brivl.scenes.things import habitat

# Actions in which a thing travels, with its typical speed in frame widths per second.
SPEED: dict[str, float] = {
    "walking": 0.08,
    "running": 0.18,
    "driving": 0.2,
    "sailing": 0.09,
    "flying": 0.2,
    "swimming": 0.1,
    "rolling": 0.14,
    "bouncing": 0.08,
    "floating": 0.06,
}
# Motion cycles per second of each action; DEFAULT_RATE for the others.
DEFAULT_RATE = 0.8
RATE: dict[str, float] = {
    "running": 1.6,
    "walking": 1.0,
    "driving": 0.9,
    "flying": 1.4,
    "talking": 1.8,
    "barking": 1.6,
    "sleeping": 0.3,
    "swaying": 0.4,
    "steaming": 0.5,
    "smoking": 0.35,
    "sailing": 0.4,
    "still": 0.0,
}


@dataclass(frozen=True)
class Clip:
    """A scene in motion.

    Attributes
    ----------
    start : Scene
        Scene at the start.
    velocities : tuple of (vx, vy)
        Velocity of each thing in frame widths per second, x right, y down.
    duration : float
        Seconds.
    """

    start: Scene
    velocities: tuple[tuple[float, float], ...]
    duration: float


def _velocity(rng: np.random.Generator, thing: Thing) -> tuple[float, float]:
    if thing.action not in SPEED:
        return 0.0, 0.0
    speed = SPEED[thing.action] * float(rng.uniform(0.7, 1.3))
    steep = 0.35 if habitat(thing.kind, thing.action) != "ground" else 0.0
    sign = 1.0 if thing.facing == "right" else -1.0
    return sign * speed, float(rng.uniform(-steep, steep)) * speed


def sample_clip(rng: np.random.Generator, duration: float) -> Clip:
    """Sample a clip at random, in which at least one thing travels through the frame.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    duration : float
        Seconds.

    Returns
    -------
    Clip
        Clip.

    Raises
    ------
    RequestError
        If the duration is not positive.
    """
    if not duration > 0:
        raise RequestError(f"Expected a duration above 0 s, got duration={duration!r}. Give seconds, for example 10.")
    while True:
        scene = sample_scene(rng)
        movers = [k for k, thing in enumerate(scene.things) if thing.action in SPEED]
        if movers:
            return Clip(scene, tuple(_velocity(rng, thing) for thing in scene.things), float(duration))


def _reflected(start: float, travelled: float, half: float) -> tuple[float, bool]:
    """Return the position of a thing that is reflected at the edges, and whether it now moves in reverse."""
    low, high = half, 1.0 - half
    if high <= low:
        return start, False
    along = (min(max(start, low), high) - low + travelled) % (2 * (high - low))
    back = along > high - low
    return low + (2 * (high - low) - along if back else along), back


def _moved(thing: Thing, velocity: tuple[float, float], t: float) -> Thing:
    phase = (thing.phase + RATE.get(thing.action, DEFAULT_RATE) * t) % 1.0
    if velocity == (0.0, 0.0):
        return replace(thing, phase=phase)
    w, h = thing.extent
    x, reversed_x = _reflected(thing.x, velocity[0] * t, w / 2)
    y = _reflected(thing.y, velocity[1] * t, h / 2)[0] if velocity[1] else thing.y
    facing: Facing = ("right" if thing.facing == "left" else "left") if reversed_x else thing.facing
    return replace(thing, x=x, y=y, phase=phase, facing=facing)


def scene_at(clip: Clip, t: float) -> Scene:
    """Return the scene at a time of the clip; things stay in the frame and face the way they move.

    Parameters
    ----------
    clip : Clip
        Clip.
    t : float
        Seconds from its start.

    Returns
    -------
    Scene
        Scene.

    Raises
    ------
    RequestError
        If the time is not within the clip.
    """
    if not 0 <= t <= clip.duration:
        raise RequestError(f"Expected a time from 0 to {clip.duration} s, got t={t!r}. Stay within the clip.")
    things = tuple(_moved(thing, v, t) for thing, v in zip(clip.start.things, clip.velocities, strict=True))
    return replace(clip.start, things=things)


def _direction(thing: Thing, later: Thing) -> str:
    dx, dy = later.x - thing.x, later.y - thing.y
    if max(abs(dx), abs(dy)) < 0.03:
        return ""
    if abs(dx) >= abs(dy):
        return "to the right" if dx > 0 else "to the left"
    return "down" if dy > 0 else "up"


def clip_caption(clip: Clip) -> str:
    """Describe the first frame of a clip and the direction in which its fastest thing moves.

    Parameters
    ----------
    clip : Clip
        Clip.

    Returns
    -------
    str
        One or two sentences.
    """
    speeds = [np.hypot(*v) for v in clip.velocities]
    k = int(np.argmax(speeds))
    last = scene_at(clip, clip.duration)
    direction = _direction(clip.start.things[k], last.things[k])
    sentence = caption(clip.start)
    return f"{sentence} The {clip.start.things[k].kind} moves {direction}." if direction else sentence
