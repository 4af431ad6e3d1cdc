"""Unique and shared parts of R² on the page Flatmap: looked up, said, and computed by a button."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from brivl.analyses.flatmap import cached_maps
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, VariancePartition, partition_variance
from brivl.encoding.means import mean_scores, nan_mean_rows
from brivl.encoding.single_model import variance_partition_job
from brivl.ui import cached, style
from brivl.ui.jobs import Run, active_job, show_failures, submit, watch
from brivl.ui.results import Shown
from brivl.viz.browser.packing import Packed

ASKED = "parts asked"  # in the session: from then on the browser is given them


@dataclass(frozen=True)
class PartsRun(Run):
    """Fits each model alone, and both where that is missing."""

    @property
    def job(self) -> dict:
        return variance_partition_job(cached.store(), list(self.requests))


def alone_of(shown: Shown) -> dict[int, np.ndarray]:
    """Layer -> (2, n_voxels) R² of each model alone, mean over subjects; layers where all subjects have it."""
    found: dict[int, list[np.ndarray | None]] = {}
    for (layer, _), answer in sorted(shown.answers.items()):
        found.setdefault(layer, []).append(cached.single_model_scores(answer.request))
    whole = {layer: [rows for rows in each if rows is not None] for layer, each in found.items()}
    return {layer: nan_mean_rows(rows) for layer, rows in whole.items() if len(rows) == len(found[layer])}


def parts_of(shown: Shown) -> VariancePartition | None:
    """At the layer shown; None unless every subject shown has them."""
    alone = alone_of(shown).get(shown.choices.layer)
    if alone is None:
        return None
    return partition_variance(mean_scores([answer.result for answer in shown.answers.values()])[0], alone)


def packed_alone(layers: Shown) -> Packed | None:
    """What the browser is given, once parts have been asked for; None where there is nothing."""
    if layers.choices.map in VARIANCE_COMPONENTS:
        st.session_state[ASKED] = True
    return cached_maps.browser_alone(layers.answers, alone_of(layers)) if st.session_state.get(ASKED) else None


def panel(shown: Shown, layers: Shown) -> None:
    """On a map of parts: what fits each model alone where that is missing."""
    if shown.choices.map not in VARIANCE_COMPONENTS:
        return
    lacking = {
        key: answer.request
        for key, answer in layers.answers.items()
        if cached.single_model_scores(answer.request) is None
    }
    here = [request for (layer, _), request in lacking.items() if layer == shown.choices.layer]
    runs = [PartsRun(f"Fit each model alone, layer {shown.choices.layer}", here)] if here else []
    if len(lacking) > len(here):
        runs.append(
            PartsRun(
                f"Fit each model alone, all {len({layer for layer, _ in layers.answers})} fitted layers",
                list(lacking.values()),
            )
        )
    job = active_job(runs)
    if job is not None:
        watch(job.job_id)
    elif runs:
        show_failures(runs)
        with st.container(horizontal=True, key="parts-runs"):
            for run in runs:
                st.button(run.label, on_click=submit, args=(run,), key=f"run {run.label}")
    style.small(
        "Unique and shared parts need fits of each model alone, with the same folds and preset (de Heer et al. 2017; "
        "Lescroart and Gallant 2019). They differ from split R²: split R² divides the prediction of one fit, parts "
        "compare fits. The three parts add up to joint R²; each may fall below 0 by noise."
    )
