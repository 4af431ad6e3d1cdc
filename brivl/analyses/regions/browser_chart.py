"""What the browser is given to show regions: rows, kinds of maps, voxels of each region (webgl/region_view.js)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brivl.analyses.regions.figures import RESPELLED, RegionScores, row_name
from brivl.core.claims.map_headlines import component_label
from brivl.core.numbers import fixed, round_limit
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS
from brivl.viz.browser.packing import Packed, pack
from brivl.viz.style import ThemeName, theme_of

DECIMALS = 5  # of values that are drawn
COLUMN_WIDTHS = {"n_voxels": 52, "p": 46, "q": 46, "subjects": 58}  # px
SPLIT, UNIQUE = ("a", "b"), ("unique_a", "unique_b")  # columns that share a scale


@dataclass(frozen=True)
class RegionChart:
    """Rows of regions and what is known of their places.

    Attributes
    ----------
    scores : RegionScores
        All rows, in order.
    listed : collection of str
        Regions that are shown unless another is searched for.
    lobes : mapping of str to str
        Region -> heading; regions of one heading are put together. Empty for no headings.
    region : str or None
        Region that is chosen.
    map_kind : str
        Which score colours the map, a column of `scores.table` or "difference".
    map_note : str
        Sentence below the map, or in its place.
    simulated : bool
        Whether the responses are simulated.
    """

    scores: RegionScores
    listed: Sequence[str]
    lobes: Mapping[str, str]
    region: str | None
    map_kind: str
    map_note: str
    simulated: bool


def pack_members(masks: Mapping[str, np.ndarray]) -> Packed:
    """Pack the voxels of each region.

    Parameters
    ----------
    masks : mapping of str to (n_voxels,) bool array
        Region -> voxels.

    Returns
    -------
    Packed
        Arrays `voxels` and `offsets` (n_regions + 1,), in the order of the regions.
    """
    voxels = [np.flatnonzero(inside) for inside in masks.values()]
    offsets = np.cumsum([0, *map(len, voxels)]).astype(np.uint32)
    return pack({"kind": "members"}, {"offsets": offsets, "voxels": np.concatenate([*voxels, []]).astype(np.uint32)})


def chart_data(chart: RegionChart, regions: Sequence[str], theme: ThemeName) -> dict[str, Any]:
    """Write rows, axes and maps as plain values.

    Parameters
    ----------
    chart : RegionChart
        What is shown.
    regions : sequence of str
        Regions on the map, in the order of `pack_members`.
    theme : {"light", "dark"}
        Theme of the page.

    Returns
    -------
    dict
        As webgl/region_view.js takes it; scores that are not known are None.
    """
    scores, colours = chart.scores, theme_of(theme)
    rows = _rows(chart)
    columns = scores.text_columns
    return {
        "kind": "regions",
        "names": list(scores.names),
        "quantity": scores.quantity,
        "rows": rows,
        "columns": [{"name": name, "head": head, "width": COLUMN_WIDTHS[name]} for name, head, _ in columns],
        "intervals": scores.intervals,
        "has_unique": any(row["unique_a"] is not None for row in rows),
        "has_dots": len(scores.subjects) > 0,
        "chosen": chart.region,
        "regions": list(regions),
        "kinds": map_kinds(scores, regions),
        "kind_of_map": chart.map_kind,
        "map_note": chart.map_note,
        "names_on_map": True,
        "simulated": chart.simulated,
        "theme": {
            "text": colours.text,
            "muted": colours.muted,
            "background": colours.background,
            "grid": colours.grid,
            "joint": colours.joint,
            "curvature": list(colours.curvature),
            "negative": colours.negative,
            "dark": theme == "dark",
        },
    }


def _rows(chart: RegionChart) -> list[dict[str, Any]]:
    """One entry for each region; those of a lobe stand together, lobes in the order of their first region."""
    scores = chart.scores
    table = scores.table.reset_index(drop=True)
    cells = list(zip(*(texts for _, _, texts in scores.text_columns), strict=True))
    dots: dict[str, list[list[Any]]] = {}
    for region, subject, a, b in (
        scores.subjects[["region", "subject", "a", "b"]].itertuples(index=False) if len(scores.subjects) else ()
    ):
        dots.setdefault(region, []).append([subject, _value(a), _value(b)])
    listed = set(chart.listed)
    rows = []
    for i, (_, row) in enumerate(table.iterrows()):
        region = str(row["region"])
        lobe = chart.lobes.get(region, "Other regions") if chart.lobes else ""
        rows.append(
            {
                "region": region,
                "short": row_name(region),
                "lobe": RESPELLED.get(lobe, lobe),
                "listed": region in listed,
                **{name: _value(row.get(name)) for name in ("joint", "a", "b", "unique_a", "unique_b")},
                "difference": _value(row["a"] - row["b"]),
                "low": _value(row.get("ci_low")),
                "high": _value(row.get("ci_high")),
                "dots": dots.get(region, []),
                "cells": list(cells[i]),
                "spoken": _spoken(
                    scores,
                    row,
                    [f"{head} {text}" for (_, head, _), text in zip(scores.text_columns, cells[i], strict=True)],
                ),
            }
        )
    order = {lobe: i for i, lobe in enumerate(dict.fromkeys(row["lobe"] for row in rows))}
    return sorted(rows, key=lambda row: order[row["lobe"]])


def _spoken(scores: RegionScores, row: Any, words: Sequence[str]) -> str:
    """Every score of a row, for the pointer and for screen readers; parts end with a semicolon."""
    (name_a, name_b), low = scores.names, row.get("ci_low")
    parts = [str(row["region"]), f"joint {scores.quantity} {fixed(row['joint'])}"]
    parts += [f"{name_a} {fixed(row['a'])}", f"{name_b} {fixed(row['b'])}"]
    if _value(row.get("unique_a")) is not None:
        parts.append(f"unique to {name_a} {fixed(row['unique_a'])}, to {name_b} {fixed(row['unique_b'])}")
    interval = f" ({fixed(low)} to {fixed(row['ci_high'])})" if _value(low) is not None else ""
    parts.append(f"difference {fixed(row['a'] - row['b'])}{interval}")
    return "; ".join([*parts, ", ".join(words)])


def map_kinds(scores: RegionScores, regions: Sequence[str]) -> list[dict[str, Any]]:
    """List the scores that can colour the map, with limits that do not depend on what is searched for.

    Parameters
    ----------
    scores : RegionScores
        All rows.
    regions : sequence of str
        Regions on the map.

    Returns
    -------
    list of dict
        key, title, mode, limits, and values by region; None where a region has no fitted voxel.
    """
    table = scores.table.set_index("region")
    table = table.assign(difference=table["a"] - table["b"])
    (a, b), quantity = scores.names, scores.quantity
    titles = {"joint": f"Joint {quantity}", "a": f"Split {quantity}, {a}", "b": f"Split {quantity}, {b}"}
    titles |= {"difference": f"Split {quantity}, {a} − {b}"}
    titles |= {
        name: component_label(name, scores.names)
        for name in VARIANCE_COMPONENTS
        if name in table and table[name].notna().any()
    }
    kinds = []
    for key, title in titles.items():
        together = next((columns for columns in (SPLIT, UNIQUE) if key in columns), (key,))
        limit = round_limit(table[[name for name in together if name in table]].to_numpy(float))
        mode = "diverging" if key == "difference" else "sequential"
        values = [_value(value) for value in table[key].reindex(list(regions))]
        limits = [-limit, limit] if key == "difference" else [0.0, limit]
        kinds.append({"key": key, "title": title, "mode": mode, "limits": limits, "values": values})
    return kinds


def _value(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), DECIMALS)
