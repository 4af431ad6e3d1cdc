"""How often each test says something where there is nothing: simulated studies, rates with intervals, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from brivl.core.inference.null_studies import STUDIES
from brivl.errors import RequestError

LOW, HIGH = 0.03, 0.07  # the bar for the rate of false positives at alpha .05
FDR = 0.05
Kind = Literal["holds", "at most", "fdr", "fails", "shown"]


@dataclass(frozen=True)
class CalibratedTest:
    """One test under one null: what is said of it, and what is expected of its rate.

    holds: between .03 and .07. at most: up to .07, may be less often by its nature (BH under a global null, outer
    folds, identical models). fdr: at most .05. fails: a test that is shown because it does not hold. shown: no bar.
    """

    title: str
    null: str
    kind: Kind


_SUBJECTS = "8 subjects, models do not differ"
_SILENT = "1 subject, no signal, noise remembers (AR 0.5)"
_EQUAL = "1 subject, two models that predict equally well"
_READER = "1 reader, 5 folds of passages, no signal"
CALIBRATED_TESTS: Mapping[str, CalibratedTest] = {
    "subjects t": CalibratedTest("paired t over subjects", _SUBJECTS, "holds"),
    "subjects sign-flip": CalibratedTest("exact sign-flip over subjects", _SUBJECTS, "holds"),
    "subjects bootstrap": CalibratedTest("bootstrap interval over subjects leaves out 0", _SUBJECTS, "holds"),
    "subjects BH planted": CalibratedTest(
        "BH over 12 regions: false discoveries", "8 subjects, difference in 5 regions", "fdr"
    ),
    "blocks joint": CalibratedTest("block permutation, joint R2, voxel", _SILENT, "holds"),
    "blocks split": CalibratedTest("block permutation, split R2, voxel", _SILENT, "holds"),
    "blocks region": CalibratedTest("block permutation, mean of a region", _SILENT, "holds"),
    "blocks max-T": CalibratedTest("block permutation, max-T: any of 24 voxels", _SILENT, "holds"),
    "blocks BH": CalibratedTest("block permutation, BH: any of 24 voxels", _SILENT, "at most"),
    "blocks BH planted": CalibratedTest(
        "block permutation, BH: false discoveries", "1 subject, signal in 8 of 24 voxels", "fdr"
    ),
    "flips": CalibratedTest("block sign-flip of A less B, voxel", _EQUAL, "holds"),
    "flips region": CalibratedTest("block sign-flip of A less B, mean of a region", _EQUAL, "holds"),
    "flips max-T": CalibratedTest("block sign-flip, max-T: any of 24 voxels", _EQUAL, "holds"),
    "flips BH": CalibratedTest("block sign-flip, BH: any of 24 voxels", _EQUAL, "at most"),
    "blocks bootstrap": CalibratedTest("bootstrap interval over blocks leaves out 0", _EQUAL, "holds"),
    "flips BH planted": CalibratedTest(
        "block sign-flip, BH: false discoveries", "1 subject, A better in 8 of 24 voxels", "fdr"
    ),
    "passages joint": CalibratedTest("permutation of passages, joint R2, voxel", _READER, "at most"),
    "passages max-T": CalibratedTest("permutation of passages, max-T: any of 24 voxels", _READER, "at most"),
    "passages flips": CalibratedTest(
        "sign-flip of passages, A less B, voxel", "1 reader, models equally good", "at most"
    ),
    "identical": CalibratedTest("block sign-flip of A less B, voxel", "1 subject, identical models", "at most"),
    "flips of fits to noise": CalibratedTest("block sign-flip of A less B, voxel, alone", _SILENT, "shown"),
    "voxels t": CalibratedTest("paired t over voxels, as in many papers", _EQUAL, "fails"),
    "samples correlation": CalibratedTest("correlation, samples as if independent", _SILENT, "fails"),
    "samples difference": CalibratedTest("t of samples' differences, as if independent", _EQUAL, "fails"),
    "sentences correlation": CalibratedTest("correlation, sentences as if independent", _READER, "fails"),
    "blocks power": CalibratedTest(
        "block permutation: planted voxels found", "1 subject, signal in 8 of 24 voxels", "shown"
    ),
    "flips power": CalibratedTest(
        "block sign-flip: planted voxels found", "1 subject, A better in 8 of 24 voxels", "shown"
    ),
}


@dataclass(frozen=True)
class Rate:
    """Share of rejections over studies, with a 95 % interval."""

    name: str
    test: CalibratedTest
    rate: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """ "holds", "does not hold", or "" where there is no bar."""
        if self.test.kind == "shown":
            return ""
        bounds = {"fdr": (0.0, FDR), "at most": (0.0, HIGH)}.get(self.test.kind, (LOW, HIGH))
        return "holds" if bounds[0] <= self.rate <= bounds[1] else "does not hold"

    @property
    def as_expected(self) -> bool:
        """Whether tests that are offered hold, and those that are shown as warnings do not."""
        return self.test.kind == "shown" or (self.verdict == "holds") == (self.test.kind != "fails")


def calibrate(n_studies: int = 500, seed: int = 0, tell: Callable[[float], None] = lambda _share: None) -> list[Rate]:
    """Rates of all tests, in the order of `ROWS`; the same seed gives the same rates.

    Intervals: Wilson's for tests that a study passes or not, else from the scatter of studies, since voxels of one
    study are alike. tell(share that is done) may raise. Raises RequestError for fewer than 20 studies.
    """
    if n_studies < 20:
        raise RequestError(f"Wanted 20 studies or more, so that a rate means something, and got {n_studies!r}.")
    shares: dict[str, list[float]] = {}
    for i in range(n_studies):
        tell(i / n_studies)
        for place, study in enumerate(STUDIES):
            for name, share in study(np.random.default_rng([seed, place, i])).items():
                shares.setdefault(name, []).append(share)
    return [Rate(name, row, *_rate(np.array(shares[name]))) for name, row in CALIBRATED_TESTS.items()]


def _rate(shares: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval of shares of studies (n_studies,)."""
    mean, n = float(shares.mean()), len(shares)
    if np.isin(shares, (0.0, 1.0)).all():
        interval = stats.binomtest(int(shares.sum()), n).proportion_ci(method="wilson")
        return mean, float(interval.low), float(interval.high)
    half = float(1.96 * shares.std(ddof=1) / np.sqrt(n))
    return mean, max(0.0, mean - half), min(1.0, mean + half)
