"""The two named ways of fitting: what the authors' code did, and what a held-out score needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from brivl.core.records import Design
from brivl.errors import RequestError


@dataclass(frozen=True)
class Preset:
    """Every choice that changes a score; `why` gives the reason of a field. Plain values, so that it can be a key."""

    name: str
    outer: Literal["grouped", "shuffled"]  # how rows are held out where there is no test set
    inner: Literal["grouped", "contiguous"]  # folds within the training rows that choose weights and alpha
    n_outer: int
    n_inner: int
    n_ratios: int | None  # deterministic grid of band weights, or
    n_iter: int | None  # random draws of band weights
    alphas: tuple[float, ...]
    test_zscore: Literal["training", "own"]  # whose standard deviation scales the held-out responses
    normalise_kernels: bool
    delays_s: tuple[float, ...] = (0.0, 4.0, 6.0, 8.0)
    ev_threshold: float = 0.1
    seed: int = 0
    search: Literal["own", "himalaya"] = "own"  # docs/solver.md; "himalaya": its random search, draw by draw
    why: Mapping[str, str] = field(default_factory=dict, compare=False)


class FitProtocol(NamedTuple):
    """How a fit treats time and samples: the design of a subject's data, and the preset of all other choices."""

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
        "outer": "Sentences of a passage, and samples of a run, are alike for reasons other than the stimulus; they "
        "are held out together: 5 folds of passages, or each run in turn.",
        "inner": "The choice of weights and alpha faces the same task as the final score: whole passages or runs.",
        "n_inner": "Neighbouring runs are paired where there are more than 6 (12 runs: 6 folds of 2), which takes "
        "half the time of one at a time.",
        "n_ratios": "A fixed grid, symmetric in the two models: the same answer every time, and swapping the models "
        "swaps their scores. More than 11 made no resolvable difference.",
        "alphas": "Kernels have a mean diagonal of 1, so 0.01 is almost no shrinkage and 100,000 almost no prediction.",
        "test_zscore": "Held-out responses are divided by the deviation of the training rows. Of themselves they lend "
        "only the mean of each held-out run, which is arbitrary in BOLD; rows that are no time series not even that.",
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
        "search": "As in the authors' code: himalaya's random search, every draw for every voxel.",
        "outer": "As in the authors' code: KFold(5, shuffle=True, random_state=1) over sentences, so sentences of one "
        "passage lie on both sides and scores are flattered.",
        "inner": "As in the authors' code: cv=5, consecutive blocks.",
        "n_iter": "As in the authors' code: 20 random draws of band weights.",
        "alphas": "As in the authors' code: logspace(1, 20, 20).",
        "test_zscore": "As in the authors' code: held-out responses are z-scored by themselves.",
        "normalise_kernels": "As in the authors' code: features are centred, not scaled.",
        "seed": "The authors set none, so their draws differ every time; here 0, to give the same answer twice.",
    },
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in (STRICT, PAPER)}


def preset_settings(name: str) -> dict[str, Any]:
    """What a preset does, without the reasons: part of the key of every answer. RequestError for an unknown one."""
    if name not in PRESETS:
        raise RequestError(f"Wanted a preset out of {sorted(PRESETS)} and got {name!r}.")
    settings = asdict(PRESETS[name])
    settings.pop("why")
    return settings
