"""Tests within a subject of a stored fit: scores of the fit, kept, swapped with the models, on the command line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brivl.commands.main import main
from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import FitProtocol
from brivl.core.encoding.split_score import r2_split
from brivl.core.inference import held_out_predictions as kept
from brivl.core.inference.block_permutation import permute_blocks
from brivl.core.inference.block_sign_flip import flip_blocks
from brivl.core.inference.held_out_predictions import held_out_blocks, held_out_predictions
from brivl.core.records import Design
from brivl.encoding.fit import FitRequest, FitResult, fit
from brivl.encoding.within_subject import (
    WithinSubjectRequest,
    stored_within_subject,
    within_subject_job,
    within_subject_tests,
)
from brivl.encoding.within_subject_tables import method_note, region_table, summary, voxel_table
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.tasks.registry import run_task
from tests.core.encoding.test_encode import MOVIE, QUICK, SENTENCES, simulate_movie, simulate_sentences
from tests.support.plain_sample import N_VOXELS, make_plain

MODELS = ("signal", "other")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = make_plain(tmp_path_factory.mktemp("data") / "plain")
    np.save(folder / "groups.npy", np.repeat(np.arange(24), 5))  # enough that some p is small
    return str(folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def fitted(store: Store, plain: str) -> FitResult:
    return fit(store, FitRequest(plain, MODELS, 2, "A"))


@pytest.mark.parametrize("kind", ["movie", "sentences"])
def test_scores_are_those_of_the_fit(kind: str) -> None:
    """Of predictions kept, joint and split R2 are what `encode` gives, be it a test run or the mean over folds."""
    (Xs, responses), design = (simulate_movie(), MOVIE) if kind == "movie" else (simulate_sentences(), SENTENCES)
    protocol = FitProtocol(design, QUICK["strict"])
    result = encode(Xs, responses, *protocol)
    columns = np.flatnonzero(result.selected)
    data, blocks = held_out_predictions(Xs, responses, columns, protocol), held_out_blocks(protocol, 20.0)
    tests, difference = permute_blocks(data, blocks), flip_blocks(data, blocks)
    np.testing.assert_allclose(tests.r2[0], result.r2_joint[columns], atol=1e-4)
    np.testing.assert_allclose(tests.r2[1:], result.r2_split[:, columns], atol=1e-4)
    np.testing.assert_allclose(difference.difference, np.subtract(*result.r2_split[:, columns]), atol=1e-4)
    if kind == "movie":
        np.testing.assert_allclose(r2_split(data.measured, data.bands), tests.r2[1:], atol=1e-5)
    strong = result.r2_joint[columns] > 0.3
    assert strong.any() and (tests.p[0][strong] < 0.05).all()


def test_more_than_memory_is_refused_and_batches_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    Xs, responses = simulate_movie()
    protocol, columns = FitProtocol(MOVIE, QUICK["strict"]), np.arange(8)
    whole = held_out_predictions(Xs, responses, columns, protocol)
    monkeypatch.setattr(kept, "AT_ONCE", 4 * len(Xs[0]))
    np.testing.assert_allclose(held_out_predictions(Xs, responses, columns, protocol).bands, whole.bands, atol=1e-3)
    monkeypatch.setattr(kept, "MOST", 100)
    with pytest.raises(RequestError, match="8 voxels.*Choose a region"):
        held_out_predictions(Xs, responses, columns, protocol)


def test_folds_and_runs_bound_the_blocks() -> None:
    design = Design(2.0, 100, 0, np.array([0, 50]))
    blocks = held_out_blocks((design, QUICK["strict"]), 20.0)
    assert [len(rows) for rows in blocks.rows] == [10] * 10 and blocks.stratum.tolist() == [0] * 5 + [1] * 5
    single = held_out_blocks((Design(None, 30, 0, np.zeros(1, int)), QUICK["strict"]), 20.0)
    assert single.n_blocks == 30 and single.description == "single responses" and len(np.unique(single.stratum)) > 1


def test_samples_dealt_at_random_are_refused() -> None:
    with pytest.raises(RequestError, match="'paper'.*strict"):
        held_out_blocks((SENTENCES, QUICK["paper"]), 20.0)


def test_the_result_is_stored_and_swaps_with_the_models(store: Store, plain: str, fitted: FitResult) -> None:
    request = WithinSubjectRequest(fitted.request, n_permutations=199)  # no other test stores 199
    assert stored_within_subject(store, request) is None
    run_task(within_subject_job(store, request), lambda *_: None)
    result = stored_within_subject(store, request)
    assert result is not None and result.voxel_indices.tolist() == np.flatnonzero(fitted.result.selected).tolist()
    assert result.info["largest_gap"] < 1e-4 and result.info["n_folds"] > 1 and "folds" in method_note(result)
    table = voxel_table(result)
    assert (
        result.info["n_blocks"] == 24
        and (table["p_joint"] < 0.01).all()
        and (table["p_difference"] < 0.05).all()
        and table["clear"].all()
    )
    assert summary(result, MODELS)["n_better_signal"] == N_VOXELS
    other = stored_within_subject(store, dataclasses.replace(request, fit=FitRequest(plain, MODELS[::-1], 2, "A")))
    np.testing.assert_array_equal(other.difference["difference"], -result.difference["difference"])
    np.testing.assert_array_equal(other.difference["ci_low"], -result.difference["ci_high"])
    np.testing.assert_array_equal(other.chance["r2"], result.chance["r2"][[0, 2, 1]])
    again = within_subject_tests(store, request)
    np.testing.assert_array_equal(again.chance["p"], result.chance["p"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"block_s": 2.0}, "10 s or longer"),
        ({"n_permutations": 3}, "19 permutations"),
        ({"region": "nowhere"}, "nowhere"),
    ],
)
def test_impossible_requests_end_with_a_sentence(store: Store, fitted: FitResult, change: dict, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        within_subject_tests(store, dataclasses.replace(WithinSubjectRequest(fitted.request), **change))


def test_a_fit_must_be_stored(store: Store, plain: str) -> None:
    with pytest.raises(RequestError, match="Expected a stored fit of layer 1"):
        within_subject_tests(store, WithinSubjectRequest(FitRequest(plain, MODELS, 1, "A")))


def test_command_line(
    store: Store, plain: str, fitted: FitResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [
        "--cache",
        str(store.root),
        "within-subject",
        "--dataset",
        plain,
        "--models",
        ",".join(MODELS),
        "--layer",
        "2",
        "--subject",
        "A",
        "--draws",
        "200",
    ]
    out = tmp_path / "tests.csv"
    assert main([*line, "--json", "--by", "voxel", "--out", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["n_voxels"] == N_VOXELS and printed["simulated"] is False and printed["n_joint_q"] == N_VOXELS
    written = pd.read_csv(out)
    assert len(written) == N_VOXELS and {"p_joint", "p_max_a", "q_difference", "clear"} <= set(written)
    assert main(line) == 0
    assert "voxels are predicted better than chance" in capsys.readouterr().out
    assert main([*line, "--block", "1"]) == 2 and main([*line, "--out", str(tmp_path / "no" / "a.csv")]) == 2
    assert main([*line, "--out", str(tmp_path / "b.csv")]) == 2 and not list(tmp_path.glob("*b.csv*"))
    assert "--by voxel" in capsys.readouterr().err


def test_regions_of_a_parcellation(store: Store, fitted: FitResult) -> None:
    result = within_subject_tests(store, WithinSubjectRequest(fitted.request, n_permutations=200))
    assert region_table(result, "roi").empty, "this folder names no regions"
