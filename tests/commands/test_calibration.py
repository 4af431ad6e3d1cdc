"""A small calibration: tests that are offered keep near .05, tests that many papers use do not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from brivl.commands.main import main
from brivl.core.inference import calibration, null_studies
from brivl.core.inference.calibration import CALIBRATED_TESTS, CalibratedTest, Rate, calibrate
from brivl.errors import RequestError

N_STUDIES = 60
# Of 60 studies of a test at .05, more than 8 are rejected with a probability of .003 (binomial); voxels and regions of
# one study are alike, so that their shares scatter less.
MOST = 8 / N_STUDIES + 1e-9


@pytest.fixture(scope="module")
def rates() -> dict[str, Rate]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(null_studies, "N_PERMUTATIONS", 199)
        return {rate.name: rate for rate in calibrate(N_STUDIES, seed=11)}


def test_every_test_that_is_offered_keeps_its_level(rates: dict[str, Rate]) -> None:
    offered = [rate for rate in rates.values() if rate.test.kind in ("holds", "at most", "fdr")]
    assert len(offered) > 15
    assert not {rate.name: rate.rate for rate in offered if rate.rate > MOST}
    shares = [rate.rate for rate in offered if rate.test.kind == "holds"]
    assert 0.03 < np.mean(shares) < 0.07


def test_units_that_are_no_units_are_seen_to_fail(rates: dict[str, Rate]) -> None:
    failing = {name: rate for name, rate in rates.items() if rate.test.kind == "fails"}
    assert len(failing) == 4 and all(rate.rate > 0.07 for rate in failing.values())
    assert rates["voxels t"].rate > 0.3, "one subject's voxels share their noise"
    assert rates["blocks power"].rate > 0.8 and rates["flips power"].rate > 0.8
    assert rates["identical"].rate == 0


def test_rates_are_the_same_again_and_intervals_are_wilsons(monkeypatch: pytest.MonkeyPatch) -> None:
    def toss(rng: np.random.Generator) -> null_studies.Rates:
        return {"coin": float(rng.random() < 0.3), "shares": float(rng.random())}

    monkeypatch.setattr(calibration, "STUDIES", (toss,))
    monkeypatch.setattr(
        calibration, "CALIBRATED_TESTS", {n: CalibratedTest(n, "made up", "holds") for n in ("coin", "shares")}
    )
    first, again = calibrate(200, 4), calibrate(200, 4)
    assert first == again
    coin, shares = first
    n, p, z = 200, coin.rate, 1.959963985
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + (z / 2 / n) ** 2)
    assert (coin.low, coin.high) == pytest.approx((middle - half, middle + half))
    assert shares.high - shares.low == pytest.approx(2 * 1.96 * np.sqrt(1 / 12 / n), rel=0.1)
    assert not coin.as_expected and coin.verdict == "does not hold"


@pytest.mark.parametrize(
    ("kind", "rate", "verdict"),
    [
        ("holds", 0.02, "does not hold"),
        ("holds", 0.05, "holds"),
        ("at most", 0.01, "holds"),
        ("fdr", 0.06, "does not hold"),
        ("fails", 0.4, "does not hold"),
        ("shown", 0.4, ""),
    ],
)
def test_verdicts(kind: calibration.Kind, rate: float, verdict: str) -> None:
    rated = Rate("x", CalibratedTest("x", "y", kind), rate, 0, 1)
    assert rated.verdict == verdict
    assert rated.as_expected == (kind in ("shown", "fails") or verdict == "holds")


def test_too_few_studies_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match="20 studies"):
        calibrate(5)
    assert main(["calibrate", "--n-studies", "3"]) == 2
    assert "20 studies" in capsys.readouterr().err


def test_command_prints_rates_and_verdicts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = [Rate(name, row, 0.05, 0.04, 0.06) for name, row in CALIBRATED_TESTS.items()]
    monkeypatch.setattr(calibration, "calibrate", lambda *_: made)
    assert main(["calibrate", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["simulated"] and len(printed["rates"]) == len(CALIBRATED_TESTS)
    assert main(["calibrate", "--markdown"]) == 0
    table = capsys.readouterr().out
    assert table.count("\n|") == len(CALIBRATED_TESTS) + 1 and "not: paired t over voxels" in table
    assert main(["calibrate"]) == 0 and "0.050 [0.040, 0.060]" in capsys.readouterr().out
