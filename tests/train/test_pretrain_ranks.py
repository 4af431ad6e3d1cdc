"""A batch that is distributed over ranks and micro-batches gives the same step as the undivided batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.errors import RequestError
from brivl.models.weights import read_exact
from brivl.train.brivl.pair_batches import BatchLayout, step_rows
from tests.support.tiny_models import save_bert
from tests.support.tiny_pairs import save_config, save_pairs
from tests.train.pretrain_driver import drive, ranks

N_STEPS = 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run in four ways: undivided, in two micro-batches, on two ranks, on two ranks with two each."""
    root = tmp_path_factory.mktemp("runs")
    save_config(root / "config.json", save_bert(root / "bert"), stochastic=False)
    save_pairs(root / "pairs", 30)
    common = [
        "brivl",
        "--config",
        root / "config.json",
        "--vit",
        "none",
        "--pairs",
        root / "pairs",
        "--held-out",
        4,
        "--steps",
        N_STEPS,
        "--log-every",
        1,
        "--checkpoint-every",
        N_STEPS,
    ]
    ways = {"undivided": (1, 1), "micro-batches": (1, 2), "ranks": (2, 1), "both": (2, 2)}
    stages = [ranks([*common, "--grad-accum", k, "--out", root / way], n) for way, (n, k) in ways.items()]
    codes, printed = drive(stages)
    assert all(code == 0 for stage in codes for code in stage), printed
    return root


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("way", ["micro-batches", "ranks", "both"])
def test_loss_and_queues_are_those_of_the_undivided_batch(way: str, runs: Path) -> None:
    assert len(losses(runs / "undivided")) == N_STEPS and len(set(losses(runs / "undivided"))) == N_STEPS
    np.testing.assert_allclose(losses(runs / way), losses(runs / "undivided"), rtol=0, atol=1e-5)
    folder = f"step-{N_STEPS:06d}"
    divided, expected = (read_exact(runs / x / folder / "model.safetensors") for x in (way, "undivided"))
    for queue in ("visual_queue", "lingual_queue"):
        assert divided[f"{queue}.pointer"] == expected[f"{queue}.pointer"] == N_STEPS * 8 % 20
        torch.testing.assert_close(divided[f"{queue}.keys"], expected[f"{queue}.keys"], rtol=0, atol=1e-5)
    state = json.loads((runs / way / folder / "state.json").read_text())
    assert len(state["chance"]) == (1 if way == "micro-batches" else 2)
    assert state["pointers"] == {"visual": 12, "lingual": 12}


def test_all_rows_come_once_and_in_order() -> None:
    order = np.arange(24)
    layouts = [BatchLayout(24, 3, 2, rank) for rank in (0, 1)]
    rows = torch.tensor(np.array([[layout.rows(order, k) for k in range(3)] for layout in layouts]))
    assert torch.equal(layouts[0].joined(rows[..., None])[:, 0], torch.arange(24))


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(RequestError, match="multiple of 6"):
        BatchLayout(16, 3, 2)


def test_every_pair_comes_once_an_epoch() -> None:
    steps = [step_rows(26, 8, 5, step) for step in range(9)]
    assert [epoch for epoch, _ in steps] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    orders = [np.concatenate([rows for epoch, rows in steps if epoch == e]) for e in range(3)]
    assert all(len(set(order)) == 24 for order in orders) and not np.array_equal(orders[0], orders[1])
    with pytest.raises(RequestError, match="at least 8 pairs"):
        step_rows(7, 8, 5, 0)
