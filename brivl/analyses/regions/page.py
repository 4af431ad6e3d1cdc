"""What the page Regions shows (paper Figs. 5b-d and 6c)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st

from brivl.analyses.figure_methods import regions_methods
from brivl.analyses.flatmap import cached_maps
from brivl.analyses.flatmap.webgl import component
from brivl.analyses.regions import page, tests_panel
from brivl.analyses.regions.browser_chart import RegionChart, chart_data, pack_members
from brivl.analyses.regions.ceiling import has_ceiling
from brivl.analyses.regions.print_figure import region_page
from brivl.analyses.regions.tables import RegionParts, RegionQuestion, is_row, region_parts
from brivl.core.regions.variance_partitioning import MeanScores
from brivl.data.regions import (
    BRAIN,
    CEILING,
    MNI_PARCELLATIONS,
    ORDERS,
    PARCELLATION_TITLES,
    ROWS,
    ParcellationName,
    available_parcellations,
    parcellation_of,
    region_choices,
    region_lobes,
    region_masks,
    why_unavailable,
)
from brivl.errors import RequestError
from brivl.ui import cached, style, url_state
from brivl.ui.frame import PageSpec
from brivl.ui.jobs import Run, run_with_tests
from brivl.ui.results import Shown, describe_subjects, fit_view, look_up, mean_parts, mean_scores
from brivl.ui.sidebar import bound
from brivl.ui.tabs import View
from brivl.ui.unique_parts import offer_parts
from brivl.ui.url_state import MAPS, VOXEL
from brivl.viz.browser.map_payload import RegionMasks
from brivl.viz.style import R2, FigureLabel

KEY = "choose scale"
UNIT_KEY = "choose unit"


def is_over_ceiling(shown: Shown) -> bool:
    """Tell whether scores are to be normalised by the noise ceiling, and can be.

    Parameters
    ----------
    shown : Shown
        The question with its answers.

    Returns
    -------
    bool
        Whether it is asked for and possible.
    """
    return shown.choices.scale == CEILING and has_ceiling(shown.answers, shown.facts)


def is_by_voxel(shown: Shown) -> bool:
    """Tell whether the test is to be over voxels.

    Parameters
    ----------
    shown : Shown
        The question with its answers.

    Returns
    -------
    bool
        Whether it is asked for; it is anti-conservative, and no headline rests on it.
    """
    return shown.choices.unit == VOXEL


def unit_toggle(shown: Shown) -> None:
    """Draw the switch to a test over voxels.

    Parameters
    ----------
    shown : Shown
        The question with its answers.
    """
    selected = is_by_voxel(shown)
    if st.session_state.get(UNIT_KEY) != selected:
        st.session_state[UNIT_KEY] = selected
    st.toggle(
        "Test over voxels",
        key=UNIT_KEY,
        on_change=_take_unit,
        help="As often published; anti-conservative, since voxels are spatially correlated. Headlines do not use it.",
    )


def _take_unit() -> None:
    url_state.change(unit=VOXEL if st.session_state[UNIT_KEY] else "")


def toggle(shown: Shown) -> None:
    """Draw the switch to normalised scores, where there is a ceiling.

    Parameters
    ----------
    shown : Shown
        The question with its answers.
    """
    if not has_ceiling(shown.answers, shown.facts):
        return
    selected = is_over_ceiling(shown)
    if st.session_state.get(KEY) != selected:
        st.session_state[KEY] = selected
    st.toggle(
        "Normalise by noise ceiling", key=KEY, on_change=_take, help=f"{R2} as a share of what could be explained."
    )


def _take() -> None:
    url_state.change(scale=CEILING if st.session_state[KEY] else "")


CHART = "regions chart"  # key of the component in the session
ORDER_NAMES = {"anatomical": "anatomical", "p": "p", "effect": "effect", "name": "A–Z"}
HINT = "Click a bar or the map to select a region; click it again to clear."


def _runs(shown: Shown) -> Sequence[Run]:
    choices = shown.choices
    return [run_with_tests(f"Run layer {choices.layer}, {describe_subjects(choices)}", choices.requests())]


def _levels(shown: Shown) -> tuple[ParcellationName, ...]:
    levels = available_parcellations(shown.facts[shown.subjects[0]].voxels)
    if not levels:
        raise RequestError(
            f"Nothing is known about the regions of {shown.summary.short_name!r}. Add ROI masks or AAL labels to its "
            "voxels (see README, Your own data); the pages Layers and Flatmap work without them."
        )
    return levels


def _level(shown: Shown) -> ParcellationName:
    """The level asked for, else the one that has the chosen region, else the first."""
    levels, choices = _levels(shown), shown.choices
    if choices.level in levels or choices.region == BRAIN:
        return next((level for level in levels if level == choices.level), levels[0])
    return parcellation_of(shown.facts[shown.subjects[0]].voxels, choices.region) or levels[0]


def _highlighted(loaded: Shown, level: ParcellationName) -> tuple[Shown, str | None]:
    """A chosen region that is one of the rows is framed among the others; any other keeps only what lies within."""
    region = loaded.choices.region
    if region == BRAIN or not is_row(loaded.facts[loaded.subjects[0]], level, region):
        return loaded, None
    return replace(loaded, choices=replace(loaded.choices, region=BRAIN)), region


def _view(loaded: Shown) -> View:
    level = _level(loaded)
    shown, highlighted = _highlighted(loaded, level)
    choices = shown.choices
    question = RegionQuestion(
        level,
        shown.names,
        choices.order,
        page.is_over_ceiling(shown),
        page.is_by_voxel(shown),
        choices.region,
        highlighted,
        tests_panel.stored_tests(shown),
        loaded.coverage,
        _mean_scores(shown),
        _single_models(shown),
        choices.rows,
    )
    parts = region_parts(shown.answers, shown.facts, question)
    label = FigureLabel(parts.headline, parts.caption, shown.summary.simulated, _detail(shown))
    stem = f"regions_{level}_layer{choices.layer:02d}_{choices.subject}"
    stem += "_over_ceiling" if parts.quantity != R2 else ""

    def draw() -> None:
        _controls(shown, level)
        if parts.comparison.warning:
            style.note(parts.comparison.warning)
        _chart(loaded, parts, level)
        _region_bar(loaded)

    def below() -> None:
        offer_parts(shown.answers)
        tests_panel.draw(shown, level)

    draw_page = partial(region_page, parts.scores, label)
    return fit_view(
        shown,
        "regions",
        stem,
        label,
        lambda: parts.table,
        draw_page,
        draw,
        hint=HINT,
        below=below,
        methods=regions_methods(parts, question),
    )


def _mean_scores(shown: Shown) -> MeanScores | None:
    """Means over all voxels shown, with unique and shared variance where each model was fitted alone."""
    table, parts = mean_scores(shown), mean_parts(shown)
    if table.empty:
        return None
    both = table.merge(parts, on=["layer", "subject"], how="left")
    return MeanScores.of({str(name): both[name].to_numpy(float) for name in both if name not in ("layer", "subject")})


def _single_models(shown: Shown) -> dict[str, np.ndarray]:
    """Subject -> R2 of each model alone (2, n_voxels), of subjects for whom it is computed."""
    scores = {subject: cached.single_model_scores(answer.request) for (_, subject), answer in shown.answers.items()}
    return {subject: single for subject, single in scores.items() if single is not None}


def _chart(loaded: Shown, parts: RegionParts, level: ParcellationName) -> None:
    """Rows beside the map of the first subject, each region in the colour of its mean."""
    subject, choices = loaded.subjects[0], loaded.choices
    voxels = loaded.facts[subject].voxels
    masks = region_masks(voxels, level)
    geometry = cached.flatmap(voxels)
    base, members = None, None
    if geometry is not None:
        levels = available_parcellations(voxels)
        named = next((region_masks(voxels, key) for key in ("roi", "region") if key in levels), {})
        regions = RegionMasks(named, region_choices(voxels, choices.region))
        base, members = cached_maps.browser_ground(voxels, geometry, regions), pack_members(masks)
        component.send(base, "ground")
        component.send(members, "members of regions")
    chosen = choices.region if choices.region in set(parts.table["region"]) else None
    chart = RegionChart(
        parts.every_row,
        parts.listed,
        region_lobes(voxels, level) if choices.order == "anatomical" else {},
        chosen,
        choices.map,
        _map_note(loaded, geometry is not None),
        loaded.summary.simulated,
    )
    data = chart_data(chart, list(masks), style.theme())
    data |= {"ground": base and base.id, "members": members and members.id}
    with st.container(key="figure-regions"):
        component.regions(CHART, data, _take_news)


def _map_note(shown: Shown, has_map: bool) -> str:
    """What the map shows of several subjects, or that there is none."""
    if not has_map:
        return f"There is no map of {shown.subjects[0]}'s voxels yet. The page Flatmap makes one."
    if len(shown.subjects) == 1:
        return ""
    return f"The cortex is {shown.subjects[0]}'s; colours are means over {len(shown.subjects)} subjects."


def _take_news() -> None:
    """A click chooses a region for all pages, a second one lets it go; the kind of map is that of the page Flatmap."""
    news = st.session_state[CHART].get("settled")
    if not isinstance(news, Mapping):
        return
    region, kind = news.get("region"), news.get("map")
    changes: dict[str, object] = {"region": region if isinstance(region, str) else None}
    if kind in MAPS and url_state.raw_fields().get("map", MAPS[0]) != kind:
        changes["map"] = kind
    url_state.change(**changes)


def _region_bar(loaded: Shown) -> None:
    """Ways on from a chosen region."""
    region = loaded.choices.region
    if region == BRAIN:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("pages/flatmap.py", label=f"Show {region} on the brain", icon=":material/arrow_forward:")
        st.button("Clear region", on_click=url_state.change, kwargs={"region": None}, key="no region")


def _controls(shown: Shown, level: ParcellationName) -> None:
    levels, selected = _levels(shown), shown.choices.level
    if selected and selected != level:
        style.note(why_unavailable(selected, shown.facts[shown.subjects[0]].voxels))
    with st.container(horizontal=True, vertical_alignment="bottom"):
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
            format_func=ORDER_NAMES.__getitem__,
            **bound("order", shown.choices.order),
        )
        st.segmented_control("Rows", list(ROWS), format_func=ROWS.__getitem__, **bound("rows", shown.choices.rows))
        page.toggle(shown)
        page.unit_toggle(shown)
    if not set(MNI_PARCELLATIONS) & set(levels):
        style.small(why_unavailable("further", shown.facts[shown.subjects[0]].voxels))


def _detail(shown: Shown) -> str:
    return f"{shown.summary.short_name}, {shown.who}, layer {shown.choices.layer}, preset {shown.choices.preset}"


REGIONS = PageSpec("Regions", look_up, _runs, _view)
