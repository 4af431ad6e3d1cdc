"""The map on the page: what the browser is given, and what it says back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from brivl.analyses.flatmap import cached_maps, variance_panel, view_state
from brivl.analyses.flatmap.panes import MapSet, choices_from_key, key_of, map_sets
from brivl.analyses.flatmap.webgl import component
from brivl.core.numbers import round_limit
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, VariancePartition
from brivl.data.regions import BRAIN, region_choices
from brivl.data.surfaces import has_surface
from brivl.ui import cached, style, url_state
from brivl.ui.result_or_run import result_or_run
from brivl.ui.results import Shown, look_up
from brivl.ui.url_state import MAPS, Choices
from brivl.viz.browser.map_payload import RegionMasks
from brivl.viz.browser.packing import Packed
from brivl.viz.flatmap.painting import MapScores
from brivl.viz.style import MEASURED, FigureLabel, theme_of

KEPT = "colour limits"
UNKNOWN_PART = 0.1  # limit of the scales of unique and shared variance while these are not computed


def shared_limit(choices: Choices, what: str, values: np.ndarray) -> float:
    """Choose the limit of a colour scale, once for these data, models and preset in this session.

    Parameters
    ----------
    choices : Choices
        The question.
    what : str
        Scale, one of `view_state.SCALES`.
    values : np.ndarray
        Values on the map that is shown first.

    Returns
    -------
    float
        The limit, which later maps keep.
    """
    kept = st.session_state.setdefault(KEPT, {})
    question = (choices.data, choices.models, choices.preset, what)
    if question not in kept:
        kept[question] = round_limit(values)
    return kept[question]


KEY = "map viewer"
SEQ = "map news"  # in the session: number of the last news that was taken
HAS = "map scores in the browser"  # in the session: ids of scores of all layers that it was given
WHOLE_PAGE = "map asks for the page"  # in the session: news changed the question, so the headline must follow


Below = Callable[[Shown, view_state.MapLook], None]  # given every layer that has been fitted


@dataclass(frozen=True)
class OnMap:
    """A subject's voxels on a map with their scores at the layer shown."""

    shown: Shown
    voxels: Voxels
    geometry: FlatmapGeometry
    scores: MapScores
    parts: VariancePartition | None = None


def draw(
    on_map: OnMap, label: FigureLabel, below: Below, under: Callable[[view_state.MapLook], None] | None = None
) -> None:
    """Draw the viewer, and what belongs to the kept voxel or area; only they follow a click, not the page.

    Parameters
    ----------
    on_map : OnMap
        What the map shows.
    label : FigureLabel
        Texts around the figure.
    below : callable
        Draws what stands beside or below the map.
    under : callable, optional
        Draws what stands below both, in their whole width.
    """
    shown, voxels = on_map.shown, on_map.voxels
    regions = RegionMasks(on_map.scores.rois, region_choices(voxels, shown.choices.region))
    ground = cached_maps.browser_ground(voxels, on_map.geometry, regions)
    sets = map_sets(shown, voxels)
    view_state.keep(view_state.of_voxels(view_state.current(), voxels.n_voxels, ground.id))
    component.send(ground, "ground")
    layers = all_layers(shown)
    needed = {sets[0].key, *(pane.set for pane in view_state.current().panes)}
    packed = {each.key: each.packed(layers if each is sets[0] else None) for each in sets if each.key in needed}
    alone = {
        each.key: variance_panel.packed_alone(layers if each is sets[0] else each.at_all_layers())
        for each in sets
        if each.key in needed
    }
    solid = cached_maps.browser_solid(voxels) if has_surface(voxels) else None
    listed = [
        {"key": e.key, "title": e.title, "values": _id(packed.get(e.key)), "alone": _id(alone.get(e.key))} for e in sets
    ]
    first = _send_first(sets[0], packed[sets[0].key])
    sent = {"ground": ground.id, "sets": listed, "solid": _id(solid), "first": first}
    _viewer(on_map, label, sent, lambda state: below(layers, state), under)
    late = {f"scores {key}": part for key, part in packed.items()} | {f"alone {key}": p for key, p in alone.items()}
    for name, part in (late | {"solid": solid}).items():
        if part is not None:
            component.send(part, name)
    if has_surface(voxels) and solid is None:
        _offer_solid(on_map)


