"""What was done, in words and in code, from the requests behind a page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from brivl.core.encoding.delays import delays_at
from brivl.core.encoding.presets import PRESETS, Preset
from brivl.core.numbers import format_duration, number
from brivl.data.subject_facts import Timing
from brivl.data.summary import DatasetSummary
from brivl.encoding.fit import FitResult
from brivl.store.manifests import versions

TITLES = {"image": "images", "text": "text", "features": "features that come with the data"}


@dataclass(frozen=True)
class Done:
    """The answers of a page and what they rest on."""

    known: DatasetSummary
    timing: Timing
    answers: Sequence[FitResult]

    @property
    def preset(self) -> Preset:
        return PRESETS[self.answers[0].request.preset]

    @property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(answer.request.subject for answer in self.answers))

    @property
    def layers(self) -> list[int]:
        return sorted({answer.request.layer for answer in self.answers})


def methods_paragraph(done: Done) -> str:
    """A paragraph for a methods section, in Markdown."""
    parts = [_data(done), _features(done), _fitting(done), _scoring(done), _software(done)]
    return " ".join(part for part in parts if part)


def _data(done: Done) -> str:
    known, t = done.known, done.timing
    kind = "Simulated data" if known.simulated else "Data"
    where = "" if known.simulated else f" ({known.citation})" if known.citation else ""
    rows = f"{t.n_train:,} training {_rows(t)}" + (f" in {t.n_runs} runs" if t.tr else "")
    if t.n_groups:
        rows += f" in {t.n_groups} groups (passages)"
    if t.n_test:
        rows += f" and {t.n_test:,} test {_rows(t)}"
        rows += f", shown {t.n_repeats} times and averaged" if (t.n_repeats or 1) > 1 else ""
    tr = f", TR {t.tr:g} s" if t.tr else ""
    n = [int(answer.info["n_voxels_selected"]) for answer in done.answers]
    voxels = f"{min(n):,}" if min(n) == max(n) else f"{min(n):,} to {max(n):,}"
    chosen = f" with explainable variance above {done.preset.ev_threshold:g}" if _has_ev(done) else ""
    return (
        f"{kind}: {known.short_name}{where}, {_listed('subject', done.subjects)}, {rows}{tr}; "
        f"{voxels} voxels{chosen} entered the fit."
    )


def _rows(timing: Timing) -> str:
    return "volumes" if timing.tr else "samples"


def _has_ev(done: Done) -> bool:
    return done.answers[0].result.explainable_variance is not None


def _features(done: Done) -> str:
    request, known = done.answers[0].request, done.known
    named = [_model(known, name) for name in request.models]
    text = f"Features were the activations of {_listed('layer', done.layers)} of {named[0]} and of {named[1]}"
    if known.stimulus_kind == "features":
        return f"Features were {named[0]} and {named[1]}, {TITLES['features']} ({_listed('layer', done.layers)})."
    default = {"image": "[CLS] token", "text": "mean over text tokens"}[known.stimulus_kind]
    pooled = {None: default, "cls": "[CLS] token", "mean": "mean over tokens"}[request.pooling]
    averaged = ", averaged over the frames of each TR" if known.stimulus_kind == "image" and done.timing.tr else ""
    return f"{text} ({pooled}{averaged})."


def _model(known: DatasetSummary, name: str) -> str:
    offer = known.model_options.get(name)
    return f"{offer.title} (a small stand-in)" if offer and offer.stand_in else offer.title if offer else name


def _fitting(done: Done) -> str:
    p, t = done.preset, done.timing
    weights = f"{p.n_ratios} fixed ratios" if p.n_ratios else f"{p.n_iter} random draws (seed {p.seed})"
    inner = "contiguous blocks" if p.inner == "contiguous" else "whole runs" if t.tr else "whole groups of samples"
    low, high = number(min(p.alphas)), number(max(p.alphas))
    search = "himalaya's random search" if p.search == "himalaya" else "himalaya's model, own search"
    return (
        f"Banded ridge regression ({search}) predicted each voxel from both models at once, preset "
        f"{p.name!r}: features were centred on the training mean{_delayed(p, t)}; band weights (out of {weights}) and "
        f"α (out of {len(p.alphas)} values from {low} to {high}) were chosen per voxel by cross-validation over "
        f"{inner} of the training data. Responses were z-scored{' per run' if t.tr else ''}."
    )


def _delayed(preset: Preset, timing: Timing) -> str:
    if not timing.tr:
        return ", without delays (one response per stimulus)"
    seconds = ", ".join(f"{s:g}" for s in preset.delays_s)
    volumes = ", ".join(str(int(d)) for d in delays_at(preset.delays_s, timing.tr))
    return f" and delayed by {seconds} s ({volumes} TR) within runs"


def _scoring(done: Done) -> str:
    p, t = done.preset, done.timing
    if t.n_test:
        where = "on the test run"
    elif p.outer == "shuffled":
        where = f"on {p.n_outer} held-out random folds (scores are flattered where neighbours are alike)"
    else:
        where = "on each held-out run in turn" if t.tr and not t.n_groups else f"on {p.n_outer} folds of whole groups"
    zscore = "by their own deviation" if p.test_zscore == "own" else "by the deviation of the training data"
    return (
        f"R² was computed {where}, scaled {zscore}, and split between the two models so that the parts add up to the "
        "joint R² (product measure; himalaya's r2_score_split)."
    )


def _software(done: Done) -> str:
    found = ", ".join(f"{name} {version}" for name, version in versions().items() if version)
    seconds = sum(float(answer.info["seconds"]) for answer in done.answers)
    return f"Software: {found}; computing time {format_duration(seconds)}."


def _listed(noun: str, items: Sequence[object]) -> str:
    if len(items) == 1:
        return f"{noun} {items[0]}"
    if all(isinstance(i, int) for i in items) and list(items) == list(range(items[0], items[-1] + 1)):
        return f"{noun}s {items[0]} to {items[-1]}"
    return f"{noun}s {', '.join(map(str, items[:-1]))} and {items[-1]}"


def preset_reasons(preset: Preset) -> list[tuple[str, str, str]]:
    """Field, value and reason of every choice of a preset that has one."""
    return [(field, _short(getattr(preset, field)), why) for field, why in preset.why.items()]


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} values, {number(value[0])} to {number(value[-1])}"
    return str(value)


def cli_lines(done: Done) -> str:
    """Shell lines that give the same answers."""
    lines = []
    for answer in done.answers:
        r = answer.request
        words = [
            "python",
            "-m",
            "brivl",
            "fit",
            "--dataset",
            r.dataset,
            "--models",
            ",".join(r.models),
            "--layer",
            str(r.layer),
            "--subject",
            r.subject,
            "--preset",
            r.preset,
        ]
        words += ["--pooling", r.pooling] if r.pooling else []
        lines.append(shlex.join([*words, "--out", f"{r.subject}_layer{r.layer:02d}.npz"]))
    return "\n".join(lines)


def python_lines(done: Done) -> str:
    """Python lines that give the same answers (from the cache, if it is the same one)."""
    r = done.answers[0].request
    pooling = f", pooling={r.pooling!r}" if r.pooling else ""
    return f"""import numpy as np

from brivl.encoding.fit import FitRequest, fit
from brivl.config import cache_dir
from brivl.store.artifacts import Store

store = Store(cache_dir())
for subject in {done.subjects!r}:
    for layer in {done.layers!r}:
        request = FitRequest(dataset={r.dataset!r}, models={r.models!r}, layer=layer, subject=subject,
                             preset={r.preset!r}{pooling})
        result = fit(store, request).result
        print(subject, layer, np.nanmean(result.r2_joint), np.nanmean(result.r2_split, axis=1))
"""
