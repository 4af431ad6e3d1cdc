"""The paper's flatmaps: voxels chosen (Fig. 4a), three layers of subject 1 (4c-e), everything of everyone (S5-S13)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from brivl.analyses.layers.tables import coverage_of, layers_finding
from brivl.analyses.reproduce.catalog import PaperFigure
from brivl.analyses.reproduce.means import PaperMeans, kept
from brivl.analyses.reproduce.paper_maps import MapLimits, map_grid_page, map_pair_page
from brivl.analyses.reproduce.paper_page import PaperPage, label_of
from brivl.analyses.reproduce.tables import layer_table, voxel_csv, voxel_positions
from brivl.core.claims.checks import at_depth
from brivl.core.claims.coverage import Facts
from brivl.core.claims.map_headlines import voxel_headline
from brivl.core.encoding.presets import PRESETS
from brivl.core.numbers import round_limit
from brivl.core.records import EncodingResult, FlatmapGeometry, Voxels
from brivl.data.flatmaps import flatmap_factory, make_flatmap
from brivl.encoding.fit import stored_fit
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.viz.export import PAPER
from brivl.viz.flatmap.painting import MapScores, paint_value
from brivl.viz.flatmap.print_figure import flatmap_page
from brivl.viz.style import R2

PAIR_CAPTION = (
    f"Above: split {R2} of {{0}} (to the right in the legend) and of {{1}} (upwards); below: joint {R2} of both; on "
    "held-out data. {2}"
)
GRID_CAPTION = (
    f"For each layer, left: split {R2} of {{0}} (to the right in the legend) and of {{1}} (upwards); right: joint {R2} "
    "of both; on held-out data, colours as in the scales below. {2}"
)


def map_pages(store: Store, gathered: PaperMeans, figure: PaperFigure) -> Iterator[PaperPage]:
    """Make the pages of the kinds "selected", "maps" and "map grid".

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
        Where the voxels belong to no flatmap.

    Yields
    ------
    PaperPage
        A page for each subject that the figure shows.
    """
    for subject in gathered.source.subjects_of(figure):
        if figure.kind == "selected":
            yield _selected(store, gathered, figure, subject)
        elif figure.kind == "maps":
            yield _pair(store, gathered, figure, subject)
        else:
            yield _grid(store, gathered, figure, subject)


def _results(store: Store, gathered: PaperMeans, subject: str, layers: Sequence[int]) -> dict[int, EncodingResult]:
    """Stored answers by layer."""
    s = gathered.source
    fits = {layer: stored_fit(store, s.request(layer, subject), s.summary.dataset) for layer in layers}
    return {layer: answer.result for layer, answer in fits.items() if answer is not None}


def _geometry(store: Store, gathered: PaperMeans, subject: str) -> tuple[Voxels, FlatmapGeometry]:
    voxels = gathered.facts[subject].voxels
    return voxels, make_flatmap(store, voxels, flatmap_factory(gathered.source.summary.dataset, subject))


def _scores(gathered: PaperMeans, result: EncodingResult, subject: str) -> tuple[MapScores, np.ndarray]:
    """Scores of the voxels kept, NaN elsewhere, and which these are."""
    facts = gathered.facts[subject]
    shown = kept(gathered.source, result, facts)
    joint, a, b = (np.where(shown, v, np.nan) for v in (result.r2_joint, *result.r2_split))
    return MapScores(joint, a, b, gathered.source.names, facts.voxels.rois), shown


def _limits(gathered: PaperMeans, results: Sequence[EncodingResult], subject: str) -> MapLimits:
    scores = [_scores(gathered, result, subject)[0] for result in results]
    joint = np.concatenate([s.joint for s in scores])
    return MapLimits(round_limit(joint), round_limit(np.concatenate([v for s in scores for v in (s.a, s.b)])))


def _selected(store: Store, gathered: PaperMeans, figure: PaperFigure, subject: str) -> PaperPage:
    s = gathered.source
    (result,) = _results(store, gathered, subject, s.layers_of(figure)).values()
    if result.explainable_variance is None:
        raise RequestError(f"{figure.name} needs a repeated test run, and {s.summary.short_name} has none")
    voxels, geometry = _geometry(store, gathered, subject)
    scores, shown = _scores(gathered, result, subject)
    threshold = PRESETS[s.preset].ev_threshold
    ev = np.where(shown, result.explainable_variance, np.nan)
    n, total = int(shown.sum()), voxels.n_voxels
    headline = f"{n:,} of {total:,} voxels have an explainable variance above {threshold:g} ({subject})"
    label = label_of(
        gathered,
        figure,
        headline,
        f"Coloured voxels entered the fit; others are clear. {geometry.space}.",
    )
    painting = paint_value(geometry, scores, ev, ((0.0, 1.0), "explainable variance"))
    table = voxel_positions(subject, voxels).assign(explainable_variance=result.explainable_variance)
    return PaperPage(figure.key, figure, label, lambda: flatmap_page(geometry, painting, label, PAPER), table[shown])


def _pair(store: Store, gathered: PaperMeans, figure: PaperFigure, subject: str) -> PaperPage:
    s = gathered.source
    (layer,) = s.layers_of(figure)
    compared = sorted({at_depth(k, s.n_layers) for k in (4, 8, 12)} & set(s.layers) | {layer})
    results = _results(store, gathered, subject, compared)
    voxels, geometry = _geometry(store, gathered, subject)
    scores, shown = _scores(gathered, results[layer], subject)
    limits = _limits(gathered, list(results.values()), subject)
    label = label_of(
        gathered,
        figure,
        voxel_headline(layer, s.names, scores.a, scores.b, Facts(subject)),
        PAIR_CAPTION.format(
            *s.names,
            f"{int(shown.sum()):,} of {voxels.n_voxels:,} voxels, others clear; hatched: R² below 0; "
            f"low values fade. Colour limits are those of layers {', '.join(map(str, results))}. {geometry.space}.",
        ),
    )
    table = voxel_csv(subject, voxels, {layer: results[layer]}, shown)
    return PaperPage(figure.key, figure, label, lambda: map_pair_page(geometry, scores, limits, label), table)


def _grid(store: Store, gathered: PaperMeans, figure: PaperFigure, subject: str) -> PaperPage:
    s = gathered.source
    results = _results(store, gathered, subject, s.layers)
    voxels, geometry = _geometry(store, gathered, subject)
    layers = [(layer, _scores(gathered, result, subject)[0]) for layer, result in results.items()]
    shown = np.any([np.isfinite(scores.joint) for _, scores in layers], axis=0)
    limits = _limits(gathered, list(results.values()), subject)
    table = layer_table(gathered)
    mine = table[table["subject"] == subject].sort_values("layer")
    headline = layers_finding(mine, s.names, coverage_of(mine, s.n_layers, (subject,)))
    label = label_of(
        gathered,
        figure,
        headline,
        GRID_CAPTION.format(*s.names, f"{int(shown.sum()):,} of {voxels.n_voxels:,} voxels. {geometry.space}."),
    )
    return PaperPage(
        f"{figure.key}_{subject}",
        figure,
        label,
        lambda: map_grid_page(geometry, layers, limits, label),
        voxel_csv(subject, voxels, results, shown),
    )
