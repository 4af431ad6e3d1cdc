"""The card of a kept voxel, a drawn area or the chosen region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from brivl.analyses.flatmap.variance_panel import parts_of
from brivl.analyses.flatmap.view_state import MapLook
from brivl.analyses.flatmap.webgl import component
from brivl.core.flatmap.geometry import format_polygon
from brivl.core.numbers import number
from brivl.core.records import Truth, Voxels
from brivl.data.regions import BRAIN, coordinates
from brivl.data.stimuli.contact_sheet import COLUMNS, TILE
from brivl.encoding.means import mean_explainable_variance, results_by_layer
from brivl.encoding.time_course import (
    StoredTimeCourse,
    TimeCourseTarget,
    select_voxels,
    stored_time_course,
    time_course_job,
)
from brivl.errors import BrivlError
from brivl.ui import cached, style
from brivl.ui.result_or_run import result_or_run
from brivl.ui.results import Shown
from brivl.viz.browser.packing import Packed, pack
from brivl.viz.style import MEASURED, R2, theme_of

KEY = "voxel card"
AUTO = "time courses are computed"  # in the session: asked for once, then for every voxel that is clicked
Fact = tuple[str, str, str]  # name, value, kind ("" or "truth")


@dataclass(frozen=True)
class OnCard:
    """What the card is about."""

    shown: Shown  # the layer shown
    layers: Shown  # every layer that has been fitted
    voxels: Voxels
    regions: Mapping[str, np.ndarray]
    place: TimeCourseTarget
    inside: np.ndarray  # (n_voxels,) bool, all of them
    fitted: np.ndarray  # (n_voxels,) bool, those of `inside` that were fitted


def place_of(state: MapLook, region: str) -> TimeCourseTarget | None:
    """Find what the card is about.

    Parameters
    ----------
    state : MapLook
        The view.
    region : str
        Chosen region; BRAIN for none.

    Returns
    -------
    TimeCourseTarget or None
        The kept voxel, else the drawn area, else the region; None for the whole brain.
    """
    if state.voxel is not None:
        return TimeCourseTarget(state.voxel)
    if state.area:
        return TimeCourseTarget(area=format_polygon(np.array(state.area)))
    return None if region == BRAIN else TimeCourseTarget(region=region)


def draw(shown: Shown, layers: Shown, regions: Mapping[str, np.ndarray], state: MapLook) -> None:
    """Draw the card of a voxel, area or region, and below it what computes the time course.

    Parameters
    ----------
    shown : Shown
        Fits at the layer shown.
    layers : Shown
        Fits at all layers.
    regions : mapping of str to (n_voxels,) bool array
        Regions whose names are given.
    state : MapLook
        The view.
    """
    place = place_of(state, shown.choices.region)
    if place is None:
        component.card(KEY, {"kind": "card", "empty": True})  # there already when a voxel is clicked
        return
    voxels = shown.facts[shown.subjects[0]].voxels
    try:
        inside = select_voxels(place, voxels, cached.store())
    except BrivlError as error:
        st.caption(str(error))
        return
    fitted = inside & np.any([answer.result.selected for answer in shown.answers.values()], axis=0)
    card = OnCard(shown, layers, voxels, regions, place, inside, fitted)
    course = _stored(card)
    packed = None if course is None else course_payload(course)
    if packed is not None:
        component.send(packed, "course")
    component.card(KEY, card_data(card, course, packed))
    if course is None and fitted.any():
        _compute(card)


def _stored(card: OnCard) -> StoredTimeCourse | None:
    shown = card.shown
    if len(shown.answers) != 1 or not card.fitted.any():
        return None
    (answer,) = shown.answers.values()
    return stored_time_course(cached.store(), answer.request, card.place, shown.summary)


def _compute(card: OnCard) -> None:
    if len(card.shown.answers) != 1:
        style.small("Choose one subject to see the time course.")
        return
    if not st.session_state.get(AUTO):
        st.button("Show time courses", on_click=lambda: st.session_state.update({AUTO: True}), key="show time courses")
        style.small("Shows measured and predicted BOLD for the selection (a few seconds).")
        return
    (answer,) = card.shown.answers.values()
    if result_or_run(time_course_job(cached.store(), answer.request, card.place), lambda: _stored(card)) is not None:
        st.rerun(scope="fragment")


def course_payload(course: StoredTimeCourse) -> Packed:
    """Pack a time course for the browser.

    Parameters
    ----------
    course : StoredTimeCourse
        Measured and predicted responses, and the stimuli.

    Returns
    -------
    Packed
        Bytes for the browser.
    """
    arrays = {
        "measured": course.measured,
        "predicted": course.predicted,
        "delays_s": course.delays_s,
        "delay_weights": course.delay_weights,
    }
    floats = {name: np.asarray(part, np.float32) for name, part in arrays.items()}
    kept = ("n_most", "n_least", "tr")
    meta = {name: course.info[name] for name in kept} | {
        "kind": "course",
        "columns": COLUMNS,
        "tile": TILE,
        "texts": course.texts,
        "extreme_texts": course.extreme_texts,
    }
    return pack(meta, floats | {"sheet": course.sheet, "extremes_sheet": course.extremes_sheet})


def card_data(card: OnCard, course: StoredTimeCourse | None, packed: Packed | None) -> dict[str, Any]:
    """Collect what the card shows, as webgl/card.js takes it.

    Parameters
    ----------
    card : OnCard
        Voxels and fits.
    course : StoredTimeCourse or None
        Time course, where it is computed.
    packed : Packed or None
        The time course as it was sent.

    Returns
    -------
    dict
        Plain values.
    """
    theme, truth = theme_of(style.theme()), _truth(card)
    planted = None if truth is None else _planted_layer(truth, card.inside)
    return {
        "kind": "card",
        "voxel": card.place.voxel,
        "title": title(card),
        "facts": facts(card, course),
        "layers": layer_values(card),
        "layer": card.shown.choices.layer,
        "names": list(card.shown.names),
        "truth": None if planted is None else {"layer": planted},
        "course": None if packed is None else packed.id,
        "theme": {
            "text": theme.text,
            "muted": theme.muted,
            "background": theme.background,
            "joint": theme.joint,
            "a": theme.a_text,
            "b": theme.b_text,
            "truth": theme.truth,
            "measured": MEASURED[style.theme()],
        },
    }


def title(card: OnCard) -> str:
    """Name the voxels of the card.

    Parameters
    ----------
    card : OnCard
        Voxels and fits.

    Returns
    -------
    str
        For example "Voxel 1,234, V1" or "Drawn area, 56 voxels (40 fitted)".
    """
    if card.place.voxel is not None:
        names = [name for name, mask in card.regions.items() if mask[card.place.voxel]]
        return f"Voxel {card.place.voxel:,}, {', '.join(names) or 'no region'}"
    what = card.place.region or "Drawn area"
    return f"{what}, {int(card.inside.sum()):,} voxels ({int(card.fitted.sum()):,} fitted)"


def layer_values(card: OnCard) -> list[dict[str, float | None]]:
    """Average split R² over voxels and subjects, by layer.

    Parameters
    ----------
    card : OnCard
        Voxels and fits.

    Returns
    -------
    list of dict
        "layer", and "a" and "b", which are None where nothing was fitted.
    """
    points = []
    for layer, results in results_by_layer(card.layers.answers).items():
        split = np.array([[_mean(side[card.inside]) for side in result.r2_split] for result in results])
        a, b = (_mean(split[:, side]) for side in (0, 1))
        finite = np.isfinite(a) and np.isfinite(b)
        points.append({"layer": layer, "a": float(a) if finite else None, "b": float(b) if finite else None})
    return points


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=float)) if finite.size else float("nan")


def facts(card: OnCard, course: StoredTimeCourse | None) -> list[Fact]:
    """List names and values of the card, in the order in which they are read.

    Parameters
    ----------
    card : OnCard
        Voxels and fits.
    course : StoredTimeCourse or None
        Time course, where it is computed.

    Returns
    -------
    list of (str, str, str)
        Name, value, and "truth" for what is known of simulated data.
    """
    results = [answer.result for answer in card.shown.answers.values()]
    a, b = card.shown.names
    joint = _mean(np.concatenate([r.r2_joint[card.inside] for r in results]))
    split = [_mean(np.concatenate([r.r2_split[side][card.inside] for r in results])) for side in (0, 1)]
    weights = [_mean(np.concatenate([r.band_weights[side][card.inside] for r in results])) for side in (0, 1)]
    facts: list[Fact] = [
        *_where(card),
        (f"joint {R2}", number(joint), ""),
        (a, number(split[0]), ""),
        (b, number(split[1]), ""),
    ]
    variance = mean_explainable_variance(results)
    if variance is not None:
        facts.append(("explainable variance", number(_mean(variance[card.inside])), ""))
    facts.append(("best layer", _best(layer_values(card)), ""))
    if np.isfinite(weights[0]):
        facts.append((f"band weights, {a} : {b}", f"{number(weights[0], 2)} : {number(weights[1], 2)}", ""))
    parts = parts_of(card.shown)
    if parts is not None:
        means = {kind: _mean(values[card.inside]) for kind, values in parts.by_name().items()}
        facts += [
            (f"unique to {a}", number(means["unique_a"]), ""),
            (f"unique to {b}", number(means["unique_b"]), ""),
            ("shared", number(means["shared"]), ""),
        ]
    if course is not None and course.info["n_voxels"] > 1:
        facts.append((f"joint {R2} of their mean", number(course.info["r2_joint"]), ""))
    return facts + _planted(card)


def _where(card: OnCard) -> list[Fact]:
    """Index and place of a single voxel."""
    voxel = card.place.voxel
    if voxel is None:
        return []
    facts = [(*card.voxels.index_of(voxel), "")]
    mm = coordinates(card.voxels)
    if mm is not None and np.isfinite(mm[voxel]).all():
        place = ", ".join(f"{v:.0f}".replace("-", "−") for v in mm[voxel])
        facts.append((card.voxels.coordinate_label, place, ""))
    return facts


def _best(layers: list[dict[str, float | None]]) -> str:
    """The layer with the highest joint R², if any is above 0."""
    joint = {p["layer"]: p["a"] + p["b"] for p in layers if p["a"] is not None and p["b"] is not None}
    best = max(joint, key=joint.__getitem__, default=None)
    return "–" if best is None or joint[best] <= 0 else f"{best} (of {len(joint)} fitted)"


def _truth(card: OnCard) -> Truth | None:
    """What was planted in the first subject, where it was planted with these two models."""
    truth = card.shown.facts[card.shown.subjects[0]].truth
    return truth if truth is not None and set(truth.models) == set(card.shown.choices.models) else None


def _planted_layer(truth: Truth, inside: np.ndarray) -> int | None:
    """The most frequent planted layer; None where nothing was planted."""
    layers = truth.layer[inside]
    layers = layers[layers > 0]
    return int(np.bincount(layers).argmax()) if layers.size else None


def _planted(card: OnCard) -> list[Fact]:
    truth = _truth(card)
    if truth is None:
        return []
    layer = _planted_layer(truth, card.inside)
    if layer is None:
        return [("ground truth (simulated)", "no signal", "truth")]
    order = [truth.models.index(model) for model in card.shown.choices.models]
    best = [_mean(truth.oracle_split[side][card.inside]) for side in order]
    ceiling = _mean(truth.noise_ceiling[card.inside])
    a, b = card.shown.names
    return [
        ("ground truth (simulated): layer", str(layer), "truth"),
        (f"true share, {a}", number(best[0]), "truth"),
        (f"true share, {b}", number(best[1]), "truth"),
        (f"{R2} ceiling", number(ceiling), "truth"),
    ]