def _id(packed: Packed | None) -> str | None:
    return None if packed is None else packed.id


def _send_first(question: MapSet, whole: Packed) -> str | None:
    """Id of the scores of the layer shown alone, to paint before all the others have come; None once they have."""
    first = _first(question, whole)
    component.send(first, "first scores")
    return _id(first)


def _first(question: MapSet, whole: Packed) -> Packed | None:
    has: set[str] = st.session_state.setdefault(HAS, set())
    is_sent = whole.id in has
    has.add(whole.id)
    state, kind = view_state.current(), question.shown.choices.map
    if is_sent or state.panes or state.shape != "flat" or kind in ("best", *VARIANCE_COMPONENTS):
        return None
    first = question.packed(question.shown)
    return None if first.id == whole.id else first


def _offer_solid(on_map: OnMap) -> None:
    """For maps prepared before there were surfaces in space."""
    task = {
        "task": "flatmap",
        "store": str(cached.store().root),
        "dataset": on_map.shown.choices.data,
        "subject": on_map.shown.subjects[0],
    }
    if (
        result_or_run(
            task,
            lambda: cached_maps.browser_solid(on_map.voxels),
            button="Add 3-D surfaces",
            primary=False,
        )
        is not None
    ):
        st.rerun()


def all_layers(shown: Shown) -> Shown:
    """Look up the same question at every layer.

    Parameters
    ----------
    shown : Shown
        Fits at the layer shown.

    Returns
    -------
    Shown
        Fits of all layers that have been fitted.
    """
    return look_up(shown.choices, shown.summary, shown.choices.layers)


def has_every_layer(choices: Choices) -> bool:
    """Tell whether the map's own slider reaches every layer, so that the sidebar needs none.

    Parameters
    ----------
    choices : Choices
        The question.

    Returns
    -------
    bool
        True where all layers have been fitted.
    """
    return choices.n_layers > 1 and all(cached.stored_fit(one) is not None for one in choices.requests(choices.layers))


@st.fragment
def _viewer(
    on_map: OnMap,
    label: FigureLabel,
    sent: Mapping[str, Any],
    below: Callable[[view_state.MapLook], None],
    under: Callable[[view_state.MapLook], None] | None,
) -> None:
    if st.session_state.pop(WHOLE_PAGE, False):
        st.rerun()
    state = view_state.current()
    with st.container(key="map-row", horizontal=True, gap="small"):
        with st.container(key="figure-map"):
            component.show(KEY, {**_data(on_map, label, state), **sent}, lambda: _take(on_map))
        with st.container(key="map-card"):  # beside the map once it holds a card and where there is room (ui.style)
            below(state)
    if under is not None:
        under(state)


def _data(on_map: OnMap, label: FigureLabel, state: view_state.MapLook) -> dict[str, Any]:
    """What the viewer shall show; see viewer/viewer.js."""
    shown, theme = on_map.shown, theme_of(style.theme())
    return {
        "seq": st.session_state.get(SEQ, 0),
        "simulated": shown.summary.simulated,
        "label": f"Map. {label.headline}",
        "beside": ["region"] if has_every_layer(shown.choices) else ["layer", "region"],
        "theme": {
            "text": theme.text,
            "muted": theme.muted,
            "background": theme.background,
            "a": theme.a_text,
            "b": theme.b_text,
            "joint": theme.joint,
            "curvature": list(theme.curvature),
            "negative": theme.negative,
            "dark": style.theme() == "dark",
            "truth": theme.truth,
            "measured": MEASURED[style.theme()],
        },
        "view": view_of(shown.choices, state) | {"limits": limits_of(on_map, state)},
    }


