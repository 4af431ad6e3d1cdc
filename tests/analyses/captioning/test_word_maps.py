"""Pictures lit by attention."""

from __future__ import annotations

import numpy as np

from brivl.analyses.captioning.figures import DIM, spotlight


def test_bright_where_the_attention_is_and_dim_elsewhere():
    weights = np.zeros((4, 4))
    weights[1, 2] = 0.7
    image = np.full((32, 32, 3), 200, np.uint8)
    lit = spotlight(image, weights, 64)
    assert lit.shape == (64, 64, 3) and lit.dtype == np.uint8
    row, column = np.unravel_index(lit[..., 0].argmax(), (64, 64))
    assert (row // 16, column // 16) == (1, 2)
    assert lit.max() > 0.9 * 200 and lit[-8:, :8].max() == round(DIM * 200)


def test_the_map_is_that_of_scipy():
    """Bilinear between the middles of cells, constant beyond the outermost."""
    from scipy.ndimage import map_coordinates

    weights = np.random.default_rng(2).random((8, 8))
    weights[0, 0], weights[7, 7] = 0, 1
    at = (np.arange(40) + 0.5) * 8 / 40 - 0.5
    expected = map_coordinates(weights, np.meshgrid(at, at, indexing="ij"), order=1, mode="nearest")
    lit = spotlight(np.full((40, 40, 3), 255, np.uint8), weights, 40)[..., 0] / 255
    assert np.abs(lit - (DIM + (1 - DIM) * expected)).max() < 1 / 255


def test_colours_stay_and_an_even_map_leaves_the_picture():
    image = np.random.default_rng(0).integers(0, 255, (24, 36, 3), dtype=np.uint8)
    even = np.full((3, 3), 0.2)
    assert spotlight(image, even, 24).shape == (24, 24, 3)
    assert np.array_equal(spotlight(image[:, :24], even, 24), image[:, :24])
