"""What the page Regions shows (paper Figs. 5b-d and 6c)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from brivl.app import look, region_scale, within_panel
from brivl.app.asking import Shown, look_up, said_subjects
from brivl.app.frame import PageSpec, View
from brivl.app.running import Run
from brivl.app.state import ORDERS
from brivl.app.widgets import bound
from brivl.backend.places import NOUNS, TITLES, Level, levels_of, masks_of
from brivl.core.findings import largest_difference, layer_headline, small_sample_note
from brivl.core.regions.region_stats import RegionComparison, compare, compare_voxels, mask_means
from brivl.errors import RequestError
from brivl.viz.regions import RegionScores, region_figure
from brivl.viz.regions_page import region_page
from brivl.viz.style import PLOT_CONFIG, R2, FigureLabel

ORDER_NAMES = {"anatomical": "front to back", "p": "p, smallest first"}


def _runs(shown: Shown) -> Sequence[Run]:
    choices = shown.choices
    return [Run(f"Run layer {choices.layer}, {said_subjects(choices)}", choices.requests())]


def _levels(shown: Shown) -> tuple[Level, ...]:
    levels = levels_of(shown.facts[shown.subjects[0]].voxels)
    if not levels:
        raise RequestError(
            f"Nothing is known about the regions of {shown.known.short_name!r}. Add ROI masks or AAL labels to its "
            "voxels (see README, Your own data); the pages Layers and Flatmap work without them."
        )
    return levels


def _level(shown: Shown) -> Level:
    levels = _levels(shown)
    return shown.choices.level if shown.choices.level in levels else levels[0]


def _view(shown: Shown) -> View:
    level, asked = _level(shown), shown
    shown = region_scale.scaled(asked)
    quantity = region_scale.OVER_CEILING if region_scale.is_over_ceiling(asked) else R2
    means = _means(shown, level)
    comparison = _compare(shown, level, means)
    scores = replace(_scores(shown, means, comparison), quantity=quantity)
    headline = layer_headline(shown.choices.layer, shown.names, comparison, shown.who, NOUNS[level], quantity)
    label = FigureLabel(headline, _caption(asked, comparison, quantity), shown.known.simulated, _detail(shown))
    table = _table(comparison, means).assign(score=quantity)
    stem = f"regions_{level}_layer{shown.choices.layer:02d}_{shown.choices.subject}"
    stem += "_over_ceiling" if quantity != R2 else ""

    def draw() -> None:
        _controls(asked, level)
        if comparison.warning:
            look.note(comparison.warning)
        figure = region_figure(scores, label, look.theme())
        st.plotly_chart(figure, theme=None, key="regions chart", config=PLOT_CONFIG)

    def below() -> None:
        within_panel.draw(asked, level)

    return View(label, asked, draw, table, lambda page: region_page(scores, label, page), stem, below=below)


def _controls(shown: Shown, level: Level) -> None:
    levels = _levels(shown)
    with st.container(horizontal=True):
        if len(levels) > 1:
            st.segmented_control(
                "Regions", levels, format_func=TITLES.__getitem__, label_visibility="collapsed", **bound("level", level)
            )
        st.segmented_control(
            "Order",
            ORDERS,
            format_func=ORDER_NAMES.__getitem__,
            label_visibility="collapsed",
            **bound("order", shown.choices.order),
        )
        region_scale.toggle(shown)


def _masks(shown: Shown, subject: str, level: Level) -> Mapping[str, np.ndarray]:
    """Regions of a subject, within the region chosen in the sidebar."""
    inside = shown.region(subject)
    masks = masks_of(shown.facts[subject].voxels, level)
    return masks if inside is None else {name: m & inside for name, m in masks.items() if (m & inside).any()}


def _means(shown: Shown, level: Level) -> pd.DataFrame:
    """Means over fitted voxels: region, subject, joint, a, b, n_voxels; regions in the order of the first subject."""
    rows = []
    for (_, subject), answer in shown.answers.items():
        masks, r = _masks(shown, subject, level), answer.result
        columns = [mask_means(v, masks) for v in (r.r2_joint, *r.r2_split)]
        counts = [int((r.selected & m).sum()) for m in masks.values()]
        rows += [(name, subject, *values) for name, *values in zip(masks, *columns, counts, strict=True)]
    table = pd.DataFrame(rows, columns=["region", "subject", "joint", "a", "b", "n_voxels"])
    table = table[table["n_voxels"] > 0]
    if table.empty:
        raise RequestError(f"No voxel of {shown.choices.region!r} was fitted; choose another region, or all voxels.")
    return table


def _compare(shown: Shown, level: Level, means: pd.DataFrame) -> RegionComparison:
    names = list(dict.fromkeys(means["region"]))
    if len(shown.answers) == 1:
        (_, subject), answer = next(iter(shown.answers.items()))
        masks = _masks(shown, subject, level)
        return compare_voxels(*answer.result.r2_split, {name: masks[name] for name in names})
    a, b = (means.pivot(index="subject", columns="region", values=side)[names].to_numpy() for side in "ab")
    return compare(a, b, names)


def _scores(shown: Shown, means: pd.DataFrame, comparison: RegionComparison) -> RegionScores:
    joint = means.groupby("region")["joint"].mean()
    table = comparison.table.rename(columns={"mean_a": "a", "mean_b": "b"})
    table = table.assign(joint=table["region"].map(joint))
    if shown.choices.order == "p":
        table = table.sort_values("p", kind="stable", na_position="last")
    dots = means if means["subject"].nunique() > 1 else means.iloc[:0]
    region = shown.choices.region
    return RegionScores(
        table.reset_index(drop=True), dots, shown.names, region if region in set(table["region"]) else None
    )


def _table(comparison: RegionComparison, means: pd.DataFrame) -> pd.DataFrame:
    """One row per region, every number of the comparison, voxels per subject."""
    n_voxels = means.groupby("region")["n_voxels"].mean()
    joint = means.groupby("region")["joint"].mean()
    table = comparison.table.assign(unit=comparison.unit)
    table.insert(1, "n_voxels", table["region"].map(n_voxels))
    table.insert(3, "mean_joint", table["region"].map(joint))
    return table


def _caption(shown: Shown, comparison: RegionComparison, quantity: str) -> str:
    several = len(shown.subjects) > 1
    unit = f"{len(shown.subjects)} subjects" if comparison.unit == "subject" else f"voxels of {shown.who}"
    parts = [
        f"Bars: mean split {quantity} of each model over the region's fitted voxels{' and subjects' * several}, "
        f"on held-out data; grey mark: joint {quantity}.",
        region_scale.said(shown),
        "Dots: subjects, joined by thin lines." if several else "",
        f"p: paired two-tailed t-test over {unit}; q: Benjamini-Hochberg over the regions shown.",
        f"{largest_difference(shown.names, comparison, quantity)}.",
        small_sample_note(comparison),
    ]
    return " ".join(part for part in parts if part)


def _detail(shown: Shown) -> str:
    return f"{shown.known.short_name}, {shown.who}, layer {shown.choices.layer}, preset {shown.choices.preset}"


REGIONS = PageSpec("Regions", look_up, _runs, _view)
