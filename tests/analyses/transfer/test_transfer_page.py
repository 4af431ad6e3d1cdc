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
from brivl.analyses.transfer.analysis import TRANSFER
from brivl.analyses.transfer.request import MODALITIES, MULTIMODAL, TransferRequest, open_pair
from brivl.analyses.transfer.result import TransferResult
from brivl.analyses.transfer.tables import component_table, evaluation, findings, methods, region_table, regions_of
from brivl.analysis import keys_of, run, stored
from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.data.phantoms.movie_stimulus import MovieConfig
from brivl.data.registry import open_dataset
from brivl.data.subject_facts import load_facts
from brivl.errors import RequestError
from brivl.sharing.analysis_evidence import figure_record, stored_evidence
from brivl.sharing.saved_views import saved_views
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.support import subject_pages
from tests.support.app_driver import button, charts, headline, html
from tests.support.content_model import use_tiny_stories
from tests.support.figure_samples import flatmap
from tests.support.subject_pages import open_subject, open_tabs

NAME, NULL, N_PAIRS = "phantom-stories:240/60", "phantom-stories:240/60,null", 120
REQUEST = TransferRequest(NAME, "S01", n_pairs=N_PAIRS)
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
    root = tmp_path_factory.mktemp("transferred")
    for request in (REQUEST, replace(REQUEST, dataset=NULL)):
        run(TRANSFER, Store(root), request)
    return root


def stored_result(store: Store, name: str = NAME) -> TransferResult:
    result = stored(TRANSFER, store, replace(REQUEST, dataset=name))
    assert result is not None
    return result


def test_what_is_shared_transfers_both_ways_and_without_it_nothing_does(store: Store) -> None:
    result, null = stored_result(store), stored_result(store, NULL)
    for modality in MODALITIES:
        rows = regions_of(result, modality).set_index("region")
        shared = ["FFA", "IPS", "PPA"]
        assert (rows.loc[shared, "across"] > 0.1).all() and (rows.loc[shared, "q"] < 0.05).any()
        assert abs(rows.loc["Broca", "across"]) < 0.5 * rows.loc[shared, "across"].mean()
        assert abs(regions_of(null, modality)["across"].mean()) < 0.5 * rows.loc[shared, "across"].mean()
    assert result.simulated and findings(null)["truth"]["shared_regions"] == ()
    assert set(findings(result)["truth"]["shared_regions"]) == {"FFA", "IPS", "PPA"}
    assert result.truth is not None and result.truth.subspace is not None
    subspace = result.truth.subspace
    n_shared = subspace["n_shared"]  # fewer than the 3 planted: six blocks of test samples tell little
    assert n_shared >= 1 and 3 * subspace["mean"] / n_shared > 0.6, subspace  # those found point where they should
    assert result.components is not None and result.components.agreement[0] > 0.5
    judged = evaluation({"S01": result}, {"S01": null})
    assert judged["subspace_correlation"] == round(subspace["mean"], 4) and judged["null_share_regions_q05"] == 0


def test_scores_of_voxels_make_those_of_regions(store: Store) -> None:
    result = stored_result(store)
    for modality in MODALITIES:
        for what in ("within", "across"):
            mean = getattr(result.scores[MULTIMODAL, modality], what)[0]
            assert mean == pytest.approx(float(result.voxel_r[what, modality].mean()), abs=1e-5)
    assert len(result.voxel_indices) == result.n_voxels[0]


def test_the_verb_prints_and_writes_the_same_numbers(store: Store, tmp_path: Path, capsys) -> None:  # noqa: ANN001
    out = tmp_path / "transfer.csv"
    words = ["--cache", str(store.root), "transfer", "--dataset", NAME, "--subject", "S01", "--n-pairs", str(N_PAIRS)]
    assert main([*words, "--json", "--out", str(out)]) == 0
    printed, written = json.loads(capsys.readouterr().out), pd.read_csv(out)
    assert printed["simulated"] is True and written["simulated"].all() and len(printed["rows"]) == len(written)
    assert printed["movie"]["r_across"] == pytest.approx(
        written[written["predicted"] == "movie"]["across"].iloc[0], abs=1e-4
    )
    assert main(words) == 0
    assert "SIMULATED DATA" in capsys.readouterr().out


