"""Tests within a subject as tables and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from brivl.core.numbers import probability
from brivl.encoding.within_subject import WithinSubjectResult

ALPHA = 0.05


def voxel_table(inference: WithinSubjectResult) -> pd.DataFrame:
    """One row per tested voxel: voxel, r2_joint, p_joint, ..., difference, ..., clear (see `clear`)."""
    table = _table(inference.chance, inference.difference)
    table.insert(0, "voxel", inference.columns)
    return table


def region_table(inference: WithinSubjectResult, level: str) -> pd.DataFrame:
    """One row per region of a level with tested voxels; empty for a level that these voxels do not have."""
    names, chance, difference = inference.regions.get(level, ([], None, None))
    if not names:
        return pd.DataFrame()
    table = _table(chance, difference)
    table.insert(0, "region", names)
    return table


def clear_difference(chance: Mapping[str, np.ndarray], difference: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) bool where one model is said to predict better: q of the difference and q of joint R2 both below .05.

    Both, since of two fits to noise one is worse too, and a test of the difference alone finds that.
    """
    return (difference["q"] < ALPHA) & (chance["q"][0] < ALPHA)


def _table(chance: Mapping[str, np.ndarray], difference: Mapping[str, np.ndarray]) -> pd.DataFrame:
    columns: dict[str, np.ndarray] = {}
    for row, name in enumerate(("joint", "a", "b")):
        columns |= {f"{test}_{name}": chance[test][row] for test in ("r2", "z", "p", "p_max", "q")}
    columns |= {
        "difference": difference["difference"],
        "ci_low": difference["ci_low"],
        "ci_high": difference["ci_high"],
    }
    columns |= {f"{test}_difference": difference[test] for test in ("p", "p_max", "q")}
    return pd.DataFrame(columns | {"clear": clear_difference(chance, difference)})


def method_note(inference: WithinSubjectResult) -> str:
    """What was rearranged, how often, and what p can reach."""
    info = inference.info
    orders = f"all {info['n_orders']:,} orders" if info["exact"] else f"{info['n_orders'] - 1:,} random orders"
    signs = f"all {info['n_signs']:,} signs" if info["signs_exact"] else f"{info['n_signs'] - 1:,} random signs"
    folds = (
        f" Predictions come from {info['n_folds']} folds, so that p against chance is widened and rather too large."
        if info["n_folds"] > 1
        else ""
    )
    return (
        f"{info['n_blocks']} {info['blocks']}: against chance {orders} (smallest p {probability(1 / info['n_orders'])})"
        f", A against B {signs} (smallest p {probability(1 / info['n_signs'])}).{folds}"
    )


def summary(inference: WithinSubjectResult, names: Sequence[str]) -> dict[str, int | float]:
    """How many voxels are predicted, and how many better by one model."""
    chance, difference = inference.chance, inference.difference
    ahead = clear_difference(chance, difference)
    return {
        "n_voxels": len(inference.columns),
        "n_joint_q": int((chance["q"][0] < ALPHA).sum()),
        "n_joint_max_t": int((chance["p_max"][0] < ALPHA).sum()),
        f"n_better_{names[0]}": int((ahead & (difference["difference"] > 0)).sum()),
        f"n_better_{names[1]}": int((ahead & (difference["difference"] < 0)).sum()),
        "n_blocks": inference.info["n_blocks"],
        "smallest_p_chance": 1 / inference.info["n_orders"],
        "smallest_p_difference": 1 / inference.info["n_signs"],
    }
