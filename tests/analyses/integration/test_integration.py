"""The integration test: against its parts, on simulated arrays and subjects; the verb and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from streamlit.testing.v1 import AppTest

from brivl.analyses.integration.analysis import INTEGRATION
from brivl.analyses.integration.compute import IntegrationResult
from brivl.analyses.integration.figures import difference_figure, split_figure
from brivl.analyses.integration.request import IntegrationRequest, layers_of
from brivl.analyses.integration.tables import findings, headline, margin, methods, region_table, smallest_p
from brivl.analysis import keys_of, run, stored
from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import PRESETS
from brivl.core.inference.block_sign_flip import flip_blocks
from brivl.core.inference.blocks import PermutationSettings, blocks_in_runs
from brivl.core.inference.contributions import Predictions
from brivl.core.numbers import number
from brivl.core.records import Stimulus
from brivl.core.transfer.baseline_models import (
    Comparison,
    HeldOutPredictions,
    above_chance_p,
    compare_with_baseline,
    intersection_union_p,
)
from brivl.data.features import layer_features
from brivl.data.registry import open_dataset
from brivl.data.stimuli import descriptions
from brivl.errors import RequestError
from brivl.models.captioning.captioners import caption_images, load_captioner
from brivl.scenes.scene import render, sample_scene
from brivl.sharing.saved_views import saved_views
from brivl.store.artifacts import Store
from brivl.viz.style import FigureLabel
from tests.support import subject_pages
from tests.support.app_driver import button, charts, html
from tests.support.app_driver import headline as page_headline
from tests.support.plain_sample import make_plain
from tests.support.subject_pages import open_subject, open_tabs
from tests.support.tiny_phantom import LAYER, shrink

NAME = "phantom-movie:240/100"
store, studio = subject_pages.store, subject_pages.studio
REQUEST = IntegrationRequest(NAME, "S01", layer=LAYER, n_permutations=199)
ADDITIONAL = "minilm-l6@untrained"
FOUR = replace(REQUEST, more=(ADDITIONAL,), n_permutations=1000)
COMMON = ["--dataset", NAME, "--subject", "S01", "--layer", str(LAYER), "--draws", "199"]
CAPTION_SAMPLES = descriptions._caption_samples
BLOCKS = blocks_in_runs(np.zeros(1, int), 120, 2.0, 20.0)


def _by_brightness(stimulus: Stimulus, _progress: object) -> np.ndarray:
    tens = (10 * stimulus.items.mean((1, 2, 3)) / 255).astype(int)
    words = ("black", "dark", "dim", "grey", "pale", "light", "bright", "white", "glaring", "blinding", "burning")
    return np.array([f"A {words[ten]} picture." for ten in tens], np.str_)


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.setattr(descriptions, "_caption_samples", _by_brightness)  # a captioner takes half a minute for as many
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("integrated")
    for request in (REQUEST, FOUR):
        run(INTEGRATION, Store(root), request)
    return root


def stored_result(store: Store, request: IntegrationRequest) -> IntegrationResult:
    result = stored(INTEGRATION, store, request)
    assert result is not None
    return result


def _alone(rng: np.random.Generator, signal: np.ndarray, noise: float) -> HeldOutPredictions:
    measured = signal + rng.standard_normal(signal.shape)
    return HeldOutPredictions(measured - measured.mean(0), signal + noise * rng.standard_normal(signal.shape))


def test_a_comparison_is_the_difference_of_squared_errors(rng: np.random.Generator):
    one = _alone(rng, rng.standard_normal((120, 4)), 0.3)
    other = HeldOutPredictions(one.measured, one.predicted + 0.8 * rng.standard_normal((120, 4)))
    comparison = compare_with_baseline(one, other, BLOCKS, PermutationSettings(199))
    errors = ((one.measured - other.predicted) ** 2 - (one.measured - one.predicted) ** 2).sum(0)
    np.testing.assert_allclose(comparison.difference, errors / (one.measured**2).sum(0), rtol=1e-4)
    np.testing.assert_allclose(comparison.difference, one.r2 - other.r2, rtol=1e-4)
    two_sided = flip_blocks(
        Predictions(one.measured, np.stack([one.predicted, other.predicted])), BLOCKS, PermutationSettings(199)
    ).p
    np.testing.assert_allclose(np.minimum(comparison.p, 1 - comparison.p), two_sided / 2, atol=1e-12)
    swapped = compare_with_baseline(other, one, BLOCKS, PermutationSettings(199))
    np.testing.assert_allclose(swapped.p, 1 - comparison.p, atol=1e-12)


def test_the_better_model_wins_only_where_it_predicts(rng: np.random.Generator):
    signal = rng.standard_normal((120, 30))
    signal[:, 15:] = 0
    good = _alone(rng, signal, 0.2)
    good = HeldOutPredictions(
        good.measured, np.where(np.arange(30) < 15, good.predicted, 0.05 * rng.standard_normal((120, 30)))
    )
    worse = HeldOutPredictions(good.measured, rng.standard_normal((120, 30)))  # noise that costs a lot
    masks = {"loud": np.arange(30) < 15, "silent": np.arange(30) >= 15}
    comparison = compare_with_baseline(good, worse, BLOCKS, PermutationSettings(199), masks)
    chance = above_chance_p(good, BLOCKS, PermutationSettings(199), masks)
    assert comparison.p.max() < 0.02  # of two fits to noise one is worse too
    p = intersection_union_p([comparison], chance)
    assert p[0] < 0.02 and p[1] > 0.05


def test_all_rivals_must_be_beaten():
    def one(p: list[float]) -> Comparison:
        return Comparison(np.zeros(2), np.zeros(2), np.zeros(2), np.array(p))

    np.testing.assert_allclose(
        intersection_union_p([one([0.01, 0.2]), one([0.03, 0.001])], np.array([0.02, 0.02])), [0.03, 0.2]
    )


def test_planted_shares_order_the_regions(store: Store):
    result = stored_result(store, REQUEST)
    table = region_table(result).set_index("region")
    assert table.loc["multi", "true share (simulated)"] > 0.7 > table.loc["uni", "true share (simulated)"]
    best = dict(zip(result.regions, margin(result), strict=True))
    assert best["multi"] > best["both"] > best["uni"]
    assert table.loc["uni", "p"] > 0.5 and table.loc["multi", "p"] < table.loc["both", "p"]
    assert table["r2 multimodal"]["multi"] > table["r2 untrained control"]["multi"] + 0.05
    assert np.isnan(table.loc["all voxels", "q"]) and findings(result)["truth"]["false_p05_where_share_below_half"] == 0
    assert result.bands == ("multimodal", "language", "vision")
    assert result.split_r2.shape == (3, len(result.regions))


def test_the_headline_says_the_smallest_p_that_the_blocks_can_reach(store: Store):
    result = stored_result(store, REQUEST)
    for n_blocks, n_permutations, p, text in (
        (9, 1000, 1 / 512, "9 blocks: smallest attainable p = .002)"),
        (4, 1000, 1 / 16, "4 blocks: smallest attainable p = .062, so that nothing can be significant)"),
        (50, 99, 1 / 100, "50 blocks: smallest attainable p = .010)"),
    ):
        request = replace(result.request, n_permutations=n_permutations)
        other = replace(result, n_blocks=n_blocks, request=request)
        assert smallest_p(other) == pytest.approx(p)
        assert headline(other, {}).endswith(text) and f"cannot be smaller than {number(p, 2)}" in methods(other)
    blocks = blocks_in_runs(np.zeros(1, int), 40, 2.0, 20.0)  # the test itself reaches it, and no less
    signal = np.random.default_rng(0).standard_normal((40, 3))
    best = HeldOutPredictions(signal - signal.mean(0), signal)
    worst = HeldOutPredictions(best.measured, -signal)
    masks = {"all": np.ones(3, bool)}
    comparison = compare_with_baseline(best, worst, blocks, PermutationSettings(1000), masks)
    p = intersection_union_p([comparison], above_chance_p(best, blocks, PermutationSettings(1000), masks))
    assert p[0] == pytest.approx(smallest_p(replace(result, n_blocks=blocks.n_blocks)))


def test_four_encoders_in_one_fit(store: Store):
    """Their split R2 are those of a banded fit of the same features; one beside the three takes no part in the test."""
    result = stored_result(store, FOUR)
    assert result.bands == ("multimodal", "language", "vision", ADDITIONAL) and ADDITIONAL in result.baselines
    assert result.tested_baselines == ("language", "vision", "vision + language")
    dataset = open_dataset(NAME, store)
    stimulus, responses = dataset.stimulus("S01"), dataset.responses("S01")
    texts = Stimulus("text", _by_brightness(stimulus, None), scipy.sparse.identity(340, np.float32, "csr"))
    read = [(stimulus, "brivl-mini", 8), (texts, "minilm-l6", 4), (stimulus, "vit-mini", 8), (texts, ADDITIONAL, 4)]
    Xs = [layer_features(store, shown, model, layer) for shown, model, layer in read]
    fit = encode(Xs, responses, dataset.design("S01"), PRESETS["strict"])
    here = np.flatnonzero(fit.selected)
    np.testing.assert_allclose(result.split_r2[:, 0], fit.r2_split[:, here].mean(1), atol=2e-3)
    assert dict(zip(result.regions, result.split_r2.sum(0), strict=True))["multi"] > 0.1


def test_additional_encoders_are_up_to_three_and_each_once(capsys):
    for more, message in (
        (["brivl-mini"], "each encoder once"),
        ([ADDITIONAL, ADDITIONAL], "each encoder once"),
        (["a", "b", "c", "d"], "up to 3 additional encoders"),
        (["no-such-model"], "got 'no-such-model'"),
    ):
        assert main(["integration", *COMMON, "--more", *more]) == 2
        assert message in capsys.readouterr().err
    sentences = replace(REQUEST, dataset="phantom-sentences", subject="P01", layer=4, more=("vit-mini",))
    with pytest.raises(RequestError, match="takes text stimuli"):
        layers_of(sentences, "text")


def test_layers_are_at_the_same_depth():
    assert layers_of(replace(REQUEST, layer=12), "image") == {
        "multimodal": 12,
        "language": 6,
        "vision": 12,
        "untrained twin": 12,
    }
    assert layers_of(replace(REQUEST, layer=0), "image")["multimodal"] == 8
    with pytest.raises(RequestError, match="layers 1 to 12"):
        layers_of(replace(REQUEST, layer=13), "image")


def test_the_verb_prints_and_writes_the_same_numbers(store: Store, tmp_path: Path, capsys):
    out, words = tmp_path / "i.csv", ["--cache", str(store.root), "integrate", *COMMON]
    assert main([*words, "--json", "--out", str(out)]) == 0
    printed, written = json.loads(capsys.readouterr().out), pd.read_csv(out)
    assert printed["simulated"] and written["simulated"].all() and len(printed["regions"]) == len(written)
    assert printed["regions"][1]["p"] == pytest.approx(written["p"][1], abs=1e-5)
    assert main(words) == 0
    assert "SIMULATED DATA" in capsys.readouterr().out


def test_requests_that_cannot_be_answered_end_in_sentences(store: Store, capsys):
    for words, message in (
        (["--vision", "minilm-l6"], "takes image"),
        (["--language", "vit-mini"], "takes text"),
        (["--block", "1"], "blocks"),
        (["--preset", "lax"], "preset"),
    ):
        assert main(["--cache", str(store.root), "integration", *COMMON, *words]) == 2
        assert message in capsys.readouterr().err


def test_every_choice_changes_the_key(store: Store):
    others = [
        {},
        {"layer": 9},
        {"level": "roi"},
        {"block_s": 30.0},
        {"n_permutations": 99},
        {"preset": "paper"},
        {"vision": "brivl-mini"},
        {"multimodal": "vit-mini"},
        {"subject": "S02"},
        {"more": (ADDITIONAL,)},
    ]
    keys = [keys_of(INTEGRATION, store, replace(REQUEST, **other))[0].digest for other in others]
    assert len(set(keys)) == len(keys)


def test_the_figure_marks_each_baseline_and_bold_regions():
    differences = {"vision": np.array([0.1, -0.1]), "language": np.array([0.2, 0.3])}
    figure = difference_figure(["X", "Y"], differences, np.array([0.01, 0.9]), FigureLabel("", simulated=True))
    assert [list(trace.x) for trace in figure.data] == [[-0.1, 0.1], [0.3, 0.2]]
    assert list(figure.layout.yaxis.ticktext) == ["Y", "<b>X</b>"]


def test_bars_of_a_region_add_up():
    split = {"one": np.array([0.1, 0.05]), "two": np.array([0.2, -0.01]), "three": np.array([0.0, 0.02])}
    figure = split_figure(["X", "Y"], split, FigureLabel("", simulated=True))
    assert figure.layout.barmode == "relative" and list(figure.layout.yaxis.ticktext) == ["Y", "X"]
    np.testing.assert_allclose(np.sum([trace.x for trace in figure.data], axis=0), [0.06, 0.3])
    assert [trace.name for trace in figure.data] == list(split)


def open_integration(**fields: str) -> AppTest:
    return open_subject("integration", NAME, "S01", **({"deep": str(LAYER)} | fields))


def test_the_page_waits_for_a_click(studio: None):
    at = open_integration()
    assert not at.exception and "Which regions of S01 are better predicted" in page_headline(at)
    button(at, "Compare").click().run()
    assert button(at, "Cancel")


def test_the_page_shows_baselines_and_what_is_matched(store: Store, studio: None):
    at = open_integration(more=ADDITIONAL)
    assert not at.exception and not at.error
    assert escape(headline(stored_result(store, FOUR), {})) in page_headline(at)
    differences, bands = charts(at)
    names = [trace["name"] for trace in differences["data"]]
    assert names == ["− language", "− vision", "− (vision + language)"]
    assert [trace["name"] for trace in bands["data"]] == ["multimodal", "language", "vision", ADDITIONAL]
    assert "Not matched" in html(at) and "SIMULATED" in html(at)
    assert at.multiselect[0].value == [ADDITIONAL]
    at.multiselect[0].set_value([ADDITIONAL, "vit-mini@untrained"]).run()
    assert not at.exception and button(at, "Compare")
    assert at.query_params["more"] in (names := f"{ADDITIONAL},vit-mini@untrained", [names])


def test_all_tabs_open_and_the_view_is_saved(store: Store, studio: None):
    at = open_tabs(open_integration(more=ADDITIONAL), methods(stored_result(store, FOUR)))
    button(at, "Save this view").click().run()
    (view,) = saved_views(cache_dir())
    assert not at.exception and view.page == "integration" and view.query["more"] == ADDITIONAL


def test_datasets_of_features_do_not_suit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, studio: None):
    make_plain(tmp_path / "own")
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path))
    at = open_subject("integration", str(tmp_path / "own"), "A")
    assert not at.exception and not at.error and "needs stimuli" in page_headline(at)


def test_the_page_opens_no_folder_but_those_of_the_data(studio: None):
    for field in ("mm", "vision", "language", "more"):
        at = open_integration(**{field: "/etc"})
        assert "within BRIVL_DATA" in at.error[0].value


def test_captions_of_samples_are_those_of_their_middle_frames(tmp_path: Path):
    frames = np.stack([render(sample_scene(np.random.default_rng(i), 1)).image for i in range(3)])
    weights = scipy.sparse.csr_matrix(np.array([[0, 0, 1.0], [1, 0, 0], [0, 0, 0], [0, 1, 0]]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descriptions, "_caption_samples", CAPTION_SAMPLES)
        texts = descriptions.sample_captions(Store(tmp_path), Stimulus("image", frames, weights), lambda *_: None)
    spoken = [caption.text for caption in caption_images(load_captioner("brivl-mini"), frames)]
    assert texts == [spoken[2], spoken[0], descriptions.NO_IMAGE, spoken[1]]
