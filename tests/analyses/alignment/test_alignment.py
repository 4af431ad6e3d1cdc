"""Text-aligned encoding of a small simulated dataset: scores, curve, controls, resuming; the verb and the page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from brivl.analyses.alignment import page as alignment_page
from brivl.analyses.alignment.analysis import ALIGNMENT
from brivl.analyses.alignment.compute import AlignmentResult
from brivl.analyses.alignment.request import AlignmentRequest, layers_of, weights_of
from brivl.analyses.alignment.tables import (
    curve_sentence,
    curve_table,
    final_model,
    headline,
    methods,
    models_table,
    regions_table,
    ridge_model,
    ridge_title,
    summary,
    tables,
)
from brivl.analysis import keys_of, run, stored
from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.records import Voxels
from brivl.data.phantoms import base
from brivl.data.phantoms.movie import BrainLayout
from brivl.data.registry import open_dataset
from brivl.data.subject_facts import load_facts
from brivl.jobs.queue import JobQueue
from brivl.sharing.saved_views import saved_views
from brivl.store.artifacts import Store
from brivl.train import alignment as training
from brivl.ui import cached
from tests.support.app_driver import APP, PATIENCE, SLEEPER, button, charts, html
from tests.support.app_driver import headline as page_headline
from tests.support.subject_pages import open_tabs

NAME = "phantom-categories:150/40"
REGIONS = ("FFA", "PPA", "EBA", "M1")


def layout() -> BrainLayout:
    """Twenty voxels in each of three selective regions and a silent one."""
    region = np.repeat(REGIONS, 20)
    ijk = np.stack([np.arange(80), np.zeros(80, int), np.zeros(80, int)], 1)
    rois = {name: region == name for name in REGIONS}
    return BrainLayout(Voxels("test", ijk, (80, 1, 1), np.eye(4), rois), region, np.full(80, 1.6))


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "stored_layout", lambda store, progress: layout())
        patch.setattr(training, "SECOND_STAGE", replace(training.SECOND_STAGE, n_epochs=2))
        yield


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The captions that the images were drawn with, as a file: quicker than a captioner."""
    folder = tmp_path_factory.mktemp("words")
    images = open_dataset(NAME, Store(folder / "cache")).category_images
    lines = [json.dumps({"item": i, "text": text}) for i, text in enumerate(images.captions)]
    (folder / "captions.jsonl").write_text("\n".join(lines))
    return folder / "captions.jsonl"


@pytest.fixture(scope="module")
def question(words: Path) -> AlignmentRequest:
    return AlignmentRequest(
        NAME, "C01", descriptions=str(words), n_components=8, weights=(0.01, 0.1), n_seeds=2, n_blocks=1
    )


@pytest.fixture(scope="module")
def filled(question: AlignmentRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("aligned")
    store = Store(root)
    run(ALIGNMENT, store, question)
    load_facts(store, open_dataset(NAME, store), "C01")
    return root


@pytest.fixture
def store(filled: Path) -> Store:
    shutil.copytree(filled, cache_dir(), dirs_exist_ok=True)
    return Store(cache_dir())


@pytest.fixture
def result(store: Store, question: AlignmentRequest) -> AlignmentResult:
    result = stored(ALIGNMENT, store, question)
    assert result is not None
    return result


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, words: Path) -> Iterator[None]:
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    monkeypatch.setattr("brivl.ui.allowed_paths.roots", lambda: (words.parent,))
    yield
    cached.model_queue().shutdown()


def test_the_planted_signal_is_predicted_beside_ridge(result: AlignmentResult) -> None:
    numbers = summary(result)
    # `eval alignment` requires 0.9 of the whole dataset; 135 fitted images and two passes of the blocks reach less.
    assert numbers["aligned_r"] >= 0.75 * numbers["banded_ridge_r"] > 0.3
    assert numbers["passes"] == (numbers["aligned_r"] >= 0.9 * numbers["banded_ridge_r"])
    assert numbers["measured_on"] == "voxels with a planted category"
    table = regions_table(result).set_index("region")
    assert table.loc["FFA", "r_aligned"] > 0.2
    assert result.simulated


def test_every_row_is_what_it_says(result: AlignmentResult) -> None:
    table = models_table(result)
    assert result.r.shape == result.r2.shape == (len(table), len(result.voxel_indices))
    assert list(table["lambda"].dropna()) == [0, 0.01, 0.1, 0, result.chosen_weight, result.chosen_weight]
    assert table["control"].sum() == 1 and table["reads_text"].sum() == 1
    assert table["stage"].iloc[final_model(result)] == 2
    assert (np.abs(result.r) <= 1).all() and (result.r2 <= 1).all()
    first = result.curve[:, 0]  # the first seed is the one in the table
    np.testing.assert_allclose(first, np.median([result.r[:3], result.r2[:3]], axis=2).T, atol=1e-5)


