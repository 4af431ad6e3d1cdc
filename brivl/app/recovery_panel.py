"""Was the truth recovered? For simulated data, whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from matplotlib.figure import Figure
from plotly.graph_objects import Figure as PlotlyFigure

from brivl.app import cached, look
from brivl.app.asking import Shown
from brivl.app.limits import round_limit
from brivl.backend.places import masks_of
from brivl.backend.recovery import Recovery, best_layer, compare_with_truth
from brivl.core.findings import recovery_headline
from brivl.core.numbers import number
from brivl.core.records import Truth
from brivl.viz.export import SLIDE, figure_bytes
from brivl.viz.recovery import (
    DifferenceRecovery,
    LayerRecovery,
    RegionRecovery,
    difference_figure,
    layer_recovery_figure,
    region_recovery_figure,
)
from brivl.viz.recovery_page import difference_page, layer_recovery_page, region_recovery_page
from brivl.viz.style import PLOT_CONFIG, FigureLabel

PANEL = "recovery panel"
VOXELS, REGIONS, LAYERS = "Voxels", "Regions", "Best layer"


def draw(shown: Shown) -> None:
    """The panel, for the first subject shown; nothing for measured data."""
    subject = shown.subjects[0]
    truth = shown.facts[subject].truth
    if truth is None:
        return
    title = f"Was the truth recovered? ({subject}, simulated data, whose truth is known)"
    panel = st.expander(title, key=PANEL, on_change="rerun")
    if not panel.open:
        return
    with panel:
        if set(shown.choices.models) != set(truth.models):
            st.caption(f"The truth was planted with {truth.models[0]} and {truth.models[1]}. Compare these two.")
            return
        _panel(shown, subject, truth)


def _panel(shown: Shown, subject: str, truth: Truth) -> None:
    choices, voxels = shown.choices, shown.facts[subject].voxels
    result = shown.answers[choices.layer, subject].result
    regions = masks_of(voxels, "roi" if voxels.rois else "region")
    found = compare_with_truth(result, truth, choices.models, regions)
    st.markdown(f"**{recovery_headline(found.difference_r, found.n_voxels, f'{subject}, layer {choices.layer}')}**")
    st.caption(_numbers(found))
    what = st.segmented_control("Show", [VOXELS, REGIONS, LAYERS], default=VOXELS, key="recovery of")
    label = FigureLabel(
        recovery_headline(found.difference_r, found.n_voxels, subject), "Planted truth against estimate.", True,
        f"{choices.data}, {subject}, layer {choices.layer}, preset {choices.preset}",
    )  # fmt: skip
    if what == LAYERS:
        _layers(shown, subject, truth, label)
    elif what == REGIONS:
        table = pd.DataFrame(
            [(name, *pair) for name, pair in found.regions.items()], columns=["region", "planted", "estimated"]
        )
        recovery = RegionRecovery(table, shown.names)
        _show(
            region_recovery_figure(recovery, label, look.theme()),
            lambda: region_recovery_page(recovery, label, SLIDE),
            what,
        )
    else:
        limit = round_limit(np.concatenate([found.estimated, found.oracle]))
        recovery = DifferenceRecovery(found.oracle, found.estimated, found.difference_r, limit, shown.names)
        _show(difference_figure(recovery, label, look.theme()), lambda: difference_page(recovery, label, SLIDE), VOXELS)


def _numbers(found: Recovery) -> str:
    parts = [
        f"Over {found.n_voxels:,} fitted voxels with a planted signal: r of estimated and planted difference "
        f"{number(found.difference_r, 2)}",
        f"order of regions, Spearman ρ {number(found.region_rho, 2)}",
        f"mean joint R² {number(100 * found.ceiling_share, 2)} % of the noise ceiling",
        f"mean joint R² of fitted voxels without signal {number(found.silent_mean_r2, 2)}",
    ]
    return "; ".join(parts) + ". The layer shown is one of several that were planted."


def _layers(shown: Shown, subject: str, truth: Truth, label: FigureLabel) -> None:
    choices = shown.choices
    answers = {r.layer: cached.answer(r) for r in choices.requests(choices.layers) if r.subject == subject}
    if any(answer is None for answer in answers.values()):
        missing = sum(answer is None for answer in answers.values())
        st.caption(
            f"The best layer needs every layer; {missing} of {len(answers)} are missing. Run all on the page Layers."
        )
        return
    joint = np.stack([answers[layer].result.r2_joint for layer in choices.layers])
    recovery = LayerRecovery(truth.layer, best_layer(joint), choices.n_layers)
    figure = layer_recovery_figure(recovery, label, look.theme())
    _show(figure, lambda: layer_recovery_page(recovery, label, SLIDE), LAYERS)


def _show(figure: PlotlyFigure, page: Callable[[], Figure], what: str) -> None:
    st.plotly_chart(figure, theme=None, key=f"recovery {what}", config=PLOT_CONFIG)
    name = f"simulated_recovery_{what.lower().replace(' ', '_')}.png"
    st.download_button(
        "PNG, 16:9 slide",
        lambda: figure_bytes(page(), "png", dpi=144),
        name,
        "image/png",
        key="export recovery",
        on_click="ignore",
    )
