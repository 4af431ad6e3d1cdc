"""Words for voxels: planted weights and categories are found, by arrays, by the verb and on the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from brivl.analyses.voxel_captions import corpus
from brivl.analyses.voxel_captions.analysis import VOXEL_CAPTIONS
from brivl.analyses.voxel_captions.compute import VoxelCaptionsResult
from brivl.analyses.voxel_captions.corpus import category_words, frequent_words, read_corpus, scene_words
from brivl.analyses.voxel_captions.request import VoxelCaptionsRequest
from brivl.analysis import keys_of, run, stored
from brivl.commands.main import main
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.records import Design, Responses, Voxels
from brivl.core.text.voxel_words import (
    caption_agreement,
    embedding_weights,
    fraction_named,
    nearest_texts,
    project_onto_images,
)
from brivl.data.phantoms.categories import CATEGORIES, CategoryPhantomConfig, draw_images, image_scene
from brivl.data.registry import open_dataset
from brivl.errors import DataError, RequestError
from brivl.scenes.things import CATEGORY, KINDS
from brivl.store.artifacts import Store
from tests.support import subject_pages
from tests.support.app_driver import button, headline, html
from tests.support.subject_pages import open_subject, shrink_categories

NAME, SUBJECT = subject_pages.CATEGORIES, subject_pages.CATEGORY_SUBJECT
REGIONS = subject_pages.CATEGORY_REGIONS
store, studio = subject_pages.store, subject_pages.studio


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shrink_categories(patch)
        patch.setattr(corpus, "N_SCENES", 150)  # sentences
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("words")
    run(VOXEL_CAPTIONS, Store(root), VoxelCaptionsRequest(NAME, SUBJECT))
    return root


def test_planted_weights_are_found_and_mean_nothing_without_signal(rng: np.random.Generator):
    E = rng.standard_normal((260, 8)).astype(np.float32)
    W = rng.standard_normal((8, 5))
    Y = E @ W
    Y[:, 4] = 0
    train, test = Y[:200] + 0.3 * rng.standard_normal((200, 5)), Y[200:] + 0.3 * rng.standard_normal((2, 60, 5))
    voxels = Voxels("native", np.zeros((5, 3), int), (1, 1, 1), None)
    protocol = FitProtocol(Design(None, 200, 60, np.zeros(1, int)), PRESETS["strict"])
    found, r2 = embedding_weights(E, Responses(np.float32(train), np.float32(test), voxels), np.arange(5), protocol)
    for voxel in range(4):
        assert np.corrcoef(found[:, voxel], W[:, voxel])[0, 1] > 0.98
    assert (r2[:4] > 0.8).all() and r2[4] < 0.05


def test_projection_is_the_softmax_mean_of_pictures(rng: np.random.Generator):
    pictures, W = rng.standard_normal((40, 6)), rng.standard_normal((6, 3))
    points = project_onto_images(W, pictures, temperature=0.5)
    for voxel in range(3):
        logits = pictures @ W[:, voxel] / np.linalg.norm(W[:, voxel]) / 0.5
        share = np.exp(logits) / np.exp(logits).sum()
        mean = share @ pictures - pictures.mean(0)
        np.testing.assert_allclose(points[voxel], mean / np.linalg.norm(mean), atol=1e-10)
    cold = project_onto_images(W, pictures, temperature=1e-4)  # the one picture with the largest product
    best = pictures[(pictures @ W).argmax(0)] - pictures.mean(0)
    np.testing.assert_allclose(cold, best / np.linalg.norm(best, axis=1, keepdims=True), atol=1e-6)


def test_texts_are_ranked_by_cosine_less_their_mean(rng: np.random.Generator):
    texts, points = rng.standard_normal((9, 4)) + 5, rng.standard_normal((3, 4))
    order, cosines = nearest_texts(points, texts, 4)
    for i, point in enumerate(points):
        centred = texts - texts.mean(0)
        expected = centred @ point / np.linalg.norm(centred, axis=1)
        np.testing.assert_array_equal(order[i], np.argsort(-expected)[:4])
        np.testing.assert_allclose(cosines[i], np.sort(expected)[::-1][:4])


def test_shares_and_agreement_of_known_cases(rng: np.random.Generator):
    words = ["car", "dog", "sign"]
    wanted = [frozenset({"dog"}), frozenset({"car", "bus"}), frozenset({"cup"})]
    assert fraction_named(np.array([[1, 2], [0, 1], [0, 1]]), words, wanted) == pytest.approx(2 / 3)
    E, C = rng.standard_normal((80, 10)), np.eye(10)
    own, others = caption_agreement(C, E, E @ C.T)
    assert own == pytest.approx(1) and abs(others) < 0.5


def test_pictures_are_the_same_every_time_and_areas_are_of_their_things():
    config = CategoryPhantomConfig(60, 20)
    shown, again = draw_images(config), draw_images(config)
    np.testing.assert_array_equal(shown.images, again.images)
    for number in range(0, 80, 7):
        there = {CATEGORY[thing.kind] for thing in image_scene(config, number).things}
        np.testing.assert_array_equal(shown.area[number] > 0, [category in there for category in CATEGORIES])
    assert all(category_words(category) for category in CATEGORIES) and set(KINDS) <= set(scene_words())


def test_the_planted_category_is_named(store: Store):
    found = stored(VOXEL_CAPTIONS, store, VoxelCaptionsRequest(NAME, SUBJECT))
    assert isinstance(found, VoxelCaptionsResult) and found.truth is not None
    truth = found.truth
    assert truth["named"] >= 0.7 and truth["named"] > truth["by_chance"] + 0.3
    assert found.agreement > found.shuffled + 0.1
    assert category_words("face") & set(set(found.regions["FFA"].words))
    assert category_words("building") & set(set(found.regions["PPA"].words))
    assert truth["said"] >= 0.5 and truth["said"] > truth["said_by_chance"] + 0.2
    assert "face" in found.regions["FFA"].generated and len(found.generated) == len(found.voxel_indices)
    assert "M1" not in found.regions  # silent
    pictures = open_dataset(NAME, store).category_images
    assert pictures.area[list(found.regions["FFA"].rows), CATEGORIES.index("face")].min() > 0


def test_the_verb_prints_what_it_writes(store: Store, tmp_path: Path, capsys):
    out = tmp_path / "words.csv"
    asked = ["--cache", str(store.root), "voxel-captions", "--dataset", NAME, "--subject", SUBJECT]
    assert main([*asked, "--json", "--out", str(out)]) == 0
    printed, written = json.loads(capsys.readouterr().out), pd.read_csv(out)
    assert printed["n_voxels"] == len(written) and printed["simulated"] and written["simulated"].all()
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "SIMULATED DATA" in said and "words contain the true (simulated) category" in said
    assert written["generated"].str.endswith(".").all() and 0 < printed["truth"]["said"] <= 1


def test_sentences_of_ones_own(store: Store, tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_text(
        "A red face smiles.\nA red face talks.\nThe house is large.\nThe house is old.\n\n", encoding="utf-8"
    )
    found = run(VOXEL_CAPTIONS, store, VoxelCaptionsRequest(NAME, SUBJECT, corpus=str(path)))
    assert "face" in found.regions["FFA"].sentences[0] and "house" in found.regions["PPA"].sentences[0]
    assert list(found.corpus) == read_corpus(path) and set(frequent_words(list(found.corpus))) >= {"face", "house"}
    keys = {
        keys_of(VOXEL_CAPTIONS, store, VoxelCaptionsRequest(NAME, SUBJECT, corpus=c))[0].digest for c in ("", str(path))
    }
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"only one", "got 1"), (b"\xff\xfe\x00\x01", "UTF-8"), (b"", "got 0"), (None, "could not")],
)
def test_a_bad_corpus_ends_in_a_sentence(store: Store, tmp_path: Path, content: bytes | None, said: str):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        run(VOXEL_CAPTIONS, store, VoxelCaptionsRequest(NAME, SUBJECT, corpus=str(path)))


def test_bad_questions_end_in_sentences(store: Store, capsys):
    with pytest.raises(RequestError, match="50 to 20,000"):
        open_dataset("phantom-categories:3/4", store)
    with pytest.raises(RequestError, match="900/100"):
        open_dataset("phantom-categories:many", store)
    assert main(["--cache", str(store.root), "voxel-captions", "--dataset", NAME, "--subject", "X"]) == 2
    assert "Expected a subject of the dataset, got 'X'" in capsys.readouterr().err


def open_words(**fields: str) -> AppTest:
    return open_subject("voxel_captions", NAME, SUBJECT, **fields)


def test_the_page_shows_words_sentences_and_pictures(store: Store, studio: None):
    at = open_words(of="PPA")
    assert not at.exception and not at.error
    assert (
        "words contain the true (simulated) category" in headline(at)
        and "SIMULATED" in html(at)
        and "demo model" in html(at)
    )
    shown = at.table[0].value
    assert set(shown.index) <= set(REGIONS)
    assert len(at.get("image")) == 6 and "PPA: " in html(at)
    assert "Generated by the caption decoder: " in html(
        at
    ) and "generated sentence names the true (simulated) category" in html(at)
    assert shown["generated sentence"].str.endswith(".").all()


def test_the_page_waits_for_a_click(studio: None):
    at = open_words()
    assert not at.exception and "respond to, in words" in html(at)
    button(at, "Caption voxels").click().run()
    assert button(at, "Cancel")
