"""What the page Flatmap shows (paper Figs. 4c-e)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from matplotlib.figure import Figure

from brivl.analyses.figure_methods import flatmap_methods
from brivl.analyses.flatmap import (
    cached_maps,
    clusters_panel,
    null_panel,
    own_map_panel,
    recovery_panel,
    variance_panel,
    view_state,
    viewer,
    voxel_card,
)
from brivl.analyses.flatmap.headline import MapFinding, flatmap_caption, flatmap_headline
from brivl.core.claims.map_headlines import component_label
from brivl.core.records import EncodingResult, FlatmapGeometry, Voxels
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, VariancePartition
from brivl.data.regions import BRAIN, coordinates, region_masks
from brivl.data.summary import DatasetSummary
from brivl.encoding.means import best_layers, mean_explainable_variance, mean_scores, results_by_layer
from brivl.errors import RequestError
from brivl.ui import cached, style, url_state
from brivl.ui.frame import PageSpec
from brivl.ui.jobs import Run
from brivl.ui.results import Shown, describe_subjects, fit_view, look_up
from brivl.ui.sidebar import bound
from brivl.ui.tabs import View
from brivl.ui.url_state import MAPS, Choices
from brivl.viz.animation import animation_bytes
from brivl.viz.export import SLIDE, Page
from brivl.viz.flatmap import print_figure
from brivl.viz.flatmap.figure import CONFIG, MapView, flatmap_figure
from brivl.viz.flatmap.painting import (
    MapScores,
    Painting,
    add_outline,
    paint_difference,
    paint_joint,
    paint_levels,
    paint_pair,
    paint_value,
)
from brivl.viz.flatmap.print_figure import flatmap_page
from brivl.viz.flatmap.print_surface import (
    BY_REGION,
    SurfaceView,
    region_means,
    region_scores,
    surface_as_map,
    surface_page,
)
from brivl.viz.style import R2, FigureLabel, ThemeName


def _draw_region_links(region: str, regions: Mapping[str, np.ndarray], state: view_state.MapLook) -> None:
    """Below the map: choose the regions that hold the kept voxel; compare the chosen one with the others."""
    names = []
    if state.voxel is not None:
        names = [name for name, inside in regions.items() if inside[state.voxel] and name != region]
    if not names and region == BRAIN:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="region-ways"):
        for name in names:
            st.button(f"Select all of {name}", on_click=choose, args=(name,), key=f"choose region {name}")
        if region != BRAIN:
            st.page_link("pages/regions.py", label=f"{region} among the regions", icon=":material/arrow_forward:")


def choose(name: str) -> None:
    """Select a region in place of the voxel, on every page.

    Parameters
    ----------
    name : str
        Title of the region.
    """
    view_state.keep(replace(view_state.current(), voxel=None, area=()))
    url_state.change(region=name)
    st.session_state[viewer.WHOLE_PAGE] = True


CHART = "flatmap chart"
ANIMATED = ("joint", "a", "b", "pair", "difference")  # maps that each layer has
HINT = "Hover for values, click to pin a voxel. Press ? on the map for its keys."
FADED = 0.35  # opacity outside the chosen region
PLAIN = "plain map"
FULL_EV, FAINTEST = 0.5, 0.15  # explainable variance from which colours are full; opacity where there is none
HEIGHT = 520  # px
SIDE_AND_ATLAS = re.compile(r"(, (left|right))?( \([^()]*\))?$")


@dataclass(frozen=True)
class Mapped:
    """Scores on a map: of one subject, or the mean over subjects whose voxels are the same."""

    voxels: Voxels
    geometry: FlatmapGeometry
    scores: MapScores
    regions: Mapping[str, np.ndarray]  # drawn ROIs, else the 90 AAL regions
    parts: VariancePartition | None = None  # where each model was fitted alone
    limits: Mapping[str, float] = field(default_factory=dict)  # of the colours, by scale
    by_region: np.ndarray | None = None  # AAL numbers of the voxels where the scores are means of AAL regions

    def painting(self, shown: Shown, theme: ThemeName = "light") -> Painting:
        """Colour the map for figures that Python draws: print, and browsers without WebGL2.

        Parameters
        ----------
        shown : Shown
            Fits at the layer shown.
        theme : {"light", "dark"}
            Theme of the figure; print is light.

        Returns
        -------
        Painting
            Colours of the pixels and their legend.
        """
        if shown.choices.map in VARIANCE_COMPONENTS:
            return self._part_painting(shown, theme)
        return _paint(shown, self, theme)

    def _part_painting(self, shown: Shown, theme: ThemeName) -> Painting:
        kind, unknown = shown.choices.map, np.full(self.voxels.n_voxels, np.nan)
        values = unknown if self.parts is None else self.parts.by_name()[kind]
        limits = (0.0, self.limits["shared" if kind == "shared" else "unique"])
        return paint_value(self.geometry, self.scores, values, (limits, component_label(kind, shown.names)), theme)


def _look_up(choices: Choices, summary: DatasetSummary) -> Shown:
    """Answers whose flatmap is prepared; others count as missing, and a run prepares it."""
    shown = look_up(choices, summary)
    if all(cached.flatmap(shown.facts[subject].voxels) is not None for subject in shown.subjects):
        return shown
    return replace(shown, answers={}, missing=choices.requests())


def _runs(shown: Shown) -> Sequence[Run]:
    choices = shown.choices
    return [Run(f"Run layer {choices.layer}, {describe_subjects(choices)}", choices.requests())]


def _view(shown: Shown) -> View:
    mapped = _mapped(shown)
    state = view_state.current()  # read here: files are made later, outside of a run of the page
    label = FigureLabel(_headline(shown, mapped), _caption(shown, mapped), shown.summary.simulated, _detail(shown))
    outlined = _outlined(shown, mapped.geometry)
    highlight = shown.choices.region if shown.choices.region in outlined.outlines else None
    stem = f"flatmap_{shown.choices.map}_layer{shown.choices.layer:02d}_{shown.choices.subject}"
    view = fit_view(
        shown,
        "flatmap",
        stem,
        label,
        table=lambda: _table(mapped),
        print_figure=lambda page: (
            _print_surface(shown, mapped, label, page, state)
            or flatmap_page(outlined, mapped.painting(shown), label, page, highlight, _print_view(mapped, state))
        ),
        draw=lambda: _draw(shown, mapped, label, highlight),
        hint=HINT,
        below=lambda: recovery_panel.draw(shown),
        more_tables=lambda: _more_tables(shown, mapped),
        methods=flatmap_methods(
            shown.choices.map, shown.coverage, mapped.voxels, mapped.parts is not None, shown.choices.region
        ),
    )
    frames = _frames(shown, mapped, label, outlined, highlight) if shown.choices.map in ANIMATED else []
    return replace(view, more_exports=lambda: _exports(view, frames))


def _frames(
    shown: Shown, mapped: Mapped, label: FigureLabel, outlined: FlatmapGeometry, highlight: str | None
) -> list[Callable[[], Figure]]:
    """The flatmap at each layer that is fitted for all subjects shown, with the limits and names of the page."""
    by_layer = results_by_layer(viewer.all_layers(shown).answers)
    n_subjects = len(shown.subjects)
    frames: list[Callable[[], Figure]] = []

    def frame(layer: int, results: Sequence[EncodingResult]) -> Figure:
        joint, a, b = mean_scores(results)
        at_layer = replace(mapped, scores=replace(mapped.scores, joint=joint, a=a, b=b), parts=None)
        title = f"Layer {layer} of {shown.choices.n_layers}: {_map_titles(shown.names)[shown.choices.map]}"
        texts = replace(label, headline=title, detail=label.detail.replace(f"layer {shown.choices.layer}, ", ""))
        return flatmap_page(outlined, at_layer.painting(shown, "light"), texts, SLIDE, highlight)

    for layer, results in by_layer.items():
        if len(results) == n_subjects:
            frames.append(partial(frame, layer, results))
    return frames


def _exports(view: View, frames: Sequence[Callable[[], Figure]]) -> None:
    """The animation over layers, and what every page of fits exports."""
    if len(frames) > 1:
        st.download_button(
            f"GIF, animation over {len(frames)} layers",
            partial(animation_bytes, frames),
            f"{view.record.file_stem}_layers.gif",
            "image/gif",
            key="export animation",
            on_click="ignore",
            help="One frame a layer, with the same colours; drawing takes about a second a layer.",
        )
    if view.more_exports is not None:
        view.more_exports()


def _print_view(mapped: Mapped, state: view_state.MapLook) -> print_figure.MapView:
    """The part of the map that is on the screen, with the pinned voxel: what is seen is saved and exported."""
    (x, y, zoom), n_voxels = state.camera, mapped.voxels.n_voxels
    voxel = state.voxel if state.voxel is not None and state.voxel < n_voxels else None
    return print_figure.MapView(x, y, zoom, voxel)


def _print_surface(
    shown: Shown, mapped: Mapped, label: FigureLabel, page: Page, state: view_state.MapLook
) -> Figure | None:
    """The surface in space as it is on the screen; None where the flatmap is."""
    mesh = None if state.shape in ("flat", "slices") else cached_maps.surface(mapped.voxels)
    if mesh is None:
        return None
    aal, form = mapped.voxels.aal, state.shape if state.shape in (*mesh.forms, BY_REGION) else "inflated"
    if aal is None and form == BY_REGION:
        form = "pial"
    on_surface = replace(
        mapped,
        geometry=surface_as_map(mesh, form, aal, mapped.geometry.space),
        scores=replace(mapped.scores, hatched=False),
    )
    if aal is not None and form == BY_REGION:
        on_surface = replace(on_surface, scores=region_scores(on_surface.scores, aal), by_region=aal)
        if mapped.parts is not None:
            means = {name: region_means(values, aal) for name, values in mapped.parts.by_name().items()}
            on_surface = replace(on_surface, parts=VariancePartition(**means))
    view = SurfaceView(form, *state.orbit, state.voxel, shown.region(shown.subjects[0]), state.names)
    painting = on_surface.painting(shown)
    return surface_page(mesh, painting, _both_sides(mapped.regions), label, page, view, on_surface.geometry)


def _both_sides(regions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Regions under names without side and atlas, such as "Precentral gyrus": L and R stand beside the hemispheres."""
    merged: dict[str, np.ndarray] = {}
    for title, inside in regions.items():
        name = SIDE_AND_ATLAS.sub("", title)
        merged[name] = inside | merged[name] if name in merged else inside
    return merged


