"""False-positive rates of all tests: simulated studies, rates with intervals, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from brivl.core.inference.null_studies import STUDIES
from brivl.core.progress import FractionCallback, no_fraction
from brivl.errors import RequestError

LOW, HIGH = 0.03, 0.07  # limits of the false-positive rate at alpha .05
FDR = 0.05
FEWEST_STUDIES = 20
Kind = Literal["holds", "at most", "fdr", "fails", "shown"]


@dataclass(frozen=True)
class CalibratedTest:
    """One test under one null hypothesis: its name, and the rate that is expected of it.

    Kinds are "holds", between .03 and .07; "at most", up to .07, for tests that are conservative by construction (BH
    under a global null hypothesis, outer folds, identical models); "fdr", at most .05; "fails", a test that is shown
    because it is invalid; and "shown", without a limit.
    """

    title: str
    null: str
    kind: Kind


_SUBJECTS = "8 subjects, models do not differ"
_NOISE = "1 subject, no signal, autocorrelated noise (AR 0.5)"
_EQUAL = "1 subject, two models that predict equally well"
_READER = "1 reader, 5 folds of passages, no signal"
_SIGNAL = "1 subject, signal in 8 of 24 voxels"
_BETTER = "1 subject, A better in 8 of 24 voxels"
_TESTS: tuple[tuple[str, str, str, Kind], ...] = (
    ("subjects t", "paired t over subjects", _SUBJECTS, "holds"),
    ("subjects sign-flip", "exact sign-flip over subjects", _SUBJECTS, "holds"),
    ("subjects bootstrap", "bootstrap interval over subjects excludes 0", _SUBJECTS, "holds"),
    ("subjects BH planted", "BH over 12 regions: false discoveries", "8 subjects, difference in 5 regions", "fdr"),
    ("blocks joint", "block permutation, joint R2, voxel", _NOISE, "holds"),
    ("blocks split", "block permutation, split R2, voxel", _NOISE, "holds"),
    ("blocks region", "block permutation, mean of a region", _NOISE, "holds"),
    ("blocks max-T", "block permutation, max-T: any of 24 voxels", _NOISE, "holds"),
    ("blocks BH", "block permutation, BH: any of 24 voxels", _NOISE, "at most"),
    ("blocks BH planted", "block permutation, BH: false discoveries", _SIGNAL, "fdr"),
    ("flips", "block sign-flip of A − B, voxel", _EQUAL, "holds"),
    ("flips region", "block sign-flip of A − B, mean of a region", _EQUAL, "holds"),
    ("flips max-T", "block sign-flip, max-T: any of 24 voxels", _EQUAL, "holds"),
    ("flips BH", "block sign-flip, BH: any of 24 voxels", _EQUAL, "at most"),
    ("blocks bootstrap", "bootstrap interval over blocks excludes 0", _EQUAL, "holds"),
    ("flips BH planted", "block sign-flip, BH: false discoveries", _BETTER, "fdr"),
    ("passages joint", "permutation of passages, joint R2, voxel", _READER, "at most"),
    ("passages max-T", "permutation of passages, max-T: any of 24 voxels", _READER, "at most"),
    ("passages flips", "sign-flip of passages, A − B, voxel", "1 reader, models equally good", "at most"),
    ("identical", "block sign-flip of A − B, voxel", "1 subject, identical models", "at most"),
    ("flips of fits to noise", "block sign-flip of A − B, voxel, without the test of joint R2", _NOISE, "shown"),
    ("voxels t", "paired t over voxels, as in many papers", _EQUAL, "fails"),
    ("samples correlation", "correlation, samples as if independent", _NOISE, "fails"),
    ("samples difference", "t of samples' differences, as if independent", _EQUAL, "fails"),
    ("sentences correlation", "correlation, sentences as if independent", _READER, "fails"),
    ("blocks power", "block permutation: power in voxels with signal", _SIGNAL, "shown"),
    ("flips power", "block sign-flip: power in voxels with a difference", _BETTER, "shown"),
)
CALIBRATED_TESTS: Mapping[str, CalibratedTest] = {
    name: CalibratedTest(title, null, kind) for name, title, null, kind in _TESTS
}


@dataclass(frozen=True)
class Rate:
    """Rejection rate of one test over studies, with a 95 % interval."""

    name: str
    test: CalibratedTest
    rate: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Verdict on the rate.

        Returns
        -------
        str
            "holds", "does not hold", or "" where there is no limit.
        """
        if self.test.kind == "shown":
            return ""
        bounds = {"fdr": (0.0, FDR), "at most": (0.0, HIGH)}.get(self.test.kind, (LOW, HIGH))
        return "holds" if bounds[0] <= self.rate <= bounds[1] else "does not hold"

    @property
    def as_expected(self) -> bool:
        """Comparison of the verdict with the expected one.

        Returns
        -------
        bool
            True where a test that is offered holds, or one that is shown as a warning does not.
        """
        return self.test.kind == "shown" or (self.verdict == "holds") == (self.test.kind != "fails")


def calibrate(n_studies: int = 500, seed: int = 0, report: FractionCallback = no_fraction) -> list[Rate]:
    """Measure the rejection rates of all tests.

    Parameters
    ----------
    n_studies : int
        Number of simulated studies of each kind.
    seed : int
        Seed; the same seed gives the same rates.
    report : FractionCallback
        Receives the fraction done.

    Returns
    -------
    list of Rate
        Rates in the order of `CALIBRATED_TESTS`.

    Raises
    ------
    RequestError
        For fewer than `FEWEST_STUDIES` studies.

    Notes
    -----
    Intervals are Wilson's for tests that a study passes or not, else from the variance over studies, since voxels of
    one study are similar.
    """
    if n_studies < FEWEST_STUDIES:
        raise RequestError(
            f"Expected {FEWEST_STUDIES} studies or more, from which a rate can be estimated, got {n_studies!r}. Choose "
            "more studies."
        )
    rates: dict[str, list[float]] = {}
    for i in range(n_studies):
        report(i / n_studies)
        for kind, study in enumerate(STUDIES):
            for name, rate in study(np.random.default_rng([seed, kind, i])).items():
                rates.setdefault(name, []).append(rate)
    return [Rate(name, test, *_mean_and_interval(np.array(rates[name]))) for name, test in CALIBRATED_TESTS.items()]


def _mean_and_interval(rates: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval of the rates of studies (n_studies,)."""
    mean, n = float(rates.mean()), len(rates)
    if np.isin(rates, (0.0, 1.0)).all():
        interval = stats.binomtest(int(rates.sum()), n).proportion_ci(method="wilson")
        return mean, float(interval.low), float(interval.high)
    half = float(1.96 * rates.std(ddof=1) / np.sqrt(n))
    return mean, max(0.0, mean - half), min(1.0, mean + half)
