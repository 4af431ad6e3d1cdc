"""Repetition time of runs, from their sidecars or headers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brivl.data.bids.layout import Run
from brivl.data.bids.surface_bold import header_step
from brivl.data.formats.json import read_json_object
from brivl.data.formats.nifti import header_tr, open_bold, plausible_tr
from brivl.errors import DataError


def common_tr(runs: Sequence[Run]) -> float:
    """Read the repetition time that all runs share.

    Parameters
    ----------
    runs : sequence of Run
        Runs of one subject.

    Returns
    -------
    float
        Seconds, by RepetitionTime in the sidecars, by what BIDS has in its place, or by the header.

    Raises
    ------
    DataError
        Runs differ, or the time is missing, irregular or implausible.
    """
    times = [_run_tr(run) for run in runs]
    for run, tr in zip(runs, times, strict=True):
        if abs(tr - times[0]) > 1e-3:
            raise DataError(
                f"Expected one repetition time in all runs of a subject, got {tr:g} s in {run.label} and "
                f"{times[0]:g} s in {runs[0].label}. Use runs of one TR."
            )
    return times[0]


def _run_tr(run: Run) -> float:
    """TR in s by RepetitionTime, or by what BIDS has in its place; else by the header."""
    for sidecar in reversed(run.sidecars):
        content = read_json_object(sidecar)
        if "RepetitionTime" in content:
            return plausible_tr(content["RepetitionTime"], f"RepetitionTime in {str(sidecar)!r}")
        if "VolumeTiming" in content:
            return plausible_tr(_regular_step(content["VolumeTiming"], sidecar), f"VolumeTiming in {str(sidecar)!r}")
        if "AcquisitionDuration" in content and "DelayTime" in content:
            parts = (content["AcquisitionDuration"], content["DelayTime"])
            total = sum(parts) if all(isinstance(part, int | float) for part in parts) else None
            return plausible_tr(total, f"AcquisitionDuration and DelayTime in {str(sidecar)!r}")
    if run.kind != "volume":
        return plausible_tr(header_step(run), f"the header of {str(run.bold)!r}")
    return header_tr(run.bold, open_bold(run.bold))


def _regular_step(times: object, sidecar: Path) -> object:
    """Step of onsets of volumes in s, which must be regular; anything but numbers is returned to be refused."""
    if not isinstance(times, list) or len(times) < 2 or not all(isinstance(t, int | float) for t in times):
        return times
    steps = np.diff(np.array(times, float))
    if np.ptp(steps) > 1e-3:
        raise DataError(
            f"Expected volumes at regular times, got steps from {steps.min():g} to {steps.max():g} s in VolumeTiming "
            f"of {str(sidecar)!r}. Resample the run to one repetition time."
        )
    return float(steps.mean())