def _outlined(shown: Shown, geometry: FlatmapGeometry) -> FlatmapGeometry:
    """With the chosen region's outline, for figures that Python draws; the viewer draws its own."""
    inside = shown.region(shown.subjects[0])
    return geometry if inside is None else add_outline(geometry, shown.choices.region, inside)


def _mapped(shown: Shown) -> Mapped:
    subject = shown.subjects[0]
    voxels = shown.facts[subject].voxels
    others = [shown.facts[other].voxels for other in shown.subjects[1:]]
    if any(not np.array_equal(other.ijk, voxels.ijk) or other.mapper != voxels.mapper for other in others):
        raise RequestError("These subjects have different voxels, so there is no mean map. Choose one subject.")
    geometry = cached.flatmap(voxels)
    assert geometry is not None  # _look_up saw to it
    regions = region_masks(voxels, "roi" if voxels.rois else "region") if voxels.rois or voxels.aal is not None else {}
    joint, a, b = mean_scores([answer.result for answer in shown.answers.values()])
    scores = MapScores(joint, a, b, shown.names, regions, _opacity(shown), view_state.current().threshold)
    parts = variance_panel.parts_of(shown)
    limits = viewer.limits_of(viewer.OnMap(shown, voxels, geometry, scores, parts), view_state.current())
    return Mapped(voxels, geometry, scores, regions, parts, limits)


