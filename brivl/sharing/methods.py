"""What was done, in words and in code, from the requests behind a page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from brivl.core.encoding.presets import PRESETS, Preset, lags
from brivl.core.numbers import number
from brivl.data.reading import Reading
from brivl.data.subject_facts import Timing
from brivl.data.summary import DatasetSummary
from brivl.encoding.fit import FitResult
from brivl.store.manifests import versions

TITLES = {"image": "images", "text": "text", "features": "features that come with the data"}


@dataclass(frozen=True)
class Done:
    """The answers of a page and what they rest on.

    Attributes
    ----------
    summary : DatasetSummary
        The dataset.
    timing : Timing
        How the data of the first subject were taken.
    answers : sequence of FitResult
        Fits.
    timings : mapping of str to Timing
        Subject -> how the data were taken, where that may differ between subjects.
    readings : mapping of str to Reading
        Subject -> how the files were read.
    """

    summary: DatasetSummary
    timing: Timing
    answers: Sequence[FitResult]
    timings: Mapping[str, Timing] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)

    @property
    def preset(self) -> Preset:
        """Protocol of the fits."""
        return PRESETS[self.answers[0].request.preset]

    @property
    def subjects(self) -> list[str]:
        """Subjects in the order of the answers."""
        return list(dict.fromkeys(answer.request.subject for answer in self.answers))

    @property
    def layers(self) -> list[int]:
        """Fitted layers, sorted."""
        return sorted({answer.request.layer for answer in self.answers})

    def of(self, subject: str) -> list[FitResult]:
        """Select the fits of a subject.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        list of FitResult
            Its fits.
        """
        return [answer for answer in self.answers if answer.request.subject == subject]


@dataclass(frozen=True)
class FigureMethods:
    """What a figure adds to the methods of the fits that it rests on.

    Attributes
    ----------
    sentences : str
        How the numbers of the figure were made from the scores: means, regions, tests, correction, ceiling.
    references : tuple of str
        Keys of `citations.BIB` of the works that the sentences cite.
    page : str
        Page of the figure; "" for the fits alone.
    settings : mapping of str to str
        Choices of the page, as in its link.
    """

    sentences: str = ""
    references: tuple[str, ...] = ()
    page: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def methods_paragraph(done: Done, figure: FigureMethods = FigureMethods()) -> str:  # noqa: B008
    """Write a paragraph for a methods section.

    Parameters
    ----------
    done : Done
        Fits and what they rest on.
    figure : FigureMethods
        What the figure adds.

    Returns
    -------
    str
        Markdown, with citations by author and year.
    """
    parts = [_data(done), _features(done), _fitting(done), _scoring(done), figure.sentences, _software()]
    return " ".join(part for part in parts if part)


def _data(done: Done) -> str:
    summary = done.summary
    kind = "Simulated data" if summary.simulated else "Data"
    where = "" if summary.simulated else f" ({summary.citation})" if summary.citation else ""
    designs: dict[str, list[str]] = {}  # what was taken -> in whom
    for subject in done.subjects:
        designs.setdefault(_design(done, subject), []).append(subject)
    if len(designs) == 1:
        (design,) = designs
        taken = f"{_listed('subject', done.subjects)}, {design}"
    else:
        taken = "; ".join(f"{_listed('subject', subjects)}: {design}" for design, subjects in designs.items())
    n = [int(answer.info["n_voxels_selected"]) for answer in done.answers]
    voxels = f"{min(n):,}" if min(n) == max(n) else f"{min(n):,} to {max(n):,}"
    entered = f"{kind}: {summary.short_name}{where}, {taken}; {voxels} voxels{_selection(done)} were analysed."
    return " ".join([entered, *_readings(done)])


def _readings(done: Done) -> list[str]:
    """How files were read, and what to beware of; what differs between subjects is said of each."""
    of = {subject: (r.notes + r.warnings if (r := done.readings.get(subject)) else ()) for subject in done.subjects}
    sentences = dict.fromkeys(sentence for each in of.values() for sentence in each)
    whose = {sentence: [subject for subject in of if sentence in of[subject]] for sentence in sentences}
    return [
        sentence if len(subjects) == len(of) else f"{_listed('Subject', subjects)}: {sentence}"
        for sentence, subjects in whose.items()
    ]


def _design(done: Done, subject: str) -> str:
    """Samples, runs and repeats of a subject."""
    t = done.timings.get(subject, done.timing)
    rows = f"{t.n_train:,} training {_rows(t)}" + (f" in {t.n_runs} runs" if t.tr else "")
    if t.n_groups:
        rows += f" in {t.n_groups} groups (passages)"
    if t.n_test:
        rows += f" and {t.n_test:,} test {_rows(t)}"
        rows += f", shown {t.n_repeats} times and averaged" if (t.n_repeats or 1) > 1 else ""
    return rows + (f", TR {t.tr:g} s" if t.tr else "")


def _selection(done: Done) -> str:
    """By which rule voxels were selected, and in whom."""
    chosen = [s for s in done.subjects if any(a.result.explainable_variance is not None for a in done.of(s))]
    if not chosen:
        return ""
    rule = f"explainable variance above {done.preset.ev_threshold:g}"
    if len(chosen) == len(done.subjects):
        return f" with {rule} (Hsu et al., 2004)"
    return f" ({_listed('subject', chosen)}: with {rule}, Hsu et al., 2004; the others: all)"


def _rows(timing: Timing) -> str:
    return "volumes" if timing.tr else "samples"


def _features(done: Done) -> str:
    request, summary = done.answers[0].request, done.summary
    named = [_model(summary, name) for name in request.models]
    text = f"Features were the activations of {_listed('layer', done.layers)} of {named[0]} and of {named[1]}"
    if summary.stimulus_kind == "features":
        return f"Features were {named[0]} and {named[1]}, {TITLES['features']} ({_listed('layer', done.layers)})."
    default = {"image": "[CLS] token", "text": "mean over text tokens"}[summary.stimulus_kind]
    pooled = {None: default, "cls": "[CLS] token", "mean": "mean over tokens"}[request.pooling]
    averaged = ", averaged over the frames of each TR" if summary.stimulus_kind == "image" and done.timing.tr else ""
    return f"{text} ({pooled}{averaged})."


def _model(summary: DatasetSummary, name: str) -> str:
    offer = summary.model_options.get(name)
    return f"{offer.title} (a demo model)" if offer and offer.stand_in else offer.title if offer else name


def _fitting(done: Done) -> str:
    p, t = done.preset, done.timing
    weights = f"{p.n_ratios} fixed ratios" if p.n_ratios else f"{p.n_iter} random draws (seed {p.seed})"
    inner = "contiguous blocks" if p.inner == "contiguous" else "whole runs" if t.tr else "whole groups of samples"
    low, high = number(min(p.alphas)), number(max(p.alphas))
    search = " by himalaya's random search" if p.search == "himalaya" else ""
    return (
        "Voxelwise banded ridge regression with the two feature spaces as bands (Dupré la Tour et al., 2022) was "
        f"fitted jointly{search} (preset {p.name!r}): features were centred on the training mean{_delayed(p, t)}; band "
        f"weights (out of {weights}) and the regularisation strength α (out of {len(p.alphas)} values from {low} to "
        f"{high}) were chosen for each voxel by cross-validation over {inner} of the training data. Responses were "
        f"z-scored{' within runs' if t.tr else ''}."
    )


def _delayed(preset: Preset, timing: Timing) -> str:
    if not timing.tr:
        return ", without delays (one response per stimulus)"
    if preset.response == "hrf":
        return " and convolved with SPM's canonical haemodynamic response within runs, one column for each feature"
    samples = lags(preset, timing.tr)
    seconds, volumes = ", ".join(f"{d * timing.tr:g}" for d in samples), ", ".join(map(str, samples))
    return f" and delayed by {seconds} s ({volumes} TR) within runs"


def _scoring(done: Done) -> str:
    p, t = done.preset, done.timing
    if t.n_test:
        where = "on the test run"
    elif p.outer == "shuffled":
        where = f"on {p.n_outer} held-out random folds (scores are inflated where neighbouring samples are similar)"
    else:
        where = "on each held-out run in turn" if t.tr and not t.n_groups else f"on {p.n_outer} folds of whole groups"
    scaled = "test-set standard deviation" if p.test_zscore == "own" else "training-set standard deviation"
    return (
        f"R² was computed {where}, with responses normalised by the {scaled}, and split between the two models by the "
        "product measure (himalaya's r2_score_split): the parts add up to the joint R² and give the share of the joint "
        "prediction that each model carries, not what only that model explains."
        f"{_nuisance(done)}"
    )


def _nuisance(done: Done) -> str:
    scores = [answer.result.r2_nuisance for answer in done.answers if answer.result.r2_nuisance is not None]
    if not scores:
        return ""
    return (
        " Whether a stimulus was presented (on/off, at all delays) was first regressed out of responses and features "
        f"with weights fitted to the training data; by itself it reached a mean R² of {np.nanmean(scores):.3f}, and R² "
        "is of the variance that is left."
    )


def _software() -> str:
    packages = ", ".join(f"{name} {version}" for name, version in versions().items() if version)
    return f"Software: {packages}."


def _listed(noun: str, items: Sequence[object]) -> str:
    if len(items) == 1:
        return f"{noun} {items[0]}"
    numbers = [i for i in items if isinstance(i, int)]
    if len(numbers) == len(items) and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{noun}s {numbers[0]} to {numbers[-1]}"
    return f"{noun}s {', '.join(map(str, items[:-1]))} and {items[-1]}"


def preset_reasons(preset: Preset) -> list[tuple[str, str, str]]:
    """List the choices of a preset that have a reason.

    Parameters
    ----------
    preset : Preset
        The protocol.

    Returns
    -------
    list of tuple
        Field, value and reason.
    """
    return [(field_name, _short(getattr(preset, field_name)), why) for field_name, why in preset.why.items()]


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} values, {number(value[0])} to {number(value[-1])}"
    return str(value)


def cli_lines(done: Done) -> str:
    """Write the shell commands that compute the fits.

    Parameters
    ----------
    done : Done
        Fits.

    Returns
    -------
    str
        One line for each fit.
    """
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
    """Write the Python lines that compute the fits, or read them from the cache, and print their means.

    Parameters
    ----------
    done : Done
        Fits.

    Returns
    -------
    str
        A program.
    """
    r = done.answers[0].request
    pooling = f", pooling={r.pooling!r}" if r.pooling else ""
    return f"""import numpy as np

