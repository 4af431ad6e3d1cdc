"""Transfer in a small phantom by the verb, the evaluation and on the page: what is shared is found, else nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from brivl.analyses.transfer import page
from brivl.analyses.transfer.request import MODALITIES, MULTIMODAL, TransferAsked, open_pair
from brivl.analyses.transfer.result import known_transfer, transfer, transfer_key
from brivl.analyses.transfer.tables import component_table, regions_of, summary, transfer_table
from brivl.commands.main import main
from brivl.data.phantoms.movie_stimulus import MovieConfig
from brivl.data.registry import open_dataset
from brivl.data.subject_facts import load_facts
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.support import subject_pages
from tests.support.app_driver import button, charts, headline, html
from tests.support.content_model import use_tiny_stories
from tests.support.figure_samples import flatmap
from tests.support.subject_pages import open_subject

NAME, NULL, N_PAIRS = "phantom-stories:240/60", "phantom-stories:240/60,null", 120
ASKED = TransferAsked(NAME, "S01", n_pairs=N_PAIRS)
store, studio = subject_pages.store, subject_pages.studio


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_stories(patch, MovieConfig(n_train=240, n_test=60))
        patch.setattr(page, "N_PAIRS", N_PAIRS)
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one transfer and that where nothing is shared."""
    root = tmp_path_factory.mktemp("carried")
    for asked in (ASKED, replace(ASKED, dataset=NULL)):
        transfer(Store(root), asked)
    return root


def test_what_is_shared_carries_both_ways_and_without_it_nothing_does(store: Store) -> None:
    found, null = (known_transfer(store, replace(ASKED, dataset=name)) for name in (NAME, NULL))
    for modality in MODALITIES:
        rows = regions_of(found, modality).set_index("region")
        shared = ["FFA", "IPS", "PPA"]
        assert (rows.loc[shared, "across"] > 0.1).all() and (rows.loc[shared, "q"] < 0.05).any()
        assert abs(rows.loc["Broca", "across"]) < 0.5 * rows.loc[shared, "across"].mean()
        assert abs(regions_of(null, modality)["across"].mean()) < 0.5 * rows.loc[shared, "across"].mean()
    assert found.info["simulated"] and summary(null)["truth"]["shared_regions"] == []
    assert set(summary(found)["truth"]["shared_regions"]) == {"FFA", "IPS", "PPA"}
    subspace = found.info["truth"]["subspace"]
    n_shared = subspace["n_shared"]  # fewer than the 3 planted: six blocks of test samples tell little
    assert n_shared >= 1 and 3 * subspace["mean"] / n_shared > 0.6, subspace  # those found point where they should
    assert found.shared is not None and found.shared.agreement[0] > 0.5


def test_scores_of_voxels_make_those_of_regions(store: Store) -> None:
    found = known_transfer(store, ASKED)
    for modality in MODALITIES:
        for what in ("within", "across"):
            whole = found.scores[MULTIMODAL, modality, what][0]
            assert whole == pytest.approx(float(found.voxels[f"{what}.{modality}"].mean()), abs=1e-5)
    assert len(found.voxels["columns"]) == found.n_voxels[0]


def test_the_verb_prints_and_writes_the_same_numbers(store: Store, tmp_path: Path, capsys) -> None:  # noqa: ANN001
    out = tmp_path / "carried.csv"
    asked = ["--cache", str(store.root), "transfer", "--dataset", NAME, "--subject", "S01", "--n-pairs", str(N_PAIRS)]
    assert main([*asked, "--json", "--out", str(out)]) == 0
    printed, written = json.loads(capsys.readouterr().out), pd.read_csv(out)
    assert printed["simulated"] is True and written["simulated"].all() and len(printed["rows"]) == len(written)
    assert printed["movie"]["r_across"] == pytest.approx(
        written[written["predicted"] == "movie"]["across"].iloc[0], abs=1e-4
    )
    assert main(asked) == 0
    assert "SIMULATED DATA" in capsys.readouterr().out


def test_bad_questions_end_in_sentences(store: Store, capsys) -> None:  # noqa: ANN001
    asked = ["--cache", str(store.root), "transfer", "--subject"]
    for words, said in (
        (["S99", "--dataset", NAME], "Expected a subject of the dataset, got 'S99'"),
        (["S01", "--dataset", NAME, "--model", "vit-mini"], "takes text stimuli"),
        (["S01", "--dataset", NAME, "--depth", "2"], "relative depth"),
        (["S01", "--dataset", NAME, "--n-pairs", "3"], "pairs"),
        (["S01", "--dataset", NAME, "--preset", "lax"], "preset"),
        (["S01", "--dataset", NAME, "--other", NAME], "one dataset of texts and one of pictures"),
        (["P01", "--dataset", "phantom-sentences"], "the other modality"),
        (["S01", "--dataset", "phantom-stories:no"], "options such as"),
    ):
        assert main([*asked, *words]) == 2
        assert said in capsys.readouterr().err


