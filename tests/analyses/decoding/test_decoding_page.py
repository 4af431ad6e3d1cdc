"""Decoding of a small phantom by the verb and on the page: what is planted is found, a null control is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from brivl.analyses.decoding.analysis import DECODING
from brivl.analyses.decoding.compute import DecodingResult
from brivl.analyses.decoding.request import DecodingRequest
from brivl.analyses.decoding.tables import accuracy_table
from brivl.analysis import keys_of, run, stored
from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.support import subject_pages
from tests.support.app_driver import button, charts, headline, html
from tests.support.plain_sample import make_plain
from tests.support.subject_pages import open_subject
from tests.support.tiny_phantom import shrink

NAME = "phantom-movie:480/80"
store, studio = subject_pages.store, subject_pages.studio


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one decoding and its null control."""
    root = tmp_path_factory.mktemp("decoded")
    for name in (NAME, f"{NAME}@shuffled"):
        run(DECODING, Store(root), DecodingRequest(name, "S01"))
    return root


def decoded(store: Store, request: DecodingRequest) -> DecodingResult:
    result = stored(DECODING, store, request)
    assert result is not None
    return result


def open_decode(**fields: str) -> AppTest:
    return open_subject("decoding", NAME, "S01", **fields)


def test_planted_stimuli_are_identified_and_those_of_a_null_control_are_not(store: Store):
    found = decoded(store, DecodingRequest(NAME, "S01"))
    for space in ("image", "text"):
        whole = accuracy_table(found, space).iloc[0]
        assert whole["pairwise"] > 0.7 and whole["p"] < 0.05 and whole["top5"] > 2 * whole["top5_chance"]
    null = decoded(store, DecodingRequest(f"{NAME}@shuffled", "S01"))
    whole, nothing = (accuracy_table(one, "image").iloc[0] for one in (found, null))
    assert nothing["pairwise"] < whole["pairwise"] - 0.1 and nothing["p"] > whole["p"]
    assert found.simulated and null.simulated


def test_regions_are_added_in_the_order_of_the_training_folds(store: Store):
    found = decoded(store, DecodingRequest(NAME, "S01"))
    table = accuracy_table(found, "image")
    regions, steps = (table[table["kind"] == kind] for kind in ("region", "cumulative"))
    assert sorted(f"+ {name}" for name in regions["voxels"]) == sorted(steps["voxels"])
    assert steps["n_voxels"].is_monotonic_increasing and steps["n_voxels"].iloc[-1] == regions["n_voxels"].sum()
    first = regions[regions["voxels"] == steps["voxels"].iloc[0].removeprefix("+ ")].iloc[0]
    assert first["pairwise"] == pytest.approx(steps["pairwise"].iloc[0])


def test_the_nearest_holds_the_true_one_where_its_rank_says_so(store: Store):
    found = decoded(store, DecodingRequest(NAME, "S01"))
    near, ranks = found.nearest["image"], found.ranks["image"][0]
    inside = (near == np.arange(len(near))[:, None]).any(1)
    np.testing.assert_array_equal(inside, ranks < near.shape[1])


def test_the_verb_prints_and_writes_the_same_numbers(store: Store, tmp_path: Path, capsys):
    out = tmp_path / "decoded.csv"
    asked = ["--cache", str(store.root), "decode", "--dataset", NAME, "--subject", "S01"]
    assert main([*asked, "--json", "--out", str(out)]) == 0
    printed, written = json.loads(capsys.readouterr().out), pd.read_csv(out)
    assert printed["simulated"] is True and written["simulated"].all()
    assert printed["image"]["pairwise"] == pytest.approx(written["pairwise"].iloc[0], abs=1e-4)
    assert len(printed["rows"]) == len(written)
    assert main(asked) == 0
    assert "SIMULATED DATA" in capsys.readouterr().out


def test_pages_read_a_result_once_and_not_after_it_has_gone(store: Store, studio: None):
    request = DecodingRequest(NAME, "S01")
    first = cached.evidence(DECODING, request)
    assert first is not None and first is cached.evidence(DECODING, request)
    np.testing.assert_array_equal(first.result.pool, decoded(store, request).pool)
    other = cached.evidence(DECODING, DecodingRequest(f"{NAME}@shuffled", "S01"))
    assert other is not None and other.result.request.dataset == f"{NAME}@shuffled"
    assert cached.evidence(DECODING, DecodingRequest(NAME, "S02")) is None
    shutil.rmtree(cache_dir())
    assert cached.evidence(DECODING, request) is None


def test_bad_questions_end_in_sentences(store: Store, tmp_path: Path, capsys):
    make_plain(tmp_path / "own")
    for words, said in (
        (["--dataset", NAME, "--subject", "S99"], "Expected a subject of the dataset, got 'S99'"),
        (["--dataset", NAME, "--subject", "S01", "--model", "vit-mini"], "one space"),
        (["--dataset", NAME, "--subject", "S01", "--window", "-1"], "window"),
        (["--dataset", NAME, "--subject", "S01", "--preset", "lax"], "preset"),
        (["--dataset", NAME, "--subject", "S01", "--level", "area"], "one of"),
        (["--dataset", NAME, "--subject", "S01", "--window", "90"], "shorter window"),
        (["--dataset", str(tmp_path / "own"), "--subject", "A"], "only features"),
    ):
        assert main(["--cache", str(store.root), "decode", *words]) == 2
        assert said in capsys.readouterr().err


def test_every_choice_changes_the_key(store: Store):
    keys = [
        keys_of(DECODING, store, DecodingRequest(NAME, "S01", **other))[0].digest
        for other in ({}, {"level": "roi"}, {"preset": "paper"}, {"window_s": 4.0})
    ]
    keys.append(keys_of(DECODING, store, DecodingRequest(NAME, "S02"))[0].digest)
    assert len(set(keys)) == len(keys)
    with pytest.raises(RequestError, match="window"):
        keys_of(DECODING, store, DecodingRequest(NAME, "S01", window_s=float("nan")))


def test_the_page_shows_regions_steps_and_guesses(store: Store, studio: None):
    at = open_decode(event="2")
    assert not at.exception and not at.error
    assert "Top-1 accuracy" in headline(at) and "SIMULATED" in html(at) and "demo model" in html(at)
    regions, steps = charts(at)
    assert len(regions["data"][0]["y"]) == len(steps["data"][0]["x"])
    assert len(at.get("image")) == 6 and "shown" in html(at) and "guess 5" in html(at)
    at.segmented_control(key="decoding space").set_value("text").run()
    assert not at.exception and at.query_params["space"] in ("text", ["text"])
    assert "guess 1" in " ".join(at.dataframe[0].value.iloc[:, 0])


def test_the_page_waits_for_a_click(studio: None):
    at = open_decode()
    assert not at.exception and "Which stimulus was presented to S01?" in html(at)
    button(at, "Decode").click().run()
    assert button(at, "Cancel")


def test_all_subjects_are_not_decoded_at_once(studio: None):
    at = open_decode(subject="All")
    assert not at.exception and "Choose one subject" in html(at)
