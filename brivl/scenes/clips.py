"""Short moving scenes: things move along straight lines, turn at the frame's edge, and go through their motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.scene import Scene, Thing, sample_scene
from brivl.scenes.things import habitat

# Actions that carry a thing along, with its usual speed in frame widths per second.
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
# Motion cycles per second of each action; the others go through 0.8.
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
    """A scene at its start, each thing's velocity in frame widths per second (x right, y down), seconds it lasts."""

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
    """Draw a clip at random, `duration` seconds long; at least one of its things travels through the frame.

    Raises RequestError if the duration is not positive.
    """
    if not duration > 0:
        raise RequestError(f"A clip lasts more than 0 seconds, but duration={duration!r} came; give seconds, say 10.")
    while True:
        scene = sample_scene(rng)
        movers = [k for k, thing in enumerate(scene.things) if thing.action in SPEED]
        if movers:
            return Clip(scene, tuple(_velocity(rng, thing) for thing in scene.things), float(duration))


def _between(start: float, travelled: float, half: float) -> tuple[float, bool]:
    """Position after a way between two walls that turn it back, and whether it now runs the other way."""
    low, high = half, 1.0 - half
    if high <= low:
        return start, False
    along = (min(max(start, low), high) - low + travelled) % (2 * (high - low))
    back = along > high - low
    return low + (2 * (high - low) - along if back else along), back


def _moved(thing: Thing, velocity: tuple[float, float], t: float) -> Thing:
    phase = (thing.phase + RATE.get(thing.action, 0.8) * t) % 1.0
    if velocity == (0.0, 0.0):
        return replace(thing, phase=phase)
    w, h = thing.extent
    x, turned = _between(thing.x, velocity[0] * t, w / 2)
    y = _between(thing.y, velocity[1] * t, h / 2)[0] if velocity[1] else thing.y
    facing = {"left": "right", "right": "left"}[thing.facing] if turned else thing.facing
    return replace(thing, x=x, y=y, phase=phase, facing=facing)


def scene_at(clip: Clip, t: float) -> Scene:
    """The scene t seconds after the clip's start; things stay in the frame and face the way they go.

    Raises RequestError if t is not within the clip.
    """
    if not 0 <= t <= clip.duration:
        raise RequestError(f"The clip lasts {clip.duration} s, but its scene at t={t!r} s was wanted; stay within it.")
    things = tuple(_moved(thing, v, t) for thing, v in zip(clip.start.things, clip.velocities, strict=True))
    return replace(clip.start, things=things)


def _way(thing: Thing, later: Thing) -> str:
    dx, dy = later.x - thing.x, later.y - thing.y
    if max(abs(dx), abs(dy)) < 0.03:
        return ""
    if abs(dx) >= abs(dy):
        return "to the right" if dx > 0 else "to the left"
    return "down" if dy > 0 else "up"


def clip_caption(clip: Clip) -> str:
    """The canonical caption of the clip's first frame, and where its fastest thing goes."""
    speeds = [np.hypot(*v) for v in clip.velocities]
    k = int(np.argmax(speeds))
    last = scene_at(clip, clip.duration)
    way = _way(clip.start.things[k], last.things[k])
    sentence = caption(clip.start)
    return f"{sentence} The {clip.start.things[k].kind} moves {way}." if way else sentence
