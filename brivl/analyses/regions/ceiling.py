"""R² of regions as it is, or over each voxel's noise ceiling; the one home of that choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from brivl.core.encoding.explainable_variance import normalise_by_ceiling
from brivl.core.encoding.presets import PRESETS
from brivl.data.subject_facts import SubjectFacts
from brivl.encoding.fit import FitResult
from brivl.viz.style import R2

OVER_CEILING = f"noise-ceiling-normalised {R2}"
Answers = Mapping[tuple[int, str], FitResult]


def has_ceiling(answers: Answers, facts: Mapping[str, SubjectFacts]) -> bool:
    """Tell whether scores can be normalised by the noise ceiling.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit.
    facts : mapping of str to SubjectFacts
        Subject -> timing.

    Returns
    -------
    bool
        Whether every fit has explainable variance, and the number of repeats is known.
    """
    repeats = all((facts[subject].timing.n_repeats or 1) > 1 for _, subject in answers)
    return repeats and all(answer.result.explainable_variance is not None for answer in answers.values())


def scaled(answers: Answers, facts: Mapping[str, SubjectFacts]) -> dict[tuple[int, str], FitResult]:
    """Normalise scores by the noise ceiling of each voxel.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit.
    facts : mapping of str to SubjectFacts
        Subject -> timing.

    Returns
    -------
    dict of (int, str) to FitResult
        Normalised scores; RequestError is raised for data without repeats.
    """
    return {
        (layer, subject): replace(
            answer, result=normalise_by_ceiling(answer.result, facts[subject].timing.n_repeats or 1, _threshold(answer))
        )
        for (layer, subject), answer in answers.items()
    }


def scale_caption(answers: Answers) -> str:
    """Describe the normalisation for a caption.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit.

    Returns
    -------
    str
        A sentence.
    """
    return (
        f"{R2} of each voxel is divided by its noise ceiling, what a perfect model reaches on the averaged repeats, "
        f"before the mean is taken; voxels with explainable variance > {_threshold(next(iter(answers.values()))):g} "
        "only."
    )


def _threshold(answer: FitResult) -> float:
    return PRESETS[answer.request.preset].ev_threshold
