"""Images of voxel values: against a plain loop, against closed forms, and through a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from brivl.core.flatmap.geometry import (
    check_geometry,
    from_arrays,
    label_positions,
    leading_voxels,
    normalise_rows,
    select_voxels,
    to_arrays,
    to_pixels,
    voxel_centres,
)
from brivl.core.records import FlatmapGeometry
from brivl.errors import DataError

N_VOXELS = 40


@pytest.fixture(scope="module")
def geometry() -> FlatmapGeometry:
    rng = np.random.default_rng(4)
    mask = rng.random((15, 22)) < 0.7
    weights = rng.random((int(mask.sum()), N_VOXELS)) * (rng.random((int(mask.sum()), N_VOXELS)) < 0.06)
    square = np.array([[2.0, 3.0], [10.0, 3.0], [10.0, 11.0], [2.0, 11.0]])
    return FlatmapGeometry(
        pixel_to_voxel=normalise_rows(weights),
        mask=mask,
        background=np.where(mask, rng.random(mask.shape), np.nan),
        outlines={"V1": [square, square[:3] + 5.0], "FFA": [square * 0.5]},
        labels={"V1": (6.0, 7.0)},
        marks={"L": (0.0, 1.0), "R": (20.0, 1.0)},
        space="made up",
    )


def image_by_loop(geometry: FlatmapGeometry, values: np.ndarray) -> np.ndarray:
    weights, image = geometry.pixel_to_voxel.toarray(), np.full(geometry.mask.shape, np.nan)
    for row, (y, x) in zip(weights, np.argwhere(geometry.mask), strict=True):
        used = [(w, v) for w, v in zip(row, values, strict=True) if w > 0 and np.isfinite(v)]
        if used:
            image[y, x] = sum(w * v for w, v in used) / sum(w for w, _ in used)
    return image


def test_image_agrees_with_a_loop_and_missing_voxels_do_not_bleed(geometry: FlatmapGeometry) -> None:
    values = np.random.default_rng(5).normal(size=N_VOXELS)
    values[[3, 8, 9]], values[20] = np.nan, np.inf
    image = to_pixels(geometry, values)
    np.testing.assert_allclose(image, image_by_loop(geometry, values), rtol=1e-6)
    constant = np.where(np.isfinite(values), 7.0, np.nan)
    shown = to_pixels(geometry, constant)
    assert np.isfinite(shown).sum() > 50
    np.testing.assert_allclose(shown[np.isfinite(shown)], 7.0, rtol=1e-6)


def test_several_maps_at_once(geometry: FlatmapGeometry) -> None:
    maps = np.random.default_rng(6).normal(size=(3, N_VOXELS))
    maps[1, :30] = np.nan
    images = to_pixels(geometry, maps)
    assert images.shape == (3, 15, 22)
    for one, many in zip(maps, images, strict=True):
        np.testing.assert_array_equal(to_pixels(geometry, one), many)


def test_nothing_to_show_is_all_nan(geometry: FlatmapGeometry) -> None:
    assert np.isnan(to_pixels(geometry, np.full(N_VOXELS, np.nan))).all()


@pytest.mark.parametrize("shape", [(N_VOXELS - 1,), (2, N_VOXELS + 1), (1, 1, N_VOXELS)])
def test_values_of_another_brain_are_refused(geometry: FlatmapGeometry, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="n_voxels 40"):
        to_pixels(geometry, np.zeros(shape))


def strip(weights: np.ndarray) -> FlatmapGeometry:
    """One row of pixels; weights (n_pixels, n_voxels)."""
    mask = np.ones((1, len(weights)), bool)
    return FlatmapGeometry(scipy.sparse.csr_matrix(weights), mask, None, {}, {}, {}, "strip")


def test_centres_lie_on_the_voxels_own_pixels() -> None:
    """Voxel 0 fills pixels 0-4; voxel 1 lies on both sides of voxel 2, which holds its mean; voxel 3 is hidden."""
    owner = [0, 0, 0, 0, 0, 1, 2, 2, 1, 1]
    centres = voxel_centres(strip(np.eye(4)[owner]))
    np.testing.assert_array_equal(centres[:3], [[2, 0], [8, 0], [6, 0]])
    assert np.isnan(centres[3]).all()


def test_centres_use_the_position_in_the_mask(geometry: FlatmapGeometry) -> None:
    leading = leading_voxels(geometry)
    for voxel, (x, y) in enumerate(voxel_centres(geometry)):
        row = geometry.mask[: int(y)].sum() + geometry.mask[int(y), : int(x)].sum()
        assert geometry.mask[int(y), int(x)] and geometry.pixel_to_voxel[row, voxel] > 0
    weights = geometry.pixel_to_voxel.toarray()
    expected = np.where(weights.max(1) > 0, weights.argmax(1), -1)
    np.testing.assert_array_equal(leading[geometry.mask], expected)
    assert (leading[~geometry.mask] == -1).all()


@pytest.mark.parametrize("as_mask", [True, False])
def test_a_choice_of_voxels_equals_hiding_the_others(geometry: FlatmapGeometry, as_mask: bool) -> None:
    rng = np.random.default_rng(7)
    keep = rng.permutation(N_VOXELS)[:17]
    keep = np.isin(np.arange(N_VOXELS), keep) if as_mask else keep
    values = rng.normal(size=N_VOXELS)
    hidden = np.full(N_VOXELS, np.nan)
    hidden[keep] = values[keep]
    chosen = select_voxels(geometry, keep)
    check_geometry(chosen)
    np.testing.assert_allclose(to_pixels(chosen, values[keep]), to_pixels(geometry, hidden), rtol=1e-5)


def test_through_a_file_and_back(geometry: FlatmapGeometry, tmp_path: Path) -> None:
    np.savez(tmp_path / "flatmap.npz", **to_arrays(geometry))
    with np.load(tmp_path / "flatmap.npz", allow_pickle=False) as arrays:
        back = from_arrays(dict(arrays))
    assert (back.pixel_to_voxel != geometry.pixel_to_voxel).nnz == 0
    np.testing.assert_array_equal(back.mask, geometry.mask)
    np.testing.assert_array_equal(back.background, geometry.background)
    assert (back.labels, back.marks, back.space) == (geometry.labels, geometry.marks, geometry.space)
    assert list(back.outlines) == ["V1", "FFA"]
    for name, polygons in geometry.outlines.items():
        for actual, expected in zip(back.outlines[name], polygons, strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_empty_parts_survive_too(geometry: FlatmapGeometry) -> None:
    bare = replace(geometry, background=None, outlines={}, labels={}, marks={})
    back = from_arrays(to_arrays(bare))
    assert back.background is None and not back.outlines and not back.labels and not back.marks


@pytest.mark.parametrize("name", ["mask", "weights_data", "outline_points", "space"])
def test_incomplete_arrays_are_refused(geometry: FlatmapGeometry, name: str) -> None:
    arrays = to_arrays(geometry)
    del arrays[name]
    with pytest.raises(DataError, match="Build the flatmap again"):
        from_arrays(arrays)


def test_parts_that_do_not_fit_are_refused(geometry: FlatmapGeometry) -> None:
    check_geometry(geometry)
    for broken, message in (
        (replace(geometry, mask=~geometry.mask), "one True per row"),
        (replace(geometry, pixel_to_voxel=geometry.pixel_to_voxel * 2), "sum to 1"),
        (replace(geometry, background=np.full(geometry.mask.shape, 2.0)), "background"),
        (replace(geometry, outlines={"V1": [np.zeros((2, 2))]}), "outlines"),
    ):
        with pytest.raises(DataError, match=message):
            check_geometry(broken)


def test_names_go_to_the_position_with_most_space(geometry: FlatmapGeometry) -> None:
    u_shape = np.array([[0, 0], [30, 0], [30, 30], [20, 30], [20, 4], [4, 4], [4, 30], [0, 30]], float)
    labels = label_positions(replace(geometry, outlines={"U": [u_shape], "V1": geometry.outlines["V1"]}))
    assert [label.name for label in labels] == ["U", "V1", "V1"]
    u, square, _ = labels
    assert 20 < u.x < 30 and abs(u.x - 25) < 1.5 and 3.5 < u.radius <= 5.0  # the wide arm, not the hollow middle
    np.testing.assert_allclose([square.x, square.y, square.radius], [6, 7, 4], atol=0.4)
    assert len(label_positions(geometry, min_radius=3.0)) == 1
