"""Recall at k against sorting by hand, and the batches that training draws."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from brivl.core.retrieval.recall import recall
from brivl.errors import RequestError
from brivl.train.brivl.brivl_mini import BUCKET, evaluate_retrieval, pair_batches
from brivl.train.brivl.vit_mini import shuffled_batches


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_recall_is_the_rank_in_the_sorted_list(rng: np.random.Generator) -> None:
    gallery = unit(rng.standard_normal((60, 6)))
    query = unit(gallery + 0.5 * rng.standard_normal((60, 6)))
    ranks = [sorted(range(60), key=lambda j, i=i: -query[i] @ gallery[j]).index(i) + 1 for i in range(60)]
    result = recall(query, gallery)
    assert result.median_rank == np.median(ranks)
    for k, value in ((1, result.r1), (5, result.r5), (10, result.r10)):
        assert value == pytest.approx(np.mean([rank <= k for rank in ranks]))
    assert 0 < result.r1 < result.r10 < 1


def test_ties_and_nan_count_against_the_query() -> None:
    same = np.ones((20, 3)) / np.sqrt(3)
    for hopeless in (recall(same, same), recall(np.full((20, 3), np.nan), same)):
        assert (hopeless.r1, hopeless.r10, hopeless.median_rank) == (0, 0, 20)
    assert recall(np.eye(20), np.eye(20)).r1 == 1


@pytest.mark.parametrize("n", [1, 20_001])
def test_sizes_that_cannot_be_evaluated(n: int) -> None:
    with pytest.raises(RequestError, match="between 2 and 20,000"):
        evaluate_retrieval(n)


def test_an_epoch_holds_every_row_at_most_once() -> None:
    batches = shuffled_batches(25, 8, seed=0)
    epochs = [np.concatenate([next(batches) for _ in range(3)]) for _ in range(2)]
    assert all(len(set(rows.tolist())) == 24 for rows in epochs)
    assert not np.array_equal(*epochs)
    with pytest.raises(RequestError, match="at least 8 scenes"):
        next(shuffled_batches(7, 8, seed=0))


def test_captions_stay_with_their_images() -> None:
    """Batches hold captions of similar length; each caption is one of its own scene's."""
    captions = [[f"{i} " + "x" * (i % 37), f"{i} " + "y" * (i % 11)] for i in range(BUCKET * 4)]
    batches = pair_batches(SimpleNamespace(images=captions, captions=captions), batch_size=4, seed=0)
    batches_read = [next(batches) for _ in range(BUCKET)]
    assert sorted(i for rows, _ in batches_read for i in rows) == list(range(BUCKET * 4))
    for rows, texts in batches_read:
        assert all(text in captions[i] for i, text in zip(rows, texts, strict=True))
    spread = np.mean([np.ptp([len(t) for t in texts]) for _, texts in batches_read])
    assert spread < 0.25 * np.ptp([len(t) for _, texts in batches_read for t in texts])
