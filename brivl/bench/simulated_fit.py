"""One fit of simulated subjects, by the solver or by himalaya, in a process of its own.

Started by `brivl.bench.solver` as `python -m brivl.bench.simulated_fit FOLDER solver|himalaya`, with the settings of
threads that are to be measured; and as `... FOLDER parts REPEATS` for fits with and without variance partitioning.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from brivl.core.parallel import one_thread_per_call
from brivl.store.digests import JSON

N_TEST = 270
DELAYS = (0, 2, 3, 4)
ALPHAS = np.logspace(-2, 5, 20)
N_DRAWS = 20  # of band weights, as the authors of the paper drew
N_WARM = 30  # samples of the fit that comes first and is not timed
FILES, SIZE = ("a.npy", "b.npy", "Y.npy"), "size.json"


@dataclass(frozen=True)
class Size:
    """A sweep over subjects who share stimuli, at one layer.

    Attributes
    ----------
    kind : str
        "movie": 768 features at four delays; "sentences": 768 features.
    n : int
        Training samples.
    voxels : int
        Voxels of each subject.
    subjects : int
        Number of subjects.
    draws : int
        Draws that himalaya runs; its time is extrapolated to N_DRAWS.
    himalaya_subjects : int | None
        Subjects that himalaya fits, None for all, 0 for none; its time is extrapolated to all.
    decay : float
        The standard deviation of the k-th latent dimension is k^-decay.
    """

    kind: str
    n: int
    voxels: int
    subjects: int
    draws: int = N_DRAWS
    himalaya_subjects: int | None = None
    decay: float = 0.5


@dataclass(frozen=True)
class Simulated:
    """Two bands and responses, training rows first.

    Attributes
    ----------
    Xs : list[np.ndarray]
        Bands, (n + N_TEST, n_features).
    Y : np.ndarray
        (n + N_TEST, n_voxels of all subjects); training rows have mean 0 and variance 1.
    """

    Xs: list[np.ndarray]
    Y: np.ndarray


def fit_solver(data: Simulated, n: int) -> np.ndarray:
    """Fit all subjects with the default solver.

    Parameters
    ----------
    data : Simulated
        Bands and responses.
    n : int
        Training samples; the other rows are held out.

    Returns
    -------
    np.ndarray
        Held-out R2 (n_voxels,).
    """
    from brivl.core.encoding.banded_ridge import BandedRidge

    ridge = BandedRidge(tuple(ALPHAS)).fit([X[:n] for X in data.Xs], data.Y[:n])
    return ridge.score([X[n:] for X in data.Xs], data.Y[n:], split=True).sum(0)


def fit_with_parts(data: Simulated, n: int) -> np.ndarray:
    """Fit all subjects with the default solver, jointly and with each band alone from the same decompositions.

    Parameters
    ----------
    data : Simulated
        Bands and responses.
    n : int
        Training samples; the other rows are held out.

    Returns
    -------
    np.ndarray
        Held-out R2 (3, n_voxels): joint, and of each band alone.
    """
    from brivl.core.encoding.banded_ridge import BandedRidge
    from brivl.core.encoding.split_score import r2_joint

    held_out, Y = [X[n:] for X in data.Xs], data.Y[n:]
    ridge = BandedRidge(tuple(ALPHAS)).fit([X[:n] for X in data.Xs], data.Y[:n], Xs_single=held_out)
    joint, single = ridge.score(held_out, Y, split=True).sum(0), ridge.single_predictions_
    assert single is not None
    return np.stack([joint, *(r2_joint(Y, alone) for alone in single)])


def fit_separately(data: Simulated, n: int) -> np.ndarray:
    """Fit all subjects with each band alone, in fits of their own.

    Parameters
    ----------
    data : Simulated
        Bands and responses.
    n : int
        Training samples; the other rows are held out.

    Returns
    -------
    np.ndarray
        Held-out R2 (2, n_voxels) of each band alone.
    """
    from brivl.core.encoding.banded_ridge import BandedRidge

    ridges = [BandedRidge(tuple(ALPHAS)).fit([X[:n]], data.Y[:n]) for X in data.Xs]
    return np.stack([ridge.score([X[n:]], data.Y[n:]) for ridge, X in zip(ridges, data.Xs, strict=True)])


def fit_himalaya(data: Simulated, size: Size, columns: slice) -> np.ndarray:
    """Fit one subject with himalaya as the authors call it.

    Parameters
    ----------
    data : Simulated
        Bands and responses.
    size : Size
        Training samples and draws.
    columns : slice
        Voxels of the subject.

    Returns
    -------
    np.ndarray
        Held-out R2 (n_voxels,).
    """
    from brivl.core.encoding.random_search import fit_as_authors
    from brivl.core.encoding.split_score import r2_split

    n = size.n
    kernels = kernels_of(data, n)
    dual, weights = fit_as_authors(np.ascontiguousarray(kernels[:, :n]), data.Y[:n, columns], ALPHAS, size.draws, 0)
    bands = np.stack([K[n:] @ (dual * w) for K, w in zip(kernels, weights, strict=True)])
    return r2_split(data.Y[n:, columns], bands).sum(0)


def kernels_of(data: Simulated, n: int) -> np.ndarray:
    """Compute the kernels of all rows with the training rows, with a mean diagonal of 1 on these.

    Parameters
    ----------
    data : Simulated
        Bands.
    n : int
        Training samples.

    Returns
    -------
    np.ndarray
        (2, n + N_TEST, n) float32.
    """
    scales = [n / np.square(X[:n], dtype=np.float64).sum() for X in data.Xs]
    return np.stack([np.float32(scale) * (X @ X[:n].T) for X, scale in zip(data.Xs, scales, strict=True)])


@one_thread_per_call()
def simulate(size: Size) -> Simulated:
    """Simulate bands that share half of their latent dimensions, and voxels with any share of either.

    Parameters
    ----------
    size : Size
        Samples, voxels and subjects.

    Returns
    -------
    Simulated
        The same numbers each time.
    """
    from brivl.core.encoding.delays import delay

    rng = np.random.default_rng(0)
    rows, width, n_voxels = size.n + N_TEST, 768, size.voxels * size.subjects
    shared = rng.standard_normal((rows, width // 2), np.float32)
    Xs = [_band(rng, shared, size.decay) for _ in range(2)]
    if size.kind == "movie":
        Xs = [delay(X, DELAYS, np.array([0, size.n])) for X in Xs]
    Xs = [X - X[: size.n].mean(0) for X in Xs]
    fraction, strength = rng.uniform(size=n_voxels), 0.4 * np.abs(rng.standard_normal(n_voxels))
    Y = rng.standard_normal((rows, n_voxels), np.float32)
    for X, part in zip(Xs, (fraction, 1 - fraction), strict=True):
        signal = X @ rng.standard_normal((X.shape[1], n_voxels), np.float32)
        Y += (strength * np.sqrt(part) / signal.std(0)).astype(np.float32) * signal
    Y -= Y[: size.n].mean(0)
    Y /= Y[: size.n].std(0)
    return Simulated(Xs, Y)


def _band(rng: np.random.Generator, shared: np.ndarray, decay: float) -> np.ndarray:
    """Features (n_rows, width) mixed from latents with decreasing standard deviations, some of them shared."""
    width = 2 * shared.shape[1]
    latents = np.hstack([shared, rng.standard_normal(shared.shape, np.float32)])
    latents *= (rng.permutation(width) + 1.0).astype(np.float32) ** -decay
    return latents @ rng.standard_normal((width, width), np.float32)


def save(data: Simulated, size: Size, folder: Path) -> None:
    """Write simulated subjects for the processes that fit them.

    Parameters
    ----------
    data : Simulated
        Bands and responses.
    size : Size
        Their size.
    folder : Path
        Where to write.
    """
    for name, array in zip(FILES, (*data.Xs, data.Y), strict=True):
        np.save(folder / name, array)
    (folder / SIZE).write_text(json.dumps(asdict(size)))


def measure(folder: Path, solver: str) -> dict[str, JSON]:
    """Fit what lies in a folder, and write the held-out R2 there.

    Parameters
    ----------
    folder : Path
        What `save` has written.
    solver : str
        "solver" for all subjects at once, "himalaya" for one subject after the other.

    Returns
    -------
    dict[str, JSON]
        Wall and processor seconds of each fit, and the peak of memory in GiB.
    """
    data, few, size = _load(folder)
    whole = slice(0, size.voxels * size.subjects)
    subjects = [slice(i * size.voxels, (i + 1) * size.voxels) for i in range(size.himalaya_subjects or size.subjects)]
    if solver == "solver":
        fit_solver(few, N_WARM)  # so that imports are not measured
        fits = [_timed(lambda columns: fit_solver(data, size.n), whole)]
    else:
        fit_himalaya(few, replace(size, n=N_WARM, draws=1), slice(0, 2))
        fits = [_timed(lambda columns: fit_himalaya(data, size, columns), columns) for columns in subjects]
    np.save(folder / f"{solver}.npy", np.concatenate([scores for scores, _ in fits]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": [seconds for _, seconds in fits], "peak_rss_gib": round(peak, 2)}


def measure_parts(folder: Path, repeats: int) -> dict[str, JSON]:
    """Fit what lies in a folder without and with parts and each band in a fit of its own, in turns.

    Parameters
    ----------
    folder : Path
        What `save` has written.
    repeats : int
        Number of turns.

    Returns
    -------
    dict[str, JSON]
        Wall and processor seconds of each fit, by what was fitted; whether joint R2 is the same to the bit; and the
        median and the largest difference over voxels between R2 of bands alone and those of fits of their own.
    """
    data, few, size = _load(folder)
    fits = {"joint": fit_solver, "with_parts": fit_with_parts, "separate": fit_separately}
    for fit in fits.values():
        fit(few, N_WARM)  # so that imports are not measured
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in fits}
    scores: dict[str, np.ndarray] = {}
    for _ in range(repeats):
        for name, fit in fits.items():
            scores[name], timed = _timed(partial(_fit_all, fit, data, size.n), slice(None))
            seconds[name].append(timed)
    difference = np.abs(scores["with_parts"][1:] - scores["separate"]).max(0)
    return {
        "seconds": seconds,
        "joint_is_the_same": bool(np.array_equal(scores["joint"], scores["with_parts"][0])),
        "median_difference": float(np.median(difference)),
        "largest_difference": float(difference.max()),
    }


def _fit_all(fit: Callable[[Simulated, int], np.ndarray], data: Simulated, n: int, _columns: slice) -> np.ndarray:
    return fit(data, n)


def _load(folder: Path) -> tuple[Simulated, Simulated, Size]:
    """What `save` has written, a part of it to warm up with, and its size."""
    *Xs, Y = (np.load(folder / name, allow_pickle=False) for name in FILES)
    few = Simulated([X[: 2 * N_WARM] for X in Xs], Y[: 2 * N_WARM, :2])
    return Simulated(Xs, Y), few, Size(**json.loads((folder / SIZE).read_text()))


def _timed(fit: Callable[[slice], np.ndarray], columns: slice) -> tuple[np.ndarray, tuple[float, float]]:
    wall, cpu = time.monotonic(), time.process_time()
    scores = fit(columns)
    return scores, (time.monotonic() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    words = Path(sys.argv[1]), sys.argv[2]
    print(json.dumps(measure_parts(words[0], int(sys.argv[3])) if words[1] == "parts" else measure(*words)))
