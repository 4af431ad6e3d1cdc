"""The movie of the simulated experiment: drawn clips in runs, several frames per TR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import joblib
import numpy as np

from brivl.config import n_cores
from brivl.errors import RequestError
from brivl.scenes.clips import Clip, clip_caption, sample_clip, scene_at
from brivl.scenes.scene import Scene, render

MAX_TRS = 10_000  # far more than in the measured experiment, and frames still fit in memory


@dataclass(frozen=True)
class MovieConfig:
    """Size of the movie. The published shortclips experiment has 3,600 training and 270 test TRs.

    Attributes
    ----------
    n_train, n_test : int
        TRs of all training runs, and of the test run.
    n_runs : int
        Number of training runs, which are equally long.
    n_repeats : int
        Repeats of the test run.
    frames_per_tr : int
        Frames in each TR.
    tr : float
        Seconds.
    image_size : int
        Pixels of a side of a frame.
    seed : int
        Random seed.
    """

    n_train: int = 720
    n_test: int = 90
    n_runs: int = 12
    n_repeats: int = 10
    frames_per_tr: int = 4
    tr: float = 2.0
    image_size: int = 64
    seed: int = 2022

    def __post_init__(self) -> None:
        fits = 10 * self.n_runs <= self.n_train <= MAX_TRS and 20 <= self.n_test <= MAX_TRS
        if self.n_train % self.n_runs or not fits:
            raise RequestError(
                f"Expected {10 * self.n_runs} to {MAX_TRS} training TRs in {self.n_runs} equal runs and 20 to "
                f"{MAX_TRS} test TRs, got {self.n_train} and {self.n_test}. Use for example phantom-movie:720/90."
            )


@dataclass(frozen=True)
class Movie:
    """Frames of the training runs, then those of the test run.

    Attributes
    ----------
    frames : (n_trs * frames_per_tr, size, size, 3) array of uint8
        Frames.
    captions : (n_trs,) array of str
        What each TR shows.
    """

    frames: np.ndarray
    captions: np.ndarray


def make_movie(config: MovieConfig) -> Movie:
    """Draw the movie.

    Parameters
    ----------
    config : MovieConfig
        Size and seed.

    Returns
    -------
    Movie
        Frames and captions.

    Notes
    -----
    Runs are drawn in parallel, each from its own seed, so that the result does not depend on the number of cores.
    """
    runs = joblib.Parallel(n_jobs=min(n_cores(), 8))(
        joblib.delayed(_run)(config, run, length) for run, length in enumerate(_lengths(config))
    )
    frames, captions = zip(*runs, strict=True)
    return Movie(np.concatenate(frames), np.concatenate(captions))


def movie_scenes(config: MovieConfig) -> list[Scene]:
    """Return the scene of each TR, as it was when its clip began; nothing is drawn.

    Parameters
    ----------
    config : MovieConfig
        Size and seed.

    Returns
    -------
    list of Scene
        One scene per TR.
    """
    return [
        clip.start for run, n in enumerate(_lengths(config)) for clip, k in _clips(config, run, n) for _ in range(k)
    ]


def _lengths(config: MovieConfig) -> list[int]:
    return [config.n_train // config.n_runs] * config.n_runs + [config.n_test]


def _clips(config: MovieConfig, run: int, n_trs: int) -> Iterator[tuple[Clip, int]]:
    """Sample clips of 2 to 4 TRs that fill a run, with their lengths."""
    rng, left = np.random.default_rng([config.seed, run]), n_trs
    while left:
        length = min(int(rng.integers(2, 5)), left)
        left -= length
        yield sample_clip(rng, length * config.tr), length


def _run(config: MovieConfig, run: int, n_trs: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the frames of one run, and caption its TRs."""
    frames: list[np.ndarray] = []
    captions: list[str] = []
    for clip, length in _clips(config, run, n_trs):
        times = (np.arange(length * config.frames_per_tr) + 0.5) * config.tr / config.frames_per_tr
        frames += [render(scene_at(clip, float(t)), config.image_size).image for t in times]
        captions += [clip_caption(clip)] * length
    return np.stack(frames), np.array(captions)
