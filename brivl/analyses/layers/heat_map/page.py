"""Layer x region on the page Layers: heat map and curves of chosen regions; a click selects region and layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import unescape
from typing import Any

import streamlit as st

from brivl.analyses.figure_methods import heat_methods
from brivl.analyses.layers.heat_map.figures import curves_figure, heat_figure
from brivl.analyses.layers.heat_map.print_figure import heat_page
from brivl.analyses.layers.heat_map.tables import KINDS, MOST_CURVES, SORTS, HeatMap, region_layer_means
from brivl.data.regions import BRAIN, PARCELLATION_TITLES, available_parcellations, parcellation_of, region_masks
from brivl.errors import RequestError
from brivl.ui import cached, style, url_state
from brivl.ui.results import Shown, fit_view
from brivl.ui.sidebar import bound
from brivl.ui.tabs import View
from brivl.viz.style import PLOT_CONFIG, R2, FigureLabel

CHART, CURVES = "heat map chart", "heat map curves"
HINT = "Click a cell to select its region and layer on all pages."
SORT_NAMES = {"anatomical": "anatomical", "layer": "best layer"}


def heat_view(shown: Shown, choose_view: Callable[[], None]) -> View:
    """Make the view of layer x region.

    Parameters
    ----------
    shown : Shown
        The question at all layers, without a region filter: the chosen region is a row, not a filter.
    choose_view : callable
        Draws the choice between the figures of the page.

    Returns
    -------
    View
        For `tabs.draw`.

    Raises
    ------
    RequestError
        Where nothing is known about the regions of the voxels.
    """
    choices, region = shown.choices, url_state.raw_fields().get("region") or BRAIN
    voxels = shown.facts[shown.subjects[0]].voxels
    levels = available_parcellations(voxels)
    if not levels:
        raise RequestError(
            f"Expected voxels with regions, got those of {shown.summary.short_name!r} without any. "
            "Add ROI masks or AAL "
            "labels to them, or choose the view by layer."
        )
    level = choices.level if choices.level in levels else parcellation_of(voxels, region) or levels[0]
    masks = {subject: region_masks(facts.voxels, level) for subject, facts in shown.facts.items()}
    table = region_layer_means(shown.answers, masks, cached.single_model_scores)
    extra = [name for name in st.session_state.get(CURVES, []) if name != region]
    heat = HeatMap(
        table,
        shown.names,
        choices.map if choices.map in KINDS else "joint",
        level,
        shown.coverage,
        choices.sort or SORTS[0],
        choices.layer,
        (*((region,) if region in set(table["region"]) else ()), *extra),
    )
    label = FigureLabel(heat.headline, heat.caption, shown.summary.simulated, _detail(shown))
    stem = f"layers_by_region_{level}_{heat.kind}_{choices.subject}"
    return fit_view(
        shown,
        "layers",
        stem,
        label,
        table=lambda: table.assign(level=level),
        print_figure=lambda page: heat_page(heat, label, page),
        draw=lambda: _draw(heat, label, levels, choose_view),
        hint=HINT,
        methods=heat_methods(heat, region),
    )


def _detail(shown: Shown) -> str:
    return f"{shown.summary.short_name}, {shown.who}, preset {shown.choices.preset}"


def _draw(heat: HeatMap, label: FigureLabel, levels: tuple[str, ...], choose_view: Callable[[], None]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choose_view()
        _controls(heat, levels)
    if heat.values()["value"].isna().all():
        style.note(f"{heat.quantity} is not known yet: it needs fits of each model alone. Run the layers again.")
        return
    left, right = st.columns([3, 2])
    with left:
        figure = heat_figure(heat, label, style.theme())
        st.plotly_chart(figure, theme=None, key=CHART, config=PLOT_CONFIG, on_select=_pick, selection_mode="points")
    with right:
        st.multiselect(
            "Curves",
            list(dict.fromkeys(heat.table["region"])),
            key=CURVES,
            max_selections=MOST_CURVES - 1,
            placeholder="Further regions",
            help="Regions whose curves are drawn beside the selected one.",
        )
        if heat.chosen and heat.layer is not None:
            st.page_link(
                "pages/flatmap.py",
                label=f"Show {heat.chosen[0]}, layer {heat.layer}, on the brain",
                icon=":material/arrow_forward:",
            )
        st.plotly_chart(
            curves_figure(heat, label, style.theme()), theme=None, key=f"{CURVES} chart", config=PLOT_CONFIG
        )


def _controls(heat: HeatMap, levels: tuple[str, ...]) -> None:
    a, b = heat.names
    names = {
        "joint": f"Joint {R2}",
        "a": f"Split {R2}, {a}",
        "b": f"Split {R2}, {b}",
        "difference": f"Difference in split {R2}",
        "unique_a": f"Unique {R2}, {a}",
        "unique_b": f"Unique {R2}, {b}",
        "shared": f"Shared {R2}",
    }
    st.selectbox("Quantity", KINDS, format_func=names.__getitem__, width=210, **bound("map", heat.kind))
    if len(levels) > 1:
        st.selectbox(
            "Regions", levels, format_func=PARCELLATION_TITLES.__getitem__, width=210, **bound("level", heat.level)
        )
    st.segmented_control("Order", SORTS, format_func=SORT_NAMES.__getitem__, **bound("sort", heat.sort))


def _pick() -> None:
    """A click on a cell chooses its region and layer for all pages."""
    cell = cell_of(st.session_state[CHART].selection.points)
    if cell is not None:
        region, layer = cell
        url_state.change(region=region, layer=layer)


def cell_of(points: Sequence[Mapping[str, Any]]) -> tuple[str, int] | None:
    """Read region and layer from what was clicked.

    Parameters
    ----------
    points : sequence of mapping
        Points of a Plotly selection, with the custom data of `figures.heat_figure`.

    Returns
    -------
    (str, int) or None
        Region and layer; None where no cell was hit.
    """
    cell = next((point["customdata"] for point in points if point.get("customdata")), None)
    if cell is None:
        return None
    region, layer = list(cell.values()) if isinstance(cell, dict) else list(cell)
    return unescape(str(region)), int(layer)
