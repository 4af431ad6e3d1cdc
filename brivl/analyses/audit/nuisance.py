"""Low-level baselines: features without semantic content, and an untrained network, as far as a dataset allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from brivl.core.audit.nuisance import (
    autocorrelated_sequences,
    frame_difference_energy,
    luminance_features,
    position_within,
    run_drift,
    standardise_columns,
    text_length,
    to_luminance,
    word_rate,
)
from brivl.core.progress import ProgressCallback
from brivl.core.records import Design, Stimulus
from brivl.data.features import ITEMS_AT_A_TIME, stimulus_digest
from brivl.data.formats.images import read_images
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "nuisance", 1
UNTRAINED = "untrained"
AUTOCORRELATION = "autocorrelation"
ALL = "all-nuisances"


@dataclass(frozen=True)
class Baseline:
    """A low-level baseline: its name in requests and stored rows, its title, and what it is."""

    name: str
    title: str
    what: str


BASELINES: Mapping[str, Baseline] = {
    b.name: b
    for b in (
        Baseline("length", "Sentence length", "Number of words and of characters."),
        Baseline("position", "Position in the passage", "Index of the sentence in its passage; first and last."),
        Baseline("word-rate", "Word rate", "Words per second in each sample."),
        Baseline("luminance", "Luminance", "Mean luminance in 4 x 4 cells of the image, and contrast."),
        Baseline(
            "frame-difference",
            "Frame-difference energy",
            "Squared change between frames at 4 spatial scales; a simple proxy for motion energy, without directions.",
        ),
        Baseline("drift", "Slow drift", "Four low-frequency cosines per run (drift)."),
        Baseline(
            AUTOCORRELATION,
            "Neighbouring sentences",
            "A column for each sentence, blurred over its passage (after Feghhi et al. 2024): no content at all.",
        ),
        Baseline(ALL, "All nuisance features", "One band with all of the above (except neighbouring sentences)."),
        Baseline(UNTRAINED, "Untrained network", "Architecture and layer of the first model, with random weights."),
    )
}


def baselines_for(stimulus: Stimulus, design: Design) -> list[str]:
    """List the baselines that a dataset allows.

    Parameters
    ----------
    stimulus : Stimulus
        Items, and their weights in each sample.
    design : Design
        Timing, runs and groups of the samples.

    Returns
    -------
    list of str
        Names in `BASELINES`.
    """
    kind, series = stimulus.kind, design.tr is not None
    grouped = design.groups is not None and not design.n_test
    available = {
        "length": kind == "text",
        "position": grouped,
        "word-rate": kind == "text" and series,
        "luminance": kind == "image",
        "frame-difference": kind == "image" and _is_movie(stimulus),
        "drift": series,
        AUTOCORRELATION: grouped,
    }
    names = [name for name, there in available.items() if there]
    parts = [name for name in names if name != AUTOCORRELATION]
    names += [ALL] if len(parts) > 1 else []
    return names + ([UNTRAINED] if kind in ("image", "text") else [])


def nuisance_band(
    store: Store, stimulus: Stimulus, design: Design, name: str, progress: ProgressCallback
) -> np.ndarray:
    """Compute the features of a baseline other than the untrained network.

    Parameters
    ----------
    store : Store
        Keeps what is read from frames.
    stimulus : Stimulus
        Items, and their weights in each sample.
    design : Design
        Timing, runs and groups of the samples.
    name : str
        Name in `BASELINES`.
    progress : callable
        Progress callback.

    Returns
    -------
    (n_samples, n_features) array
        Columns standardised.
    """
    if name == ALL:
        parts = [n for n in baselines_for(stimulus, design) if n not in (ALL, UNTRAINED, AUTOCORRELATION)]
        return np.concatenate([nuisance_band(store, stimulus, design, part, progress) for part in parts], axis=1)
    made = {
        "length": lambda: stimulus.weights @ text_length(list(stimulus.items)),
        "position": lambda: position_within(np.asarray(design.groups)),
        "word-rate": lambda: word_rate(list(stimulus.items), stimulus.weights, design.tr or 1.0),
        "luminance": lambda: _of_frames(store, stimulus, progress)[:, :-4],
        "frame-difference": lambda: _of_frames(store, stimulus, progress)[:, -4:],
        "drift": lambda: run_drift(_all_onsets(design), design.n_train + design.n_test),
        AUTOCORRELATION: lambda: autocorrelated_sequences(np.asarray(design.groups)),
    }
    return standardise_columns(np.asarray(made[name]()))


def _all_onsets(design: Design) -> np.ndarray:
    if not design.n_test:
        return np.asarray(design.run_onsets)
    return np.r_[design.run_onsets, design.n_train + np.asarray(design.test_onsets)]


def _is_movie(stimulus: Stimulus) -> bool:
    """Whether items are frames in the order of time: one or more in each sample, and none shown again later."""
    columns = scipy.sparse.csc_matrix(stimulus.weights)
    shown = np.flatnonzero(np.diff(columns.indptr))
    if len(shown) < stimulus.weights.shape[0]:
        return False
    columns.sort_indices()
    first, last = columns.indices[columns.indptr[shown]], columns.indices[columns.indptr[shown + 1] - 1]
    return bool((first[1:] >= last[:-1]).all())


def _of_frames(store: Store, stimulus: Stimulus, progress: ProgressCallback) -> np.ndarray:
    """Luminance (17 columns) and frame differences (4) of each sample; frames are read once and the result is kept."""
    key = ArtifactKey(KIND, {"stimulus": stimulus_digest(stimulus), "version": VERSION})

    def compute() -> tuple[dict[str, np.ndarray], dict]:
        return {"frames": _read_frames(stimulus, progress)}, {"n_items": len(stimulus.items)}

    return store.get_or_compute(key, compute).arrays["frames"]


def _read_frames(stimulus: Stimulus, progress: ProgressCallback) -> np.ndarray:
    n_items, rows, last = len(stimulus.items), [], None
    for start in range(0, n_items, ITEMS_AT_A_TIME):
        progress(start, n_items, "Luminance of the frames")
        items = stimulus.items[start : start + ITEMS_AT_A_TIME]
        grey = to_luminance(items if isinstance(items, np.ndarray) else read_images(items))
        if last is None or last.shape != grey.shape[1:]:
            last = grey[0]
        change = frame_difference_energy(grey, np.concatenate([last[None], grey[:-1]]))
        room = np.full((len(grey), 4 - change.shape[1]), change.min() if change.size else 0)  # of tiny pictures
        rows.append(np.concatenate([luminance_features(grey), change, room], axis=1))
        last = grey[-1]
    return np.asarray(stimulus.weights @ np.concatenate(rows), np.float32)