def test_the_chosen_lambda_has_the_least_stopping_loss(result: AlignmentResult) -> None:
    table = curve_table(result)
    aligned = table[table["lambda"] > 0]
    assert result.chosen_weight == aligned.loc[aligned["stopping_loss"].idxmin(), "lambda"]
    accuracy = table["pairwise_text_accuracy"].to_numpy()
    assert accuracy[-1] > 0.6 and accuracy[-1] > accuracy[0] + 0.05  # the loss with λ > 0 learns the descriptions
    assert "λ" in curve_sentence(result) and "R²" in headline(result, {})
    lifted = result.r2.copy()
    lifted[final_model(result)] = result.r2.max() + 1
    assert "caption alignment adds" in headline(replace(result, r2=lifted), {})
    assert "gives no gain" in headline(replace(result, r2=np.zeros_like(lifted)), {})
    rising = np.linspace(0.3, 0.5, 3)[:, None] + np.array([0, 0.001])
    curve = np.stack([rising, rising], axis=2)
    assert "the largest λ is best" in curve_sentence(replace(result, curve=curve))
    assert "a small λ is best" in curve_sentence(replace(result, curve=curve[[0, 2, 1]]))
    assert "without descriptions" in curve_sentence(replace(result, curve=curve[::-1]))
    assert ((table["r2_low"] <= table["median_r2"]) & (table["median_r2"] <= table["r2_high"])).all()


def test_ridge_is_that_of_the_fits(result: AlignmentResult, store: Store, question: AlignmentRequest) -> None:
    """One band of the same features, fitted by the functions of other pages."""
    from brivl.core.encoding.split_score import r2_joint
    from brivl.core.inference.held_out_predictions import held_out_predictions
    from brivl.data.features import layer_features

    d = open_dataset(NAME, store)
    stimulus, responses = d.stimulus("C01"), d.responses("C01")
    X = np.concatenate(
        [
            layer_features(store, stimulus, "vit-mini", layer, pooling)
            for layer in layers_of(question)
            for pooling in ("cls", "mean")
        ],
        axis=1,
    )
    data = held_out_predictions([X], responses, result.voxel_indices, FitProtocol(d.design("C01"), PRESETS["strict"]))
    row = [model.name for model in result.models].index("ridge, image features")
    np.testing.assert_allclose(result.r2[row], r2_joint(data.measured, data.bands.sum(0)), atol=1e-4)
    assert row != ridge_model(result)


def test_a_stopped_run_goes_on(
    question: AlignmentRequest, tmp_path: Path, result: AlignmentResult, store: Store
) -> None:
    """With the checkpoints of a run that was stopped the result is the same, bit for bit."""

    class Stopped(Exception):
        pass

    def stop(done: float, _total: float, message: str) -> None:
        if "0.1" in message and "Training" in message:
            raise Stopped

    once = replace(question, n_seeds=1, n_blocks=0)
    for name in ("stopped", "whole"):
        shutil.copytree(store.root, tmp_path / name, ignore=shutil.ignore_patterns("aligned"))
    with pytest.raises(Stopped):
        run(ALIGNMENT, Store(tmp_path / "stopped"), once, stop, tmp_path / "checkpoints")
    assert (tmp_path / "checkpoints" / "lambda-0.01-seed-0" / "latest").exists()
    continued = run(ALIGNMENT, Store(tmp_path / "stopped"), once, checkpoints=tmp_path / "checkpoints")
    whole = run(ALIGNMENT, Store(tmp_path / "whole"), once)
    np.testing.assert_array_equal(continued.r, whole.r)
    np.testing.assert_array_equal(continued.stopping_loss, whole.stopping_loss)
    assert continued.models[final_model(continued)].stage == 1
    np.testing.assert_array_equal(whole.r[:3], result.r[:3])  # and the first seed does not depend on how many there are


