"""Each claim of the paper on simulated numbers: where it must hold, where it must fail, where it cannot be tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from brivl.core.claims.checks import COLUMNS, FAILS, HOLDS, UNTESTABLE, ScoreMeans, Verdict, at_depth, evaluate_check
from brivl.core.claims.movie_checks import MOVIE_CHECKS, plain_name
from brivl.core.claims.sentence_checks import BOXED, LEFT_GROUPS, SENTENCE_CHECKS, SMALLEST_P, merged_tests
from brivl.core.regions.areas import aal_regions

CHECKS = {check.id: check for check in (*MOVIE_CHECKS, *SENTENCE_CHECKS)}
SUBJECTS = tuple(f"P{i}" for i in range(8))
LAYERS = tuple(range(1, 13))
Score = Callable[[int, str], tuple[float, float]]  # (layer, region) -> split R² of A and of B


def planted(level: str, names: tuple[str, ...], score: Score, layers: tuple[int, ...] = LAYERS) -> ScoreMeans:
    """Means of eight subjects who differ by a constant, so that differences between models are as given."""
    rows = []
    for i, subject in enumerate(SUBJECTS):
        for layer in layers:
            for name in names:
                a, b = (value + 0.001 * i for value in score(layer, name))
                rows.append((layer, subject, level, name, a + b, a, b))
    return ScoreMeans(pd.DataFrame(rows, columns=list(COLUMNS)), 12)


def brain(a: Mapping[int, float], b: Mapping[int, float]) -> ScoreMeans:
    return planted("brain", ("brain",), lambda layer, _: (a[layer], b[layer]), tuple(a))


def verdict(check: str, means: ScoreMeans | None) -> Verdict:
    return evaluate_check(CHECKS[check], means, "no such data")


RISING = {k: 0.01 * k for k in LAYERS}
SATURATING = {k: 0.02 * min(k, 8) for k in LAYERS}
LEVEL = dict.fromkeys(LAYERS, 0.05)
AHEAD_FROM_4 = {k: 0.05 + 0.02 * (k >= 4) for k in LAYERS}
PAPER_A = {k: 0.05 + (0.001 * k if k >= 4 and k != 9 else 0) for k in LAYERS}
PAPER_B = {k: 0.05 + 0.002 * (k == 9) - 0.001 * (k > 9) for k in LAYERS}


@pytest.mark.parametrize(
    ("check", "means", "outcome"),
    [
        ("4b-rise", brain(SATURATING, LEVEL), HOLDS),
        ("4b-rise", brain(RISING, LEVEL), FAILS),  # rises further
        ("4b-rise", brain(LEVEL, LEVEL), FAILS),
        ("4b-rise", brain({k: SATURATING[k] - 0.02 * max(k - 8, 0) for k in LAYERS}, LEVEL), FAILS),  # falls again
        ("4b-rise", brain({k: SATURATING[k] for k in (4, 8, 12)}, LEVEL), UNTESTABLE),
        ("4b-ahead", brain(AHEAD_FROM_4, LEVEL), HOLDS),
        ("4b-ahead", brain(AHEAD_FROM_4 | {7: 0.04}, LEVEL), FAILS),
        ("4b-ahead", brain({4: 0.07, 8: 0.07}, LEVEL), UNTESTABLE),
        ("4b-ahead", brain({4: 0.04}, LEVEL), FAILS),  # one counterexample is enough, whatever is missing
        ("5a-rise", brain(RISING, LEVEL), HOLDS),
        ("5a-rise", brain({k: -0.01 * k for k in LAYERS}, LEVEL), FAILS),
        ("5a-rise", brain({k: RISING[k] for k in (2, 3, 4, 5)}, LEVEL), UNTESTABLE),
        ("5a-shared", brain(AHEAD_FROM_4, LEVEL), HOLDS),
        ("5a-shared", brain(LEVEL | {2: 0.06}, LEVEL), FAILS),
        ("5a-ahead", brain(PAPER_A, PAPER_B), HOLDS),
        ("5a-ahead", brain(PAPER_A | {5: 0.0}, PAPER_B), FAILS),
        ("5a-nine", brain(PAPER_A, PAPER_B), HOLDS),
        ("5a-nine", brain(PAPER_A | {9: 0.9}, PAPER_B), FAILS),
        ("5a-nine", brain({8: 0.1}, LEVEL), UNTESTABLE),
        ("5a-bert-best", brain(PAPER_A, PAPER_B), HOLDS),
        ("5a-bert-best", brain(PAPER_A, PAPER_B | {4: 0.06}), FAILS),
        ("5a-bert-best", brain({9: 0.1, 12: 0.1}, LEVEL), UNTESTABLE),
        ("5a-brivl-best", brain(PAPER_A, PAPER_B), HOLDS),
        ("5a-brivl-best", brain(PAPER_A | {1: 0.09}, PAPER_B), FAILS),
    ],
)
def test_statements_about_layers(check: str, means: ScoreMeans, outcome: str) -> None:
    assert verdict(check, means).verdict == outcome


ROIS = ("V1", "V2", "hV4", "FFA", "EBA", "MT+", "pSTS")


def is_early(roi: str) -> bool:
    return roi.lower().lstrip("h").startswith("v")


def paper_rois(layer: int, roi: str) -> tuple[float, float]:
    early = is_early(roi)
    best = 8 if early else 12
    ahead = 0.03 if not early or layer < 12 else -0.01
    return 0.2 - 0.01 * abs(layer - best) + ahead, 0.2 - 0.01 * abs(layer - best)


def reversed_rois(layer: int, roi: str) -> tuple[float, float]:
    """The reverse: layers are exchanged, and the other model is ahead in late regions."""
    a, b = paper_rois({4: 12, 8: 4, 12: 8}.get(layer, layer), roi)
    return (a, b) if is_early(roi) else (b, a)


MAP_CHECKS = ["4c-e-early", "4c-e-deep", "4c-e-high", "4c-e-psts", "4c-d-early", "4e-early"]


@pytest.mark.parametrize("check", MAP_CHECKS)
def test_statements_about_maps(check: str) -> None:
    assert verdict(check, planted("roi", ROIS, paper_rois)).verdict == HOLDS
    assert verdict(check, planted("roi", ROIS, reversed_rois)).verdict == FAILS
    assert verdict(check, planted("roi", ("AC",), paper_rois)).verdict == UNTESTABLE
    missing = verdict(check, planted("roi", ROIS, paper_rois, (6,)))
    assert missing.verdict == UNTESTABLE and "not fitted" in missing.evidence


def test_rois_are_known_by_their_usual_names() -> None:
    assert [plain_name(roi) for roi in ("hMT+", "MT+", "hV4", "V4", "IPS")] == ["mt", "mt", "v4", "v4", "ips"]


AREAS = tuple(r.name for r in aal_regions("area"))
AAL = tuple(r.name for r in aal_regions("region"))
MERGED = tuple(r.name for r in aal_regions("merged"))


@pytest.mark.parametrize(("n_behind", "outcome"), [(1, HOLDS), (2, FAILS)])
def test_almost_all_areas_are_seven_of_eight(n_behind: int, outcome: str) -> None:
    means = planted("area", AREAS, lambda _, area: (0.1, 0.2 if area in AREAS[:n_behind] else 0.05))
    for check in ("5b-areas", "5c-areas", "5d-areas"):
        assert verdict(check, means).verdict == outcome
    assert f"{8 - n_behind} of 8 areas" in verdict("5b-areas", means).evidence
    assert verdict("5b-areas", planted("area", AREAS[:5], lambda *_: (0.1, 0.05))).verdict == UNTESTABLE


def test_left_regions_are_predicted_best() -> None:
    best = {f"{name}_L" for names in LEFT_GROUPS.values() for name in names}
    assert verdict("6a-left", planted("region", AAL, lambda _, r: (0.1 + 0.1 * (r in best), 0.1))).verdict == HOLDS
    both = {name[:-2] for name in best}
    sides_alike = planted("region", AAL, lambda _, r: (0.1 + 0.1 * (r[:-2] in both), 0.1))
    assert verdict("6a-left", sides_alike).verdict == FAILS
    one_group_low = best - {f"{name}_L" for name in LEFT_GROUPS["orbitofrontal"]}
    means = planted("region", AAL, lambda _, r: (0.1 + 0.1 * (r in one_group_low), 0.1))
    assert verdict("6a-left", means).verdict == FAILS
    assert verdict("6a-left", planted("brain", ("brain",), lambda *_: (0.1, 0.1))).verdict == UNTESTABLE


@pytest.mark.parametrize("check", ["6b-language", "6b-high", "6b-subcortex"])
def test_statements_about_groups_of_regions(check: str) -> None:
    assert verdict(check, planted("region", AAL, lambda *_: (0.2, 0.1))).verdict == HOLDS
    assert verdict(check, planted("region", AAL, lambda *_: (0.1, 0.2))).verdict == FAILS
    assert verdict(check, planted("region", AAL, lambda *_: (0.2, 0.1), (4,))).verdict == UNTESTABLE


def noisy(gain: Mapping[str, float], n_subjects: int = 8) -> ScoreMeans:
    """Merged regions at layer 12 in which A is ahead by `gain` (default 0), plus the same small noise everywhere."""
    noise = np.random.default_rng(0).normal(0, 0.01, n_subjects)
    rows = [
        (12, f"P{i}", "merged", name, 0.3 + gain.get(name, 0) + noise[i], 0.2 + gain.get(name, 0) + noise[i], 0.1 + 0.1)
        for name in MERGED
        for i in range(n_subjects)
    ]
    return ScoreMeans(pd.DataFrame(rows, columns=list(COLUMNS)), 12)


def test_most_regions_are_significant() -> None:
    assert verdict("6c-most", noisy(dict.fromkeys(MERGED[:30], 0.1))).verdict == HOLDS
    assert verdict("6c-most", noisy(dict.fromkeys(MERGED[:10], 0.1))).verdict == FAILS
    behind = verdict("6c-most", noisy(dict.fromkeys(MERGED, -0.1)))
    assert behind.verdict == FAILS and "0 of 45" in behind.evidence  # significant the other way round
    alone = verdict("6c-most", noisy({}, n_subjects=1))
    assert alone.verdict == UNTESTABLE and "two subjects" in alone.evidence


def test_named_regions_have_the_smallest_p() -> None:
    assert verdict("6c-named", noisy(dict.fromkeys(SMALLEST_P, 0.2))).verdict == HOLDS
    others = [name for name in MERGED if name not in SMALLEST_P][:20]
    assert verdict("6c-named", noisy(dict.fromkeys(others, 0.2))).verdict == FAILS


def test_boxed_regions() -> None:
    assert verdict("6c-boxed", noisy(dict.fromkeys(BOXED, 0.1))).verdict == HOLDS
    assert verdict("6c-boxed", noisy(dict.fromkeys(BOXED[:2], 0.1))).verdict == FAILS


def test_regions_come_in_the_order_of_p() -> None:
    table = merged_tests(noisy({name: 0.01 * i for i, name in enumerate(MERGED)}), 12)
    assert table["p"].is_monotonic_increasing and len(table) == 45
    assert table["region"].iloc[0] == MERGED[-1]


def test_without_data_every_check_says_why() -> None:
    for check in CHECKS.values():
        outcome = evaluate_check(check, None, "no such data")
        assert outcome.verdict == UNTESTABLE and outcome.evidence == "no such data" and outcome.rule and outcome.claim


def test_layers_are_taken_by_depth() -> None:
    assert [at_depth(k, 12) for k in LAYERS] == list(LAYERS)
    assert [at_depth(k, 6) for k in (1, 3, 4, 8, 9, 12)] == [1, 2, 2, 4, 5, 6]
    assert [at_depth(k, 1) for k in (1, 12)] == [1, 1] and at_depth(12, 24) == 24
