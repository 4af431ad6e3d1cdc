"""From fits with and without a fault or a baseline to rows of plain numbers, as they are stored.

Rows hold texts as well. These keep the wording of the first release, so that results computed before and after a change
of wording are equal to the bit; pages and tables have their own (`tables`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brivl.analyses.audit.faults import SELECTION, TOGETHER, UNCORRECTED, Fault
from brivl.analyses.audit.fits import PLAIN, Material
from brivl.analyses.audit.nuisance import Baseline
from brivl.core.audit.scoring import errors_against_truth, score_selected_voxels

ALPHA = 0.05
STORED_TITLES = {  # by the name of a fault or a baseline
    "shuffled-folds": "Sentences dealt to folds at random",
    "own-zscore": "Held-out responses z-scored by themselves",
    "test-selection": "Voxels kept for R² > 0 on the data they are scored on",
    "unmasked-padding": "Padding read as text",
    "random-crop": "A random crop of each frame",
    "uncorrected-tests": "Many tests, none corrected",
    "cleaning-off": "Cleaning off",
    "together": "All faults at once",
    "drift": "Slow drift within runs",
    "autocorrelation": "Which sentences are neighbours",
    "all-nuisances": "These together",
    "untrained": "Untrained twin",
}
VOXELS, SELECTED, TESTED_REGIONS, TESTED_VOXELS = (  # what n_off and n_on of a row count
    "voxels",
    "voxels kept",
    "regions where A differs from B",
    "voxels predicted",
)
NEAR = 2  # layers from the one fitted within which voxels were planted that can be compared with the truth
SCORES = ("joint", "a", "b", "difference")
FAULT_COLUMNS = (
    "fault",
    "title",
    "why_not",
    *(f"{score}_{state}" for score in SCORES for state in ("off", "on", "change")),
    "n_off",
    "n_on",
    "counted_as",
    "n_tested",
    "n_silent",
    "n_false_off",
    "n_false_on",
    "silent_r2_off",
    "silent_r2_on",
    "difference_error_off",
    "difference_error_on",
)
Fits = Mapping[str, Mapping[str, np.ndarray]]


def fault_row(fault: Fault, why_not: str, fits: Fits, material: Material) -> dict[str, Any]:
    """Compute the row of a fault.

    Parameters
    ----------
    fault : Fault
        The fault.
    why_not : str
        Why it cannot occur, "" where it can.
    fits : mapping
        Arrays of each fit (`fits.audit_fit`) by its name.
    material : Material
        The data of the subject.

    Returns
    -------
    dict
        Values of `FAULT_COLUMNS`: mean R2 over the counted voxels without (off) and with the fault (on) and its change,
        None where the fault cannot occur. counted_as says what n_off and n_on count. n_silent: fitted voxels without
        simulated signal; n_false: those of them that were selected, or called significant. silent_r2: their mean joint
        R2 (truth 0). difference_error: as of `errors_against_truth`.
    """
    row: dict[str, Any] = dict.fromkeys(FAULT_COLUMNS)
    row |= {"fault": fault.name, "title": STORED_TITLES.get(fault.name, fault.title), "why_not": why_not}
    if why_not:
        return row
    row["n_silent"] = int(_silent(fits[PLAIN.name], material).sum()) if material.truth is not None else None
    if fault is UNCORRECTED:
        return row | _calls(fits[PLAIN.name], material)
    if fault is SELECTION:
        return row | _selected(fits[PLAIN.name], material)
    off, on = fits[PLAIN.name], fits[fault.name]
    row |= _means(_counted_mean(off), "off") | _means(_counted_mean(on), "on") | _changes(off, on)
    n = int(off["counted"].sum())
    row |= {"n_off": n, "n_on": n, "counted_as": VOXELS}
    if fault is TOGETHER:
        chosen = score_selected_voxels(on["parts"][:, :, on["counted"]], by_itself=True)
        row |= _means(chosen.r2, "on") | {"n_on": round(chosen.n_voxels)}
        row |= {f"{s}_change": _less(row[f"{s}_on"], row[f"{s}_off"]) for s in SCORES}
    return row | _truth(off, material, "off") | _truth(on, material, "on")


def baseline_row(baseline: Baseline, fits: Fits, material: Material) -> dict[str, Any]:
    """Compute the row of a baseline.

    Parameters
    ----------
    baseline : Baseline
        The baseline.
    fits : mapping
        Arrays of each fit (`fits.audit_fit`) by its name.
    material : Material
        The data of the subject.

    Returns
    -------
    dict
        Mean R2 of the baseline alone, of the models without it, and of all bands where it is a band beside them.
    """
    row: dict[str, Any] = {
        "baseline": baseline.name,
        "title": STORED_TITLES.get(baseline.name, baseline.title),
    }
    row |= {"alone": _number(_counted_mean(fits[f"{baseline.name} alone"])[0])}
    shuffled = fits.get(f"{baseline.name} alone, shuffled")
    row |= {"alone_shuffled": None if shuffled is None else _number(_counted_mean(shuffled)[0])}
    off, on = fits[PLAIN.name], fits[f"with {baseline.name}"]
    row |= _means(_counted_mean(off), "without") | _means(_counted_mean(on), "with") | _changes(off, on)
    return row | {"baseline_with": _number(_counted_mean(on)[3])}


def _counted_mean(fit: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean over the voxels that count: (1 + n_bands,)."""
    scored = fit["r2"][:, fit["counted"]]
    return scored[:, np.isfinite(scored).all(0)].mean(1)


