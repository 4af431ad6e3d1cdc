"""Text-aligned encoding of a small phantom: bars, curve, controls, resuming; the verb and the page."""

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

from brivl.analyses.alignment.request import AlignedAsked, aligned_key, layers_of, weights_of
from brivl.analyses.alignment.result import Aligned, known_aligned, train_aligned
from brivl.analyses.alignment.tables import (
    curve_sentence,
    curve_table,
    final_model,
    headline,
    models_table,
    regions_table,
    ridge_model,
    summary,
)
from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.records import Voxels
from brivl.data.phantoms import base
from brivl.data.phantoms.movie import BrainLayout
from brivl.data.registry import open_dataset
from brivl.data.subject_facts import load_facts
from brivl.jobs.queue import JobQueue
from brivl.store.artifacts import Store
from brivl.train import alignment as training
from brivl.ui import cached
from tests.support.app_driver import APP, PATIENCE, SLEEPER, button, charts, html
from tests.support.app_driver import headline as page_headline

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
    """The captions that the pictures were drawn with, as a file: quicker than a captioner."""
    folder = tmp_path_factory.mktemp("words")
    pictures = open_dataset(NAME, Store(folder / "cache")).category_images
    lines = [json.dumps({"item": i, "text": text}) for i, text in enumerate(pictures.captions)]
    (folder / "captions.jsonl").write_text("\n".join(lines))
    return folder / "captions.jsonl"


@pytest.fixture(scope="module")
def asked(words: Path) -> AlignedAsked:
    return AlignedAsked(
        NAME, "C01", descriptions=str(words), n_components=8, weights=(0.01, 0.1), n_seeds=2, n_blocks=1
    )


@pytest.fixture(scope="module")
def filled(asked: AlignedAsked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("aligned")
    store = Store(root)
    train_aligned(store, asked)
    load_facts(store, open_dataset(NAME, store), "C01")
    return root


@pytest.fixture
def store(filled: Path) -> Store:
    shutil.copytree(filled, cache_dir(), dirs_exist_ok=True)
    return Store(cache_dir())


@pytest.fixture
def found(store: Store, asked: AlignedAsked) -> Aligned:
    answer = known_aligned(store, asked)
    assert answer is not None
    return answer


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, words: Path) -> Iterator[None]:
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    monkeypatch.setattr("brivl.ui.allowed_paths.roots", lambda: (words.parent,))
    yield
    cached.model_queue().shutdown()


def test_the_planted_signal_is_predicted_beside_ridge(found: Aligned) -> None:
    numbers = summary(found)
    # `eval aligned` holds the whole phantom to 0.9; of 135 fitted pictures and two passes of the blocks it is less.
    assert numbers["aligned_r"] >= 0.75 * numbers["banded_ridge_r"] > 0.3
    assert numbers["passes"] == (numbers["aligned_r"] >= 0.9 * numbers["banded_ridge_r"])
    assert numbers["measured_on"] == "voxels with a planted category"
    table = regions_table(found).set_index("region")
    assert table.loc["FFA", "r_aligned"] > 0.2
    assert found.info["simulated"]


def test_every_row_is_what_it_says(found: Aligned) -> None:
    table = models_table(found)
    assert found.r.shape == found.r2.shape == (len(table), len(found.columns))
    assert list(table["lambda"].dropna()) == [0, 0.01, 0.1, 0, found.info["chosen"], found.info["chosen"]]
    assert table["control"].sum() == 1 and table["reads_text"].sum() == 1
    assert table["stage"].iloc[final_model(found)] == 2
    assert (np.abs(found.r) <= 1).all() and (found.r2 <= 1).all()
    first = found.curve[:, 0]  # the first seed is the one in the table
    np.testing.assert_allclose(first, np.median([found.r[:3], found.r2[:3]], axis=2).T, atol=1e-5)


def test_the_chosen_lambda_has_the_least_stopping_loss(found: Aligned) -> None:
    table = curve_table(found)
    aligned = table[table["lambda"] > 0]
    assert found.info["chosen"] == aligned.loc[aligned["stopping_loss"].idxmin(), "lambda"]
    told = table["told_apart"].to_numpy()
    assert told[-1] > 0.6 and told[-1] > told[0] + 0.05  # descriptions are learned where they are asked for
    assert "λ" in curve_sentence(found) and "R²" in headline(found)
    lifted = found.r2.copy()
    lifted[final_model(found)] = found.r2.max() + 1
    assert " add " in headline(replace(found, r2=lifted)) and "change nothing" in headline(
        replace(found, r2=np.zeros_like(lifted))
    )
    rising = np.linspace(0.3, 0.5, 3)[:, None] + np.array([0, 0.001])
    curve = np.stack([rising, rising], axis=2)
    assert "the largest λ is best" in curve_sentence(replace(found, curve=curve))
    assert "a small λ is best" in curve_sentence(replace(found, curve=curve[[0, 2, 1]]))
    assert "without descriptions" in curve_sentence(replace(found, curve=curve[::-1]))
    assert ((table["r2_low"] <= table["median_r2"]) & (table["median_r2"] <= table["r2_high"])).all()


