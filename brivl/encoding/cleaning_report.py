"""What the default cleaning of fMRIPrep data reaches on simulated studies, against an expert who knows the artefact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import STRICT
from brivl.core.records import Design, Responses, RunCleaning
from brivl.core.simulation.hrf import convolve_runs
from brivl.data.bids.loader import BidsDataset, open_bids
from brivl.data.bids.simulated_study import (
    ARTEFACTS,
    Artefact,
    SimulatedBold,
    StudySize,
    simulate_bold,
    write_derivatives,
    write_raw,
)
from brivl.data.features import layer_features
from brivl.data.pereira2018.passages import load_passages
from brivl.store.artifacts import Store

MODELS, LAYER = ("brivl-mini", "minilm-l6"), 4
N_PLANTED = 10  # principal components of the second model's features that drive the voxels
CUT_OFF_S = 128.0
BAR = 0.95  # share of the expert's R2 that the default must reach
SUBJECT = "sub-01"


@dataclass(frozen=True)
class StudyScores:
    """Mean joint R2 over voxels, by cleaning. The field names are those of the JSON output.

    Attributes
    ----------
    r2_not_cleaned : float
        Only the linear drift of each run is removed.
    r2_default : float
        The default for fMRIPrep data.
    r2_expert : float
        Only the artefact is removed, from responses alone: cosines of 128 s, the six columns, or three volumes.
    r2_expert_features_too : float
        The same, and features are cleaned in the same way.
    share_of_expert : float
        `r2_default / r2_expert`.
    default : str
        What the default did, in words.
    """

    r2_not_cleaned: float
    r2_default: float
    r2_expert: float
    r2_expert_features_too: float
    share_of_expert: float
    default: str


def evaluate_cleaning(store: Store, size: StudySize = StudySize(), seed: int = 0) -> dict[str, object]:  # noqa: B008
    """Fit three simulated studies that have one artefact each, with the default cleaning and with an expert's.

    Parameters
    ----------
    store : Store
        The cache of features.
    size : StudySize
        Size of the studies.
    seed : int
        Random seed.

    Returns
    -------
    dict
        Size, the scores of each study, the smallest share of the expert's R2 and the bar.
    """
    with TemporaryDirectory() as folder:
        raw = Path(folder, "study")
        write_raw(raw, load_passages().sentences, size)
        write_derivatives(Path(folder, "design"), None, size)
        design_only = open_bids(raw, options={"derivatives": str(Path(folder, "design")), "clean": "none"})
        stimulus, design = design_only.stimulus(SUBJECT), design_only.design(SUBJECT)
        Xs = [layer_features(store, stimulus, model, LAYER) for model in MODELS]
        signal = planted_signal(Xs[1], size, seed)
        studies: dict[str, StudyScores] = {}
        for artefact in ARTEFACTS:
            bold = simulate_bold(signal, artefact, size, seed)
            derivatives = Path(folder, artefact.replace(" ", "_"))
            write_derivatives(derivatives, bold, size, seed)
            studies[artefact] = _scores(Xs, raw, derivatives, (artefact, bold), design, size)
    return {
        "models": list(MODELS),
        "layer": LAYER,
        **asdict(size),
        "studies": {artefact: asdict(scores) for artefact, scores in studies.items()},
        "smallest_share": min(scores.share_of_expert for scores in studies.values()),
        "bar": BAR,
    }


def planted_signal(X: np.ndarray, size: StudySize, seed: int) -> np.ndarray:
    """Make BOLD without noise that follows the features.

    Parameters
    ----------
    X : np.ndarray
        (n_samples, n_features).
    size : StudySize
        Size of the study.
    seed : int
        Random seed of the weights of the voxels.

    Returns
    -------
    np.ndarray
        (n_samples, n_voxels) with a standard deviation of 1.
    """
    centred = X - X.mean(0)
    components = np.linalg.svd(centred, full_matrices=False)[0][:, :N_PLANTED]
    weights = np.random.default_rng(seed).normal(size=(N_PLANTED, size.n_voxels))
    signal = convolve_runs(np.asarray(components, float) @ weights, size.tr, size.onsets)
    return signal / signal.std(0)


def _scores(
    Xs: Sequence[np.ndarray],
    raw: Path,
    derivatives: Path,
    simulated: tuple[Artefact, SimulatedBold],
    design: Design,
    size: StudySize,
) -> StudyScores:
    default = open_bids(raw, options={"derivatives": str(derivatives)})
    untouched = open_bids(raw, options={"derivatives": str(derivatives), "clean": "none"})
    Y, expert = expert_cleaning(simulated[1].Y, simulated, size)
    responses = replace(default.responses(SUBJECT), Y_train=Y.astype(np.float32))
    kept_only = RunCleaning(expert.kept, lambda: [np.diag(rows.astype(float)) for rows in _by_run(expert.kept, size)])
    r2 = {
        "default": _of_dataset(Xs, default),
        "not_cleaned": _of_dataset(Xs, untouched),
        "expert": _r2(Xs, responses, replace(design, cleaning=kept_only)),
        "expert_features_too": _r2(Xs, responses, replace(design, cleaning=expert)),
    }
    return StudyScores(
        **{f"r2_{name}": round(value, 4) for name, value in r2.items()},
        share_of_expert=round(r2["default"] / r2["expert"], 4),
        default=" ".join(note for note in default.reading(SUBJECT).notes if _is_of_cleaning(note)),
    )


def _is_of_cleaning(note: str) -> bool:
    return note.startswith("Cleaning: ") or "strategy auto" in note or "neither fitted" in note


def _of_dataset(Xs: Sequence[np.ndarray], dataset: BidsDataset) -> float:
    return _r2(Xs, dataset.responses(SUBJECT), dataset.design(SUBJECT))


def _r2(Xs: Sequence[np.ndarray], responses: Responses, design: Design) -> float:
    return float(np.nanmean(encode(Xs, responses, design, STRICT).r2_joint))


def expert_cleaning(
    Y: np.ndarray, simulated: tuple[Artefact, SimulatedBold], size: StudySize
) -> tuple[np.ndarray, RunCleaning]:
    """Remove the artefact that was put in, and nothing else but a line, by projection in plain numpy.

    Parameters
    ----------
    Y : np.ndarray
        (n_samples, n_voxels).
    simulated : tuple of str and SimulatedBold
        The artefact, and the motion parameters.
    size : StudySize
        Size of the study.

    Returns
    -------
    tuple of np.ndarray and RunCleaning
        Responses (n_samples, n_voxels), and the operators.
    """
    artefact, bold = simulated
    kept = np.ones(len(Y), bool)
    for start in size.onsets:
        kept[start : start + bold.n_non_steady] = False
    n = size.n_volumes
    t, operators = (np.arange(n) + 0.5) / n, []
    for motion, rows in zip(_by_run(bold.motion, size), _by_run(kept, size), strict=True):
        columns = np.column_stack([np.ones(n), t])
        if artefact == "drift":
            n_cosines = int(2 * n * size.tr / CUT_OFF_S)
            columns = np.column_stack([columns, *(np.cos(np.pi * k * t) for k in range(1, n_cosines + 1))])
        elif artefact == "confounds":
            columns = np.column_stack([columns, motion])
        columns = columns * rows[:, None]
        operators.append(np.diag(rows.astype(float)) - columns @ np.linalg.pinv(columns))
    cleaning = RunCleaning(kept, lambda: operators)
    return cleaning.apply(np.asarray(Y, float)), cleaning


def _by_run(values: np.ndarray, size: StudySize) -> list[np.ndarray]:
    return [values[start : start + size.n_volumes] for start in size.onsets]