def _changes(off: Mapping[str, np.ndarray], on: Mapping[str, np.ndarray]) -> dict[str, Any]:
    before, after = _counted_mean(off), _counted_mean(on)
    low, high = (_with_difference(r2) for r2 in (before, after))
    return {f"{score}_change": _number(high[score] - low[score]) for score in SCORES}


def _with_difference(r2: np.ndarray) -> dict[str, float]:
    return {"joint": r2[0], "a": r2[1], "b": r2[2], "difference": r2[1] - r2[2]}


def _means(r2: np.ndarray, state: str) -> dict[str, Any]:
    return {f"{score}_{state}": _number(value) for score, value in _with_difference(r2).items()}


def _selected(fit: Mapping[str, np.ndarray], material: Material) -> dict[str, Any]:
    """Voxels selected by the data they are scored on, or by the other parts."""
    parts = fit["parts"][:, :, fit["counted"]]
    row: dict[str, Any] = {}
    means = {}
    for state, by_itself in (("off", False), ("on", True)):
        chosen = score_selected_voxels(parts, by_itself)
        means[state] = _with_difference(chosen.r2)
        row |= _means(chosen.r2, state) | {f"n_{state}": round(chosen.n_voxels)}
        if material.truth is not None:
            silent = _silent(fit, material)
            everywhere = score_selected_voxels(fit["parts"][:, :, silent], by_itself) if silent.any() else None
            row[f"silent_r2_{state}"] = None if everywhere is None else _number(everywhere.r2[0])
            row[f"n_false_{state}"] = None if everywhere is None else round(everywhere.n_voxels)
    row |= {f"{score}_change": _number(means["on"][score] - means["off"][score]) for score in SCORES}
    return row | {"counted_as": SELECTED, "n_tested": int(fit["counted"].sum())}


def _calls(fit: Mapping[str, np.ndarray], material: Material) -> dict[str, Any]:
    """How many tests find something, corrected (off) and not (on): regions where A differs from B, else voxels.

    n_false counts voxels without simulated signal that are called significant.
    """
    counted = fit["counted"]
    row: dict[str, Any] = {}
    regions = len(fit["region_p"]) > 0
    p, q = (fit[f"region_{x}"] if regions else fit[f"voxel_{x}"][counted] for x in "pq")
    row |= {"n_off": int((q < ALPHA).sum()), "n_on": int((p < ALPHA).sum()), "n_tested": int(np.isfinite(p).sum())}
    row["counted_as"] = TESTED_REGIONS if regions else TESTED_VOXELS
    if material.truth is not None:
        silent = _silent(fit, material)
        row["n_false_off"] = int((fit["voxel_q"][silent] < ALPHA).sum()) if silent.any() else None
        row["n_false_on"] = int((fit["voxel_p"][silent] < ALPHA).sum()) if silent.any() else None
    return row


def _silent(fit: Mapping[str, np.ndarray], material: Material) -> np.ndarray:
    """(n_columns,) bool of fitted voxels that carry no simulated signal."""
    return material.truth.layer[fit["columns"]] == 0 if material.truth else np.zeros(len(fit["columns"]), bool)


def _truth(fit: Mapping[str, np.ndarray], material: Material, state: str) -> dict[str, Any]:
    """Errors against what was simulated; none where that is not known, or was simulated with other models."""
    truth = material.truth
    if truth is None or sorted(truth.models) != sorted(material.request.models):
        return {}
    columns = fit["columns"]
    layer = truth.layer[columns]
    near = (layer > 0) & (np.abs(layer - material.request.layer) <= NEAR) & fit["counted"]
    here = type(truth)(
        layer,
        truth.variance_fraction[:, columns],
        truth.noise_ceiling[columns],
        truth.oracle_split[:, columns],
        truth.models,
    )
    errors = errors_against_truth(fit["r2"], here, material.request.models, layer == 0, near)
    return {
        f"silent_r2_{state}": _number(errors.null_r2),
        f"difference_error_{state}": _number(errors.difference_error),
    }


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else _number(a - b)


def _number(value: float) -> float | None:
    """Six digits after the point; None for NaN, which JSON does not know."""
    return round(float(value), 6) if np.isfinite(value) else None