def view_of(choices: Choices, state: view_state.MapLook) -> dict[str, Any]:
    """Write the view for the browser, without the limits.

    Parameters
    ----------
    choices : Choices
        The question.
    state : MapLook
        The rest of the view.

    Returns
    -------
    dict
        Plain values, as webgl/viewer.js takes them.
    """
    x, y, zoom = state.camera
    orbit = dict(zip(("yaw", "pitch", "zoom"), state.orbit, strict=True))
    return {
        "map": choices.map,
        "layer": choices.layer,
        "set": key_of(choices),
        "region": None if choices.region == BRAIN else choices.region,
        "polygon": list(state.area) or None,
        "picked": state.voxel,
        "names": state.names,
        "fade": state.fade,
        "threshold": state.threshold,
        "camera": {"x": x, "y": y, "zoom": zoom},
        "others": [{"set": pane.set, "layer": pane.layer, "map": pane.map} for pane in state.panes],
        "shape": state.shape,
        "orbit": orbit,
    }


def limits_of(on_map: OnMap, state: view_state.MapLook) -> dict[str, float]:
    """Give the limit of each colour scale.

    Parameters
    ----------
    on_map : OnMap
        What the map shows.
    state : MapLook
        The view, with limits set by hand.

    Returns
    -------
    dict of str to float
        Limit by scale: set by hand, else kept for these data; UNKNOWN_PART for parts that are not computed.
    """
    choices, s, parts = on_map.shown.choices, on_map.scores, on_map.parts
    values = {"joint": s.joint, "split": np.concatenate([s.a, s.b]), "difference": s.a - s.b}
    limits = {name: state.limits.get(name, UNKNOWN_PART) for name in ("unique", "shared")}
    if parts is not None:  # only then are there values from which a limit can be kept
        values |= {"unique": np.concatenate([parts.unique_a, parts.unique_b]), "shared": parts.shared}
    kept = {what: state.limits.get(what) or shared_limit(choices, what, part) for what, part in values.items()}
    return limits | kept


def _take(on_map: OnMap) -> None:
    """Take the viewer's news: what is looked at into the URL, a changed question to the whole page."""
    news = st.session_state[KEY].get("settled")
    if not isinstance(news, Mapping) or not isinstance(news.get("view"), Mapping):
        return
    view, choices = news["view"], on_map.shown.choices
    st.session_state[SEQ] = news.get("seq", 0)
    before = {pane.set for pane in view_state.current().panes}
    view_state.keep(_by_hand(view_state.from_browser(view), on_map))
    panes = view_state.current().panes
    new_parts = any(pane.map in VARIANCE_COMPONENTS for pane in panes) and not st.session_state.get(
        variance_panel.REQUESTED
    )
    if new_parts:
        st.session_state[variance_panel.REQUESTED] = True
    if new_parts or {pane.set for pane in panes} - before:  # their scores are sent by the page
        st.session_state[WHOLE_PAGE] = True
    changed = replace(choices, **choices_from(view, choices))
    if changed != choices:
        st.session_state[WHOLE_PAGE] = True
        names = ("map", "layer", "region", "a", "b", "subject", "preset")
        url_state.change(**{name: getattr(changed, name) for name in names})


def _by_hand(state: view_state.MapLook, on_map: OnMap) -> view_state.MapLook:
    """Without the limits that are as they are anyway: a link need not hold them."""
    usual, before = limits_of(on_map, view_state.MapLook()), view_state.current().limits
    return replace(state, limits={k: v for k, v in state.limits.items() if k in before or v != usual[k]})


def choices_from(view: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """Read what the browser has changed of the question.

    Parameters
    ----------
    view : mapping
        The view as the browser reports it.
    choices : Choices
        The question, which says what there is.

    Returns
    -------
    dict
        Value by field of the question; what does not exist is left out.
    """
    changes: dict[str, Any] = {"region": view["region"] if isinstance(view.get("region"), str) else BRAIN}
    if view.get("map") in MAPS:
        changes["map"] = view["map"]
    if view.get("layer") in choices.layers:
        changes["layer"] = view["layer"]
    return changes | choices_from_key(str(view.get("set", "")), choices)
