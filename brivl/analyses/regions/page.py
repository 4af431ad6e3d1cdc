"""What the page Regions shows (paper Figs. 5b-d and 6c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from brivl.analyses.regions import page, tests_panel
from brivl.analyses.regions.ceiling import has_ceiling
from brivl.analyses.regions.figures import region_figure
from brivl.analyses.regions.print_figure import region_page
from brivl.analyses.regions.tables import RegionQuestion, is_row, region_parts
from brivl.core.claims.headlines import layer_headline
from brivl.data.regions import (
    BRAIN,
    CEILING,
    MNI_PARCELLATIONS,
    ORDERS,
    PARCELLATION_NOUNS,
    PARCELLATION_TITLES,
    ParcellationName,
    available_parcellations,
    parcellation_of,
    why_unavailable,
)
from brivl.errors import RequestError
from brivl.ui import style, url_state
from brivl.ui.frame import PageSpec
from brivl.ui.jobs import Run
from brivl.ui.results import Shown, fit_view, look_up, said_subjects
from brivl.ui.sidebar import bound
from brivl.ui.tabs import View
from brivl.ui.url_state import VOXEL
from brivl.viz.style import PLOT_CONFIG, R2, FigureLabel

KEY = "choose scale"
UNIT_KEY = "choose unit"


def is_over_ceiling(shown: Shown) -> bool:
    """Whether that is asked for and possible."""
    return shown.choices.scale == CEILING and has_ceiling(shown.answers, shown.facts)


def is_by_voxel(shown: Shown) -> bool:
    """Whether voxels of several subjects are to be the pairs."""
    return shown.choices.unit == VOXEL and len(shown.answers) > 1


def unit_toggle(shown: Shown) -> None:
    """The switch to voxels as pairs, where there are several subjects."""
    if len(shown.answers) < 2:
        return
    wanted = is_by_voxel(shown)
    if st.session_state.get(UNIT_KEY) != wanted:
        st.session_state[UNIT_KEY] = wanted
    st.toggle("Pair voxels", key=UNIT_KEY, on_change=_take_unit, help="As in many papers; p is then far too small.")


def _take_unit() -> None:
    url_state.change(unit=VOXEL if st.session_state[UNIT_KEY] else "")


def toggle(shown: Shown) -> None:
    """The switch, where there is a ceiling."""
    if not has_ceiling(shown.answers, shown.facts):
        return
    wanted = is_over_ceiling(shown)
    if st.session_state.get(KEY) != wanted:
        st.session_state[KEY] = wanted
    st.toggle("Over noise ceiling", key=KEY, on_change=_take, help=f"{R2} as a share of what could be explained.")


def _take() -> None:
    url_state.change(scale=CEILING if st.session_state[KEY] else "")


CHART = "regions chart"
ORDER_NAMES = {
    "anatomical": "front to back",
    "p": "p, smallest first",
    "effect": "difference, {a} first",
    "name": "name",
}
HINT = "Click a bar to light its region up, here and on the brain; click beside the bars to let it go."


def _runs(shown: Shown) -> Sequence[Run]:
    choices = shown.choices
    return [Run(f"Run layer {choices.layer}, {said_subjects(choices)}", choices.requests())]


def _levels(shown: Shown) -> tuple[ParcellationName, ...]:
    levels = available_parcellations(shown.facts[shown.subjects[0]].voxels)
    if not levels:
        raise RequestError(
            f"Nothing is known about the regions of {shown.known.short_name!r}. Add ROI masks or AAL labels to its "
            "voxels (see README, Your own data); the pages Layers and Flatmap work without them."
        )
    return levels


def _level(shown: Shown) -> ParcellationName:
    """The level asked for, else the one that has the chosen region, else the first."""
    levels, choices = _levels(shown), shown.choices
    if choices.level in levels or choices.region == BRAIN:
        return next((level for level in levels if level == choices.level), levels[0])
    return parcellation_of(shown.facts[shown.subjects[0]].voxels, choices.region) or levels[0]


def _lit(asked: Shown, level: ParcellationName) -> tuple[Shown, str | None]:
    """A chosen region that is one of the rows is framed among the others; any other keeps only what lies within."""
    region = asked.choices.region
    if region == BRAIN or not is_row(asked.facts[asked.subjects[0]], level, region):
        return asked, None
    return replace(asked, choices=replace(asked.choices, region=BRAIN)), region


def _view(asked: Shown) -> View:
    level = _level(asked)
    shown, lit = _lit(asked, level)
    choices = shown.choices
    question = RegionQuestion(
        level,
        shown.names,
        choices.order,
        page.is_over_ceiling(shown),
        page.is_by_voxel(shown),
        choices.region,
        lit,
        tests_panel.stored_tests(shown),
    )
    parts = region_parts(shown.answers, shown.facts, question)
    headline = layer_headline(
        choices.layer, shown.names, parts.comparison, shown.who, PARCELLATION_NOUNS[level], parts.quantity
    )
    label = FigureLabel(headline, parts.caption, shown.known.simulated, _detail(shown))
    stem = f"regions_{level}_layer{choices.layer:02d}_{choices.subject}"
    stem += "_over_ceiling" if parts.quantity != R2 else ""

    def draw() -> None:
        _controls(shown, level)
        if parts.comparison.warning:
            style.note(parts.comparison.warning)
        figure = region_figure(parts.scores, label, style.theme())
        st.plotly_chart(figure, theme=None, key=CHART, config=PLOT_CONFIG, on_select=_pick, selection_mode="points")
        _region_bar(asked)

    def below() -> None:
        tests_panel.draw(shown, level)

    draw_page = partial(region_page, parts.scores, label)
    return fit_view(shown, "regions", stem, label, lambda: parts.table, draw_page, draw, hint=HINT, below=below)


def _pick() -> None:
    """A click on a bar, a mark or a dot chooses its region for all pages; one beside them lets it go."""
    points = st.session_state[CHART].selection.points
    row = next((point["customdata"] for point in points if point.get("customdata")), None)
    url_state.change(region=None if row is None else _region_of(row))


def _region_of(row: object) -> str:
    """The region in the custom data of a bar (first), a joint mark (alone) or a dot (after the subject)."""
    cells = list(row.values()) if isinstance(row, dict) else list(row)  # type: ignore[call-overload]
    return str(cells[1] if len(cells) == 2 else cells[0])


def _region_bar(asked: Shown) -> None:
    """Ways on from a chosen region."""
    region = asked.choices.region
    if region == BRAIN:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("pages/flatmap.py", label=f"Show {region} on the brain", icon=":material/arrow_forward:")
        st.button("All voxels again", on_click=url_state.change, kwargs={"region": None}, key="no region")


def _controls(shown: Shown, level: ParcellationName) -> None:
    levels, wanted = _levels(shown), shown.choices.level
    if wanted and wanted != level:
        style.note(why_unavailable(wanted, shown.facts[shown.subjects[0]].voxels))
    with st.container(horizontal=True):
        if len(levels) > 1:
            st.segmented_control(
                "Regions",
                levels,
                format_func=PARCELLATION_TITLES.__getitem__,
                label_visibility="collapsed",
                **bound("level", level),
            )
        st.segmented_control(
            "Order",
            ORDERS,
            format_func=lambda order: ORDER_NAMES[order].format(a=shown.names[0]),
            label_visibility="collapsed",
            **bound("order", shown.choices.order),
        )
        page.toggle(shown)
        page.unit_toggle(shown)
    if not set(MNI_PARCELLATIONS) & set(levels):
        style.small(why_unavailable("further", shown.facts[shown.subjects[0]].voxels))


def _detail(shown: Shown) -> str:
    return f"{shown.known.short_name}, {shown.who}, layer {shown.choices.layer}, preset {shown.choices.preset}"


REGIONS = PageSpec("Regions", look_up, _runs, _view)
