"""Mean R² over voxels for the figures of the paper: fitted or from the store, one tidy row for each region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brivl.analyses.reproduce.source import Source
from brivl.core.claims.checks import BRAIN, ScoreMeans
from brivl.core.encoding.presets import PRESETS
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import EncodingResult, Voxels
from brivl.core.regions.areas import AAL_LEVELS, N_CEREBRAL, aal_regions
from brivl.data.subject_facts import SubjectFacts, load_facts
from brivl.encoding.fit import FitRequest, fit, fraction_done
from brivl.store.artifacts import Store

MEAN_COLUMNS = ("layer", "subject", "level", "region", "joint", "a", "b", "n_voxels")
Masks = dict[tuple[str, str], np.ndarray]  # (level, region) -> (n_voxels,) bool


@dataclass(frozen=True)
class PaperMeans:
    """Means of all requested fits of a dataset, and where the voxels of each subject lie."""

    source: Source
    means: ScoreMeans
    facts: Mapping[str, SubjectFacts]


def compute_means(
    store: Store, source: Source, requests: Sequence[FitRequest], progress: ProgressCallback = no_progress
) -> PaperMeans:
    """Average the scores of fits over regions; missing fits are computed and stored, one by one.

    Parameters
    ----------
    store : Store
        Where results are kept.
    source : Source
        The dataset and what is compared on it.
    requests : sequence of FitRequest
        The fits.
    progress : callable
        Progress callback, which counts fits.

    Returns
    -------
    PaperMeans
        Means by layer, subject and region.

    Raises
    ------
    BrivlError
        As `brivl.encoding.fit.fit` does.
    """
    rows: list[tuple] = []
    facts: dict[str, SubjectFacts] = {}
    inside: dict[str, Masks] = {}  # of the subject at hand: those of all at once would take gigabytes
    for i, request in enumerate(requests):

        def part(done: float, total: float, message: str, i: int = i) -> None:
            progress(i + fraction_done(done, total, message), len(requests), message)

        part(0, 1, f"Layer {request.layer}, {request.subject}")
        result = fit(store, request, part).result
        if request.subject not in facts:
            facts[request.subject] = load_facts(store, source.summary.dataset, request.subject)
        if request.subject not in inside:
            inside = {request.subject: region_masks_by_level(facts[request.subject].voxels)}
        rows += mean_rows(request, result, inside[request.subject], kept(source, result, facts[request.subject]))
    progress(len(requests), len(requests), "Fits ready")
    return PaperMeans(source, ScoreMeans(pd.DataFrame(rows, columns=list(MEAN_COLUMNS)), source.n_layers), facts)


def kept(source: Source, result: EncodingResult, facts: SubjectFacts) -> np.ndarray:
    """Select the voxels behind a figure.

    These are the voxels that were fitted; of sentences those in AAL regions 1 to 90, and with the protocol "paper" only
    those with joint R² above 0, as in the paper (which selects voxels by the scores that it reports).

    Parameters
    ----------
    source : Source
        The dataset and what is compared on it.
    result : EncodingResult
        The fit.
    facts : SubjectFacts
        Voxels of the subject.

    Returns
    -------
    ndarray of bool, shape (n_voxels,)
        True for the voxels that enter the means.
    """
    inside = np.asarray(result.selected, bool).copy()
    if source.family == "sentences":
        if facts.voxels.aal is not None:
            inside &= (facts.voxels.aal >= 1) & (facts.voxels.aal <= N_CEREBRAL)
        if source.preset == "paper":
            inside &= np.nan_to_num(result.r2_joint) > 0
    return inside


def voxel_rule(gathered: PaperMeans) -> str:
    """Describe in words which voxels `kept` selects.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.

    Returns
    -------
    str
        Such as "explainable variance above 0.1".
    """
    source, facts = gathered.source, next(iter(gathered.facts.values()))
    rules = []
    if (facts.timing.n_repeats or 1) > 1:
        rules.append(f"explainable variance above {PRESETS[source.preset].ev_threshold:g}")
    if source.family == "sentences" and facts.voxels.aal is not None:
        rules.append("in the 90 cerebral AAL regions")
    if source.family == "sentences" and source.preset == "paper":
        rules.append("joint R² above 0")
    return ", ".join(rules) or "all that could be fitted"


def region_masks_by_level(voxels: Voxels) -> Masks:
    """Make the masks of all regions: the whole brain, ROIs of the data, AAL at three levels.

    Parameters
    ----------
    voxels : Voxels
        Positions and regions of the voxels of a subject.

    Returns
    -------
    dict
        (level, region) to a mask of shape (n_voxels,).
    """
    masks_by_region = {(BRAIN, BRAIN): np.ones(voxels.n_voxels, bool)}
    masks_by_region |= {("roi", name): np.asarray(inside, bool) for name, inside in voxels.rois.items()}
    if voxels.aal is not None:
        aal = np.asarray(voxels.aal)
        masks_by_region |= {(level, r.name): np.isin(aal, r.labels) for level in AAL_LEVELS for r in aal_regions(level)}
    return masks_by_region


def mean_rows(request: FitRequest, result: EncodingResult, groups: Masks, inside: np.ndarray) -> list[tuple]:
    """Average the scores of one fit over each region.

    Parameters
    ----------
    request : FitRequest
        Layer and subject.
    result : EncodingResult
        The fit.
    groups : dict
        What `region_masks_by_level` gives.
    inside : ndarray of bool, shape (n_voxels,)
        Voxels that enter the means.

    Returns
    -------
    list of tuple
        Rows with MEAN_COLUMNS, for regions with at least one such voxel.
    """
    rows = []
    for (level, region), mask in groups.items():
        chosen = mask & inside
        if chosen.any():
            values = (result.r2_joint[chosen], *result.r2_split[:, chosen])
            means = (float(np.mean(v, dtype=np.float64)) for v in values)
            rows.append((request.layer, request.subject, level, region, *means, int(chosen.sum())))
    return rows
