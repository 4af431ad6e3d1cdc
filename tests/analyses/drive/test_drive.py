"""Images that drive a region: units of predictions, the whole path in small, the control, the verb and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from brivl.analyses.drive import compute
from brivl.analyses.drive.analysis import DRIVE
from brivl.analyses.drive.compute import DriveResult, PlantedCategory, RegionModel
from brivl.analyses.drive.figures import region_bars
from brivl.analyses.drive.request import DriveRequest
from brivl.analyses.drive.tables import category_fractions
from brivl.analyses.voxel_captions import corpus
from brivl.analysis import keys_of, run, stored
from brivl.commands.main import main
from brivl.errors import RequestError
from brivl.models.generation import prior_initialisation
from brivl.scenes.scene import Scene, Thing, render
from brivl.store.artifacts import Store
from brivl.viz.style import FigureLabel
from tests.support import subject_pages
from tests.support.app_driver import button, charts, headline, html
from tests.support.subject_pages import CATEGORIES, CATEGORY_SUBJECT, open_subject, shrink_categories

NAME, SUBJECT = CATEGORIES, CATEGORY_SUBJECT
store, studio = subject_pages.store, subject_pages.studio
ASKED = DriveRequest(NAME, SUBJECT, "FFA", n=2)
COMMON = ["--dataset", NAME, "--subject", SUBJECT]


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shrink_categories(patch)
        patch.setattr(corpus, "N_SCENES", 60)
        patch.setattr(compute, "STEPS", 3)
        patch.setattr(prior_initialisation, "N_CANDIDATES", 4)
        patch.setattr(prior_initialisation, "N_ROUNDS", 1)
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("driven")
    run(DRIVE, Store(root), ASKED)
    return root


def result_of(store: Store) -> DriveResult:
    result = stored(DRIVE, store, ASKED)
    assert result is not None
    return result


def test_predictions_are_in_deviations_over_what_was_shown(rng: np.random.Generator):
    E, W = rng.standard_normal((50, 6)) + 3, rng.standard_normal((6, 8))
    masks = {"one": np.arange(8) < 3, "other": np.arange(8) >= 3}
    model = RegionModel.from_weights(W, masks, E)
    for name, inside in masks.items():
        expected = (E @ W[:, inside]).mean(1)
        expected = (expected - expected.mean()) / expected.std()
        np.testing.assert_allclose(model.predict_region(name, E), expected, atol=1e-9)
    np.testing.assert_allclose(((E - model.mean) @ model.voxels).std(0), 1, atol=1e-9)


def test_pictures_are_made_ranked_and_judged(store: Store):
    found = result_of(store)
    assert found.images.shape == (2, 64, 64, 3) and found.images.dtype == np.uint8
    assert not np.array_equal(found.images[0], found.images[1])  # each from its own seed
    assert (np.diff(found.natural_predicted) <= 0).all() and found.natural_predicted[0] > 1
    assert found.by_region["FFA"] == pytest.approx(found.predicted.mean())
    assert len(found.voxel_responses) == len(found.voxel_indices) and np.isfinite(found.voxel_responses).all()
    assert found.planted == PlantedCategory("face", ("face",)) and found.simulated
    assert category_fractions(found)["natural"] >= 0.5  # the best of those shown are of the planted category


def test_the_same_question_gives_the_same_picture(store: Store, tmp_path: Path):
    again = run(DRIVE, Store(tmp_path / "other"), ASKED)
    np.testing.assert_array_equal(again.images, result_of(store).images)


def test_a_picture_of_the_category_is_predicted_to_drive_its_region(store: Store, monkeypatch: pytest.MonkeyPatch):
    def face(*_args: object) -> np.ndarray:
        return np.stack([render(Scene("beach", (Thing("face", "white", "large", 0.5, 0.6),))).image] * 2)

    monkeypatch.setattr(compute, "_generate", face)
    found = run(DRIVE, store, DriveRequest(NAME, SUBJECT, "FFA", n=2, seed=5))
    assert max(found.by_region, key=found.by_region.get) == "FFA" and found.predicted.mean() > 1.5
    assert category_fractions(found)["made"] == 1.0


def test_the_verb_prints_and_writes_pictures(store: Store, tmp_path: Path, capsys):
    asked = ["--cache", str(store.root), "drive", *COMMON, "--region", "FFA", "--n", "2"]
    assert main([*asked, "--json", "--out", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["simulated"] and printed["stand_in"] and len(printed["files"]) == 2
    assert all(Path(file).name.startswith("simulated-") and Path(file).is_file() for file in printed["files"])
    assert main(asked) == 0
    assert "SIMULATED DATA" in capsys.readouterr().out


def test_bad_questions_end_in_sentences(store: Store, tmp_path: Path, capsys):
    for words, said in (
        (["--region", "M1"], "one of"),
        (["--region", "FFA", "--n", "0"], "1 to 24"),
        (["--region", "FFA", "--seed", "-1"], "seed"),
        (["--region", "FFA", "--out", str(tmp_path / "none")], "folder that exists"),
    ):
        assert main(["--cache", str(store.root), "drive", *COMMON, *words]) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(RequestError, match="images or movies"):
        keys_of(DRIVE, store, DriveRequest("phantom-sentences", "P01", "Insula"))


def test_every_choice_changes_the_key(store: Store):
    others = [{}, {"n": 4}, {"seed": 1}, {"preset": "paper"}]
    keys = {keys_of(DRIVE, store, DriveRequest(NAME, SUBJECT, "FFA", **other))[0].digest for other in others}
    assert len(keys | {keys_of(DRIVE, store, DriveRequest(NAME, SUBJECT, "PPA"))[0].digest}) == len(others) + 1


def test_figures_show_the_numbers():
    label = FigureLabel("x", simulated=True)
    bars = region_bars({"a": 1.0, "b": -0.5, "c": 2.0}, "c", label)
    assert list(bars.data[0].y) == ["b", "a", "c"] and list(bars.data[0].marker.opacity) == [0.4, 0.4, 1.0]


def test_the_page_shows_what_was_made_and_the_control(store: Store, studio: None):
    at = open_drive(drive="FFA", n="2")
    assert not at.exception and not at.error
    assert "Predicted FFA response" in headline(at) and "SIMULATED" in html(at)
    assert len(at.get("image")) == 4 and len(charts(at)) == 1
    assert "classified as" in html(at)


def test_the_headline_says_what_is_predicted_and_that_images_may_be_adversarial(store: Store):
    result = result_of(store)
    sentence = DRIVE.headline(result, {})
    assert sentence.startswith("Predicted FFA response (not measured): ")
    assert re.search("Classifier: face in [012] of 2 and [012] of 2 images; generated images", sentence)
    assert sentence.endswith("may be adversarial")
    unknown = DRIVE.headline(replace(result, planted=None), {})
    assert "Classifier" not in unknown and "not measured" in unknown and unknown.endswith("may be adversarial")


def test_the_page_waits_for_a_click_and_says_where_it_cannot(studio: None):
    at = open_drive()
    assert not at.exception and "Which images have a large predicted response of FFA" in html(at)
    button(at, "Generate images").click().run()
    assert button(at, "Cancel")
    at = open_drive(data="phantom-sentences", subject="P01")
    assert not at.exception and "generated from responses to images" in html(at)


def open_drive(**fields: str) -> AppTest:
    return open_subject("drive", NAME, SUBJECT, **fields)
