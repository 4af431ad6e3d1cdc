"""Nearest rows against sorting, the index against nearest rows, arithmetic of queries against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brivl.core.retrieval.ann import build_index, index_bytes, index_from_bytes, n_lists_for
from brivl.core.retrieval.nearest import combine_vectors, nearest_neighbours, neighbour_recall, query_formula
from brivl.core.retrieval.recall import recall, recall_by_owner
from brivl.core.retrieval.synthetic_embeddings import caption_embeddings, clustered_embeddings, uniform_embeddings
from brivl.errors import RequestError


@pytest.mark.parametrize("batch", [7, 64, 1000])
def test_nearest_is_the_head_of_the_sorted_list(rng: np.random.Generator, batch: int) -> None:
    """Small integers: inner products are exact, ties abound, and the lower row must come first."""
    gallery = rng.integers(-2, 3, (300, 4)).astype(np.float32)
    query = rng.integers(-2, 3, (70, 4)).astype(np.float32)
    nearest = nearest_neighbours(query, gallery, 9, batch)
    for i, scores in enumerate(query @ gallery.T):
        order = sorted(range(300), key=lambda j, s=scores: (-s[j], j))[:9]
        assert nearest.rows[i].tolist() == order
        np.testing.assert_array_equal(nearest.scores[i], scores[order])


def test_nearest_at_the_edges(tmp_path: Path, rng: np.random.Generator) -> None:
    gallery = rng.standard_normal((5, 3)).astype(np.float32)
    np.save(tmp_path / "g.npy", gallery)
    mapped = np.load(tmp_path / "g.npy", mmap_mode="r")
    assert nearest_neighbours(gallery[2], mapped, 99).rows.shape == (1, 5)
    assert nearest_neighbours(np.empty((0, 3)), mapped, 2).rows.shape == (0, 2)
    gallery[1] = np.nan
    assert nearest_neighbours(gallery[0], gallery, 5).rows[0, -1] == 1
    for query, k in ((np.ones(4), 1), (np.ones(3), 0)):
        with pytest.raises(RequestError):
            nearest_neighbours(query, gallery, k)


def test_recall_at_counts_shares() -> None:
    assert neighbour_recall(np.array([[1, 2, 9], [4, 5, 6]]), np.array([[2, 1], [0, 4]])) == 0.75


@pytest.fixture(scope="module")
def gallery() -> np.ndarray:
    return clustered_embeddings(6000, 32, seed=0)


def test_the_index_finds_nearly_all_and_scores_are_exact(gallery: np.ndarray) -> None:
    n_indexed: list[int] = []
    index = build_index(
        gallery, caption_embeddings(gallery, 80, 1), progress=lambda done, _total: n_indexed.append(done)
    )
    fresh = caption_embeddings(gallery, 80, 2)  # none of those that the index was tuned on
    truth, result = nearest_neighbours(fresh, gallery, 10), index.search(fresh, gallery, 10)
    assert index.recall >= 0.98 and neighbour_recall(result.rows, truth.rows) >= 0.95
    assert index.n_probe < index.n_lists == n_lists_for(6000) and n_indexed[-1] == 6000
    exact = np.einsum("nd,nkd->nk", fresh, gallery[result.rows])
    np.testing.assert_allclose(result.scores, exact, atol=1e-6)
    assert (np.diff(result.scores, axis=1) <= 0).all()
    again = index_from_bytes(index_bytes(index), index.n_probe, index.recall)
    np.testing.assert_array_equal(again.search(fresh, gallery, 10).rows, result.rows)
    fewer = index_from_bytes(index_bytes(index), 1, 0.0).search(fresh, gallery, 10)
    assert neighbour_recall(fewer.rows, truth.rows) < neighbour_recall(result.rows, truth.rows)


def test_missing_rows_come_last(gallery: np.ndarray) -> None:
    index = build_index(gallery[:3000], gallery[:20])
    lonely = index_from_bytes(index_bytes(index), 1, 0.0).search(gallery[:4], gallery[:3000], 1000)
    assert (lonely.rows[:, -1] == -1).all() and np.isneginf(lonely.scores[:, -1]).all()
    assert (lonely.rows[:, 0] == np.arange(4)).all()


def test_random_embeddings_have_their_spectrum(gallery: np.ndarray) -> None:
    for x in (gallery, caption_embeddings(gallery, 50, 0), uniform_embeddings(50, 32, 0)):
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    falls = np.linalg.eigvalsh(np.cov(clustered_embeddings(4000, 257, 0)[:, :-1].T))[::-1]
    assert 15 < falls.sum() ** 2 / (falls**2).sum() < 35


def test_arithmetic_has_its_closed_form() -> None:
    x, y, z = np.eye(3)
    np.testing.assert_allclose(combine_vectors([3 * x, 0.1 * y], [5 * z]), np.array([1, 1, -1]) / np.sqrt(3))
    np.testing.assert_allclose(combine_vectors([x]), x)
    angle = combine_vectors([x + y], [y]) @ x  # (x + y) / sqrt 2 - y, made unit length
    assert angle == pytest.approx(np.sqrt(0.5) / np.sqrt(0.5 + (1 - np.sqrt(0.5)) ** 2))
    assert query_formula(["'a car'"]) == "'a car'" and query_formula(["a", "b"], ["c"]).startswith(
        "(a + b \N{MINUS SIGN} c)"
    )
    for plus, minus in (([], [x]), ([x], [x])):
        with pytest.raises(RequestError, match=r"\.$"):
            combine_vectors(plus, minus)


def test_recall_with_several_captions_of_an_image() -> None:
    images = np.eye(4)
    captions = np.array([images[0], images[1], images[1], images[3], images[2], images[2]])
    owner = np.array([0, 0, 1, 1, 2, 3])  # image 0 has captions 0 and 1, of which 1 describes image 1
    forward = recall_by_owner(captions, images, owner, np.arange(4))
    assert forward.r1 == 3 / 6 and forward.r5 == 1
    back = recall_by_owner(images, captions, np.arange(4), owner)
    # Image 0: its caption 0 is first. 1: caption 2, tied with caption 1 of another, so second. 2: tied, second.
    # 3: its caption 5 scores 0, as four others do, below caption 3.
    assert back.r1 == 1 / 4 and back.median_rank == 2
    assert recall(images, images).r1 == 1


def test_a_query_without_a_match_is_last() -> None:
    assert recall_by_owner(np.eye(3)[:1], np.eye(3), np.array([7]), np.arange(3)).median_rank == 4
