"""The headline of a flatmap: the same on the page and in a bundle, and about what the map shows."""

from __future__ import annotations

from html import unescape

import numpy as np
import pytest

from brivl.analyses.flatmap.headline import MapFinding, flatmap_caption, flatmap_headline
from brivl.core.claims.coverage import Coverage
from brivl.core.records import EncodingResult
from tests.support.app_driver import fresh_server, headline, html, open_page
from tests.support.sharing_samples import figure_of, stored

__all__ = ["fresh_server"]  # a fixture of every test here
FIVE = ("S01", "S02", "S03", "S04", "S05")
NAMES = ("BriVL", "ViT")


def test_the_caption_says_what_the_colours_leave_out() -> None:
    joint = np.array([0.2, np.nan, -0.1])
    for kind, words in (
        ("joint", "Low values fade into the cortex; hatched: below 0."),
        ("difference", "Colours fade where the difference is near 0."),
        ("pair", "Colours fade where both values are low."),
    ):
        text = flatmap_caption(kind, NAMES, joint, 1, "S1 (pycortex), fullhead")
        assert words in text and "2 of 3 voxels were fitted" in text and "native space (not MNI)" in text


@pytest.mark.parametrize("kind", ["joint", "a", "b", "pair", "difference"])
@pytest.mark.parametrize("subject", ["S01", "All"])
def test_page_and_bundle_have_one_headline(kind: str, subject: str) -> None:
    """That of a difference tested regions on the page and counted voxels in the bundle."""
    store = stored(subjects=FIVE)
    subjects = FIVE if subject == "All" else (subject,)
    record = figure_of(store, "flatmap", subjects=subjects, settings={"map": kind})
    at = open_page("flatmap", map=kind, subject=subject)
    assert f">{record.label.headline}</h1>" in unescape(headline(at))
    assert record.label.caption in unescape(html(at))


def finding(kind: str, **changes: object) -> MapFinding:
    """Two regions of ten voxels; BriVL carries more in the first."""
    a = np.repeat([0.3, 0.1], 10)
    split = np.stack([a, 0.4 - a])
    result = EncodingResult(split.sum(0), split, np.ones(20, bool), None, np.full((2, 20), 0.5))
    regions = {"V1": np.arange(20) < 10, "FFA": np.arange(20) >= 10}
    known = {"regions": regions, "n_layers": 3} | changes
    return MapFinding(kind, 2, NAMES, [result], Coverage.of([(2, "S01")]), **known)


def test_each_map_says_what_it_shows() -> None:
    assert flatmap_headline(finding("joint")) == "Layer 2: mean joint R² = 0.400; R² > 0 in all 20 voxels (S01)"
    assert flatmap_headline(finding("b")) == (
        "Layer 2: mean split R² of ViT = 0.200, of a mean joint R² of 0.400 (S01)"
    )
    best = finding("best", best=np.repeat([1, 3], 10), layers=[1, 2, 3])
    assert flatmap_headline(best) == "Best layer by joint R², in most voxels of a region: 1 in V1, 3 in FFA (S01)"
    some = finding("best", best=np.repeat([1, 2], 10), layers=[1, 2])
    assert flatmap_headline(some) == (
        "2 of 3 layers fitted (1–2); the best layer of a voxel is given once all are (S01)"
    )


def test_unique_variance_is_named_beside_split() -> None:
    alone = np.stack([np.full(20, 0.38), np.full(20, 0.39)])
    text = flatmap_headline(finding("difference", alone=[alone]))
    assert "BriVL and ViT each have the larger split R² in 1 of 2 ROIs" in text
    assert text.endswith("92 % of R² is shared (unique to BriVL 0.01, unique to ViT 0.02)")
    parts = flatmap_headline(finding("unique_a", alone=[alone]))
    assert parts == (
        "Layer 2: unique to BriVL 0.010, unique to ViT 0.020, shared 0.370 of a mean joint R² of 0.400 (S01)"
    )
    within = flatmap_headline(finding("difference", alone=[alone], inside=np.arange(20) < 10))
    assert "BriVL has the larger split R² in 10 of 10 voxels (S01, not tested)" in within
