"""Figures of fits by request, without a page: how the command line makes a figure with all that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from brivl.analyses.figure_methods import flatmap_methods, heat_methods, layers_methods, regions_methods
from brivl.analyses.flatmap.headline import MapFinding, flatmap_caption, flatmap_headline
from brivl.analyses.layers.heat_map.tables import SORTS, HeatMap, region_layer_means
from brivl.analyses.layers.tables import layers_caption, layers_finding, scores_by_layer, with_parts
from brivl.analyses.regions.tables import region_parts, region_question
from brivl.core.claims.coverage import Coverage
from brivl.core.claims.map_headlines import component_label
from brivl.core.numbers import round_limit
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import FlatmapGeometry
from brivl.core.regions.variance_partitioning import (
    VARIANCE_COMPONENTS,
    MeanScores,
    part_scale,
    partition_variance,
)
from brivl.data.dataset import check_subject
from brivl.data.flatmaps import flatmap_factory, make_flatmap
from brivl.data.regions import (
    BRAIN,
    checked_parcellation,
    coordinates,
    region_mask,
    region_masks,
)
from brivl.data.subject_facts import SubjectFacts, load_facts
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest, FitResult, fit
from brivl.encoding.identical_features import identical_features, stored_identical_features
from brivl.encoding.means import layer_means, layer_parts, mean_scores, nan_mean_rows
from brivl.encoding.single_model import fit_single_models, stored_single_models
from brivl.encoding.within_subject import WithinSubjectRequest as Within
from brivl.encoding.within_subject import WithinSubjectResult, stored_within_subject, within_subject_tests
from brivl.errors import RequestError
from brivl.models.feature_model import POOLINGS, Pooling
from brivl.sharing.figure_record import FigureRecord
from brivl.sharing.fit_evidence import FitEvidence, Key
from brivl.sharing.methods import FigureMethods
from brivl.store.artifacts import Store
from brivl.viz.style import R2, FigureLabel

if TYPE_CHECKING:
    from brivl.viz.flatmap.painting import MapScores, Painting

ALL = "all"
HEAT_VIEW = "regions"  # of the page Layers: layer x region
SETTINGS = ("pooling", "map", "level", "order", "rows", "scale", "unit", "region", "view", "sort")  # that a link holds
MAPS = ("joint", "a", "b", "pair", "difference", *VARIANCE_COMPONENTS)


@dataclass(frozen=True)
class FigureRequest:
    """Dataset, models, layers and page of a figure; subjects ("all",) are all of the dataset."""

    dataset: str
    models: tuple[str, str]
    layers: tuple[int, ...]
    subjects: tuple[str, ...]
    page: str = "layers"
    settings: Mapping[str, str] = field(default_factory=dict)  # "preset" and SETTINGS where they are not the defaults


@dataclass(frozen=True)
class _FigureInputs:
    """Answers to what was request."""

    store: Store
    request: FigureRequest
    summary: DatasetSummary
    answers: Mapping[Key, FitResult]
    facts: Mapping[str, SubjectFacts]

    @property
    def names(self) -> tuple[str, str]:
        offers = self.summary.model_options
        a, b = (offers[m].title if m in offers else m for m in self.request.models)
        return (a, b) if a != b else (f"{a} (1st)", f"{b} (2nd)")

    @property
    def subjects(self) -> list[str]:
        return list(self.facts)

    @property
    def who(self) -> str:
        return self.subjects[0] if len(self.subjects) == 1 else f"{len(self.subjects)} subjects"

    @property
    def layer(self) -> int:
        return self.request.layers[-1]

    @property
    def coverage(self) -> Coverage:
        """All requested fits are there; the page Layers needs every layer of the models."""
        expected = {*self.answers}
        if self.request.page == "layers":
            n_layers = self.summary.n_layers(self.request.models)
            expected |= {(layer, subject) for layer in range(1, n_layers + 1) for subject in self.subjects}
        identical = {
            layer
            for (layer, _), answer in self.answers.items()
            if stored_identical_features(self.store, answer.request, self.summary)
        }
        return Coverage.of(self.answers, expected - {*self.answers}, identical)

    @property
    def parts(self) -> pd.DataFrame:
        """Means of unique and shared variance; NaN where the models were not fitted alone."""
        return layer_parts(
            self.answers, lambda request: stored_single_models(self.store, request, self.summary), self.inside
        )

    @property
    def single_models(self) -> dict[str, np.ndarray]:
        """Subject -> R2 of each model alone (2, n_voxels), where it is stored; of fits of one layer."""
        scores = {
            s: stored_single_models(self.store, fit.request, self.summary) for (_, s), fit in self.answers.items()
        }
        return {subject: single for subject, single in scores.items() if single is not None}

    @property
    def mean_scores(self) -> MeanScores | None:
        """Means over all voxels and subjects, with unique and shared variance."""
        both = layer_means(self.answers, self.inside).merge(self.parts, on=["layer", "subject"], how="left")
        return None if both.empty else MeanScores.of({name: both[name].to_numpy() for name in [*both][2:]})

    def setting(self, name: str, default: str) -> str:
        return self.request.settings.get(name) or default

    def label(self, headline: str, caption: str) -> FigureLabel:
        layer = "" if self.request.page == "layers" else f", layer {self.layer}"
        detail = f"{self.summary.short_name}, {self.who}{layer}, preset {self.setting('preset', 'strict')}"
        return FigureLabel(headline, caption, self.summary.simulated, detail)

    @property
    def region(self) -> str:
        """Region whose voxels are used; BRAIN for all."""
        return self.setting("region", BRAIN)

    def inside(self, subject: str) -> np.ndarray | None:
        """Voxels of the region in a subject, none where the subject lacks it; None for all voxels."""
        if self.region == BRAIN:
            return None
        voxels = self.facts[subject].voxels
        mask = region_mask(voxels, self.region)
        return np.zeros(voxels.n_voxels, bool) if mask is None else mask

    def record(
        self, stem: str, label: FigureLabel, table: pd.DataFrame, draw: Callable, methods: FigureMethods
    ) -> FigureRecord:
        all_of_them = len(self.subjects) == len(self.summary.subjects) > 1
        fields = {
            "data": self.summary.name,
            "a": self.request.models[0],
            "b": self.request.models[1],
            "layer": str(self.layer),
            "subject": "All" if all_of_them else self.subjects[0],
            "preset": self.setting("preset", "strict"),
            **{name: self.request.settings[name] for name in SETTINGS if self.setting(name, "")},
        }
        evidence = FitEvidence(self.summary, self.answers, self.facts, self.layer, self.region, methods)
        return FigureRecord(self.request.page, stem, label, lambda: {"scores": table}, draw, evidence, fields)


def make_figure(store: Store, request: FigureRequest, progress: ProgressCallback = no_progress) -> FigureRecord:
    """Make a figure with all that it rests on; missing fits are computed.

    Parameters
    ----------
    store : Store
        Where results are kept.
    request : FigureRequest
        What is drawn.
    progress : callable
        Progress callback; may raise to cancel.

    Returns
    -------
    FigureRecord
        The figure, its table and the fits behind both.

    Raises
    ------
    RequestError
        For a page, layer, subject or setting that does not exist.
    BrivlError
        As `brivl.encoding.fit.fit` does.
    """
    if request.page not in PAGES:
        raise RequestError(f"Expected a page out of {sorted(PAGES)}, got {request.page!r}. Choose one of them.")
    if len(request.layers) != 1 and request.page != "layers":
        raise RequestError(
            f"Expected one layer for the page {request.page!r}, got {len(request.layers)}. Name one layer."
        )
    summary = summarise_dataset(store, request.dataset)
    subjects = summary.subjects if request.subjects == (ALL,) else request.subjects
    for subject in subjects:
        check_subject(summary.dataset, subject)
    answers = {}
    preset, pooling = request.settings.get("preset") or "strict", request.settings.get("pooling", "")
    for layer in request.layers:
        for subject in subjects:
            one = FitRequest(summary.name, request.models, layer, subject, preset, _checked_pooling(pooling))
            answers[layer, subject] = fit(store, one, progress)
            if answers[layer, subject].cache == "miss":
                identical_features(store, one, progress)
    facts = {subject: load_facts(store, summary.dataset, subject) for subject in subjects}
    return PAGES[request.page](_FigureInputs(store, request, summary, answers, facts))


def _checked_pooling(pooling: str) -> Pooling | None:
    if pooling and pooling not in POOLINGS:
        raise RequestError(f"Expected a pooling out of {list(POOLINGS)}, got {pooling!r}. Choose one of them.")
    return next((one for one in POOLINGS if one == pooling), None)


def _layers(inputs: _FigureInputs) -> FigureRecord:
    from brivl.analyses.layers.figures import LayerScores
    from brivl.analyses.layers.print_figure import layer_page

    if inputs.setting("view", "") == HEAT_VIEW:
        return _layer_by_region(inputs)
    means_only, parts = layer_means(inputs.answers, inputs.inside), inputs.parts
    if means_only.empty:
        raise RequestError("Expected at least one voxel that was fitted, got none. Choose another subject or protocol.")
    table = with_parts(means_only, parts)
    means = scores_by_layer(means_only, parts, inputs.coverage)
    headline = layers_finding(table, inputs.names, inputs.coverage, means)
    where = "" if inputs.region == BRAIN else f" of {inputs.region}"
    label = inputs.label(headline, layers_caption(table, inputs.coverage, where))
    methods = layers_methods(inputs.coverage, inputs.region, any(one.has_parts for one in means.values()))
    scores = LayerScores(table, inputs.names, inputs.layer, inputs.coverage)
    stem = f"layers_{inputs.summary.stimulus_kind}_{inputs.subjects[0] if len(inputs.subjects) == 1 else 'All'}"
    return inputs.record(stem, label, table, lambda page: layer_page(scores, label, page), methods)


def _layer_by_region(inputs: _FigureInputs) -> FigureRecord:
    from brivl.analyses.layers.heat_map.print_figure import heat_page

    level = checked_parcellation(inputs.setting("level", ""), inputs.facts[inputs.subjects[0]].voxels)
    masks = {subject: region_masks(facts.voxels, level) for subject, facts in inputs.facts.items()}
    table = region_layer_means(
        inputs.answers, masks, lambda request: stored_single_models(inputs.store, request, inputs.summary)
    )
    kind, sort = inputs.setting("map", "joint"), inputs.setting("sort", SORTS[0])
    chosen = () if inputs.region == BRAIN else (inputs.region,)
    heat = HeatMap(table, inputs.names, kind, level, inputs.coverage, sort, inputs.layer, chosen)
    label = inputs.label(heat.headline, heat.caption)
    stem = f"layers_by_region_{level}_{kind}_{inputs.subjects[0] if len(inputs.subjects) == 1 else 'All'}"
    methods = heat_methods(heat, inputs.region)
    return inputs.record(stem, label, table.assign(level=level), lambda page: heat_page(heat, label, page), methods)


def _flatmap(inputs: _FigureInputs) -> FigureRecord:
    from brivl.viz.flatmap.painting import MapScores
    from brivl.viz.flatmap.print_figure import flatmap_page

    subject, kind = inputs.subjects[0], inputs.setting("map", "joint")
    voxels = inputs.facts[subject].voxels
    if any(not np.array_equal(other.voxels.ijk, voxels.ijk) for other in inputs.facts.values()):
        raise RequestError(
            "Expected subjects with the same voxels for a mean map, got different ones. Choose one subject."
        )
    if kind not in MAPS:
        raise RequestError(f"Expected a map out of {list(MAPS)}, got {kind!r}. Choose one of them.")
    geometry = make_flatmap(inputs.store, voxels, flatmap_factory(inputs.summary.dataset, subject))
    joint, a, b = mean_scores([answer.result for answer in inputs.answers.values()])
    regions = region_masks(voxels, "roi" if voxels.rois else "region") if voxels.rois or voxels.aal is not None else {}
    scores = MapScores(joint, a, b, inputs.names, regions)
    alone = _alone(inputs, kind)
    parts = partition_variance(joint, nan_mean_rows(alone)).by_name() if alone else {}
    is_part = kind in VARIANCE_COMPONENTS
    painting = _component_painting(kind, geometry, scores, parts) if is_part else _painting(kind, geometry, scores)
    finding = MapFinding(
        kind,
        inputs.layer,
        inputs.names,
        [answer.result for answer in inputs.answers.values()],
        inputs.coverage,
        regions,
        "ROIs" if voxels.rois else "regions",
        alone,
        inputs.inside(subject),
    )
    headline = flatmap_headline(finding)
    label = inputs.label(headline, flatmap_caption(kind, inputs.names, joint, len(inputs.subjects), geometry.space))
    stem = f"flatmap_{kind}_layer{inputs.layer:02d}_{subject if len(inputs.subjects) == 1 else 'All'}"
    table = _voxel_table(inputs, scores, parts)
    methods = flatmap_methods(kind, inputs.coverage, voxels, bool(alone), inputs.region)
    return inputs.record(stem, label, table, lambda page: flatmap_page(geometry, painting, label, page), methods)


def _alone(inputs: _FigureInputs, kind: str) -> list[np.ndarray]:
    """R2 of each model alone of each subject; [] unless stored for all. For maps of parts missing ones are computed."""
    if kind in VARIANCE_COMPONENTS:
        return [fit_single_models(inputs.store, answer.request) for answer in inputs.answers.values()]
    rows = list(inputs.single_models.values())
    return rows if len(rows) == len(inputs.answers) else []


def _component_painting(
    kind: str, geometry: FlatmapGeometry, scores: MapScores, parts: Mapping[str, np.ndarray]
) -> Painting:
    from brivl.viz.flatmap.painting import paint_value

    limit = round_limit(np.concatenate([parts[name] for name in part_scale(kind)]))
    return paint_value(geometry, scores, parts[kind], ((0.0, limit), component_label(kind, scores.names)))


def _painting(kind: str, geometry: FlatmapGeometry, scores: MapScores) -> Painting:
    from brivl.viz.flatmap import painting as p

    split = round_limit(np.concatenate([scores.a, scores.b]))
    if kind == "joint":
        return p.paint_joint(geometry, scores, (0.0, round_limit(scores.joint)))
    if kind == "pair":
        return p.paint_pair(geometry, scores, (0.0, split))
    if kind == "difference":
        return p.paint_difference(geometry, scores, round_limit(scores.a - scores.b))
    side = "ab".index(kind)
    return p.paint_value(
        geometry, scores, (scores.a, scores.b)[side], ((0.0, split), f"Split {R2} of {scores.names[side]}")
    )


def _voxel_table(inputs: _FigureInputs, scores: MapScores, parts: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row per fitted voxel."""
    voxels = inputs.facts[inputs.subjects[0]].voxels
    table = pd.DataFrame(np.asarray(voxels.ijk), columns=["i", "j", "k"])
    table.insert(0, "voxel", np.arange(len(table)))
    mm = coordinates(voxels)
    if mm is not None:
        table[["x_mm", "y_mm", "z_mm"]] = np.round(mm, 2)
    table = table.assign(r2_joint=scores.joint, r2_split_a=scores.a, r2_split_b=scores.b, **parts)
    return table[np.isfinite(scores.joint)]


