"""The two protocols of fitting: that of the authors' code, and one whose scores are of data not used in the fit.

The name of a preset may be followed by the delays of the features: "strict:0,2,4,6,8" (seconds), or "strict:hrf".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from brivl.core.encoding.delays import delays_at, delays_in_samples
from brivl.core.records import Design
from brivl.errors import RequestError

MAX_DELAY_S, MAX_DELAYS = 30.0, 60
HRF = "hrf"  # in the place of delays: features convolved with the canonical haemodynamic response
Response = Literal["filled", "exact", "hrf"]


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
    # "filled": delays_s, filled at TRs below 2 s; "exact": delays_s; "hrf": one column a feature, convolved
    response: Response = "filled"
    why: Mapping[str, str] = field(default_factory=dict, compare=False)


class FitProtocol(NamedTuple):
    """Protocol of one fit: the design of a subject's data, and the preset of all other choices."""

    design: Design
    preset: Preset


DELAYS_WHY = (
    "0, 4, 6 and 8 s as in the paper, at TR 2 s and longer ones that tell them apart; else every sample up to 10 s, at "
    "TRs below 0.5 s every half second. Responses at delays that are left out cannot be predicted."
)
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
        "test_zscore": "Held-out responses are scaled with the training standard deviation. Held-out runs are "
        "mean-centred, since the baseline of BOLD is arbitrary; where samples are no time series, the training mean is "
        "subtracted instead.",
        "normalise_kernels": "Weights and alphas do not depend on the number or units of features.",
        "delays_s": DELAYS_WHY,
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


class _Presets(Mapping[str, Preset]):
    """Presets by name; a name may have delays after a colon, which are not listed."""

    def __init__(self, *presets: Preset) -> None:
        self._presets = {preset.name: preset for preset in presets}

    def __getitem__(self, name: str) -> Preset:
        base, colon, delays = name.partition(":")
        preset = self._presets[base]
        return _with_delays(preset, delays) if colon else preset

    def __iter__(self) -> Iterator[str]:
        return iter(self._presets)

    def __len__(self) -> int:
        return len(self._presets)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or name.partition(":")[0] not in self._presets:
            return False
        try:
            self[name]
        except RequestError:
            return False
        return True


def _with_delays(preset: Preset, delays: str) -> Preset:
    name = f"{preset.name}:{delays}"
    if delays == HRF:
        return replace(preset, name=name, response="hrf")
    try:
        seconds = tuple(float(word) for word in delays.split(","))
    except ValueError:
        seconds = ()
    rising = all(a < b for a, b in zip(seconds, seconds[1:], strict=False))
    if not seconds or not rising or not 0 <= seconds[0] or not seconds[-1] <= MAX_DELAY_S or len(seconds) > MAX_DELAYS:
        raise RequestError(
            f"Expected delays as rising seconds from 0 to {MAX_DELAY_S:g} with commas between them, or {HRF!r}, got "
            f"{delays!r}. Write them as 0,2,4,6,8."
        )
    return replace(preset, name=name, delays_s=seconds, response="exact")


PRESETS: Mapping[str, Preset] = _Presets(STRICT, PAPER)


def preset_with_delays(name: str, delays: str) -> str:
    """Name a preset with other delays.

    Parameters
    ----------
    name : str
        Name of a preset, with or without delays.
    delays : str
        Seconds with commas between them, "hrf", or "" for the default.

    Returns
    -------
    str
        Such as "strict:0,2,4,6,8".

    Raises
    ------
    RequestError
        The delays cannot be read.
    """
    base, text = name.partition(":")[0], "".join(delays.split())
    if not text:
        return base
    if base in PRESETS:
        PRESETS[f"{base}:{text}"]
    return f"{base}:{text}"


def lags(preset: Preset, tr: float) -> tuple[int, ...]:
    """Convert the delays of a preset to samples.

    Parameters
    ----------
    preset : Preset
        The preset.
    tr : float
        Time between two samples in seconds.

    Returns
    -------
    tuple of int
        Delays of the features in samples; (0,) where features are convolved with the haemodynamic response.

    Raises
    ------
    RequestError
        Two delays that the user chose fall on the same sample.
    """
    if preset.response == "hrf":
        return (0,)
    return delays_in_samples(preset.delays_s, tr) if preset.response == "exact" else delays_at(preset.delays_s, tr)


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
        if name.partition(":")[0] in PRESETS:
            PRESETS[name]  # says what is wrong with the delays
        raise RequestError(f"Expected one of the presets {sorted(PRESETS)}, got {name!r}. Choose one of these.")
    settings = asdict(PRESETS[name])
    settings.pop("why")
    if settings["response"] == "filled":  # no part of the keys of results from before there was a choice
        settings.pop("response")
    return settings
