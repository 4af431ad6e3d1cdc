"""Which voxels can be fitted, and which are worth it; every voxel left out is counted under a reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.explainable_variance import explainable_variance
from brivl.core.encoding.standardize import constant_in_some_run
from brivl.core.records import Design, Responses
from brivl.errors import RequestError

NOT_FINITE = "NaN or infinite responses"
CONSTANT = "no variance in a run"
CONSTANT_HELD_OUT = "no variance in a held-out fold"


@dataclass(frozen=True)
class Selection:
    """Voxels to fit, and why not the others."""

    selected: np.ndarray  # (n_voxels,) bool
    explainable_variance: np.ndarray | None  # (n_voxels,), NaN where it is not defined; None without repeats
    excluded: dict[str, int]  # reason -> number of voxels


def select_voxels(responses: Responses, design: Design, ev_threshold: float) -> Selection:
    """Leave out voxels with NaN, without variance in a run, and, where the test run repeats, with EV <= threshold.

    Raises RequestError if no voxel is left.
    """
    finite = _finite(responses.Y_train)
    constant = constant_in_some_run(responses.Y_train, design.run_onsets)
    Y_test = responses.Y_test if design.n_test else None
    for repeat in () if Y_test is None else Y_test:
        finite &= _finite(repeat)
        constant |= constant_in_some_run(repeat, design.test_onsets)
    selected = finite & ~constant
    excluded = {NOT_FINITE: int((~finite).sum()), CONSTANT: int((finite & constant).sum())}
    ev = None
    if Y_test is not None and len(Y_test) > 1:
        ev = np.full(len(selected), np.nan)
        ev[selected] = explainable_variance(Y_test[:, :, selected])
        explained = ev > ev_threshold
        excluded[f"explainable variance at most {ev_threshold:g}"] = int((selected & ~explained).sum())
        selected &= explained
    excluded = {reason: count for reason, count in excluded.items() if count}
    if not selected.any():
        raise RequestError(
            f"No voxel is left of {len(selected)}: {excluded!r}. Check the responses, lower the threshold of "
            f"explainable variance, or choose another region."
        )
    return Selection(selected, ev, excluded)


def _finite(Y: np.ndarray) -> np.ndarray:
    """Columns without NaN or infinity; a sum shows both without a mask as large as Y."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(Y.sum(0, dtype=np.float64))
