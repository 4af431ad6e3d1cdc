"""Recovery check: estimated beside true maps, for simulated data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from matplotlib.figure import Figure
from plotly.graph_objects import Figure as PlotlyFigure

from brivl.analyses.flatmap.map_pair import SmallMap, draw_pair
from brivl.analyses.recovery.figures import (
    DifferenceRecovery,
    LayerRecovery,
    RegionRecovery,
    difference_figure,
    layer_recovery_figure,
    region_recovery_figure,
)
from brivl.analyses.recovery.print_figure import (
    MAP_TITLES,
    difference_page,
    layer_recovery_page,
    maps_page,
    region_recovery_page,
)
from brivl.core.claims.map_headlines import recovery_headline
from brivl.core.numbers import number, round_limit
from brivl.core.records import EncodingResult, FlatmapGeometry, Truth, Voxels
from brivl.data.regions import region_masks
from brivl.encoding.recovery import Recovery, at_true_layer, best_layer, compare_with_truth, difference_maps
from brivl.ui import cached, style
from brivl.ui.results import Shown
from brivl.viz.export import SLIDE, figure_bytes
from brivl.viz.flatmap.painting import MapScores, paint_difference
from brivl.viz.style import PLOT_CONFIG, FigureLabel

PANEL = "recovery panel"
NEAR = 2  # layers from the one shown
ALL_BASIS = "Each fitted voxel at the layer that was planted in it."
NEAR_BASIS = (
    "Layer {layer}, fitted voxels planted within {near} layers of it; once all layers are fitted, each voxel is taken "
    "at its own."
)
MAPS, VOXELS, REGIONS, LAYERS = "Maps", "Voxels", "Regions", "Best layer"


def draw(shown: Shown) -> None:
    """Draw the panel for the first subject shown; nothing for measured data.

    Parameters
    ----------
    shown : Shown
        Fits at the layer shown.
    """
    subject = shown.subjects[0]
    truth = shown.facts[subject].truth
    if truth is None:
        return
    title = f"Recovery check: estimated and true difference ({subject}, simulated data)"
    panel = st.expander(title, key=PANEL, on_change="rerun")
    if not panel.open:
        return
    with panel:
        if set(shown.choices.models) != set(truth.models):
            st.caption(
                f"The data were simulated from {truth.models[0]} and {truth.models[1]}. Compare these two models."
            )
            return
        _panel(shown, subject, truth)


def _panel(shown: Shown, subject: str, truth: Truth) -> None:
    choices, voxels = shown.choices, shown.facts[subject].voxels
    layers = _all_layers(shown, subject)
    if layers is None:
        result, basis = _near(shown.answers[choices.layer, subject].result, truth, choices.layer), NEAR_BASIS
    else:
        result, basis = at_true_layer(layers, truth), ALL_BASIS
    basis = basis.format(layer=choices.layer, near=NEAR)
    recovered = compare_with_truth(
        result, truth, choices.models, region_masks(voxels, "roi" if voxels.rois else "region")
    )
    headline = recovery_headline(recovered.difference_r, recovered.n_voxels, subject)
    st.markdown(f"**{headline}**")
    st.caption(f"{basis} {_numbers(recovered)}")
    label = FigureLabel(headline, basis, True, f"{choices.data}, {subject}, preset {choices.preset}")
    geometry = cached.flatmap(voxels)
    kinds = [VOXELS, REGIONS, LAYERS] if geometry is None else [MAPS, VOXELS, REGIONS, LAYERS]
    what = st.segmented_control("Show", kinds, default=kinds[0], key="recovery of")
    limit = round_limit(np.concatenate([recovered.estimated, recovered.oracle]))
    if what == MAPS and geometry is not None:
        _maps(voxels, geometry, difference_maps(result, truth, choices.models), limit, shown.names, label)
    elif what == LAYERS:
        _layers(layers, truth, label)
    elif what == REGIONS:
        _regions(recovered, shown.names, label)
    else:
        recovery = DifferenceRecovery(recovered.oracle, recovered.estimated, recovered.difference_r, limit, shown.names)
        figure = difference_figure(recovery, label, style.theme())
        _show(figure, lambda: difference_page(recovery, label, SLIDE), VOXELS)


def _maps(
    voxels: Voxels,
    geometry: FlatmapGeometry,
    maps: tuple[np.ndarray, np.ndarray],
    limit: float,
    names: tuple[str, str],
    label: FigureLabel,
) -> None:
    """The planted and the estimated difference on the same voxels, with the same colours."""
    regions = region_masks(voxels, "roi" if voxels.rois else "region") if voxels.rois or voxels.aal is not None else {}
    ends = (f"{names[1]} higher", f"{names[0]} higher")
    pair = [SmallMap(title, values, limit, True, ends) for title, values in zip(MAP_TITLES, maps, strict=True)]
    draw_pair(voxels, geometry, regions, pair, "recovery map", one_scale=True)
    style.small("Split R² of the fitted voxels with a planted signal, simulated data; both maps have the same colours.")
    zero = np.zeros(voxels.n_voxels)
    scores = [MapScores(values, values, zero, names, regions) for values in maps]
    first, second = (paint_difference(geometry, each, limit) for each in scores)
    _download(lambda: maps_page(geometry, (first, second), label, SLIDE), MAPS)


def _all_layers(shown: Shown, subject: str) -> list[EncodingResult] | None:
    """Results of every layer, None if one is missing."""
    choices = shown.choices
    requests = [r for r in choices.requests(choices.layers) if r.subject == subject]
    results = [answer.result for answer in map(cached.stored_fit, requests) if answer is not None]
    return results if len(results) == len(requests) else None


def _near(result: EncodingResult, truth: Truth, layer: int) -> EncodingResult:
    """One layer's result, without voxels whose signal was planted in a layer far from it."""
    near = (truth.layer == 0) | (np.abs(truth.layer - layer) <= NEAR)
    return replace(result, selected=result.selected & near)


