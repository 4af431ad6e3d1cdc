"""The fits behind an audit: the preset strict, with one fault, or with one baseline; each kept by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from brivl.analyses.audit.faults import SHUFFLED, TOGETHER, Fault
from brivl.analyses.audit.nuisance import AUTOCORRELATION, UNTRAINED, nuisance_band
from brivl.core.audit.scoring import halves, r2_by_fold
from brivl.core.encoding.presets import STRICT, FitProtocol
from brivl.core.inference.contributions import Predictions
from brivl.core.progress import ProgressCallback
from brivl.core.records import Design, Responses, Stimulus, Truth, Voxels
from brivl.data.dataset import Dataset
from brivl.data.features import layer_features
from brivl.data.regions import available_parcellations, region_masks
from brivl.encoding.fit import FitRequest, canonical_order, fit_key
from brivl.models.feature_model import Control
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "audit-fit", 1
N_SILENT = 300  # voxels without planted signal, fitted beside those that count, to see what is found in nothing
FEW_RATIOS = 6  # weights of three bands to try in steps of a fifth: 21 instead of 66
NEIGHBOURS_ALPHA = 3.0  # fixed, since folds of whole passages cannot choose one for features that know no other passage
N_DRAWS = 1000
TESTS = ("voxel_p", "voxel_q", "region_p", "region_q")


@dataclass(frozen=True)
class AuditFit:
    """What is done otherwise than by the preset strict with the two models alone."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)  # fields of the preset
    variation: Control | None = None
    baseline: str = ""  # a band beside those of the models, or
    alone: bool = False  # instead of them
    tested: bool = False  # block tests as well


PLAIN = AuditFit("strict", tested=True)


def fault_fit(fault: Fault, among: list[Fault]) -> AuditFit | None:
    """The fit with a fault; None where no fit of its own is needed. `among`: what "together" puts together."""
    if fault is TOGETHER:
        changes: dict[str, str] = {}
        for other in among:
            changes |= other.changes or {}
        variation = next((other.variation for other in among if other.variation), None)
        return AuditFit(fault.name, changes, variation) if changes or variation else None
    if fault.changes is None and fault.variation is None:
        return None
    return AuditFit(fault.name, fault.changes or {}, fault.variation)


def baseline_fits(name: str, folds: bool) -> list[AuditFit]:
    """With the models, alone, and where there are folds, alone over shuffled ones."""
    alone = {"alphas": (NEIGHBOURS_ALPHA,)} if name == AUTOCORRELATION else {}
    found = [
        AuditFit(f"with {name}", {"n_ratios": FEW_RATIOS}, baseline=name),
        AuditFit(f"{name} alone", alone, baseline=name, alone=True),
    ]
    shuffled = AuditFit(f"{name} alone, shuffled", alone | (SHUFFLED.changes or {}), None, name, alone=True)
    return [*found, shuffled] if folds else found