from brivl.config import cache_dir
from brivl.encoding.fit import FitRequest, fit
from brivl.store.artifacts import Store

store = Store(cache_dir())
for subject in {done.subjects!r}:
    for layer in {done.layers!r}:
        request = FitRequest(dataset={r.dataset!r}, models={r.models!r}, layer=layer, subject=subject,
                             preset={r.preset!r}{pooling})
        result = fit(store, request).result
        print(subject, layer, np.nanmean(result.r2_joint), np.nanmean(result.r2_split, axis=1))
"""


def figure_command(done: Done, figure: FigureMethods) -> str:
    """Write the shell command that makes a figure with its table.

    Parameters
    ----------
    done : Done
        Fits.
    figure : FigureMethods
        Page and settings.

    Returns
    -------
    str
        One line; "" where no verb has all settings.
    """
    if not figure.page or "region" in figure.settings:
        return ""
    r = done.answers[0].request
    layers, subjects = ",".join(map(str, done.layers)), ",".join(done.subjects)
    words = ["python", "-m", "brivl", "regions" if figure.page == "regions" else "bundle"]
    words += ["--dataset", r.dataset, "--models", ",".join(r.models), "--layer", layers, "--subject", subjects]
    words += ["--preset", r.preset, *(("--pooling", r.pooling) if r.pooling and figure.page != "regions" else ())]
    words += [] if figure.page == "regions" else ["--page", figure.page]
    for name, value in figure.settings.items():
        words += ["--tests"] if name == "tests" else [f"--{name}", value]
    return shlex.join([*words, "--out", f"{figure.page}.{'csv' if figure.page == 'regions' else 'zip'}"])


def figure_lines(done: Done, figure: FigureMethods) -> str:
    """Write the Python lines that make the table of a figure: headline and every number in it.

    Parameters
    ----------
    done : Done
        Fits.
    figure : FigureMethods
        Page and settings.

    Returns
    -------
    str
        A program that runs from any folder where the package is installed.
    """
    r = done.answers[0].request
    choices = {"preset": r.preset} | ({"pooling": r.pooling} if r.pooling else {}) | dict(figure.settings)
    return f"""from brivl.analyses.figure_for import FigureRequest, make_figure
from brivl.config import cache_dir
from brivl.store.artifacts import Store

request = FigureRequest(
    dataset={r.dataset!r},
    models={r.models!r},
    layers={tuple(done.layers)!r},
    subjects={tuple(done.subjects)!r},
    page={figure.page!r},
    settings={choices!r},
)
record = make_figure(Store(cache_dir()), request)
print(record.label.headline)
print(record.make_tables()["scores"].to_string())
"""
