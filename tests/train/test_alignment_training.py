"""Training of a text-aligned encoder: losses against other implementations, simulated mappings, resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from brivl.analyses.alignment.inputs import early_stopping_rows, single_split
from brivl.core.encoding.presets import PRESETS
from brivl.core.records import Design
from brivl.errors import BrivlError, DataError, RequestError
from brivl.models.alignment.backbone_blocks import UpperBlocks
from brivl.models.alignment.encoder import alignment_loss, regression_loss
from brivl.train.alignment import (
    AlignedData,
    AlignedSettings,
    predict_components,
    train_first_stage,
    train_second_stage,
)

QUICK = AlignedSettings(0.1, learning_rate=3e-3, batch=32, n_epochs=12, patience=12, save_every=3)


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def sample(n: int = 120, seed: int = 0) -> AlignedData:
    """Components and texts that are linear in the features, of which the last come from tokens."""
    rng = np.random.default_rng(seed)
    tokens = rng.standard_normal((n, 4, 3)).astype(np.float32)
    pooled = upper()(torch.from_numpy(tokens)).detach().numpy()
    X = np.concatenate([rng.standard_normal((n, 6)), pooled], 1).astype(np.float32)
    C = (X @ rng.standard_normal((12, 5)) + 0.1 * rng.standard_normal((n, 5))).astype(np.float32)
    T = unit(X @ rng.standard_normal((12, 7)))
    return AlignedData(X, C, T, np.arange(n), np.arange(n - 20), np.arange(n - 20, n), tokens)


def upper() -> UpperBlocks:
    """One block, tanh of the tokens as they are."""
    return UpperBlocks(nn.ModuleList([nn.Sequential(linear(np.eye(3)), nn.Tanh())]), (0,), 1, {})


def linear(weight: np.ndarray) -> nn.Linear:
    layer = nn.Linear(*weight.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.zero_()
    return layer


def test_the_alignment_loss_is_symmetric_info_nce(rng: np.random.Generator) -> None:
    a, b = unit(rng.standard_normal((9, 5))), unit(rng.standard_normal((9, 5)))
    logits = (a @ b.T).astype(np.float64) / 0.07
    rows = np.log(np.exp(logits).sum(1)) - np.diag(logits)
    columns = np.log(np.exp(logits).sum(0)) - np.diag(logits)
    loss = alignment_loss(torch.from_numpy(a), torch.from_numpy(b), torch.arange(9), 0.07)
    assert float(loss) == pytest.approx((rows.mean() + columns.mean()) / 2, rel=1e-5)


def test_an_equal_description_is_no_negative() -> None:
    a = torch.eye(3)[:2]
    same = alignment_loss(a, torch.stack([a[0], a[0]]), torch.tensor([4, 4]), 0.07)
    assert float(same) == pytest.approx(0)  # no negative is left
    other = alignment_loss(a, torch.stack([a[0], a[0]]), torch.tensor([4, 5]), 0.07)
    assert float(other) > 0.5
    assert float(alignment_loss(a[:1], a[:1], torch.tensor([0]), 0.07)) == 0


def test_predicting_the_mean_costs_one(rng: np.random.Generator) -> None:
    C = torch.from_numpy(rng.standard_normal((50, 4)))
    variance = float(C.var(0, unbiased=False).sum())
    assert float(regression_loss(C.mean(0).expand(50, 4), C, variance)) == pytest.approx(1)


def test_a_linear_mapping_is_found_as_by_least_squares() -> None:
    data = sample(200)
    trained = train_first_stage(data, replace(QUICK, weight=0.0, learning_rate=1e-2, n_epochs=40))
    X, held = data.features[data.fit_rows], data.held_out_rows
    W = np.linalg.lstsq(X, data.components[data.fit_rows], rcond=None)[0]
    predicted = predict_components(trained.model, data.features[held])
    np.testing.assert_allclose(predicted, data.features[held] @ W, atol=0.5)
    assert trained.held_out_loss < 0.01 and trained.losses[0][1] > 0.3


def test_images_are_aligned_with_their_texts_only_by_the_alignment_loss() -> None:
    data = sample()

    def hits(weight: float) -> float:
        model = train_first_stage(data, replace(QUICK, weight=weight, learning_rate=1e-2, n_epochs=30)).model
        with torch.no_grad():
            images = model(torch.from_numpy(data.features))[1].numpy()
        return float(((images @ data.texts.T).argmax(1) == np.arange(len(images)))[data.held_out_rows].mean())

    assert hits(1.0) > 0.5 > 0.2 > hits(0.0)


def test_training_stops_early_and_keeps_the_best_epoch() -> None:
    data = sample()
    data = replace(data, components=np.random.default_rng(1).standard_normal(data.components.shape).astype(np.float32))
    trained = train_first_stage(data, replace(QUICK, n_epochs=60, patience=3))
    assert len(trained.losses) == trained.best_epoch + 4 < 60
    assert trained.held_out_loss == min(held for _, held in trained.losses)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, stage: int) -> None:
    data, uninterrupted, interrupted = sample(), tmp_path / "uninterrupted", tmp_path / "interrupted"
    first = train_first_stage(data, QUICK)

    def run(out: Path, stop: int | None) -> dict[str, torch.Tensor]:
        seen = []

        def on_epoch(share: float) -> None:
            seen.append(share)
            if stop is not None and len(seen) == stop:
                raise InterruptedError

        trained = (
            train_first_stage(data, QUICK, out, on_epoch)
            if stage == 1
            else train_second_stage(first, upper(), data, QUICK, out, on_epoch)
        )
        return trained.model.state_dict()

    expected = run(uninterrupted, None)
    for stop in (5, 4):  # stops twice, between checkpoints
        with pytest.raises(InterruptedError):
            run(interrupted, stop)
    trained = run(interrupted, None)
    assert trained.keys() == expected.keys()
    assert all(torch.equal(trained[name], expected[name]) for name in trained)
    assert all(
        torch.equal(x, expected[name]) for name, x in run(uninterrupted, 1).items()
    )  # ended: nothing is left to do


def test_the_second_stage_trains_the_blocks_and_leaves_the_first_alone() -> None:
    data = sample()
    mixed = torch.from_numpy(2 * data.tokens @ np.array([[1, 0.5, 0], [-0.5, 1, 0], [0, 0, -1]], np.float32))
    C = upper()(mixed).detach().numpy()  # what the block should make of the tokens
    data = replace(data, components=C)
    own, settings = upper(), replace(QUICK, weight=0.0, n_epochs=25)
    first = train_first_stage(data, settings)
    before = {name: value.clone() for name, value in first.model.state_dict().items()}
    second = train_second_stage(first, own, data, settings)
    assert second.held_out_loss < 0.8 * first.held_out_loss
    assert not torch.equal(second.model.upper.blocks[0][0].weight, own.blocks[0][0].weight)
    assert all(torch.equal(value, before[name]) for name, value in first.model.state_dict().items())
    start = train_second_stage(first, own, data, replace(settings, learning_rate=0.0, n_epochs=1))
    assert start.held_out_loss == pytest.approx(first.held_out_loss, rel=1e-4)  # it goes on from where the first ended
    with pytest.raises(RequestError, match="tokens"):
        train_second_stage(first, own, replace(data, tokens=None), settings)


def test_checkpoints_of_another_run_or_damaged_ones_are_refused(tmp_path: Path) -> None:
    data = sample()
    train_first_stage(data, QUICK, tmp_path)
    with pytest.raises(DataError, match="other data or settings"):
        train_first_stage(data, replace(QUICK, weight=0.2), tmp_path)
    with pytest.raises(DataError, match="other data or settings"):
        train_first_stage(replace(data, features=data.features + 1), QUICK, tmp_path)
    newest = tmp_path / (tmp_path / "latest").read_text().strip() / "model.safetensors"
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.raises(BrivlError, match="damaged"):
        train_first_stage(data, QUICK, tmp_path)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), 1e6])
def test_a_lambda_that_cannot_be_is_refused(weight: float) -> None:
    with pytest.raises(RequestError, match="lambda"):
        AlignedSettings(weight)


def test_stopping_rows_keep_groups_together() -> None:
    groups = np.repeat(np.arange(20), 3)
    design = Design(None, 60, 0, np.zeros(1, int), groups=groups)
    rows = single_split(design, PRESETS["strict"])
    fit, held = early_stopping_rows(design, rows)
    assert not set(groups[rows.train[fit]]) & set(groups[rows.train[held]])
    assert not set(rows.train) & set(rows.test) and sorted([*fit, *held]) == list(range(len(rows.train)))
    assert len(held) == 6  # a tenth of 16 groups: two
