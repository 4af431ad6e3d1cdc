"""The figures of the paper from means and stored answers: what is drawn, what stands around it, the table behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from brivl.analyses.layers.figures import MIN_BOX, LayerScores
from brivl.analyses.layers.print_figure import layer_page
from brivl.analyses.layers.tables import coverage_of, layers_finding
from brivl.analyses.regions.figures import RegionScores
from brivl.analyses.reproduce.catalog import PaperFigure
from brivl.analyses.reproduce.maps import map_pages
from brivl.analyses.reproduce.means import PaperMeans, voxel_rule
from brivl.analyses.reproduce.paper_atlas import AtlasScale, atlas_grid_page, atlas_page
from brivl.analyses.reproduce.paper_page import PaperPage, label_of, who
from brivl.analyses.reproduce.paper_regions import area_layers_page, boxed_region_page
from brivl.analyses.reproduce.tables import (
    RegionTables,
    area_layer_csv,
    atlas_csv,
    atlas_values,
    layer_csv,
    layer_table,
    region_csv,
    region_tables,
)
from brivl.core.claims.coverage import Facts
from brivl.core.claims.region_headlines import layer_headline, small_sample_note
from brivl.core.claims.sentence_checks import BOXED
from brivl.core.numbers import number, round_limit
from brivl.core.regions.areas import AalLevel, aal_regions
from brivl.core.regions.atlas_views import AtlasView
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.viz.export import PAPER
from brivl.viz.style import R2

TITLES: Mapping[str, str] = {r.name: r.title for level in ("area", "merged", "region") for r in aal_regions(level)}
NOUNS = {"area": "areas", "merged": "regions"}
N_NAMED = 3


def pages(store: Store, gathered: PaperMeans, figure: PaperFigure) -> Iterator[PaperPage]:
    """Make the pages of a figure, one by one.

    Parameters
    ----------
    store : Store
        Where results are kept.
    gathered : PaperMeans
        Means of all fits of the dataset.
    figure : PaperFigure
        The figure of the paper.

    Raises
    ------
    RequestError
        Where the data lack what the figure needs.

    Yields
    ------
    PaperPage
        A page.
    """
    if figure.needs_aal and not (gathered.means.table["level"] == "region").any():
        raise RequestError(f"{figure.name} needs AAL labels, and {gathered.source.summary.short_name} has none")
    if figure.kind in ("selected", "maps", "map grid"):
        yield from map_pages(store, gathered, figure)
    elif figure.kind == "layers":
        yield _layers(gathered, figure)
    elif figure.kind == "area layers":
        yield _area_layers(gathered, figure)
    elif figure.kind == "atlas":
        yield _atlas(gathered, figure)
    else:
        yield _regions(gathered, figure, "area" if figure.kind == "areas" else "merged")


def _layers(gathered: PaperMeans, figure: PaperFigure) -> PaperPage:
    s, table = gathered.source, layer_table(gathered)
    if table.empty:
        raise RequestError(f"{figure.name} needs a voxel that is kept, and {s.summary.short_name} has none")
    boxes = table["subject"].nunique() >= MIN_BOX
    label = label_of(
        gathered,
        figure,
        _by_layer(gathered, table),
        f"Mean over {_count(table['n_voxels'])} voxels a subject ({voxel_rule(gathered)}), on held-out data; line: "
        f"joint {R2}{', mean of subjects' if len(s.subjects) > 1 else ''}. "
        f"{'Boxes: median and quartiles over subjects, whiskers to 1.5 interquartile ranges. ' if boxes else ''}"
        "Dots: subjects.",
    )
    scores = LayerScores(table, s.names)
    return PaperPage(figure.key, figure, label, lambda: layer_page(scores, label, PAPER), layer_csv(gathered))


def _by_layer(gathered: PaperMeans, table: pd.DataFrame) -> str:
    """Headline over all layers."""
    s = gathered.source
    return layers_finding(table, s.names, coverage_of(table, s.n_layers, s.subjects))


def _count(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _regions(gathered: PaperMeans, figure: PaperFigure, level: AalLevel) -> PaperPage:
    s = gathered.source
    (layer,) = s.layers_of(figure)
    tables = region_tables(gathered, level, layer)
    table = tables.comparison.table.rename(columns={"mean_a": "a", "mean_b": "b"}).assign(joint=tables.joint)
    if level == "merged":
        table = table.sort_values("p", kind="stable", na_position="last")
    order = table["region"].tolist()
    label = label_of(
        gathered,
        figure,
        layer_headline(layer, s.names, tables.comparison, Facts(who(s.subjects), NOUNS[level])),
        _region_caption(gathered, tables, level),
    )
    table, dots = (t.assign(region=t["region"].map(TITLES)) for t in (table.reset_index(drop=True), tables.dots))
    scores = RegionScores(table, dots if len(s.subjects) > 1 else dots.iloc[:0], s.names)
    boxed = [TITLES[name] for name in BOXED] if level == "merged" else []
    return PaperPage(
        figure.key,
        figure,
        label,
        lambda: boxed_region_page(scores, label, boxed),
        region_csv(gathered, level, layer, order),
    )


def _region_caption(gathered: PaperMeans, tables: RegionTables, level: AalLevel) -> str:
    s = gathered.source
    several = len(s.subjects) > 1
    parts = [
        f"Bars: mean split {R2} over the region's voxels ({voxel_rule(gathered)})"
        f"{' and subjects' if several else ''}, on held-out data; mark: joint {R2}"
        f"{'; dots: subjects' if several else ''}.",
        f"p: paired two-tailed t-test over {who(s.subjects)}; q: Benjamini-Hochberg."
        if several
        else "One subject: no test.",
        "In the order of p; orange: regions boxed in the paper." if level == "merged" else "",
        small_sample_note(tables.comparison),
    ]
    return " ".join(part for part in parts if part)


def _area_layers(gathered: PaperMeans, figure: PaperFigure) -> PaperPage:
    s = gathered.source
    rows = gathered.means.table
    rows = rows[rows["level"] == "area"].rename(columns={"region": "area"})
    last = region_tables(gathered, "area", s.layers[-1]).comparison
    label = label_of(
        gathered,
        figure,
        layer_headline(s.layers[-1], s.names, last, Facts(who(s.subjects), "areas")),
        f"Lines: mean over {who(s.subjects)} of the mean over the area's voxels ({voxel_rule(gathered)}), on held-out "
        "data; small dots: subjects.",
    )
    return PaperPage(
        figure.key, figure, label, lambda: area_layers_page(rows, s.names, label), area_layer_csv(gathered)
    )


def _atlas(gathered: PaperMeans, figure: PaperFigure) -> PaperPage:
    s, layers = gathered.source, gathered.source.layers_of(figure)
    values = {layer: atlas_values(gathered, layer, figure.value) for layer in layers}
    limit = round_limit(np.array([v for by_region in values.values() for v in by_region.values()]))
    scale = AtlasScale(limit, None if figure.value == "joint" else s.names)
    what = f"joint {R2}" if figure.value == "joint" else f"split {R2} of {s.names[0]} minus that of {s.names[1]}"
    below = ", darker grey: below 0" if figure.value == "joint" else ""
    label = label_of(
        gathered,
        figure,
        _atlas_headline(gathered, figure, values, layers),
        f"Colour: {what} on held-out data, mean over the region's voxels ({voxel_rule(gathered)}), then over "
        f"{who(s.subjects)}; light grey: no value{below}. Drawn by region: cortex on fsaverage5, 12 subcortical "
        "regions in slices of AAL1.",
    )
    if len(layers) == 1 and figure.layers:
        return PaperPage(
            figure.key,
            figure,
            label,
            lambda: atlas_page(_views(), values[layers[0]], scale, label),
            atlas_csv(gathered, layers, figure.value),
        )
    return PaperPage(
        figure.key,
        figure,
        label,
        lambda: atlas_grid_page(_views(), list(values.items()), scale, label),
        atlas_csv(gathered, layers, figure.value),
    )


@lru_cache(maxsize=1)
def _views() -> Sequence[AtlasView]:
    from brivl.data.anatomy.atlas_views import aal_views

    return tuple(aal_views())


def _atlas_headline(
    gathered: PaperMeans, figure: PaperFigure, values: Mapping[int, Mapping[int, float]], layers: Sequence[int]
) -> str:
    s = gathered.source
    if len(layers) > 1:
        return _by_layer(gathered, layer_table(gathered))
    if figure.value == "difference":
        comparison = region_tables(gathered, "region", layers[0]).comparison
        return layer_headline(layers[0], s.names, comparison, Facts(who(s.subjects), "regions"))
    named = {r.labels[0]: r.name for r in aal_regions("region")}
    best = sorted(values[layers[0]].items(), key=lambda item: -item[1])[:N_NAMED]
    text = ", ".join(f"{named[label]} ({number(value, 2)})" for label, value in best)
    return f"Layer {layers[0]}: joint {R2} is highest in {text} ({who(s.subjects)})"
