"""Figures of fits by request, without a page: how the command line makes a figure with all that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from brivl.analyses.figure_methods import flatmap_methods, heat_methods, layers_methods, regions_methods
from brivl.analyses.flatmap.headline import MapFinding, flatmap_headline
from brivl.analyses.layers.heat_map.tables import SORTS, HeatMap, region_layer_means
from brivl.analyses.layers.tables import layers_caption, layers_finding, scores_by_layer
from brivl.analyses.regions.tables import region_parts, region_question
from brivl.core.claims.headlines import (
    Coverage,
    component_caption,
    component_label,
)
from brivl.core.numbers import round_limit
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, MeanScores, partition_variance
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
from brivl.sharing.figure_record import FigureRecord
from brivl.sharing.fit_evidence import FitEvidence, Key
from brivl.sharing.methods import FigureMethods
from brivl.store.artifacts import Store
from brivl.viz.style import R2, FigureLabel

ALL = "all"
HEAT_VIEW = "regions"  # of the page Layers: layer x region
SETTINGS = ("pooling", "map", "level", "order", "scale", "unit", "region", "view", "sort")  # that a link holds
MAPS = ("joint", "a", "b", "pair", "difference", *VARIANCE_COMPONENTS)


@dataclass(frozen=True)
class Asked:
    """What a user asks for; subjects ("all",) are all of the dataset."""

    dataset: str
    models: tuple[str, str]
    layers: tuple[int, ...]
    subjects: tuple[str, ...]
    page: str = "layers"
    settings: Mapping[str, str] = field(default_factory=dict)  # preset and SETTINGS where not as usual


@dataclass(frozen=True)
class _Found:
    """Answers to what was asked."""

    store: Store
    asked: Asked
    known: DatasetSummary
    answers: Mapping[Key, FitResult]
    facts: Mapping[str, SubjectFacts]

    @property
    def names(self) -> tuple[str, str]:
        offers = self.known.model_options
        a, b = (offers[m].title if m in offers else m for m in self.asked.models)
        return (a, b) if a != b else (f"{a} (1st)", f"{b} (2nd)")

    @property
    def subjects(self) -> list[str]:
        return list(self.facts)

    @property
    def who(self) -> str:
        return self.subjects[0] if len(self.subjects) == 1 else f"{len(self.subjects)} subjects"

    @property
    def layer(self) -> int:
        return self.asked.layers[-1]

    @property
    def coverage(self) -> Coverage:
        """All fits asked for are there; the page Layers asks for every layer of the models."""
        wanted = {*self.answers}
        if self.asked.page == "layers":
            n_layers = self.known.n_layers(self.asked.models)
            wanted |= {(layer, subject) for layer in range(1, n_layers + 1) for subject in self.subjects}
        identical = {
            layer
            for (layer, _), answer in self.answers.items()
            if stored_identical_features(self.store, answer.request, self.known)
        }
        return Coverage.of(self.answers, wanted - {*self.answers}, identical)

    @property
    def parts(self) -> pd.DataFrame:
        """Means of unique and shared variance; NaN where the models were not fitted alone."""
        return layer_parts(
            self.answers, lambda request: stored_single_models(self.store, request, self.known), self.inside
        )

    @property
    def mean_scores(self) -> MeanScores | None:
        """Means over all voxels and subjects, with unique and shared variance."""
        both = layer_means(self.answers, self.inside).merge(self.parts, on=["layer", "subject"], how="left")
        return None if both.empty else MeanScores.of({name: both[name].to_numpy() for name in [*both][2:]})

    def setting(self, name: str, default: str) -> str:
        return self.asked.settings.get(name) or default

    def label(self, headline: str, caption: str) -> FigureLabel:
        layer = "" if self.asked.page == "layers" else f", layer {self.layer}"
        detail = f"{self.known.short_name}, {self.who}{layer}, preset {self.setting('preset', 'strict')}"
        return FigureLabel(headline, caption, self.known.simulated, detail)

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
        all_of_them = len(self.subjects) == len(self.known.subjects) > 1
        fields = {
            "data": self.known.name,
            "a": self.asked.models[0],
            "b": self.asked.models[1],
            "layer": str(self.layer),
            "subject": "All" if all_of_them else self.subjects[0],
            "preset": self.setting("preset", "strict"),
            **{name: self.asked.settings[name] for name in SETTINGS if self.setting(name, "")},
        }
        evidence = FitEvidence(self.known, self.answers, self.facts, self.layer, self.region, methods)
        return FigureRecord(self.asked.page, stem, label, lambda: {"scores": table}, draw, evidence, fields)


def make_figure(store: Store, asked: Asked, progress: ProgressCallback = no_progress) -> FigureRecord:
    """The figure asked for; answers that are missing are fitted. Raises BrivlError for what cannot be answered."""
    if asked.page not in PAGES:
        raise RequestError(f"Wanted a page out of {sorted(PAGES)} and got {asked.page!r}.")
    if len(asked.layers) != 1 and asked.page != "layers":
        raise RequestError(
            f"The page {asked.page!r} shows one layer, and {len(asked.layers)} were asked for; name one."
        )
    known = summarise_dataset(store, asked.dataset)
    subjects = known.subjects if asked.subjects == (ALL,) else asked.subjects
    for subject in subjects:
        check_subject(known.dataset, subject)
    answers = {}
    for layer in asked.layers:
        for subject in subjects:
            request = FitRequest(
                known.name,
                asked.models,
                layer,
                subject,
                asked.settings.get("preset") or "strict",
                asked.settings.get("pooling") or None,
            )
            answers[layer, subject] = fit(store, request, progress)
            if answers[layer, subject].cache == "miss":
                identical_features(store, request, progress)
    facts = {subject: load_facts(store, known.dataset, subject) for subject in subjects}
    return PAGES[asked.page](_Found(store, asked, known, answers, facts))


def _layers(found: _Found) -> FigureRecord:
    from brivl.analyses.layers.figures import LayerScores
    from brivl.analyses.layers.print_figure import layer_page

    if found.setting("view", "") == HEAT_VIEW:
        return _layer_by_region(found)
    table = layer_means(found.answers, found.inside)
    if table.empty:
        raise RequestError("No voxel was fitted; ask for another subject or preset.")
    means = scores_by_layer(table, found.parts, found.coverage)
    headline = layers_finding(table, found.names, found.coverage, means)
    where = "" if found.region == BRAIN else f" of {found.region}"
    label = found.label(headline, layers_caption(table, found.coverage, where))
    methods = layers_methods(found.coverage, found.region, any(one.has_parts for one in means.values()))
    scores = LayerScores(table, found.names, found.layer, found.coverage)
    stem = f"layers_{found.known.stimulus_kind}_{found.subjects[0] if len(found.subjects) == 1 else 'All'}"
    return found.record(stem, label, table, lambda page: layer_page(scores, label, page), methods)


def _layer_by_region(found: _Found) -> FigureRecord:
    from brivl.analyses.layers.heat_map.print_figure import heat_page

    level = checked_parcellation(found.setting("level", ""), found.facts[found.subjects[0]].voxels)
    masks = {subject: region_masks(facts.voxels, level) for subject, facts in found.facts.items()}
    table = region_layer_means(
        found.answers, masks, lambda request: stored_single_models(found.store, request, found.known)
    )
    kind, sort = found.setting("map", "joint"), found.setting("sort", SORTS[0])
    chosen = () if found.region == BRAIN else (found.region,)
    heat = HeatMap(table, found.names, kind, level, found.coverage, sort, found.layer, chosen)
    label = found.label(heat.headline, heat.caption)
    stem = f"layers_by_region_{level}_{kind}_{found.subjects[0] if len(found.subjects) == 1 else 'All'}"
    methods = heat_methods(heat, found.region)
    return found.record(stem, label, table.assign(level=level), lambda page: heat_page(heat, label, page), methods)


def _flatmap(found: _Found) -> FigureRecord:
    from brivl.viz.flatmap.painting import MapScores
    from brivl.viz.flatmap.print_figure import flatmap_page

    subject, kind = found.subjects[0], found.setting("map", "joint")
    voxels = found.facts[subject].voxels
    if any(not np.array_equal(other.voxels.ijk, voxels.ijk) for other in found.facts.values()):
        raise RequestError("These subjects have different voxels, so there is no mean map. Choose one subject.")
    if kind not in MAPS:
        raise RequestError(f"Wanted a map out of {list(MAPS)} and got {kind!r}.")
    geometry = make_flatmap(found.store, voxels, flatmap_factory(found.known.dataset, subject))
    joint, a, b = mean_scores([answer.result for answer in found.answers.values()])
    regions = region_masks(voxels, "roi" if voxels.rois else "region") if voxels.rois or voxels.aal is not None else {}
    scores = MapScores(joint, a, b, found.names, regions)
    parts = _parts(found) if kind in VARIANCE_COMPONENTS else {}
    painting = _part_painting(kind, geometry, scores, parts) if parts else _painting(kind, geometry, scores)
    if kind in VARIANCE_COMPONENTS:
        alone = [fit_single_models(found.store, answer.request) for answer in found.answers.values()]
    else:
        rows = [stored_single_models(found.store, answer.request, found.known) for answer in found.answers.values()]
        alone = [row for row in rows if row is not None] if all(row is not None for row in rows) else []
    finding = MapFinding(
        kind,
        found.layer,
        found.names,
        [answer.result for answer in found.answers.values()],
        found.coverage,
        regions,
        "ROIs" if voxels.rois else "regions",
        alone,
        found.inside(subject),
    )
    headline = flatmap_headline(finding)
    label = found.label(headline, _map_caption(kind, found, joint, geometry.space))
    stem = f"flatmap_{kind}_layer{found.layer:02d}_{subject if len(found.subjects) == 1 else 'All'}"
    table = _voxel_table(found, scores, parts)
    methods = flatmap_methods(kind, found.coverage, voxels, bool(alone), found.region)
    return found.record(stem, label, table, lambda page: flatmap_page(geometry, painting, label, page), methods)


def _parts(found: _Found) -> dict[str, np.ndarray]:
    """Unique and shared parts, mean over subjects; each model is fitted alone where that is missing."""
    alone = nan_mean_rows([fit_single_models(found.store, answer.request) for answer in found.answers.values()])
    joint = mean_scores([answer.result for answer in found.answers.values()])[0]
    return partition_variance(joint, alone).by_name()


def _part_painting(kind: str, geometry: object, scores: object, parts: Mapping[str, np.ndarray]) -> object:
    from brivl.viz.flatmap.painting import paint_value

    limit = round_limit(np.concatenate([scores.a, scores.b]))
    return paint_value(geometry, scores, parts[kind], ((0.0, limit), component_label(kind, scores.names)))


def _painting(kind: str, geometry: object, scores: object) -> object:
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


def _map_caption(kind: str, found: _Found, joint: np.ndarray, space: str) -> str:
    a, b = found.names
    what = {
        "joint": f"Joint {R2} of both models",
        "a": f"Split {R2} of {a}",
        "b": f"Split {R2} of {b}",
        "pair": f"Split {R2} of {a} (to the right in the legend) and of {b} (upwards)",
        "difference": f"Split {R2} of {a} minus that of {b}",
        **{part: component_caption(part, (a, b)) for part in VARIANCE_COMPONENTS},
    }[kind]
    n = len(found.subjects)
    mean = f", mean over the subjects in whom a voxel was fitted ({n})" if n > 1 else ""
    fitted = int(np.isfinite(joint).sum())
    count = f"{fitted:,} of {len(joint):,} voxels were fitted"
    return f"{what} on held-out data{mean}; {count}, the others are clear. {space}."


def _voxel_table(found: _Found, scores: object, parts: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row per fitted voxel."""
    voxels = found.facts[found.subjects[0]].voxels
    table = pd.DataFrame(np.asarray(voxels.ijk), columns=["i", "j", "k"])
    table.insert(0, "voxel", np.arange(len(table)))
    mm = coordinates(voxels)
    if mm is not None:
        table[["x_mm", "y_mm", "z_mm"]] = np.round(mm, 2)
    table = table.assign(r2_joint=scores.joint, r2_split_a=scores.a, r2_split_b=scores.b, **parts)
    return table[np.isfinite(scores.joint)]