def _opacity(shown: Shown) -> np.ndarray | None:
    """(n_voxels,) 0..1: less outside the chosen region and, where that is wished, where little can be explained."""
    inside = shown.region(shown.subjects[0])
    opacity = None if inside is None else np.where(inside, 1.0, FADED)
    variance = mean_explainable_variance([answer.result for answer in shown.answers.values()])
    if not view_state.current().fade or variance is None:
        return opacity
    by_ev = np.clip(np.nan_to_num(variance) / FULL_EV, FAINTEST, 1.0)
    return by_ev if opacity is None else opacity * by_ev


def _paint(shown: Shown, mapped: Mapped, theme: ThemeName) -> Painting:
    geometry, scores, limits, kind = mapped.geometry, mapped.scores, mapped.limits, shown.choices.map
    if kind == "best":
        average = None if mapped.by_region is None else partial(region_means, aal=mapped.by_region)
        best, layers = best_layers(viewer.all_layers(shown).answers, average)
        return paint_levels(geometry, scores, best, [f"layer {layer}" for layer in layers], f"Best layer, joint {R2}")
    if kind == "difference":
        return paint_difference(geometry, scores, limits["difference"], theme)
    if kind == "pair":
        return paint_pair(geometry, scores, (0.0, limits["split"]), theme)
    if kind == "joint":
        return paint_joint(geometry, scores, (0.0, limits["joint"]), theme)
    side = "ab".index(kind)
    title = f"Split {R2} of {shown.names[side]}"
    return paint_value(geometry, scores, (scores.a, scores.b)[side], ((0.0, limits["split"]), title), theme)