def test_every_choice_changes_the_key_and_the_order_of_datasets_does_not(store: Store) -> None:
    others = (
        {},
        {"level": "roi"},
        {"preset": "paper"},
        {"depth": 0.5},
        {"n_pairs": 130},
        {"subject": "S02"},
        {"block_s": 30.0},
        {"vision": "brivl-mini"},
    )
    keys = [transfer_key(store, replace(ASKED, **other)).digest for other in others]
    assert len(set(keys)) == len(keys)
    film = open_pair(store, ASKED).movie.name
    assert transfer_key(store, replace(ASKED, dataset=film)).digest == keys[0]
    assert transfer_key(store, replace(ASKED, other=film)).digest == keys[0]
    with pytest.raises(RequestError, match="blocks"):
        transfer_key(store, replace(ASKED, block_s=float("nan")))


def test_the_page_shows_both_ways_and_the_ends_of_a_dimension(store: Store, studio: None) -> None:
    at = open_subject("transfer", NAME, "S01", pc="2")
    assert not at.exception and not at.error
    found = known_transfer(store, ASKED)
    assert "Stories predict the film" in headline(at) and "SIMULATED" in html(at) and "stand-in" in html(at)
    assert len(charts(at)) == (3 if found.shared is not None else 2)
    assert len(charts(at)[0]["data"]) == 3
    if found.shared is not None:
        assert len(at.get("image")) == 2 * found.shared.frames and "High end" in html(at)
        assert len(component_table(found)) == len(found.shared.explained)
    assert len(at.dataframe[-1].value) == len(transfer_table(found))


def test_voxels_are_mapped_once_the_map_is_prepared(
    store: Store, studio: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the worker's task prepares, on the phantom's few voxels and a made-up flatmap."""
    assert "The map is drawn once a fit" in html(open_subject("transfer", NAME, "S01"))
    load_facts(store, open_dataset(NAME, store), "S01")
    geometry = flatmap()
    n_voxels = open_dataset(NAME, store).responses("S01").voxels.n_voxels
    geometry = replace(geometry, pixel_to_voxel=geometry.pixel_to_voxel[:, :n_voxels])
    monkeypatch.setattr(cached, "flatmap", lambda _voxels: geometry)
    st.cache_data.clear()
    at = open_subject("transfer", NAME, "S01")
    found = known_transfer(store, ASKED)
    for which in ("across", "within"):
        for chart, modality in zip(charts(at)[2:4], ("movie", "stories"), strict=True):
            voxels = next(t for t in chart["data"] if t.get("name") == "voxels")
            values = dict(zip(*np.asarray(voxels["customdata"], float).T[:2], strict=True))
            wanted = dict(zip(found.voxels["columns"], found.voxels[f"{which}.{modality}"], strict=True))
            assert values and all(values[v] == pytest.approx(wanted[int(v)], abs=1e-5) for v in values)
        at.segmented_control(key="transfer of").set_value("within").run()
        assert not at.exception


def test_the_page_waits_for_a_click_and_says_what_it_needs(studio: None) -> None:
    at = open_subject("transfer", NAME, "S01")
    assert not at.exception and "Do stories and films speak" in html(at)
    button(at, "Carry across").click().run()
    assert button(at, "Cancel")
    at = open_subject("transfer", "phantom-sentences", "P01")
    assert not at.exception and "Transfer needs stories and a film" in html(at)
    assert any("phantom-stories" in info.value for info in at.info)
    button(at, "Carry across on phantom-stories").click().run()
    assert not at.exception and button(at, "Cancel") and at.query_params["data"] == "phantom-stories"


def test_planted_regions_turn_their_sign_in_training_runs_only(store: Store) -> None:
    """No region planted here is turned round, so that raw and corrected scores are the same."""
    found = known_transfer(store, ASKED)
    assert found.info["turned"][MULTIMODAL] == [] and found.info["truth"]["inverse_regions"] == []
    for modality in MODALITIES:
        np.testing.assert_allclose(
            found.scores[MULTIMODAL, modality, "raw"], found.scores[MULTIMODAL, modality, "across"]
        )
