"""The solver and himalaya on the same simulated subjects: times, and the difference in held-out R2."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from brivl.errors import RequestError
from brivl.store.digests import JSON

N_TEST = 270
DELAYS = (0, 2, 3, 4)
ALPHAS = np.logspace(-2, 5, 20)
N_DRAWS = 20  # of band weights, as the authors of the paper drew


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
        Subjects that himalaya fits, None for all; its time is extrapolated to all.
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


def bench_fit(size: Size) -> dict[str, JSON]:
    """Fit all subjects with the default solver, with himalaya subject by subject, and with the default solver again.

    Parameters
    ----------
    size : Size
        Size of the sweep.

    Returns
    -------
    dict[str, JSON]
        Wall and processor seconds from features to split R2, and the R2 of both. Processor seconds depend less on
        other work of the machine.

    Raises
    ------
    RequestError
        For impossible sizes.
    """
    if size.kind not in ("movie", "sentences") or min(size.n, size.voxels, size.subjects, size.draws) < 1:
        raise RequestError(
            f"Expected kind 'movie' or 'sentences' and sizes of at least 1, got {size!r}. Choose other numbers."
        )
    data = _simulate(size)
    _fit_default(Simulated([X[:60] for X in data.Xs], data.Y[:60, :2]), 30)  # so that imports are not measured
    default_r2, first = _timed(lambda: _fit_default(data, size.n))
    default, himalaya, himalaya_r2 = [first], [], []
    for subject in range(size.himalaya_subjects or size.subjects):
        columns = slice(subject * size.voxels, (subject + 1) * size.voxels)
        scores, seconds = _timed(partial(_fit_himalaya, data, size, columns))
        himalaya_r2.append(scores)
        himalaya.append(seconds)
    _, again = _timed(lambda: _fit_default(data, size.n))
    default.append(again)
    return asdict(size) | _compare(
        size, np.array(default).mean(0), np.array(himalaya), (default_r2, np.concatenate(himalaya_r2))
    )


def regret(size: Size) -> dict[str, JSON]:
    """Compare the cross-validated loss of the default search with that of its full grid.

    Parameters
    ----------
    size : Size
        Size of the sweep.

    Returns
    -------
    dict[str, JSON]
        Mean, 99th percentile and maximum of the difference over voxels, in units of the variance.
    """
    from brivl.core.encoding.cross_validation import contiguous_folds
    from brivl.core.encoding.problem import Problem, Solver
    from brivl.core.encoding.ratios import choose_candidate, ratio_grid
    from brivl.core.encoding.split_score import himalaya_backend
    from brivl.core.encoding.surface_search import SurfaceSearch
    from brivl.core.progress import ProgressSteps

    data, n = _simulate(size), size.n
    Y, candidates = data.Y[:n], ratio_grid(2)
    problem = Problem(_kernels(data, n)[:, :n], contiguous_folds(n), np.ones(5), candidates, ALPHAS)
    with himalaya_backend("torch") as backend:
        search = SurfaceSearch(problem, Solver(), backend)
        mapped, alphas = search.search(Y, ProgressSteps(None, 2 * search.n_combinations))
        exact = search.all_scores(Y, ProgressSteps(None, 0))
    voxels, ratio = np.arange(Y.shape[1]), choose_candidate(mapped, candidates)
    alpha = np.abs(np.log(search.alphas)[:, None] - np.log(alphas[ratio, voxels])).argmin(0)
    regrets = exact.max(0) - exact[ratio * len(ALPHAS) + alpha, voxels]
    return {
        "bench": "regret",
        "pivots": 0 if search.map is None else len(search.map.pivots),
        "of": search.n_combinations,
        "mean_regret": float(regrets.mean()),
        "p99_regret": float(np.quantile(regrets, 0.99)),
        "largest_regret": float(regrets.max()),
        "share_within_1e-3": float((regrets <= 1e-3).mean()),
    } | asdict(size)


def _compare(
    size: Size, default: np.ndarray, himalaya: np.ndarray, r2: tuple[np.ndarray, np.ndarray]
) -> dict[str, JSON]:
    """Ratios of (wall, processor) seconds; those of himalaya are scaled up, and labelled so, where it ran less."""
    scale = size.subjects / len(himalaya) * N_DRAWS / size.draws
    total = himalaya.sum(0) * scale
    default_r2, himalaya_r2 = r2[0][: len(r2[1])], r2[1]
    return {
        "bench": "fit",
        "solver_wall_s": round(float(default[0]), 2),
        "solver_cpu_s": round(float(default[1]), 2),
        "himalaya_wall_s": round(float(total[0]), 2),
        "himalaya_cpu_s": round(float(total[1]), 2),
        "himalaya_is": "measured in full"
        if scale == 1
        else f"EXTRAPOLATED: ran {size.draws} of {N_DRAWS} draws for {len(himalaya)} of {size.subjects} subjects, "
        f"multiplied by {scale:.3g}",
        "ratio_wall": round(float(total[0] / default[0]), 1),
        "ratio_cpu": round(float(total[1] / default[1]), 1),
        "solver_r2": round(float(default_r2.mean()), 5),
        "himalaya_r2": round(float(himalaya_r2.mean()), 5),
        "r2_difference": round(float((default_r2 - himalaya_r2).mean()), 5),
        "r2_difference_se": round(float((default_r2 - himalaya_r2).std() / np.sqrt(len(himalaya_r2))), 5),
        "r2_compared_with": f"{size.draws} draws",
        "peak_rss_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def _fit_default(data: Simulated, n: int) -> np.ndarray:
    from brivl.core.encoding.banded_ridge import BandedRidge

    ridge = BandedRidge(tuple(ALPHAS)).fit([X[:n] for X in data.Xs], data.Y[:n])
    return ridge.score([X[n:] for X in data.Xs], data.Y[n:], split=True).sum(0)


def _fit_himalaya(data: Simulated, size: Size, columns: slice) -> np.ndarray:
    from brivl.core.encoding.random_search import fit_as_authors
    from brivl.core.encoding.split_score import r2_split

    n = size.n
    kernels = _kernels(data, n)
    dual, weights = fit_as_authors(np.ascontiguousarray(kernels[:, :n]), data.Y[:n, columns], ALPHAS, size.draws, 0)
    bands = np.stack([K[n:] @ (dual * w) for K, w in zip(kernels, weights, strict=True)])
    return r2_split(data.Y[n:, columns], bands).sum(0)


def _kernels(data: Simulated, n: int) -> np.ndarray:
    """Kernels of all rows with the training rows, mean diagonal 1 on these: (2, n + N_TEST, n)."""
    scales = [n / np.square(X[:n], dtype=np.float64).sum() for X in data.Xs]
    return np.stack([np.float32(scale) * (X @ X[:n].T) for X, scale in zip(data.Xs, scales, strict=True)])


def _simulate(size: Size) -> Simulated:
    """Bands that share half of their latent dimensions; voxels with any fraction of either, weak and strong."""
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


def _timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, tuple[float, float]]:
    wall, cpu = time.monotonic(), time.process_time()
    scores = work()
    return scores, (time.monotonic() - wall, time.process_time() - cpu)