def _tests(inputs: _FigureInputs) -> dict[str, WithinSubjectResult]:
    """Tests within each subject: the stored ones, or all where they are requested."""
    requests = {subject: Within(answer.request, inputs.region) for (_, subject), answer in inputs.answers.items()}
    if inputs.setting("tests", ""):
        return {subject: within_subject_tests(inputs.store, one) for subject, one in requests.items()}
    stored = {subject: stored_within_subject(inputs.store, one, inputs.summary) for subject, one in requests.items()}
    return {subject: tests for subject, tests in stored.items() if tests is not None}


def _regions(inputs: _FigureInputs) -> FigureRecord:
    from brivl.analyses.regions.print_figure import region_page

    level = checked_parcellation(inputs.setting("level", ""), inputs.facts[inputs.subjects[0]].voxels)
    question = region_question(inputs.setting, level, inputs.names)
    question = replace(
        question,
        tests=_tests(inputs),
        coverage=inputs.coverage,
        scores=inputs.mean_scores,
        region=inputs.region,
        single=inputs.single_models,
    )
    parts = region_parts(inputs.answers, inputs.facts, question)
    label = inputs.label(parts.headline, " ".join(part for part in (parts.caption, parts.comparison.warning) if part))
    stem = f"regions_{level}_layer{inputs.layer:02d}_{inputs.subjects[0] if len(inputs.subjects) == 1 else 'All'}"
    stem += "_over_ceiling" if parts.quantity != R2 else ""
    methods = regions_methods(parts, question)
    return inputs.record(stem, label, parts.table, lambda page: region_page(parts.scores, label, page), methods)


PAGES: dict[str, Callable[[_FigureInputs], FigureRecord]] = {
    "layers": _layers,
    "flatmap": _flatmap,
    "regions": _regions,
}