def _regions(recovered: Recovery, names: tuple[str, str], label: FigureLabel) -> None:
    rows = [(name, *pair) for name, pair in recovered.regions.items()]
    recovery = RegionRecovery(pd.DataFrame(rows, columns=["region", "planted", "estimated"]), names)
    figure = region_recovery_figure(recovery, label, style.theme())
    _show(figure, lambda: region_recovery_page(recovery, label, SLIDE), REGIONS)


def _numbers(recovered: Recovery) -> str:
    parts = [
        f"Order of regions: Spearman ρ {number(recovered.region_rho, 2)}",
        f"mean joint R² {number(100 * recovered.ceiling_fraction, 2)} % of the noise ceiling",
    ]
    if np.isfinite(recovered.null_mean_r2):
        parts.append(f"mean joint R² of fitted voxels without signal {number(recovered.null_mean_r2, 2)}")
    return "; ".join(parts) + "."


def _layers(layers: Sequence[EncodingResult] | None, truth: Truth, label: FigureLabel) -> None:
    if layers is None:
        st.caption("The best layer needs every layer. Run all layers on the page Layers.")
        return
    recovery = LayerRecovery(truth.layer, best_layer(np.stack([r.r2_joint for r in layers])), len(layers))
    figure = layer_recovery_figure(recovery, label, style.theme())
    _show(figure, lambda: layer_recovery_page(recovery, label, SLIDE), LAYERS)


def _show(figure: PlotlyFigure, page: Callable[[], Figure], what: str) -> None:
    st.plotly_chart(figure, theme=None, key=f"recovery {what}", config=PLOT_CONFIG)
    _download(page, what)


def _download(page: Callable[[], Figure], what: str) -> None:
    name = f"simulated_recovery_{what.lower().replace(' ', '_')}.png"
    st.download_button(
        "PNG, 16:9 slide",
        lambda: figure_bytes(page(), "png", dpi=144),
        name,
        "image/png",
        key="export recovery",
        on_click="ignore",
    )
