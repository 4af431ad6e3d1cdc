"""Cleaning of BOLD on whole runs: confounds, high-pass filter, volumes that are left out, smoothing.

Cleaning is one linear operator for each run, which nilearn's `signal.clean` makes, so that features can be cleaned as
the responses are (Lindquist et al. 2019, doi:10.1002/hbm.24528, on why filters must not be applied to one side only).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from brivl.core.records import RunCleaning
from brivl.data.bids.confounds import PARAMETERS, RunConfounds, read_confounds
from brivl.data.bids.layout import Run
from brivl.data.bids.options import CLEANING, STRATEGIES
from brivl.errors import DataError

NONE, AUTO, BASIC = "none", "auto", "basic"
MOST_VOXELS = 5000  # from which it is decided whether confounds matter
CUT_OFF_S, WINDOW_S = 128.0, 120.0  # of cosines as in fMRIPrep; of Savitzky-Golay as in Huth et al. (2016)
POLYNOMIAL = 3  # order of the Savitzky-Golay filter
MIN_KEPT = 10  # volumes; fewer leave nothing to fit
MAX_FWHM = 30.0  # mm
BLOCK = 4096  # voxels cleaned at a time, to bound the float64 copy


@dataclass(frozen=True)
class CleaningOptions:
    """What the user chooses; "" leaves a choice to the default.

    Attributes
    ----------
    clean : str
        NONE or one of STRATEGIES; by default AUTO where every run has a table of confounds, else NONE.
    highpass : str
        Cut-off of cosines in seconds; "savgol" or "savgol:SECONDS"; or "linear". By default cosines of 128 s with a
        strategy, where the runs are at least as long, else "linear".
    dummies : str
        "drop" or "keep" volumes before the steady state; by default "drop" with a strategy.
    smooth : str
        Full width at half maximum of a Gaussian in mm.
    """

    clean: str = ""
    highpass: str = ""
    dummies: str = ""
    smooth: str = ""

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> CleaningOptions:
        """Take the choices out of the options in the name of a dataset.

        Parameters
        ----------
        options : mapping of str to str
            Options; those of other things are left out.

        Returns
        -------
        CleaningOptions
            The choices.

        Raises
        ------
        DataError
            A choice is none of those that there are.
        """
        chosen = cls(**{name: options.get(name, "").strip() for name in CLEANING})
        if chosen.clean not in ("", NONE, *STRATEGIES):
            raise DataError(
                f"Expected clean as one of {', '.join((NONE, *STRATEGIES))}, got {chosen.clean!r}. Choose one of them."
            )
        if chosen.dummies not in ("", "drop", "keep"):
            raise DataError(f"Expected dummies=drop or dummies=keep, got {chosen.dummies!r}. Choose one of them.")
        _high_pass(chosen.highpass or "linear")
        _fwhm(chosen.smooth)
        return chosen


@dataclass(frozen=True)
class CleaningPlan:
    """What is done to every run of a subject.

    Attributes
    ----------
    strategy : str
        NONE or one of STRATEGIES.
    high_pass : {"linear", "cosine", "savgol"}
        Filter; a line is removed with each of them.
    seconds : float
        Cut-off period of the cosines, or window of the Savitzky-Golay filter; 0 for a line.
    drop_dummies : bool
        Whether volumes before the steady state are left out.
    fwhm : float
        Smoothing in mm; 0 for none.
    """

    strategy: str
    high_pass: Literal["linear", "cosine", "savgol"]
    seconds: float
    drop_dummies: bool
    fwhm: float

    @property
    def is_drift_only(self) -> bool:
        """Whether nothing but the line of each run is removed, as of BOLD without a table of confounds."""
        return self.strategy == NONE and self.high_pass == "linear" and not self.drop_dummies and not self.fwhm

    @property
    def uses_confounds(self) -> bool:
        """Whether tables of confounds are read."""
        return self.strategy != NONE or self.drop_dummies

    @property
    def settings(self) -> str:
        """The plan as part of a digest."""
        dummies = "dropped" if self.drop_dummies else "kept"
        return (
            f"{self.strategy} {dict(PARAMETERS.get(self.strategy, {}))}; {self.high_pass} {self.seconds:g} s; "
            f"non-steady {dummies}; FWHM {self.fwhm:g} mm; features cleaned alike"
        )


def plan_cleaning(options: CleaningOptions, runs: Sequence[Run], shortest_s: float) -> CleaningPlan:
    """Fill what the user leaves open.

    Parameters
    ----------
    options : CleaningOptions
        What the user chooses.
    runs : sequence of Run
        Runs of a subject.
    shortest_s : float
        Duration of the shortest run in s.

    Returns
    -------
    CleaningPlan
        What is done.
    """
    has_tables = all(run.confounds is not None for run in runs)
    strategy = options.clean or (AUTO if has_tables else NONE)
    high_pass, seconds = _high_pass(options.highpass or (f"{CUT_OFF_S:g}" if strategy != NONE else "linear"))
    if not options.highpass and shortest_s < seconds:
        high_pass, seconds = "linear", 0.0
    drop = options.dummies == "drop" or (strategy != NONE and options.dummies != "keep")
    return CleaningPlan(strategy, high_pass, seconds, drop, _fwhm(options.smooth))


def _high_pass(text: str) -> tuple[Literal["linear", "cosine", "savgol"], float]:
    match = re.fullmatch(r"(?P<line>linear)|(?P<sg>savgol)(:(?P<window>\d{2,4}(\.\d+)?))?|(?P<s>\d{2,4}(\.\d+)?)", text)
    if match is None:
        raise DataError(
            f"Expected highpass as seconds from 10 to 9999 such as 128, as savgol or savgol:120, or as linear, got "
            f"{text!r}. Choose one of them."
        )
    if match["line"]:
        return "linear", 0.0
    return ("savgol", float(match["window"] or WINDOW_S)) if match["sg"] else ("cosine", float(match["s"]))


def _fwhm(text: str) -> float:
    try:
        fwhm = float(text or 0)
    except ValueError:
        fwhm = math.nan
    if not 0 <= fwhm <= MAX_FWHM:
        raise DataError(f"Expected smooth in mm from 0 to {MAX_FWHM:g}, got {text!r}. Choose another width.")
    return fwhm


@dataclass(frozen=True)
class CleaningOfRun:
    """Cleaning of one run.

    Attributes
    ----------
    operator : np.ndarray
        (n_volumes, n_volumes) float64 that cleans the time series of a voxel; rows and columns of volumes that are left
        out are 0.
    kept : np.ndarray
        (n_volumes,) bool.
    confounds : RunConfounds or None
        What the table says; None where none was read.
    """

    operator: np.ndarray
    kept: np.ndarray
    confounds: RunConfounds | None

    def apply(self, Y: np.ndarray) -> np.ndarray:
        """Clean the time series of a run.

        Parameters
        ----------
        Y : np.ndarray
            (n_volumes, n_voxels).

        Returns
        -------
        np.ndarray
            (n_volumes, n_voxels) float32: 0 in volumes that are left out and in voxels that do not vary, NaN in voxels
            with a value that is not finite.
        """
        out = np.zeros(Y.shape, np.float32)
        rows = np.flatnonzero(self.kept)
        inner = self.operator[np.ix_(rows, rows)]
        for start in range(0, Y.shape[1], BLOCK):
            block = Y[rows, start : start + BLOCK].astype(np.float64)
            finite, constant = np.isfinite(block).all(0), (block == block[0]).all(0)
            cleaned = inner @ np.where(finite, block, 0)
            cleaned[:, constant] = 0
            cleaned[:, ~finite] = math.nan
            out[rows, start : start + BLOCK] = cleaned
        return out


def clean_run(plan: CleaningPlan, run: Run, n_volumes: int, tr: float) -> CleaningOfRun:
    """Make the operator that cleans one run.

    Parameters
    ----------
    plan : CleaningPlan
        What is done.
    run : Run
        The run, whose table of confounds is read where the plan needs it.
    n_volumes : int
        Volumes of the run.
    tr : float
        Repetition time in s.

    Returns
    -------
    CleaningOfRun
        Operator and volumes that are kept.

    Raises
    ------
    DataError
        The table of confounds cannot be used, or fewer than MIN_KEPT volumes would be left, or no more than regressors.
    """
    confounds = _confounds(plan, run, n_volumes)
    kept, columns = np.ones(n_volumes, bool), np.zeros((n_volumes, 0))
    if confounds is not None:
        kept &= confounds.uncensored & (confounds.steady | (not plan.drop_dummies))
        columns = confounds.columns
    n_cosines = int(2 * n_volumes * tr / plan.seconds) if plan.high_pass == "cosine" else 0
    n_regressors = columns.shape[1] + n_cosines
    n_kept = int(kept.sum())
    if n_kept < MIN_KEPT or n_kept <= n_regressors + 2:
        raise DataError(
            f"Expected more volumes than regressors in {run.label}, got {n_kept} of {n_volumes} volumes that are kept "
            f"and {n_regressors} regressors. Choose another strategy with --clean, or leave the run out."
        )
    return CleaningOfRun(_operator(plan, columns, kept, tr), kept, confounds)


def _confounds(plan: CleaningPlan, run: Run, n_volumes: int) -> RunConfounds | None:
    if not plan.uses_confounds:
        return None
    return read_confounds(run, "" if plan.strategy == NONE else plan.strategy, n_volumes)


def _operator(plan: CleaningPlan, columns: np.ndarray, kept: np.ndarray, tr: float) -> np.ndarray:
    """(n_volumes, n_volumes) operator, by cleaning unit impulses: what nilearn does here is linear in the signal."""
    # Imported here: looking a result up needs no nilearn.
    from nilearn.signal import clean

    rows, n = np.flatnonzero(kept), len(kept)
    operator = np.zeros((n, n))
    if plan.high_pass == "savgol":
        inner, columns = _savgol(columns, rows, n, round(plan.seconds / tr))
        if columns.shape[1]:
            inner = clean(inner, confounds=columns, detrend=True, standardize=None, filter=False, t_r=tr)
    else:
        inner = clean(
            np.eye(n)[:, rows],
            confounds=columns if columns.shape[1] else None,
            sample_mask=None if kept.all() else rows,
            detrend=True,
            standardize=None,
            filter="cosine" if plan.high_pass == "cosine" else False,
            high_pass=1 / plan.seconds if plan.high_pass == "cosine" else None,
            t_r=tr,
        )
    operator[np.ix_(rows, rows)] = inner
    return operator


def _savgol(columns: np.ndarray, rows: np.ndarray, n: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """High-pass operator (n_kept, n_kept) of a Savitzky-Golay filter, and the filtered confounds.

    Volumes that are left out are interpolated for the filter, and left out again after it.
    """
    import scipy.signal

    fill = np.stack([np.interp(np.arange(n), rows, impulse) for impulse in np.eye(len(rows))], axis=1)
    width = min(max(window // 2 * 2 + 1, POLYNOMIAL + 2), (n - 1) // 2 * 2 + 1)
    slow = scipy.signal.savgol_filter(fill, width, POLYNOMIAL, axis=0)
    operator = np.eye(len(rows)) - slow[rows]
    return operator, operator @ columns[rows]


def run_cleaning(
    make: Callable[[], Sequence[CleaningOfRun]],
    kept: Sequence[np.ndarray],
    train: Sequence[int],
    repeats: Sequence[int],
) -> RunCleaning:
    """Join the cleaning of runs for features.

    Parameters
    ----------
    make : callable
        Returns the cleaning of all runs, for which BOLD may have to be read.
    kept : sequence of np.ndarray
        (n_volumes,) bool of all runs.
    train : sequence of int
        Training runs.
    repeats : sequence of int
        Repeats of a test run, whose responses are averaged: features undergo the mean of their operators, and a volume
        is kept where each repeat keeps it.

    Returns
    -------
    RunCleaning
        What features undergo, and the volumes that are fitted and scored.
    """
    rows = [kept[run] for run in train]
    if repeats:
        rows.append(np.all([kept[run] for run in repeats], axis=0))

    def make_operators() -> tuple[np.ndarray, ...]:
        cleaned = make()
        of_test = [np.mean([cleaned[run].operator for run in repeats], axis=0)] if repeats else []
        return (*(cleaned[run].operator for run in train), *of_test)

    return RunCleaning(np.concatenate(rows), make_operators)


def held_out_r2(series: Sequence[np.ndarray], columns: Sequence[np.ndarray]) -> float:
    """Score how well confounds predict BOLD of runs to which their weights were not fitted.

    Regressing out what does not matter costs signal: eight columns that are as slow as BOLD take a tenth of it from a
    run of 200 volumes. Weights from other runs tell, since noise does not repeat.

    Parameters
    ----------
    series : sequence of np.ndarray
        (n_kept, n_voxels) filtered BOLD of each run.
    columns : sequence of np.ndarray
        (n_kept, n_columns) confounds of each run, filtered in the same way.

    Returns
    -------
    float
        Mean R2 over voxels and held-out runs; infinite with fewer than two runs, which cannot tell.
    """
    if len(series) < 2:
        return math.inf
    scores = []
    for held_out, (Y, C) in enumerate(zip(series, columns, strict=True)):
        others = [run for run in range(len(series)) if run != held_out]
        Y_train, C_train = (np.concatenate([each[run] for run in others]) for each in (series, columns))
        left = np.square(Y - C @ (np.linalg.pinv(C_train) @ Y_train)).sum(0)
        scores.append(1 - left / np.square(Y).sum(0))
    return float(np.mean(scores))


def cleaning_notes(
    plan: CleaningPlan, cleaned: Sequence[CleaningOfRun], confounds_r2: float | None = None
) -> tuple[str, ...]:
    """Say what was done, with numbers, for output, pages and methods.

    Parameters
    ----------
    plan : CleaningPlan
        What was done.
    cleaned : sequence of CleaningOfRun
        Cleaning of each run; empty where nothing but a line was removed.
    confounds_r2 : float, optional
        Of the strategy AUTO: R2 of the confounds on held-out runs, once BOLD was read.

    Returns
    -------
    tuple of str
        Sentences.
    """
    if plan.is_drift_only:
        return ("Cleaning: the linear drift of each run is removed; no high-pass filter, no confounds.",)
    widths = sorted({one.confounds.columns.shape[1] for one in cleaned if one.confounds is not None})
    n_columns = " to ".join(f"{width}" for width in widths[:: max(1, len(widths) - 1)])
    filters = {
        "linear": "the linear drift",
        "cosine": f"a line and cosines with periods longer than {plan.seconds:g} s",
        "savgol": f"a Savitzky-Golay filter of order {POLYNOMIAL} over {plan.seconds:g} s",
    }
    by = f" and {n_columns} confounds (strategy {plan.strategy})" if plan.strategy not in (NONE, AUTO) else ""
    smoothing = f"smoothed with a Gaussian of {plan.fwhm:g} mm FWHM; " if plan.fwhm else ""
    notes = [
        f"Cleaning: {smoothing}{filters[plan.high_pass]}{by} removed from each run, and from the delayed features "
        "in the same way (nilearn's signal.clean)."
    ]
    if plan.strategy == AUTO:
        notes.append(_auto_note(n_columns, confounds_r2))
    notes += _volume_notes(plan, cleaned)
    displacement = [one.confounds.mean_displacement for one in cleaned if one.confounds is not None]
    measured = [value for value in displacement if np.isfinite(value)]
    if measured:
        notes.append(
            f"Motion: mean framewise displacement {np.mean(measured):.2f} mm"
            + (f" ({min(measured):.2f} to {max(measured):.2f} mm by run)." if len(measured) > 1 else ".")
        )
    return tuple(notes)


def _auto_note(n_columns: str, r2: float | None) -> str:
    """Whether confounds are regressed out, and why."""
    columns = f"{n_columns} confounds (6 motion parameters, CSF and white matter; strategy auto)"
    if r2 is None:
        return (
            f"{columns} are regressed out of each run, too, if they predict BOLD of runs to which their weights were "
            "not fitted, which the fit decides."
        )
    if r2 == math.inf:
        return (
            f"{columns} are regressed out of each run, too, since fewer than two runs cannot tell whether they matter."
        )
    if r2 > 0:
        return f"{columns} are regressed out of each run, too: they explain R² {r2:.3f} of BOLD in held-out runs."
    return f"{columns} are not regressed out: they explain nothing of BOLD in held-out runs (R² {r2:.3f})."


def _volume_notes(plan: CleaningPlan, cleaned: Sequence[CleaningOfRun]) -> list[str]:
    """Volumes that are left out, by run."""
    read = [one.confounds for one in cleaned if one.confounds is not None]
    if not read:
        return []
    dummies = [int((~one.steady).sum()) if plan.drop_dummies else 0 for one in read]
    censored = [int((~one.kept).sum()) - n for one, n in zip(cleaned, dummies, strict=True)]
    notes = []
    for what, counts in (("before the steady state", dummies), ("censored for motion", censored)):
        if any(counts):
            by_run = f"{counts[0]} in each run" if len(set(counts)) == 1 else f"{', '.join(map(str, counts))} by run"
            notes.append(f"{sum(counts)} volumes {what} are neither fitted nor scored: {by_run}.")
    return notes


def cleaning_chip(plan: CleaningPlan, is_raw: bool) -> str:
    """Say in a few words how BOLD was cleaned.

    Parameters
    ----------
    plan : CleaningPlan
        What was done.
    is_raw : bool
        Whether BOLD lies in the raw folder.

    Returns
    -------
    str
        Such as "cleaned: confounds basic, cosine 128 s".
    """
    if plan.is_drift_only:
        return "raw BOLD, not cleaned" if is_raw else "not cleaned"
    drift = "linear drift" if plan.high_pass == "linear" else f"{plan.high_pass} {plan.seconds:g} s"
    smoothing = [f"{plan.fwhm:g} mm"] if plan.fwhm else []
    confounds = "no confounds" if plan.strategy == NONE else f"confounds {plan.strategy}"
    return f"cleaned: {', '.join([confounds, drift, *smoothing])}"
