"""The fits behind an audit: the preset strict, with one fault, or with one baseline; each stored by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from brivl.analyses.audit.faults import CLEANING_OFF, FAULTS, SHUFFLED, TOGETHER, Fault
from brivl.analyses.audit.nuisance import AUTOCORRELATION, BASELINES, UNTRAINED, nuisance_band
from brivl.core.audit.scoring import halves, r2_by_fold
from brivl.core.encoding.presets import STRICT, FitProtocol
from brivl.core.inference.contributions import Predictions
from brivl.core.progress import ProgressCallback
from brivl.core.records import Design, Responses, Stimulus, Truth, Voxels
from brivl.data.dataset import Dataset
from brivl.data.features import layer_features
from brivl.data.reading import without_cleaning
from brivl.data.regions import available_parcellations, region_masks
from brivl.encoding.fit import FitRequest, canonical_order, fit_key
from brivl.models.feature_model import Control
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "audit-fit", 1
N_SILENT = 300  # voxels without simulated signal, fitted beside those that count: what is found in them is false
FEW_RATIOS = 6  # weights of three bands to try in steps of a fifth: 21 instead of 66
NEIGHBOURS_ALPHA = 3.0  # fixed, since folds of whole passages cannot choose one for features that know no other passage
N_DRAWS = 1000
TESTS = ("voxel_p", "voxel_q", "region_p", "region_q")


@dataclass(frozen=True)
class AuditFit:
    """What differs from the preset strict with the two models alone.

    Attributes
    ----------
    name : str
        Name within an audit; not part of the key.
    changes : mapping
        Fields of the preset.
    variation : str or None
        Control condition of the models' features.
    baseline : str
        Name of a baseline that is a band beside those of the models; "" for none.
    alone : bool
        Whether the baseline is fitted in place of the models.
    tested : bool
        Whether block tests are computed as well.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    variation: Control | None = None
    baseline: str = ""
    alone: bool = False
    tested: bool = False


PLAIN = AuditFit("strict", tested=True)


def fault_fit(fault: Fault, among: list[Fault]) -> AuditFit | None:
    """Describe the fit with a fault.

    Parameters
    ----------
    fault : Fault
        The fault.
    among : list of Fault
        The faults that `TOGETHER` combines.

    Returns
    -------
    AuditFit or None
        None where no fit of its own is needed.
    """
    if fault is TOGETHER:
        changes: dict[str, str] = {}
        for other in among:
            changes |= other.changes or {}
        variation = next((other.variation for other in among if other.variation), None)
        return AuditFit(fault.name, changes, variation) if changes or variation else None
    if fault.changes is None and fault.variation is None:
        return AuditFit(fault.name) if fault is CLEANING_OFF else None
    return AuditFit(fault.name, fault.changes or {}, fault.variation)


def baseline_fits(name: str, folds: bool) -> list[AuditFit]:
    """Describe the fits with a baseline.

    Parameters
    ----------
    name : str
        Name of the baseline.
    folds : bool
        Whether responses can be assigned to folds at random.

    Returns
    -------
    list of AuditFit
        With the models, alone, and where there are folds, alone in shuffled ones.
    """
    alone: dict[str, Any] = {"alphas": (NEIGHBOURS_ALPHA,)} if name == AUTOCORRELATION else {}
    fits = [
        AuditFit(f"with {name}", {"n_ratios": FEW_RATIOS}, baseline=name),
        AuditFit(f"{name} alone", alone, baseline=name, alone=True),
    ]
    in_shuffled = {**alone, **(SHUFFLED.changes or {})}
    shuffled = AuditFit(f"{name} alone, shuffled", in_shuffled, None, name, alone=True)
    return [*fits, shuffled] if folds else fits