@dataclass(frozen=True)
class Material:
    """A subject's data, read once for all fits of an audit."""

    store: Store
    dataset: Dataset
    request: FitRequest  # models in canonical order
    n_voxels: int
    progress: ProgressCallback

    @cached_property
    def stimulus(self) -> Stimulus:
        return self.dataset.stimulus(self.request.subject)

    @cached_property
    def design(self) -> Design:
        return self.dataset.design(self.request.subject)

    @cached_property
    def responses(self) -> Responses:
        return self.dataset.responses(self.request.subject)

    @cached_property
    def truth(self) -> Truth | None:
        return self.dataset.truth(self.request.subject)

    @cached_property
    def voxels(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns that are fitted, and which of them count (bool): those of the preset strict, evenly thinned.

        Beside them some without planted signal, which the threshold of explainable variance may have left out.
        """
        from brivl.core.encoding.voxel_selection import select_in_batches

        def tell(share: float) -> None:
            self.progress(share, 1, "Choosing voxels")

        anywhere = select_in_batches(self.responses, self.design, -np.inf, tell).selected
        count = select_in_batches(self.responses, self.design, STRICT.ev_threshold, tell).selected
        counted = _thinned(np.flatnonzero(count), self.n_voxels)
        no_progress = np.zeros(0, int)
        if self.truth is not None:
            no_progress = _thinned(np.flatnonzero(anywhere & (self.truth.layer == 0)), N_SILENT)
        columns = np.union1d(counted, no_progress)
        return columns, np.isin(columns, counted)

    def features(self, how: AuditFit) -> list[np.ndarray]:
        """Bands (n_samples, n_features) of a fit."""
        asked = self.request
        bands = []
        if not how.alone:
            ending = f"@{how.variation}" if how.variation else ""
            bands = [self._layer(f"{model}{ending}") for model in asked.models]
        if how.baseline == UNTRAINED:
            bands.append(self._layer(f"{asked.models[0]}@{UNTRAINED}"))
        elif how.baseline:
            bands.append(nuisance_band(self.store, self.stimulus, self.design, how.baseline, self.progress))
        return bands

    def _layer(self, model: str) -> np.ndarray:
        asked = self.request
        return layer_features(self.store, self.stimulus, model, asked.layer, asked.pooling, self.progress)


def audit_fit(material: Material, how: AuditFit) -> dict[str, np.ndarray]:
    """Arrays of one fit, computed if need be.

    r2 (1 + n_bands, n_columns); parts (n_parts, 1 + n_bands, n_columns), by fold or half of the test run; columns
    (n_columns,), counted (n_columns,) bool; for a tested fit `TESTS`.
    """
    ingredients = {key: value for key, value in asdict(how).items() if key != "name"}
    key = ArtifactKey(
        KIND,
        {
            "fit": fit_key(material.store, material.request, material.dataset).digest,
            **ingredients,
            "n_voxels": material.n_voxels,
            "version": VERSION,
        },
    )
    found = material.store.get_or_compute(key, lambda: (_compute(material, how), {"fit": how.name}))
    return dict(found.arrays)


def _compute(material: Material, how: AuditFit) -> dict[str, np.ndarray]:
    from brivl.core.inference.held_out_predictions import held_out_predictions  # needs himalaya

    columns, counted = material.voxels
    preset = replace(STRICT, **how.changes)
    data = held_out_predictions(
        material.features(how),
        material.responses,
        columns,
        FitProtocol(material.design, preset),
        lambda share: material.progress(share, 1, how.name),
    )
    n = len(data.measured)
    parts = r2_by_fold(data, halves(n) if data.folds is None else data.folds)
    whole = r2_by_fold(data, np.zeros(n, int))[0] if data.folds is None else parts.mean(0)
    arrays = {"r2": whole, "parts": parts, "columns": columns, "counted": counted}
    if how.tested:
        arrays |= _tests(data, FitProtocol(material.design, preset), material.responses.voxels, columns)
    return arrays


def _tests(data: Predictions, protocol: FitProtocol, voxels: Voxels, columns: np.ndarray) -> dict[str, np.ndarray]:
    """p and q of joint R2 of each voxel against chance, and of A less B of each region (none: empty)."""
    from brivl.core.inference.block_permutation import permute_blocks
    from brivl.core.inference.block_sign_flip import flip_blocks_of_means
    from brivl.core.inference.blocks import PermutationSettings
    from brivl.core.inference.held_out_predictions import held_out_blocks

    blocks, draws = held_out_blocks(protocol, 20.0), PermutationSettings(N_DRAWS)
    chance = permute_blocks(data, blocks, draws)
    masks = regions_of(voxels, columns)
    found = {"voxel_p": chance.p[0], "voxel_q": chance.q[0], "region_p": np.zeros(0), "region_q": np.zeros(0)}
    if masks:
        difference = flip_blocks_of_means(data, masks, blocks, draws)
        found |= {"region_p": difference.p, "region_q": difference.q}
    return found


def regions_of(voxels: Voxels, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Regions as the paper tests them (45 merged AAL ones) or drawn ROIs: name -> (n_columns,) bool, none empty."""
    levels = available_parcellations(voxels)
    level = next((x for x in ("merged", "roi") if x in levels), None)
    masks = {} if level is None else {name: mask[columns] for name, mask in region_masks(voxels, level).items()}
    return {name: mask for name, mask in masks.items() if mask.any()}


def in_order(request: FitRequest) -> FitRequest:
    """The request with the preset strict and its models in the order in which they are fitted."""
    return replace(request, models=canonical_order(request.models), preset=STRICT.name)


def _thinned(columns: np.ndarray, most: int) -> np.ndarray:
    if len(columns) <= most:
        return columns
    return columns[np.linspace(0, len(columns) - 1, most).round().astype(int)]
