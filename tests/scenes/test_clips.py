"""Clips: things travel, stay in the frame, and face the way they go."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.clips import SPEED, Clip, clip_caption, sample_clip, scene_at
from brivl.scenes.scene import Scene, Thing, render
from brivl.scenes.things import ACTIONS


def test_clips_repeat_from_the_seed_and_start_at_their_scene() -> None:
    for seed in range(20):
        one, other = (sample_clip(np.random.default_rng(seed), 8.0) for _ in range(2))
        assert one == other
        start = scene_at(one, 0.0)
        for thing, first in zip(start.things, one.start.things, strict=True):
            assert thing.x == pytest.approx(first.x) and thing.y == pytest.approx(first.y)
            assert thing.phase == pytest.approx(first.phase) and thing.facing == first.facing


def test_things_stay_in_the_frame_and_something_moves() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        clip = sample_clip(rng, 12.0)
        path = []
        for t in np.linspace(0, 12, 49):
            scene = scene_at(clip, float(t))
            path.append([(thing.x, thing.y) for thing in scene.things])
            for thing in scene.things:
                w, h = thing.extent
                assert w / 2 - 1e-9 <= thing.x <= 1 - w / 2 + 1e-9
                assert h / 2 - 1e-9 <= thing.y <= 1 - h / 2 + 1e-9
        assert np.ptp(np.array(path), axis=0).max() > 0.1


def test_positions_are_continuous_and_speeds_as_given() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        clip = sample_clip(rng, 6.0)
        path = np.array([[(q.x, q.y) for q in scene_at(clip, float(t)).things] for t in np.linspace(0, 6, 601)])
        steps = np.abs(np.diff(path, axis=0)) / 0.01
        np.testing.assert_array_less(steps.max(0), np.abs(np.array(clip.velocities)) + 1e-6)


def test_travelling_things_face_the_way_they_go() -> None:
    rng = np.random.default_rng(3)
    agree = []
    for _ in range(40):
        clip = sample_clip(rng, 10.0)
        for t in np.linspace(0, 9.9, 34):
            now, soon = scene_at(clip, float(t)), scene_at(clip, float(t) + 0.1)
            for a, b, v in zip(now.things, soon.things, clip.velocities, strict=True):
                if v[0] and a.facing == b.facing:
                    agree.append((b.x > a.x) == (a.facing == "right"))
    assert np.mean(agree) > 0.98


def test_still_things_neither_move_nor_change() -> None:
    cup = Thing("cup", "red", "large", 0.3, 0.6)
    dog = Thing("dog", "blue", "small", 0.7, 0.8, "running", 0.2)
    clip = Clip(Scene("meadow", (cup, dog)), ((0.0, 0.0), (0.15, 0.0)), 4.0)
    assert scene_at(clip, 3.3).things[0] == cup
    frames = [render(scene_at(clip, t)).image for t in (0.0, 0.5, 1.0)]
    assert (frames[0] != frames[1]).any() and (frames[1] != frames[2]).any()


def test_clip_caption_says_which_way() -> None:
    dog = Thing("dog", "blue", "small", 0.3, 0.8, "running", 0.2)
    clip = Clip(Scene("meadow", (dog,)), ((0.15, 0.0),), 2.0)
    assert clip_caption(clip) == caption(clip.start) + " The dog moves to the right."
    left = Clip(clip.start, ((-0.1, 0.0),), 1.0)
    assert clip_caption(left).endswith("The dog moves to the left.")


def test_travelling_actions_are_known_actions() -> None:
    assert set(SPEED) <= {action for actions in ACTIONS.values() for action in actions}


def test_bad_times_are_refused() -> None:
    with pytest.raises(RequestError, match="duration=0"):
        sample_clip(np.random.default_rng(0), 0)
    clip = sample_clip(np.random.default_rng(0), 2.0)
    with pytest.raises(RequestError, match=r"Expected a time from 0 to 2.0 s, got t=2.5"):
        scene_at(clip, 2.5)
