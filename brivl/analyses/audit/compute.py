"""What the faults of the published protocol, and features without semantic content, do to the scores of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brivl.analyses.audit.faults import CLEANING_OFF, FAULTS, SHUFFLED, TOGETHER, Fault, applicable, why_not
from brivl.analyses.audit.fits import (
    PLAIN,
    AuditFit,
    Material,
    audit_fit,
    baseline_fits,
    fault_fit,
    fit_title,
    in_order,
)
from brivl.analyses.audit.nuisance import BASELINES, baselines_for
from brivl.analyses.audit.request import AuditRequest
from brivl.analyses.audit.rows import baseline_row, fault_row
from brivl.analysis import Context, Stored
from brivl.core.audit.leakage import count_shared_items, leak_warning
from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.presets import PRESETS
from brivl.core.progress import ProgressCallback
from brivl.store.artifacts import Artifact

Row = Mapping[str, Any]


@dataclass(frozen=True)
class AuditResult:
    """Scores with and without each fault, and with and without each baseline.

    Attributes
    ----------
    request : AuditRequest
        The request, whose order of models the rows have.
    faults : tuple of mappings
        One row per fault (`rows.fault_row`).
    baselines : tuple of mappings
        One row per baseline (`rows.baseline_row`).
    n_voxels : int
        Voxels that count.
    n_silent : int
        Voxels without simulated signal that were fitted beside them; 0 for measured data.
    simulated : bool
        Whether the data are simulated.
    leaks : mapping
        Preset -> a sentence on passages or runs on both sides of a fold, "" for none.
    shared_items : int
        Held-out samples that show an item which a training sample showed too.
    n_held_out : int
        Held-out samples.
    """

    request: AuditRequest
    faults: tuple[Row, ...]
    baselines: tuple[Row, ...]
    n_voxels: int
    n_silent: int
    simulated: bool
    leaks: Mapping[str, str]
    shared_items: int
    n_held_out: int


class _Steps:
    """Progress of a fit as progress of all fits, with the number and name of the fit as message."""

    def __init__(self, progress: ProgressCallback, fits: Sequence[AuditFit]) -> None:
        self.progress, self.fits, self.n_done = progress, fits, 0

    def __call__(self, done: float, total: float, message: str) -> None:
        share = min(1.0, done / total) if total else 0.0
        n = len(self.fits)
        title = fit_title(self.fits[min(self.n_done, n - 1)])
        self.progress((self.n_done + 0.99 * share) / n, 1.0, f"Fit {self.n_done + 1} of {n}: {title}")


def compute(context: Context, request: AuditRequest) -> Stored:
    """Compute an audit; fits that are stored are taken from the store.

    Parameters
    ----------
    context : Context
        Store, dataset and progress callback, which may raise between fits.
    request : AuditRequest
        The request.

    Returns
    -------
    tuple
        No arrays, and the rows as info.

    Raises
    ------
    RequestError
        Where no voxel can be fitted.
    """
    store, dataset = context.store, context.data
    design = dataset.design(request.subject)
    plain = Material(store, dataset, in_order(request.fit), request.n_voxels, context.progress)
    kind = plain.stimulus.kind
    requested = [FAULTS[name] for name in FAULTS if not request.faults or name in request.faults]
    possible = applicable(kind, design)
    # A row of its own only for data that were cleaned here, so that audits of all others stay as they are.
    requested = [f for f in requested if f is not CLEANING_OFF or f in possible or f.name in request.faults]
    names = baselines_for(plain.stimulus, design) if request.baselines else []
    fits = _fits(requested, possible, names, folds=SHUFFLED in possible)
    steps = _Steps(context.progress, fits)
    material = Material(store, dataset, plain.request, request.n_voxels, steps, context.anew)
    results = {}
    for variant in fits:
        steps(0, 1, "")
        of = material.without_cleaning() if variant.name == CLEANING_OFF.name else material
        results[variant.name] = audit_fit(of, variant)
        steps.n_done += 1
    info = {
        "faults": [
            fault_row(f, why_not(f, kind, design), results, material) for f in requested if _has_row(f, results)
        ],
        "baselines": [baseline_row(BASELINES[name], results, material) for name in names],
        "n_voxels": int(results[PLAIN.name]["counted"].sum()),
        "n_silent": _n_silent(material),
        "simulated": dataset.simulated,
        "leaks": {name: leak_warning(design, preset) for name, preset in PRESETS.items()},
        "shared_items": count_shared_items(material.stimulus.weights, _sides(material)) if kind != "features" else 0,
        "n_held_out": design.n_test or design.n_train,
        "models": list(material.request.models),
    }
    return {}, info


def _fits(requested: Sequence[Fault], possible: list[Fault], names: Sequence[str], folds: bool) -> list[AuditFit]:
    own = [fault_fit(fault, possible) for fault in requested if fault in possible]
    return [
        PLAIN,
        *(variant for variant in own if variant),
        *(variant for name in names for variant in baseline_fits(name, folds)),
    ]


def _has_row(fault: Fault, results: Mapping[str, Any]) -> bool:
    """Whether a fault has a row; all together only where something was combined."""
    return fault is not TOGETHER or fault.name in results


def _sides(material: Material) -> list:
    strict = PRESETS["strict"]
    return [(rows.train, rows.test) for rows in cv_splits(material.design, strict)]


def _n_silent(material: Material) -> int:
    truth = material.truth
    return 0 if truth is None else int((truth.layer[material.voxels[0]] == 0).sum())


def read(artifacts: Sequence[Artifact], request: AuditRequest) -> AuditResult:
    """Read a stored audit, in the order of the request's models.

    Parameters
    ----------
    artifacts : sequence of Artifact
        The one stored part.
    request : AuditRequest
        The request.

    Returns
    -------
    AuditResult
        The result.
    """
    info = artifacts[0].info
    swapped = list(request.models) != list(info["models"])
    faults, baselines = (
        tuple(_swapped(row) if swapped else dict(row) for row in info[part]) for part in ("faults", "baselines")
    )
    return AuditResult(
        request,
        faults,
        baselines,
        info["n_voxels"],
        info["n_silent"],
        info["simulated"],
        dict(info["leaks"]),
        info["shared_items"],
        info["n_held_out"],
    )


def _swapped(row: Row) -> dict[str, Any]:
    """A row with A and B exchanged."""
    swapped_row = {}
    for name, value in row.items():
        first, _, rest = name.partition("_")
        if first == "difference" and not rest.startswith("error") and value is not None:
            value = -value
        swapped_row[{"a": "b", "b": "a"}.get(first, first) + (f"_{rest}" if rest else "")] = value
    return swapped_row