def fit_title(variant: AuditFit) -> str:
    """Name a fit in words, for the progress of a computation.

    Parameters
    ----------
    variant : AuditFit
        The fit.

    Returns
    -------
    str
        For example "with random crops", or "luminance alone".
    """
    if variant.baseline:
        title = BASELINES[variant.baseline].title
        title = title[0].lower() + title[1:]
        if not variant.alone:
            return f"with {title} as a third band"
        return f"{title} alone, in shuffled folds" if "outer" in variant.changes else f"{title} alone"
    return f"with {FAULTS[variant.name].short}" if variant.name in FAULTS else "preset strict"


@dataclass(frozen=True)
class Material:
    """The data of a subject, read once for all fits of an audit.

    Attributes
    ----------
    store : Store
        Where fits are stored.
    dataset : Dataset
        The dataset.
    request : FitRequest
        The fit, its models in canonical order.
    n_voxels : int
        Largest number of voxels that count.
    progress : callable
        Progress callback.
    anew : bool
        Whether fits are computed even where they are stored, and then not stored.
    """

    store: Store
    dataset: Dataset
    request: FitRequest
    n_voxels: int
    progress: ProgressCallback
    anew: bool = False

    def without_cleaning(self) -> Material:
        """Return the same data of which only the linear drift of each run is removed.

        Returns
        -------
        Material
            Of a BIDS dataset; of others, which are not cleaned here, this one.
        """
        return replace(self, dataset=without_cleaning(self.dataset))

    @cached_property
    def stimulus(self) -> Stimulus:
        """Items, and their weights in each sample."""
        return self.dataset.stimulus(self.request.subject)

    @cached_property
    def design(self) -> Design:
        """Timing, runs and groups of the samples."""
        return self.dataset.design(self.request.subject)

    @cached_property
    def responses(self) -> Responses:
        """Responses of the voxels."""
        return self.dataset.responses(self.request.subject)

    @cached_property
    def truth(self) -> Truth | None:
        """What was simulated, None for measured data."""
        return self.dataset.truth(self.request.subject)

    @cached_property
    def voxels(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns that are fitted, and which of them count (bool): those of the preset strict, evenly thinned.

        Beside them some without simulated signal, which the threshold of explainable variance may have left out.
        """
        from brivl.core.encoding.voxel_selection import select_in_batches

        def report(share: float) -> None:
            self.progress(share, 1, "Choosing voxels")

        anywhere = select_in_batches(self.responses, self.design, -np.inf, report).selected
        count = select_in_batches(self.responses, self.design, STRICT.ev_threshold, report).selected
        counted = _thinned(np.flatnonzero(count), self.n_voxels)
        silent = np.zeros(0, int)
        if self.truth is not None:
            silent = _thinned(np.flatnonzero(anywhere & (self.truth.layer == 0)), N_SILENT)
        columns = np.union1d(counted, silent)
        return columns, np.isin(columns, counted)

    def features(self, variant: AuditFit) -> list[np.ndarray]:
        """Compute the bands of a fit.

        Parameters
        ----------
        variant : AuditFit
            The fit.

        Returns
        -------
        list of (n_samples, n_features) arrays
            Those of the models first.
        """
        request = self.request
        bands = []
        if not variant.alone:
            ending = f"@{variant.variation}" if variant.variation else ""
            bands = [self._layer(f"{model}{ending}") for model in request.models]
        if variant.baseline == UNTRAINED:
            bands.append(self._layer(f"{request.models[0]}@{UNTRAINED}"))
        elif variant.baseline:
            bands.append(nuisance_band(self.store, self.stimulus, self.design, variant.baseline, self.progress))
        return bands

    def _layer(self, model: str) -> np.ndarray:
        request = self.request
        return layer_features(self.store, self.stimulus, model, request.layer, request.pooling, self.progress)


def audit_fit(material: Material, variant: AuditFit) -> dict[str, np.ndarray]:
    """Look a fit up, or compute and store it.

    Parameters
    ----------
    material : Material
        The data of the subject.
    variant : AuditFit
        The fit.

    Returns
    -------
    dict
        r2 (1 + n_bands, n_columns); parts (n_parts, 1 + n_bands, n_columns), by fold or half of the test run; columns
        (n_columns,), counted (n_columns,) bool; for a tested fit `TESTS`.
    """
    if material.anew:
        return _compute(material, variant)
    ingredients = {key: value for key, value in asdict(variant).items() if key != "name"}
    key = ArtifactKey(
        KIND,
        {
            "fit": fit_key(material.store, material.request, material.dataset).digest,
            **ingredients,
            "n_voxels": material.n_voxels,
            "version": VERSION,
        },
    )
    stored = material.store.get_or_compute(key, lambda: (_compute(material, variant), {"fit": variant.name}))
    return dict(stored.arrays)


def _compute(material: Material, variant: AuditFit) -> dict[str, np.ndarray]:
    from brivl.core.inference.held_out_predictions import held_out_predictions  # needs himalaya

    columns, counted = material.voxels
    preset = replace(STRICT, **variant.changes)
    data = held_out_predictions(
        material.features(variant),
        material.responses,
        columns,
        FitProtocol(material.design, preset),
        lambda share: material.progress(share, 1, variant.name),
    )
    n = len(data.measured)
    parts = r2_by_fold(data, halves(n) if data.folds is None else data.folds)
    whole = r2_by_fold(data, np.zeros(n, int))[0] if data.folds is None else parts.mean(0)
    arrays = {"r2": whole, "parts": parts, "columns": columns, "counted": counted}
    if variant.tested:
        arrays |= _tests(data, FitProtocol(material.design, preset), material.responses.voxels, columns)
    return arrays


def _tests(data: Predictions, protocol: FitProtocol, voxels: Voxels, columns: np.ndarray) -> dict[str, np.ndarray]:
    """p and q of joint R2 of each voxel against chance, and of A minus B of each region (none: empty)."""
    from brivl.core.inference.block_permutation import permute_blocks
    from brivl.core.inference.block_sign_flip import flip_blocks_of_means
    from brivl.core.inference.blocks import PermutationSettings
    from brivl.core.inference.held_out_predictions import held_out_blocks

    blocks, draws = held_out_blocks(protocol, 20.0), PermutationSettings(N_DRAWS)
    chance = permute_blocks(data, blocks, draws)
    masks = regions_of(voxels, columns)
    tests = {"voxel_p": chance.p[0], "voxel_q": chance.q[0], "region_p": np.zeros(0), "region_q": np.zeros(0)}
    if masks:
        difference = flip_blocks_of_means(data, masks, blocks, draws)
        tests |= {"region_p": difference.p, "region_q": difference.q}
    return tests


def regions_of(voxels: Voxels, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Give the regions that the paper tests (45 merged AAL regions), or drawn ROIs.

    Parameters
    ----------
    voxels : Voxels
        All voxels of the subject.
    columns : (n_columns,) array of int
        The voxels that are fitted.

    Returns
    -------
    dict
        Name -> (n_columns,) bool; no region is empty.
    """
    levels = available_parcellations(voxels)
    level = next((x for x in ("merged", "roi") if x in levels), None)
    masks = {} if level is None else {name: mask[columns] for name, mask in region_masks(voxels, level).items()}
    return {name: mask for name, mask in masks.items() if mask.any()}


def in_order(request: FitRequest) -> FitRequest:
    """Give a request the preset strict, and its models the order in which they are fitted.

    Parameters
    ----------
    request : FitRequest
        The request.

    Returns
    -------
    FitRequest
        The request of the fit.
    """
    return replace(request, models=canonical_order(request.models), preset=STRICT.name)


def _thinned(columns: np.ndarray, most: int) -> np.ndarray:
    if len(columns) <= most:
        return columns
    return columns[np.linspace(0, len(columns) - 1, most).round().astype(int)]
