"""Tests within a subject as tables and as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from brivl.core.numbers import probability
from brivl.encoding.within_subject import WithinSubjectResult

ALPHA = 0.05


def voxel_table(result: WithinSubjectResult) -> pd.DataFrame:
    """Tabulate the tests of voxels.

    Parameters
    ----------
    result : WithinSubjectResult
        The tests.

    Returns
    -------
    pd.DataFrame
        One row per tested voxel: voxel, r2_joint, p_joint, ..., difference, ..., clear (see `clear_difference`).
    """
    table = _table(result.chance, result.difference)
    table.insert(0, "voxel", result.voxel_indices)
    return table


def region_table(result: WithinSubjectResult, parcellation: str) -> pd.DataFrame:
    """Tabulate the tests of regions.

    Parameters
    ----------
    result : WithinSubjectResult
        The tests.
    parcellation : str
        Key of `result.regions`.

    Returns
    -------
    pd.DataFrame
        One row per region with tested voxels; empty for a parcellation that these voxels do not have.
    """
    tests = result.regions.get(parcellation)
    if tests is None or not tests.names:
        return pd.DataFrame()
    table = _table(tests.chance, tests.difference)
    table.insert(0, "region", tests.names)
    return table


def clear_difference(chance: Mapping[str, np.ndarray], difference: Mapping[str, np.ndarray]) -> np.ndarray:
    """Decide where one model predicts better than the other.

    Both q values must be below ALPHA: of two models that predict only noise one is worse too, and a test of the
    difference alone finds that.

    Parameters
    ----------
    chance : Mapping[str, np.ndarray]
        Tests against chance, with "q" (3, n).
    difference : Mapping[str, np.ndarray]
        Tests of the difference, with "q" (n,).

    Returns
    -------
    np.ndarray
        (n,) bool: q of the difference and q of the joint R2 are below ALPHA.
    """
    return (difference["q"] < ALPHA) & (chance["q"][0] < ALPHA)


def _table(chance: Mapping[str, np.ndarray], difference: Mapping[str, np.ndarray]) -> pd.DataFrame:
    columns: dict[str, np.ndarray] = {}
    for row, name in enumerate(("joint", "a", "b")):
        columns |= {f"{test}_{name}": chance[test][row] for test in ("r2", "z", "p", "p_max", "q")}
    columns |= {name: difference[name] for name in ("difference", "ci_low", "ci_high")}
    columns |= {f"{test}_difference": difference[test] for test in ("p", "p_max", "q")}
    return pd.DataFrame(columns | {"clear": clear_difference(chance, difference)})


def method_note(result: WithinSubjectResult) -> str:
    """Describe the permutations and the smallest p values that they allow.

    Parameters
    ----------
    result : WithinSubjectResult
        The tests.

    Returns
    -------
    str
        One or two sentences.
    """
    info = result.info
    n_orders, n_signs = info["n_orders"], info["n_signs"]
    orders = f"all {n_orders:,} permutations" if info["exact"] else f"{n_orders - 1:,} random permutations"
    signs = f"all {n_signs:,} sign flips" if info["signs_exact"] else f"{n_signs - 1:,} random sign flips"
    folds = (
        f" Predictions come from {info['n_folds']} folds, so the p values against chance are adjusted and conservative."
        if info["n_folds"] > 1
        else ""
    )
    blocks = f"{info['n_blocks']} {block_words(str(info['blocks']))}"
    return (
        f"{blocks}: against chance {orders} (smallest p {probability(1 / n_orders)})"
        f", A against B {signs} (smallest p {probability(1 / n_signs)}).{folds}"
    )


def block_words(description: str) -> str:
    """Describe blocks as they are described now, whatever words were stored with the tests.

    Parameters
    ----------
    description : str
        As stored: "blocks of 20 s or a little more", "passages", ...

    Returns
    -------
    str
        Such as "blocks of at least 20 s".
    """
    return re.sub(r"^blocks of (\S+) s or a little more$", r"blocks of at least \1 s", description)


def summary(result: WithinSubjectResult, names: Sequence[str]) -> dict[str, int | float]:
    """Count the voxels that are predicted, and those that one model predicts better.

    Parameters
    ----------
    result : WithinSubjectResult
        The tests.
    names : Sequence[str]
        Names of the two models, which become part of the keys.

    Returns
    -------
    dict[str, int | float]
        Numbers of voxels and blocks, and the smallest possible p values.
    """
    chance, difference = result.chance, result.difference
    clear = clear_difference(chance, difference)
    return {
        "n_voxels": len(result.voxel_indices),
        "n_joint_q": int((chance["q"][0] < ALPHA).sum()),
        "n_joint_max_t": int((chance["p_max"][0] < ALPHA).sum()),
        f"n_better_{names[0]}": int((clear & (difference["difference"] > 0)).sum()),
        f"n_better_{names[1]}": int((clear & (difference["difference"] < 0)).sum()),
        "n_blocks": result.info["n_blocks"],
        "smallest_p_chance": 1 / result.info["n_orders"],
        "smallest_p_difference": 1 / result.info["n_signs"],
    }