def test_ridge_is_that_of_the_fits(found: Aligned, store: Store, asked: AlignedAsked) -> None:
    """One band of the same features, fitted by the means of other pages."""
    from brivl.core.encoding.split_score import r2_joint
    from brivl.core.inference.held_out_predictions import held_out_predictions
    from brivl.data.features import layer_features

    d = open_dataset(NAME, store)
    stimulus, responses = d.stimulus("C01"), d.responses("C01")
    X = np.concatenate(
        [
            layer_features(store, stimulus, "vit-mini", layer, pooling)
            for layer in layers_of(asked)
            for pooling in ("cls", "mean")
        ],
        axis=1,
    )
    data = held_out_predictions([X], responses, found.columns, FitProtocol(d.design("C01"), PRESETS["strict"]))
    row = [m["name"] for m in found.models].index("ridge, image features")
    np.testing.assert_allclose(found.r2[row], r2_joint(data.measured, data.bands.sum(0)), atol=1e-4)
    assert row != ridge_model(found)


def test_a_stopped_run_goes_on(asked: AlignedAsked, tmp_path: Path, found: Aligned, store: Store) -> None:
    """With the checkpoints of a run that was stopped the answer is the same, bit for bit."""

    class Stopped(Exception):
        pass

    def stop(done: float, _total: float, message: str) -> None:
        if "0.1" in message and "Training" in message:
            raise Stopped

    once = replace(asked, n_seeds=1, n_blocks=0)
    for name in ("stopped", "whole"):
        shutil.copytree(store.root, tmp_path / name, ignore=shutil.ignore_patterns("aligned"))
    with pytest.raises(Stopped):
        train_aligned(Store(tmp_path / "stopped"), once, stop, tmp_path / "checkpoints")
    assert (tmp_path / "checkpoints" / "lambda-0.01-seed-0" / "latest").exists()
    continued = train_aligned(Store(tmp_path / "stopped"), once, checkpoints=tmp_path / "checkpoints")
    whole = train_aligned(Store(tmp_path / "whole"), once)
    np.testing.assert_array_equal(continued.r, whole.r)
    np.testing.assert_array_equal(continued.held_loss, whole.held_loss)
    assert continued.models[final_model(continued)]["stage"] == 1
    np.testing.assert_array_equal(whole.r[:3], found.r[:3])  # and the first seed does not depend on how many there are


def test_every_choice_changes_the_key(store: Store, asked: AlignedAsked) -> None:
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
    keys = [aligned_key(store, replace(asked, **other)).digest for other in others]
    assert len(set(keys)) == len(keys)
    assert weights_of(replace(asked, weights=(0.1, 0.01, 0.1))) == (0.0, 0.01, 0.1)


@pytest.mark.parametrize(
    ("words", "said"),
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
        (["--dataset", "phantom-sentences", "--subject", "P01"], "Wanted pictures"),
    ],
)
def test_bad_questions_end_in_sentences(words: list[str], said: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["--cache", str(cache_dir()), "align", *words]) == 2
    assert said in capsys.readouterr().err


def test_the_verb_prints_and_writes_the_same_numbers(
    store: Store, asked: AlignedAsked, tmp_path: Path, capsys: pytest.CaptureFixture
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
        asked.descriptions,
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
    assert list(printed["curve"]) == ["0", "0.01", "0.1"] and printed["bar"] == 0.9
    assert main(words) == 0
    assert "SIMULATED DATA" in capsys.readouterr().out


def open_aligned(monkeypatch: pytest.MonkeyPatch, asked: AlignedAsked | None = None, **fields: str) -> AppTest:
    if asked is not None:  # the page asks with the defaults of AlignedAsked; here for the small question
        monkeypatch.setattr("brivl.analyses.alignment.page._question", lambda choices: asked)
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in ({"data": NAME, "subject": "C01"} | fields).items():
        at.query_params[name] = value
    return at.switch_page("pages/aligned.py").run()


def test_the_page_shows_curve_table_and_regions(
    store: Store, studio: None, asked: AlignedAsked, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = open_aligned(monkeypatch, asked)
    assert not at.exception and not at.error
    assert "banded ridge" in page_headline(at) and "SIMULATED" in html(at) and "stand-in" in html(at)
    curve, regions = charts(at)[0], charts(at)[-1]
    assert curve["layout"]["xaxis"]["ticktext"] == ["0", "0.01", "0.1"] and len(regions["data"]) == 3
    at.segmented_control(key="aligned score").set_value("r").run()
    assert not at.exception and at.query_params["score"] in ("r", ["r"])
    assert charts(at)[-1]["layout"]["xaxis"]["title"]["text"] == "median r"


def test_the_page_waits_for_a_click(studio: None, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_aligned(monkeypatch)
    assert not at.exception and "Do descriptions help" in html(at)
    button(at, "Train").click().run()
    assert button(at, "Cancel")


def test_what_cannot_be_asked_is_said_on_the_page(studio: None, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_aligned(monkeypatch, data="phantom-movie:120/20", subject="S01")
    assert not at.exception and "One response for each picture" in html(at)
    at = open_aligned(monkeypatch, data="phantom-sentences", subject="P01")
    assert not at.exception and "One response for each picture" in html(at)
    at = open_aligned(monkeypatch, told="/etc/passwd.tsv")
    assert not at.exception and "BRIVL_DATA" in at.error[0].value


def test_one_click_goes_on_with_data_that_suit(studio: None, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_aligned(monkeypatch, data="phantom-movie", subject="S02", preset="paper")
    button(at, "Train on phantom-categories").click().run()
    assert not at.exception and button(at, "Cancel") and "SIMULATED" in html(at)
    kept = {name: at.query_params[name] for name in ("data", "subject", "preset")}
    assert kept == {"data": "phantom-categories", "subject": "C01", "preset": "paper"}
