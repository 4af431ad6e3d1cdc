"""Unique and shared variance: simulated truth, equations, the store, the command line."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.figure_for import FigureRequest, make_figure
from brivl.commands.main import main
from brivl.core.encoding.batches import encode_in_batches
from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import STRICT, FitProtocol
from brivl.core.records import Design, Responses, Voxels
from brivl.core.regions.variance_partitioning import VariancePartition, partition_variance
from brivl.encoding.fit import SINGLE_KIND, FitRequest, fit, single_model_key, stored_fit
from brivl.encoding.single_model import (
    fit_single_models,
    stored_partition,
    stored_single_models,
    variance_partition,
    variance_partition_job,
)
from brivl.errors import Cancelled
from brivl.store.artifacts import Store
from brivl.tasks.registry import run_task
from tests.support.plain_sample import make_plain

N, N_VOXELS, NOISE = 600, 12, 0.5
DESIGN = Design(None, N, 0, np.zeros(1, int), np.repeat(np.arange(60), 10))
PRESET = replace(STRICT, n_ratios=7, n_inner=3, alphas=tuple(np.logspace(-2, 3, 6)))


def responses_of(signal: np.ndarray) -> Responses:
    """Voxels that answer with `signal` and noise."""
    rng = np.random.default_rng(5)
    Y = (signal / signal.std(0) + NOISE * rng.standard_normal(signal.shape)).astype(np.float32)
    return Responses(Y, None, Voxels("simulated", np.zeros((N_VOXELS, 3), int), (1, 1, 1), None))


def partition_between(A: np.ndarray, B: np.ndarray, signal: np.ndarray) -> tuple[VariancePartition, np.ndarray]:
    """Their variance partition, and joint R2."""
    responses = responses_of(signal)
    joint, *alone = (encode(Xs, responses, DESIGN, PRESET).r2_joint for Xs in ([A, B], [A], [B]))
    return partition_variance(joint, np.stack(alone)), joint


def band(seed: int, n_features: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, n_features))


def test_orthogonal_models_share_nothing() -> None:
    A, B = np.split(np.linalg.qr(np.hstack([band(0), band(1)]))[0] * np.sqrt(N), 2, axis=1)
    mix = np.random.default_rng(2).standard_normal((2, 5, N_VOXELS))
    mix /= np.linalg.norm(mix, axis=1, keepdims=True)
    partition, joint = partition_between(A, B, np.sqrt(0.7) * A @ mix[0] + np.sqrt(0.3) * B @ mix[1])
    best = 1 / (1 + NOISE**2)
    assert np.abs(partition.shared).max() < 0.05
    np.testing.assert_allclose(partition.unique_a, 0.7 * best, atol=0.08)
    np.testing.assert_allclose(partition.unique_b, 0.3 * best, atol=0.08)
    np.testing.assert_allclose(sum(partition.by_name().values()), joint, atol=1e-6)


def test_identical_models_have_nothing_of_their_own() -> None:
    A = band(0)
    partition, joint = partition_between(A, A.copy(), A @ band(3)[:5, :1].repeat(N_VOXELS, 1))
    assert np.abs(partition.unique_a).max() < 1e-4 and np.abs(partition.unique_b).max() < 1e-4
    assert joint.min() > 0.7
    np.testing.assert_allclose(partition.shared, joint, atol=1e-4)
    split = encode([A, A.copy()], responses_of(A @ band(3)[:5, :1].repeat(N_VOXELS, 1)), DESIGN, PRESET).r2_split
    np.testing.assert_allclose(split, np.stack([joint, joint]) / 2, atol=1e-4)


def test_a_model_within_the_other() -> None:
    """B is A and more: A has nothing of its own; what it explains is shared."""
    A, C = band(0), band(1)
    partition, joint = partition_between(A, np.hstack([A, C]), A[:, :1] + C[:, :1] * np.ones((1, N_VOXELS)))
    assert np.abs(partition.unique_a).max() < 0.02
    np.testing.assert_allclose(partition.unique_b, 0.5 / (1 + NOISE**2), atol=0.08)
    np.testing.assert_allclose(partition.shared, 0.5 / (1 + NOISE**2), atol=0.08)


def test_a_model_alone_can_be_fitted_in_batches() -> None:
    A = band(0)
    responses = responses_of(A[:, :1].repeat(N_VOXELS, 1))
    whole = encode([A], responses, DESIGN, PRESET).r2_joint
    (batched,) = encode_in_batches([A], [responses], FitProtocol(DESIGN, PRESET))
    np.testing.assert_allclose(batched.r2_joint, whole, atol=1e-4)
    assert whole.min() > 0.7


@pytest.fixture
def request_(tmp_path: Path) -> FitRequest:
    store_folder = make_plain(tmp_path / "plain")
    from brivl.data.summary import summarise_dataset

    known = summarise_dataset(Store(tmp_path / "store"), str(store_folder))
    a, b = list(known.model_options)[:2]
    return FitRequest(str(store_folder), (a, b), 1, known.subjects[0])


def test_parts_are_stored_by_model_and_follow_the_order(request_: FitRequest, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert stored_single_models(store, request_) is None
    partition = variance_partition(store, request_)
    alone = stored_single_models(store, request_)
    assert alone is not None and len(list(store.list(SINGLE_KIND))) == 2
    joint = stored_fit(store, request_).result.r2_joint
    np.testing.assert_allclose(partition.unique_a, joint - alone[1])
    np.testing.assert_array_equal(np.isnan(alone[0]), np.isnan(joint))
    swapped = variance_partition(store, replace(request_, models=request_.models[::-1]))
    np.testing.assert_array_equal(swapped.unique_b, partition.unique_a)
    np.testing.assert_allclose(swapped.shared, partition.shared, atol=1e-12)
    assert len(list(store.list(SINGLE_KIND))) == 2, "the other model is no part of the key"


def forget_parts(store: Store, request: FitRequest) -> None:
    """As an earlier version has stored the fit."""
    for model in request.models:
        assert store.remove(single_model_key(store, request, model))


def test_a_fit_is_stored_with_its_parts(request_: FitRequest, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    joint = fit(store, request_).result.r2_joint
    parts = stored_partition(store, request_, joint)
    assert parts is not None
    swapped = stored_partition(store, replace(request_, models=request_.models[::-1]), joint)
    np.testing.assert_array_equal(swapped.unique_a, parts.unique_b)
    with_fit = stored_single_models(store, request_)
    forget_parts(store, request_)
    assert stored_partition(store, request_, joint) is None
    assert fit(store, request_).cache == "hit" and stored_partition(store, request_, joint) is None, "not unasked"
    np.testing.assert_allclose(fit_single_models(store, request_), with_fit, atol=1e-6)


def test_a_worker_computes_them_for_a_fit_without_and_can_be_stopped(request_: FitRequest, tmp_path: Path) -> None:
    store, reported = Store(tmp_path / "store"), []
    fit(store, request_)
    forget_parts(store, request_)

    def stop(done: float, total: float, what: str) -> None:
        reported.append(done / total)
        if "alone" in what:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        run_task(variance_partition_job(store, [request_]), stop)
    assert stored_single_models(store, request_) is None and stored_fit(store, request_) is not None
    reported.clear()
    assert run_task(variance_partition_job(store, [request_]), lambda d, t, w: reported.append(d / t)) == {"n_fits": 1}
    assert reported == sorted(reported) and reported[-1] <= 1 and stored_single_models(store, request_) is not None
    np.testing.assert_array_equal(fit_single_models(store, request_), stored_single_models(store, request_))


def test_the_verb_fit_gives_parts_and_says_where_there_are_none(
    request_: FitRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--cache", str(tmp_path / "store"), "fit", "--dataset", request_.dataset, "--layer", "1"]
    words += ["--models", ",".join(request_.models), "--subject", request_.subject]
    assert main([*words, "--json", "--out", str(tmp_path / "scores.npz")]) == 0
    summary = json.loads(capsys.readouterr().out)
    total = sum(summary["mean_r2_unique"]) + summary["mean_r2_shared"]
    assert summary["mean_r2_joint"] == pytest.approx(total, abs=3e-6)
    with np.load(tmp_path / "scores.npz") as arrays:
        assert summary["mean_r2_shared"] == pytest.approx(np.nanmean(arrays["r2_shared"]), abs=1e-6)
        np.testing.assert_allclose(
            arrays["r2_unique"].sum(0) + arrays["r2_shared"], arrays["r2_joint"], atol=1e-6, equal_nan=True
        )
    assert main(words) == 0 and f"shared {summary['mean_r2_shared']}" in capsys.readouterr().out
    forget_parts(Store(tmp_path / "store"), request_)
    assert main(words) == 0 and "unique parts not computed" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0 and json.loads(capsys.readouterr().out)["mean_r2_shared"] is None


def test_on_the_command_line(request_: FitRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--cache",
        str(tmp_path / "store"),
        "parts",
        "--dataset",
        request_.dataset,
        "--layer",
        "1",
        "--models",
        ",".join(request_.models),
        "--subject",
        request_.subject,
    ]
    assert main([*words, "--json", "--out", str(tmp_path / "parts.csv")]) == 0
    mean = json.loads(capsys.readouterr().out)["mean"]
    assert mean["r2_joint"] == pytest.approx(mean["unique_a"] + mean["unique_b"] + mean["shared"], abs=3e-6)
    with (tmp_path / "parts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert mean["shared"] == pytest.approx(np.mean([float(row["shared"]) for row in rows]), abs=1e-6)
    assert main(words) == 0 and "shared" in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "no" / "parts.csv")]) == 2
    assert main([*words[:-1], "nobody"]) == 2


@pytest.mark.parametrize("page", ["layers", "flatmap"])
def test_tables_of_bundles_have_the_parts_of_the_fit(request_: FitRequest, tmp_path: Path, page: str) -> None:
    store = Store(tmp_path / "store")
    request = FigureRequest(request_.dataset, request_.models, (1,), (request_.subject,), page, {})
    record = make_figure(store, request)
    table = record.make_tables()["scores"]
    parts = stored_partition(store, request_, stored_fit(store, request_).result.r2_joint)
    np.testing.assert_allclose(table[["unique_a", "unique_b", "shared"]].sum(axis=1), table["r2_joint"], atol=1e-6)
    assert table["unique_a"].mean() == pytest.approx(np.nanmean(parts.unique_a), abs=1e-6)