def _headline(shown: Shown, mapped: Mapped) -> str:
    choices = shown.choices
    best, layers = best_layers(viewer.all_layers(shown).answers) if choices.map == "best" else (None, [])
    alone = [cached.single_model_scores(answer.request) for answer in shown.answers.values()]
    finding = MapFinding(
        choices.map,
        choices.layer,
        shown.names,
        [answer.result for answer in shown.answers.values()],
        shown.coverage,
        mapped.regions,
        "ROIs" if mapped.voxels.rois else "regions",
        [rows for rows in alone if rows is not None] if all(rows is not None for rows in alone) else [],
        shown.region(shown.subjects[0]),
        best,
        layers,
        choices.n_layers,
    )
    return flatmap_headline(finding)


def _caption(shown: Shown, mapped: Mapped) -> str:
    state = view_state.current()
    notes = [
        f"Voxels outside {shown.choices.region} are faded." if shown.choices.region != BRAIN else "",
        f"Colours fade where explainable variance is below {FULL_EV:g}." if state.fade else "",
        f"Values nearer to zero than {state.threshold:g} are not shown." if state.threshold else "",
    ]
    on_map = state.shape == "flat" or (state.shape != "slices" and cached_maps.surface(mapped.voxels) is None)
    return flatmap_caption(
        shown.choices.map,
        shown.names,
        mapped.scores.joint,
        len(shown.subjects),
        mapped.geometry.space,
        " ".join(filter(None, notes)),
        below_zero="hatched" if on_map else "grey",
    )


def _detail(shown: Shown) -> str:
    return f"{shown.summary.short_name}, {shown.who}, layer {shown.choices.layer}, preset {shown.choices.preset}"


def _draw(shown: Shown, mapped: Mapped, label: FigureLabel, highlight: str | None) -> None:
    if st.session_state.get(PLAIN):
        _draw_plain(shown, mapped, label, highlight)
    else:
        on_map = viewer.OnMap(shown, mapped.voxels, mapped.geometry, mapped.scores, mapped.parts)
        threshold_map = _threshold_map(shown, mapped)
        viewer.draw(
            on_map,
            label,
            lambda layers, state: _below_map(shown, layers, mapped, state),
            lambda state: clusters_panel.draw(threshold_map, state),
        )
        own_map_panel.draw(threshold_map)
    st.toggle("Static figure", key=PLAIN, help="For browsers without WebGL2: slower, one map, the same values.")
    null_panel.draw(shown)


def _below_map(shown: Shown, layers: Shown, mapped: Mapped, state: view_state.MapLook) -> None:
    variance_panel.panel(shown, layers)
    voxel_card.draw(shown, layers, mapped.regions, state)
    _draw_region_links(shown.choices.region, mapped.regions, state)


def _map_titles(names: tuple[str, str]) -> dict[str, str]:
    """Titles of the maps, with the names of the models."""
    a, b = names
    titles = {"joint": f"Joint {R2}", "a": a, "b": b, "pair": "A × B", "difference": "A − B", "best": "Best layer"}
    return titles | {"unique_a": f"Unique, {a}", "unique_b": f"Unique, {b}", "shared": "Shared"}


