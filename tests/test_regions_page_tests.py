"""Page Regions: tests within a subject, looked up or asked for by a button; scores over the noise ceiling."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.app import cached, region_scale
from brivl.backend.fit import FitRequest, canonical
from brivl.backend.inference import CHANCE, DIFFERENCE, Asked, inference_key
from brivl.core.encoding.explainable_variance import noise_ceiling
from brivl.core.records import EncodingResult
from brivl.core.regions.ceiling import over_ceiling
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from tests.app_driver import button, charts, fresh_server, headline, html, open_page
from tests.app_samples import MOVIE, ROIS, SENTENCES, fill

__all__ = ["fresh_server"]  # a fixture of every test here
PAIR = ("brivl-mini", "vit-mini")


def put_tests(store: Store, asked: Asked, n: int) -> None:
    """Tests of n voxels, made up; the second of the pair as stored is worse by .02 everywhere."""
    known = cached.known(asked.fit.dataset)
    arrays = {"columns": np.arange(1, n + 1)}
    sign = 1 if canonical(PAIR) == PAIR else -1
    for prefix, m in (("", n), ("roi_", len(ROIS))):
        arrays |= {f"{prefix}chance_{name}": np.full((3, m), 0.0123) for name in CHANCE}
        arrays |= {f"{prefix}difference_{name}": np.full(m, 0.0045) for name in DIFFERENCE}
        arrays |= {f"{prefix}difference_difference": np.full(m, sign * 0.02)}
    info = {"levels": {"roi": list(ROIS)}, "n_blocks": 27, "blocks": "blocks of 20 s or a little more", "n_folds": 1,
            "n_orders": 1001, "exact": False, "n_signs": 1001, "signs_exact": False, "simulated": True}  # fmt: skip
    store.put(inference_key(store, asked, known), arrays, info)


def test_tests_are_asked_for_by_a_button() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("regions")
    assert not at.exception and "longer than the haemodynamic response" in html(at)
    button(at, "Test within this subject").click().run()
    ((request, _),) = cached.studio().jobs()
    assert request["task"] == "infer" and request["asked"]["block_s"] == 20 and request["asked"]["region"] == "all"
    cached.studio().shutdown()


def test_stored_tests_are_shown_with_what_p_can_reach() -> None:
    store = fill(MOVIE, [8], ["S01"])
    put_tests(store, Asked(FitRequest(MOVIE, PAIR, 8, "S01")), 40)
    at = open_page("regions")
    assert not at.exception and not at.error
    said = html(at)
    assert "40 of 40 voxels are predicted better than chance" in said and "BriVL-mini is better in 40" in said
    assert "27 blocks of 20 s or a little more" in said and "smallest p &lt; .001" in said
    table = at.dataframe[-1].value
    assert table["region"].tolist() == list(ROIS) and set(table["p, chance"]) == {".012"}
    swapped = open_page("regions", a=PAIR[1], b=PAIR[0]).dataframe[-1].value
    assert swapped.filter(like=" less ").iloc[0, 0] == "−0.02"


def test_several_subjects_have_no_such_panel() -> None:
    fill(MOVIE, [8], ["S01", "S02"])
    assert "haemodynamic" not in html(open_page("regions", subject="All"))


# Over the noise ceiling


def test_switch_divides_by_the_ceiling_and_says_so() -> None:
    fill(MOVIE, [8], ["S01"])
    plain, over = open_page("regions"), open_page("regions", scale="ceiling")
    assert not over.exception and over.toggle[0].value and not plain.toggle[0].value
    ceiling = 0.3 / (0.3 + 0.7 / 10)
    bars = [np.array(charts(at)[0]["data"][0]["customdata"])[:, 1:4].astype(float) for at in (plain, over)]
    np.testing.assert_allclose(bars[1], bars[0] / ceiling, rtol=1e-6)
    assert region_scale.OVER_CEILING in charts(over)[0]["layout"]["xaxis"]["title"]["text"]
    assert region_scale.OVER_CEILING in headline(over) and "noise ceiling" not in headline(plain)
    assert "divided by its noise ceiling" in html(over)
    plain.toggle[0].set_value(True).run()
    assert plain.query_params["scale"] in ("ceiling", ["ceiling"]) and "divided by its noise ceiling" in html(plain)


def test_data_without_repeats_have_no_switch() -> None:
    fill(SENTENCES, [4], ["P01"])
    at = open_page("regions", data=SENTENCES, scale="ceiling")
    assert not at.exception and not at.toggle and "noise ceiling" not in html(at)


def test_scores_over_the_ceiling() -> None:
    ev = np.array([0.5, 0.05, np.nan, 0.11])
    split = np.array([[0.1, 0.1, 0.1, 0.2], [0.2, 0.1, 0.1, 0.1]])
    result = EncodingResult(split.sum(0), split, np.ones(4, bool), ev, np.full((2, 4), 0.5))
    found = over_ceiling(result, 10, 0.1)
    expected = split / noise_ceiling(np.array([0.5, np.nan, np.nan, 0.11]), 10)
    np.testing.assert_allclose(found.r2_split, expected)
    np.testing.assert_allclose(found.r2_split.sum(0), found.r2_joint)
    with pytest.raises(RequestError, match="not repeated"):
        over_ceiling(EncodingResult(split.sum(0), split, np.ones(4, bool), None, split), 10, 0.1)
