"""One question: what do the faults of the published protocol, and features without meaning, do to these scores?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from brivl.analyses.audit.faults import FAULTS, SHUFFLED, TOGETHER, Fault, applicable, why_not
from brivl.analyses.audit.fits import PLAIN, VERSION, AuditFit, Material, audit_fit, baseline_fits, fault_fit, in_order
from brivl.analyses.audit.nuisance import BASELINES, baselines_for
from brivl.analyses.audit.rows import baseline_row, fault_row
from brivl.core.audit.leakage import count_shared_items, leak_warning
from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.presets import PRESETS
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.dataset import Dataset
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, fit_key
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, ROWS_VERSION = "audit", 3


@dataclass(frozen=True)
class AuditRequest:
    """Dataset, models, layer, pooling, subject (the preset is strict, whatever it says); which faults, () for all."""

    fit: FitRequest
    faults: tuple[str, ...] = ()
    baselines: bool = True
    n_voxels: int = 1000  # at most, evenly thinned: means need no more


@dataclass(frozen=True)
class Audit:
    """Rows of faults and of baselines (`audit_rows`), what folds of the presets share, and what all rests on."""

    request: AuditRequest
    faults: Sequence[Mapping[str, Any]]
    baselines: Sequence[Mapping[str, Any]]
    info: Mapping[str, Any]  # n_voxels, n_silent, simulated, leaks, shared_items, n_held_out


def audit_key(store: Store, asked: AuditRequest, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of an audit. Raises RequestError as `fit_key`, for an unknown fault, or for too few voxels."""
    unknown = sorted(set(asked.faults) - set(FAULTS))
    if unknown:
        raise RequestError(f"Wanted faults out of {list(FAULTS)} and got {unknown!r}.")
    if asked.n_voxels < 10:
        raise RequestError(f"Wanted 10 voxels or more and got {asked.n_voxels!r}.")
    how = {"faults": sorted(asked.faults), "baselines": asked.baselines, "n_voxels": asked.n_voxels}
    return ArtifactKey(
        KIND, {"fit": fit_key(store, in_order(asked.fit), dataset).digest, **how, "version": [VERSION, ROWS_VERSION]}
    )


def known_audit(store: Store, asked: AuditRequest, dataset: Dataset | None = None) -> Audit | None:
    """What is stored, None if nothing."""
    artifact = store.get(audit_key(store, asked, dataset))
    return None if artifact is None else _read(asked, artifact.info)


def audit(store: Store, asked: AuditRequest, progress: ProgressCallback = no_progress) -> Audit:
    """The audit, computed if need be; fits that are there already are taken from the store.

    progress(done, total, message) counts fits and may raise (Cancelled). Raises RequestError as `audit_key`, and where
    no voxel can be fitted.
    """
    dataset = open_dataset(asked.fit.dataset, store, progress)
    key = audit_key(store, asked, dataset)
    artifact = store.get_or_compute(key, lambda: ({}, _compute(store, asked, dataset, progress)))
    return _read(asked, artifact.info)


def audit_request(store: Store, asked: AuditRequest) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "audit", "store": str(store.root), "asked": asdict(asked)}


def audit_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute and keep."""
    fields = dict(request["asked"])
    fit = fields.pop("fit")
    asked = AuditRequest(FitRequest(**{**fit, "models": tuple(fit["models"])}), **fields)
    audit(Store(Path(request["store"])), replace(asked, faults=tuple(asked.faults)), progress)
    return {}


class _Steps:
    """ProgressCallback that counts fits; what is told within one is a share of it."""

    def __init__(self, progress: ProgressCallback) -> None:
        self.progress, self.done, self.total = progress, 0, 1

    def __call__(self, done: float, total: float, message: str) -> None:
        share = min(1.0, done / total) if total else 0.0
        self.progress(self.done + 0.99 * share, self.total, message)


def _compute(store: Store, asked: AuditRequest, dataset: Dataset, progress: ProgressCallback) -> dict[str, Any]:
    steps = _Steps(progress)
    material = Material(store, dataset, in_order(asked.fit), asked.n_voxels, steps)
    kind, design = material.stimulus.kind, material.design
    wanted = [FAULTS[name] for name in FAULTS if not asked.faults or name in asked.faults]
    possible = applicable(kind, design)
    names = baselines_for(material.stimulus, design) if asked.baselines else []
    fits = _fits(wanted, possible, names, folds=SHUFFLED in possible)
    steps.total = len(fits)
    found = {}
    for how in fits:
        steps(0, 1, how.name)
        found[how.name] = audit_fit(material, how)
        steps.done += 1
    plain = found[PLAIN.name]
    return {
        "faults": [fault_row(f, why_not(f, kind, design), found, material) for f in wanted if _shown(f, found)],
        "baselines": [baseline_row(BASELINES[name], found, material) for name in names],
        "n_voxels": int(plain["counted"].sum()),
        "n_silent": _n_silent(material),
        "simulated": dataset.simulated,
        "leaks": {name: leak_warning(design, preset) for name, preset in PRESETS.items()},
        "shared_items": count_shared_items(material.stimulus.weights, _sides(material)) if kind != "features" else 0,
        "n_held_out": design.n_test or design.n_train,
        "models": list(material.request.models),
    }


def _fits(wanted: Sequence[Fault], possible: list[Fault], names: Sequence[str], folds: bool) -> list[AuditFit]:
    own = [fault_fit(fault, possible) for fault in wanted if fault in possible]
    return [PLAIN, *(how for how in own if how), *(how for name in names for how in baseline_fits(name, folds))]


def _shown(fault: Fault, found: Mapping[str, Any]) -> bool:
    """Whether a fault has a row; all together only where something was put together."""
    return fault is not TOGETHER or fault.name in found


def _sides(material: Material) -> list:
    strict = PRESETS["strict"]
    return [(rows.train, rows.test) for rows in cv_splits(material.design, strict)]


def _n_silent(material: Material) -> int:
    truth = material.truth
    return 0 if truth is None else int((truth.layer[material.voxels[0]] == 0).sum())


def _read(asked: AuditRequest, info: Mapping[str, Any]) -> Audit:
    """In the order of the request's models."""
    turned = list(asked.fit.models) != list(info["models"])
    faults, baselines = ([_turned(row) if turned else row for row in info[part]] for part in ("faults", "baselines"))
    rest = {name: value for name, value in info.items() if name not in ("faults", "baselines", "models")}
    return Audit(asked, faults, baselines, rest)


def _turned(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with A and B exchanged."""
    found = {}
    for name, value in row.items():
        first, _, rest = name.partition("_")
        if first == "difference" and not rest.startswith("error") and value is not None:
            value = -value
        found[{"a": "b", "b": "a"}.get(first, first) + (f"_{rest}" if rest else "")] = value
    return found