def _draw_plain(shown: Shown, mapped: Mapped, label: FigureLabel, highlight: str | None) -> None:
    """The map as a Plotly figure."""
    st.segmented_control(
        "Map",
        MAPS,
        format_func=_map_titles(shown.names).__getitem__,
        label_visibility="collapsed",
        **bound("map", shown.choices.map),
    )
    state = view_state.of_voxels(view_state.current(), mapped.voxels.n_voxels, "plain")
    view = MapView(style.theme(), state.names, highlight, state.voxel, height=HEIGHT)
    ground = cached_maps.ground(mapped.voxels, mapped.geometry, mapped.regions)
    outlined = _outlined(shown, mapped.geometry)
    figure = flatmap_figure(outlined, mapped.painting(shown, style.theme()), mapped.scores, label, view, ground)
    figure.update_layout(uirevision=f"{shown.choices.data}")
    with st.container(key="figure"):
        st.plotly_chart(
            figure, theme=None, key=CHART, on_select=_pick, selection_mode="points", config=CONFIG, height="stretch"
        )
    layers = viewer.all_layers(shown)
    variance_panel.panel(shown, layers)
    voxel_card.draw(shown, layers, mapped.regions, state)
    clusters_panel.draw(_threshold_map(shown, mapped), state)


def _threshold_map(shown: Shown, mapped: Mapped) -> clusters_panel.ThresholdMap:
    """The map that is shown as one value for each voxel; joint R² for maps of two values and of layers."""
    kind, s, names = shown.choices.map, mapped.scores, shown.names
    on_map = viewer.OnMap(shown, mapped.voxels, mapped.geometry, s, mapped.parts)
    limits = viewer.limits_of(on_map, view_state.current())
    values, title, limit = s.joint, f"joint {R2}", limits["joint"]
    if kind in ("a", "b"):
        side = "ab".index(kind)
        values, title, limit = (s.a, s.b)[side], f"split {R2} of {names[side]}", limits["split"]
    elif kind == "difference":
        values, title, limit = s.a - s.b, f"split {R2}, {names[0]} − {names[1]}", limits["difference"]
    elif kind in VARIANCE_COMPONENTS and mapped.parts is not None:
        values, title = mapped.parts.by_name()[kind], component_label(kind, names)
        limit = limits["shared" if kind == "shared" else "unique"]
    return clusters_panel.ThresholdMap(
        title, values, kind == "difference", limit, mapped.voxels, mapped.geometry, mapped.regions
    )


def _more_tables(shown: Shown, mapped: Mapped) -> dict[str, pd.DataFrame]:
    """Clusters and peaks at the threshold of the map."""
    table = _threshold_map(shown, mapped).table(view_state.current())
    return {"clusters and peaks": table} if len(table) else {}


def _pick() -> None:
    points = st.session_state[CHART].selection.points
    data = points[0].get("customdata") if points else None
    view_state.keep(replace(view_state.current(), voxel=int(data[0]) if data else None))


def _table(mapped: Mapped) -> pd.DataFrame:
    """One row per fitted voxel."""
    s, mm = mapped.scores, coordinates(mapped.voxels)
    table = pd.DataFrame(np.asarray(mapped.voxels.ijk), columns=["i", "j", "k"])
    table.insert(0, "voxel", np.arange(len(table)))
    if mm is not None:
        table[["x_mm", "y_mm", "z_mm"]] = np.round(mm, 2)
    names = np.full(len(table), "", object)
    for name, mask in mapped.regions.items():
        names[mask] = np.where(names[mask] == "", name, names[mask] + ", " + name)
    table = table.assign(region=names, r2_joint=s.joint, r2_split_a=s.a, r2_split_b=s.b)
    table = table if mapped.parts is None else table.assign(**mapped.parts.by_name())
    return table[np.isfinite(s.joint)]


def _has_own_layer(choices: Choices, summary: DatasetSummary) -> bool:
    """Whether the map shows the slider of layers: where it is drawn, and has every layer."""
    return (
        not st.session_state.get(PLAIN) and viewer.has_every_layer(choices) and bool(_look_up(choices, summary).answers)
    )


FLATMAP = PageSpec("Flatmap", _look_up, _runs, _view, has_own_layer=_has_own_layer)
