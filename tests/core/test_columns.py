"""Arrays read from a file slice as arrays in memory do, and read no more than needed."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core import columns
from brivl.core.columns import LazyArray

ARRAY = np.random.default_rng(0).standard_normal((3, 4, 25)).astype(np.float32)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    monkeypatch.setattr(columns, "READ_COLUMNS", 10)
    return []


def lazily(array: np.ndarray, reads: list[tuple[int, int]]) -> LazyArray:
    def read(start: int, stop: int) -> np.ndarray:
        reads.append((start, stop))
        return array[..., start:stop].copy()

    return LazyArray(array.shape, read)


@pytest.mark.parametrize(
    "index",
    [
        np.s_[:],
        np.s_[...],
        np.s_[1],
        np.s_[-1],
        np.s_[:, 2],
        np.s_[:, :, 3],
        np.s_[..., -1],
        np.s_[:, :, 12:],
        np.s_[..., np.array([24, 3, 3, 11])],
        np.s_[:, ::2, ::-3],
        np.s_[:, 1:, np.arange(25) % 4 == 1],
        np.s_[:, :, np.zeros(25, bool)],
        np.s_[np.array([2, 0])],
        np.s_[1, 2, 3],
        np.s_[:, :, []],
    ],
    ids=str,
)
def test_slices_are_those_of_the_array(index, reads):
    index = tuple(np.array(i, int) if isinstance(i, list) else i for i in index) if isinstance(index, tuple) else index
    values = lazily(ARRAY, reads)[index]
    np.testing.assert_array_equal(values, ARRAY[index])
    assert values.dtype == np.float32


def test_it_has_the_attributes_of_an_array(reads):
    Y = lazily(ARRAY, reads)
    assert (Y.shape, Y.ndim, len(Y), Y.nbytes, Y.dtype) == ((3, 4, 25), 3, 3, ARRAY.nbytes, np.float32)
    np.testing.assert_array_equal(np.asarray(Y), ARRAY)
    assert np.asarray(Y, np.float64).dtype == np.float64
    for repeat, expected in zip(Y, ARRAY, strict=True):
        np.testing.assert_array_equal(repeat, expected)


def test_only_neighbouring_columns_are_read(reads):
    lazily(ARRAY, reads)[:, :, [4, 7, 21]]
    assert reads == [(4, 8), (21, 22)]


def test_too_many_indices_are_refused(reads):
    with pytest.raises(IndexError, match="3 axes"):
        lazily(ARRAY, reads)[0, 0, 0, 0]
