"""The two protocols of fitting: that of the authors' code, and one whose scores are of data not used in the fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from brivl.core.records import Design
from brivl.errors import RequestError


@dataclass(frozen=True)
class Preset:
    """All choices that change a score, as plain values, which are part of keys; `why` gives the reasons by field."""

    name: str
    outer: Literal["grouped", "shuffled"]  # how rows are held out where there is no test set
    inner: Literal["grouped", "contiguous"]  # folds within the training rows that choose weights and alpha
    n_outer: int
    n_inner: int
    n_ratios: int | None  # size of a deterministic grid of band weights; None: random draws
    n_iter: int | None  # number of random draws of band weights; None: the grid
    alphas: tuple[float, ...]
    test_zscore: Literal["training", "own"]  # whose standard deviation scales the held-out responses
    normalise_kernels: bool
    delays_s: tuple[float, ...] = (0.0, 4.0, 6.0, 8.0)
    ev_threshold: float = 0.1
    seed: int = 0
    search: Literal["own", "himalaya"] = "own"  # docs/solver.md; "himalaya": its random search, draw by draw
    why: Mapping[str, str] = field(default_factory=dict, compare=False)


class FitProtocol(NamedTuple):
    """Protocol of one fit: the design of a subject's data, and the preset of all other choices."""

    design: Design
    preset: Preset


STRICT = Preset(
    name="strict",
    outer="grouped",
    inner="grouped",
    n_outer=5,
    n_inner=6,
    n_ratios=11,
    n_iter=None,
    alphas=tuple(np.logspace(-2, 5, 15).tolist()),
    test_zscore="training",
    normalise_kernels=True,
    why={
        "outer": "Sentences of a passage, and samples of a run, are similar for reasons other than the stimulus. They "
        "are held out together: 5 folds of passages, or each run in turn.",
        "inner": "Weights and alpha are chosen as the final score is made: whole passages or runs are held out.",
        "n_inner": "Neighbouring runs are held out together where there are more than 6 (12 runs: 6 folds of 2), "
        "which takes half the time of single runs.",
        "n_ratios": "A fixed grid, symmetric in the two models: results are reproducible, and swapping the models "
        "swaps their scores. A finer grid did not change scores.",
        "alphas": "Kernels have a mean diagonal of 1, so that 0.01 hardly shrinks and 100,000 hardly predicts.",
        "test_zscore": "Held-out responses are divided by the standard deviation of the training rows. Of the held-out "
        "rows only the mean of each run is used, which is arbitrary in BOLD; where rows are no time series, the "
        "training mean is subtracted instead.",
        "normalise_kernels": "Weights and alphas do not depend on the number or units of features.",
    },
)

PAPER = Preset(
    name="paper",
    outer="shuffled",
    inner="contiguous",
    n_outer=5,
    n_inner=5,
    n_ratios=None,
    n_iter=20,
    alphas=tuple(np.logspace(1, 20, 20).tolist()),
    test_zscore="own",
    normalise_kernels=False,
    search="himalaya",
    why={
        "search": "As in the authors' code: himalaya's random search, with every draw for every voxel.",
        "outer": "As in the authors' code: KFold(5, shuffle=True, random_state=1) over sentences, so that sentences "
        "of one passage are in both the training and the test set and scores are inflated.",
        "inner": "As in the authors' code: cv=5, consecutive blocks.",
        "n_iter": "As in the authors' code: 20 random draws of band weights.",
        "alphas": "As in the authors' code: logspace(1, 20, 20).",
        "test_zscore": "As in the authors' code: held-out responses are z-scored by themselves.",
        "normalise_kernels": "As in the authors' code: features are centred, not scaled.",
        "seed": "The authors set none, so their draws differ every time; here 0, which makes results reproducible.",
    },
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in (STRICT, PAPER)}


def preset_settings(name: str) -> dict[str, Any]:
    """Return the choices of a preset, without the reasons, as part of the key of stored results.

    Parameters
    ----------
    name : str
        Name of the preset.

    Returns
    -------
    dict
        Value of each field.

    Raises
    ------
    RequestError
        If there is no such preset.
    """
    if name not in PRESETS:
        raise RequestError(f"Expected one of the presets {sorted(PRESETS)}, got {name!r}. Choose one of these.")
    settings = asdict(PRESETS[name])
    settings.pop("why")
    return settings