def _tests(found: _Found) -> dict[str, WithinSubjectResult]:
    """Tests within each subject: those that are stored, or all where that is asked for."""
    asked = {subject: Within(answer.request, found.region) for (_, subject), answer in found.answers.items()}
    if found.setting("tests", ""):
        return {subject: within_subject_tests(found.store, one) for subject, one in asked.items()}
    known = {subject: stored_within_subject(found.store, one, found.known) for subject, one in asked.items()}
    return {subject: tests for subject, tests in known.items() if tests is not None}


def _regions(found: _Found) -> FigureRecord:
    from brivl.analyses.regions.print_figure import region_page

    level = checked_parcellation(found.setting("level", ""), found.facts[found.subjects[0]].voxels)
    question = region_question(found.setting, level, found.names)
    question = replace(
        question, tests=_tests(found), coverage=found.coverage, scores=found.mean_scores, region=found.region
    )
    parts = region_parts(found.answers, found.facts, question)
    label = found.label(parts.headline, " ".join(part for part in (parts.caption, parts.comparison.warning) if part))
    stem = f"regions_{level}_layer{found.layer:02d}_{found.subjects[0] if len(found.subjects) == 1 else 'All'}"
    stem += "_over_ceiling" if parts.quantity != R2 else ""
    methods = regions_methods(parts, question)
    return found.record(stem, label, parts.table, lambda page: region_page(parts.scores, label, page), methods)


PAGES: dict[str, Callable[[_Found], FigureRecord]] = {"layers": _layers, "flatmap": _flatmap, "regions": _regions}