def test_requests_that_cannot_be_answered_end_in_sentences(store: Store, capsys) -> None:  # noqa: ANN001
    verb = ["--cache", str(store.root), "transfer", "--subject"]
    for words, message in (
        (["S99", "--dataset", NAME], "Expected a subject of the dataset, got 'S99'"),
        (["S01", "--dataset", NAME, "--model", "vit-mini"], "takes text stimuli"),
        (["S01", "--dataset", NAME, "--depth", "2"], "relative depth"),
        (["S01", "--dataset", NAME, "--n-pairs", "3"], "pairs"),
        (["S01", "--dataset", NAME, "--preset", "lax"], "preset"),
        (["S01", "--dataset", NAME, "--other", NAME], "one dataset of texts and one of images"),
        (["P01", "--dataset", "phantom-sentences"], "Name the dataset of the other modality"),
        (["S01", "--dataset", "phantom-stories:no"], "options such as"),
    ):
        assert main([*verb, *words]) == 2
        assert message in capsys.readouterr().err


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
    keys = [key(store, **other) for other in others]
    assert len(set(keys)) == len(keys)
    movie = open_pair(store, REQUEST).movie.name
    assert key(store, dataset=movie) == keys[0] and key(store, other=movie) == keys[0]
    with pytest.raises(RequestError, match="blocks"):
        key(store, block_s=float("nan"))


def key(store: Store, **fields: object) -> str:
    return keys_of(TRANSFER, store, replace(REQUEST, **fields))[0].digest


def test_the_page_shows_both_ways_and_the_ends_of_a_dimension(store: Store, studio: None) -> None:
    at = open_subject("transfer", NAME, "S01", pc="2")
    assert not at.exception and not at.error
    components = stored_result(store).components
    assert "Stories predict the movie" in headline(at) and "SIMULATED" in html(at) and "demo model" in html(at)
    assert components is not None and len(charts(at)) == 3
    assert len(charts(at)[0]["data"]) == 3
    assert len(at.get("image")) == 2 * components.n_frames and "High end" in html(at)


def test_all_tabs_open_and_the_view_is_saved(store: Store, studio: None) -> None:
    result = stored_result(store)
    at = open_subject("transfer", NAME, "S01", pc="2")
    at.session_state["tabs"] = "Table"
    at.run()
    regions, components = (element.value for element in at.dataframe)
    assert len(regions) == len(region_table(result)) and len(components) == len(component_table(result))
    open_tabs(at, methods(result))
    button(at, "Save this view").click().run()
    (view,) = saved_views(cache_dir())
    assert not at.exception and view.page == "transfer" and view.query["pc"] == "2"


def test_no_folder_of_this_machine_is_in_what_is_shared(store: Store) -> None:
    evidence = stored_evidence(TRANSFER, store, REQUEST)
    assert evidence is not None and evidence.source_note
    folders = replace(evidence, request=replace(REQUEST, dataset="/data/lab:listen", other="/data/lab:watch"))
    names = folders.manifest(store)["analysis"]["request"]
    assert (names["dataset"], names["other"]) == ("lab:listen", "lab:watch")
    link = figure_record(folders, {}, {"data": "/data/lab:listen", "other": "/data/lab:watch"}).link
    assert "lab%3Awatch" in link and "%2Fdata" not in link


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
    result = stored_result(store)
    for which in ("across", "within"):
        for chart, modality in zip(charts(at)[2:4], ("movie", "stories"), strict=True):
            voxels = next(t for t in chart["data"] if t.get("name") == "voxels")
            values = dict(zip(*np.asarray(voxels["customdata"], float).T[:2], strict=True))
            expected = dict(zip(result.voxel_indices, result.voxel_r[which, modality], strict=True))
            assert values and all(values[v] == pytest.approx(expected[int(v)], abs=1e-5) for v in values)
        at.segmented_control(key="transfer of").set_value("within").run()
        assert not at.exception


def test_the_page_waits_for_a_click_and_says_what_it_needs(studio: None) -> None:
    at = open_subject("transfer", NAME, "S01")
    assert not at.exception and "Do models of stories predict" in html(at)
    button(at, "Run transfer").click().run()
    assert button(at, "Cancel")
    at = open_subject("transfer", "phantom-sentences", "P01")
    assert not at.exception and "Transfer needs stories and a movie" in html(at)
    assert any("phantom-stories" in info.value for info in at.info)
    button(at, "Run transfer with phantom-stories").click().run()
    assert not at.exception and button(at, "Cancel") and at.query_params["data"] == "phantom-stories"


def test_no_sign_is_flipped_where_no_tuning_is_inverted(store: Store) -> None:
    """No region simulated here has inverted tuning, so that raw and corrected scores are the same."""
    result = stored_result(store)
    assert result.truth is not None
    assert result.sign_flipped[MULTIMODAL] == () and result.truth.inverse_regions == ()
    for modality in MODALITIES:
        scores = result.scores[MULTIMODAL, modality]
        np.testing.assert_allclose(scores.raw, scores.across)