def test_every_choice_changes_the_key(store: Store, question: AlignmentRequest) -> None:
    others = (
        {},
        {"backbone": "brivl-mini"},
        {"text": "brivl-mini"},
        {"descriptions": "captioner"},
        {"layers": (6, 12)},
        {"n_components": 9},
        {"weights": (0.1,)},
        {"n_seeds": 3},
        {"n_blocks": 2},
        {"preset": "paper"},
        {"subject": "C02"},
    )
    keys = [keys_of(ALIGNMENT, store, replace(question, **other))[0].digest for other in others]
    assert len(set(keys)) == len(keys)
    assert weights_of(replace(question, weights=(0.1, 0.01, 0.1))) == (0.0, 0.01, 0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", NAME, "--subject", "C99"], "Expected a subject of the dataset, got 'C99'"),
        (["--dataset", NAME, "--subject", "C01", "--backbone", "minilm-l6"], "takes text"),
        (["--dataset", NAME, "--subject", "C01", "--text", "vit-mini"], "reads texts"),
        (["--dataset", NAME, "--subject", "C01", "--layers", "13"], "layers 1 to 12"),
        (["--dataset", NAME, "--subject", "C01", "--layers", "4.5"], "--layers"),
        (["--dataset", NAME, "--subject", "C01", "--layers", "4"], "all lie before them"),
        (["--dataset", NAME, "--subject", "C01", "--lambdas", "a,b"], "--lambdas"),
        (["--dataset", NAME, "--subject", "C01", "--lambdas", "-1"], "lambdas"),
        (["--dataset", NAME, "--subject", "C01", "--lambdas", "nan"], "lambdas"),
        (["--dataset", NAME, "--subject", "C01", "--components", "0"], "components"),
        (["--dataset", NAME, "--subject", "C01", "--seeds", "99"], "seeds"),
        (["--dataset", NAME, "--subject", "C01", "--descriptions", "none.tsv"], "none.tsv"),
        (["--dataset", NAME, "--subject", "C01", "--preset", "lax"], "preset"),
        (["--dataset", "phantom-movie:120/20", "--subject", "S01"], "time series"),
        (["--dataset", "phantom-sentences", "--subject", "P01"], "Expected a dataset of images"),
    ],
)
def test_impossible_requests_end_in_sentences(words: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["--cache", str(cache_dir()), "alignment", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_verb_prints_and_writes_the_same_numbers(
    store: Store, question: AlignmentRequest, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "regions.csv"
    words = [
        "--cache",
        str(store.root),
        "align",
        "--dataset",
        NAME,
        "--subject",
        "C01",
        "--descriptions",
        question.descriptions,
        "--components",
        "8",
        "--lambdas",
        "0.01,0.1",
        "--seeds",
        "2",
        "--blocks",
        "1",
    ]
    assert main([*words, "--json", "--out", str(out)]) == 0
    printed, written = json.loads(capsys.readouterr().out), pd.read_csv(out)
    assert printed["simulated"] is True and written["simulated"].all()
    assert printed["regions"][0]["r_aligned"] == pytest.approx(written["r_aligned"].iloc[0], abs=1e-4)
    assert list(printed["curve"]) == ["0", "0.01", "0.1"] and printed["bar"] == 0.9 and printed["layers"] == [4, 8, 12]
    assert main(words) == 0
    assert "SIMULATED DATA" in capsys.readouterr().out


def open_alignment(monkeypatch: pytest.MonkeyPatch, request: AlignmentRequest | None = None, **fields: str) -> AppTest:
    if request is not None:  # the page requests the defaults; here a small request
        page = replace(alignment_page.PAGE, controls=lambda choices, summary, inputs: request)
        monkeypatch.setattr(alignment_page, "PAGE", page)
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in ({"data": NAME, "subject": "C01"} | fields).items():
        at.query_params[name] = value
    return at.switch_page("pages/alignment.py").run()


def test_the_page_shows_curve_table_and_regions(
    store: Store, studio: None, question: AlignmentRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = open_alignment(monkeypatch, question)
    assert not at.exception and not at.error
    assert "banded ridge" in page_headline(at) and "SIMULATED" in html(at) and "demo models" in html(at)
    curve, regions = charts(at)[0], charts(at)[-1]
    assert curve["layout"]["xaxis"]["ticktext"] == ["0", "0.01", "0.1"] and len(regions["data"]) == 3
    at.segmented_control(key="alignment score").set_value("r").run()
    assert not at.exception and at.query_params["score"] in ("r", ["r"])
    assert charts(at)[-1]["layout"]["xaxis"]["title"]["text"] == "median r"


def test_the_page_waits_for_a_click(studio: None, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_alignment(monkeypatch)
    assert not at.exception and "Do descriptions of the images help" in html(at)
    button(at, "Train").click().run()
    assert button(at, "Cancel")


def test_what_cannot_be_requested_is_explained(studio: None, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_alignment(monkeypatch, data="phantom-movie:120/20", subject="S01")
    assert not at.exception and "One response to each image" in html(at)
    at = open_alignment(monkeypatch, data="phantom-sentences", subject="P01")
    assert not at.exception and "One response to each image" in html(at)
    at = open_alignment(monkeypatch, told="/etc/passwd.tsv")
    assert not at.exception and "BRIVL_DATA" in at.error[0].value


def test_one_click_goes_on_with_data_that_suit(studio: None, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_alignment(monkeypatch, data="phantom-movie", subject="S02", preset="paper")
    button(at, "Train with phantom-categories").click().run()
    assert not at.exception and button(at, "Cancel") and "SIMULATED" in html(at)
    kept = {name: at.query_params[name] for name in ("data", "subject", "preset")}
    assert kept == {"data": "phantom-categories", "subject": "C01", "preset": "paper"}


def test_all_tabs_open_and_the_view_is_saved(
    store: Store, studio: None, question: AlignmentRequest, result: AlignmentResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = open_tabs(open_alignment(monkeypatch, question, score="r"), methods(result))
    button(at, "Save this view").click().run()
    (view,) = saved_views(cache_dir())
    assert not at.exception and view.page == "alignment" and view.query["score"] == "r"


def test_results_without_regions_and_of_one_layer(result: AlignmentResult) -> None:
    alone = replace(result, regions={})
    assert list(tables(alone)) == ["models", "curve"] and next(iter(tables(result))) == "regions"
    assert len(regions_table(alone)) == 0 and "r2_aligned" in regions_table(alone)
    assert ridge_title(result) == "banded ridge"
    banded = ridge_model(result)
    models = (*result.models[:banded], *result.models[banded + 1 :])
    assert ridge_title(replace(result, models=models)) == "ridge"
