"""Unique and shared variance on the page Flatmap: looked up, packed for the browser, offered where missing."""

from __future__ import annotations

import numpy as np
import streamlit as st

from brivl.analyses.flatmap import cached_maps
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, VariancePartition, partition_variance
from brivl.encoding.means import mean_scores, nan_mean_rows
from brivl.ui import cached, style
from brivl.ui.results import Shown
from brivl.ui.unique_parts import offer_parts
from brivl.viz.browser.packing import Packed

REQUESTED = "unique parts requested"  # in the session: from then on the browser is given them


def alone_of(shown: Shown) -> dict[int, np.ndarray]:
    """Average R² of each model alone over subjects.

    Parameters
    ----------
    shown : Shown
        Fits.

    Returns
    -------
    dict of int to (2, n_voxels) array
        Layer -> means; only layers where all subjects have them.
    """
    by_layer: dict[int, list[np.ndarray | None]] = {}
    for (layer, _), answer in sorted(shown.answers.items()):
        by_layer.setdefault(layer, []).append(cached.single_model_scores(answer.request))
    whole = {layer: [rows for rows in each if rows is not None] for layer, each in by_layer.items()}
    return {layer: nan_mean_rows(rows) for layer, rows in whole.items() if len(rows) == len(by_layer[layer])}


def parts_of(shown: Shown) -> VariancePartition | None:
    """Divide the joint R² of the layer shown, mean over subjects.

    Parameters
    ----------
    shown : Shown
        Fits at that layer.

    Returns
    -------
    VariancePartition or None
        Unique and shared variance; None unless every subject shown has them.
    """
    alone = alone_of(shown).get(shown.choices.layer)
    if alone is None:
        return None
    return partition_variance(mean_scores([answer.result for answer in shown.answers.values()])[0], alone)


def packed_alone(layers: Shown) -> Packed | None:
    """Pack R² of each model alone for the browser, once a map of parts has been asked for.

    Parameters
    ----------
    layers : Shown
        Fits at all layers.

    Returns
    -------
    Packed or None
        None where nothing was asked for, or nothing is known.
    """
    if layers.choices.map in VARIANCE_COMPONENTS:
        st.session_state[REQUESTED] = True
    return cached_maps.browser_alone(layers.answers, alone_of(layers)) if st.session_state.get(REQUESTED) else None


def panel(shown: Shown, layers: Shown) -> None:
    """Offer the fits of each model alone where they are missing, and say what the parts are on maps of them.

    Parameters
    ----------
    shown : Shown
        Fits at the layer shown.
    layers : Shown
        Fits at all layers, of which maps of parts can be asked for.
    """
    on_a_part = shown.choices.map in VARIANCE_COMPONENTS
    offer_parts(layers.answers if on_a_part else shown.answers)
    if on_a_part:
        style.small(
            "Unique and shared variance compare the joint fit with fits of each model alone, with the same folds and "
            "preset (de Heer et al. 2017; Lescroart and Gallant 2019). They differ from split R², which divides the "
            "prediction of the joint fit. The three parts add up to joint R²; each may fall below 0 by noise."
        )
