"""Mapper files: images by the published recipe, worked out densely here; old names; damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brivl.core.flatmap.geometry import check_geometry, from_arrays, normalise_rows, to_arrays, to_pixels
from brivl.data.shortclips.flatmap import mapper_flatmap
from brivl.data.shortclips.mapper import (
    read_flatmap,
    read_fsaverage,
    read_mapper_summary,
    to_vertices,
)
from brivl.errors import DataError
from tests.support.shortclips_fixture import HEIGHT, WIDTH, Toy, mapper_arrays, toy, write

N = 20


@pytest.fixture(params=[False, True], ids=["today", "legacy"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Toy, bool]:
    t = toy(N, negative=request.param)
    return write(tmp_path / "S01_mappers.hdf", mapper_arrays(t, request.param)), t, request.param


def recipe(t: Toy, values: np.ndarray) -> np.ndarray:
    """The published recipe, pixel by pixel."""
    image = np.full((HEIGHT, WIDTH), np.nan)
    for coefficients, (x, y) in zip(t.operator, np.argwhere(t.mask), strict=True):
        if coefficients.sum() > 0:
            image[HEIGHT - 1 - y, x] = sum(c * v for c, v in zip(coefficients, values, strict=True) if c)
    return image


def test_geometry_is_the_recipe_with_coefficients_that_sum_to_one(
    written: tuple[Path, Toy, bool], rng: np.random.Generator
) -> None:
    path, t, legacy = written
    assert (t.operator.min() < 0) == legacy
    geometry = mapper_flatmap(path, {} if legacy else t.rois, "toy")
    check_geometry(geometry)
    values = rng.normal(size=N)
    with np.errstate(invalid="ignore"):
        expected = recipe(t, values) / recipe(t, np.ones(N))
    np.testing.assert_allclose(to_pixels(geometry, values), expected, rtol=1e-5, atol=1e-6)
    back = from_arrays(to_arrays(geometry))
    np.testing.assert_array_equal(to_pixels(back, values), to_pixels(geometry, values))
    if legacy:
        assert geometry.background is None and geometry.outlines == {}
    else:
        np.testing.assert_allclose(geometry.background, t.curvature.T[::-1])


def test_outlines_hold_the_pixels_of_their_roi(tmp_path: Path) -> None:
    t = toy(N)
    path = write(tmp_path / "m.hdf", mapper_arrays(t))
    geometry = mapper_flatmap(path, read_mapper_summary(path).rois, "toy")
    assert set(geometry.outlines) == {"FFA", "V1"} == set(geometry.labels)
    from matplotlib.path import Path as Polygon

    share = to_pixels(geometry, t.rois["V1"].astype(float))
    points = np.argwhere(share > 0.9)[:, ::-1]
    inside = np.any([Polygon(p).contains_points(points) for p in geometry.outlines["V1"]], axis=0)
    outside = np.argwhere(share < 0.1)[:, ::-1]
    wrong = np.any([Polygon(p).contains_points(outside) for p in geometry.outlines["V1"]], axis=0)
    assert inside.mean() > 0.9 and wrong.mean() < 0.1 and geometry.labels["V1"][0] < WIDTH / 2


def test_smaller_image_means_over_squares(tmp_path: Path, rng: np.random.Generator) -> None:
    t = toy(N)
    path = write(tmp_path / "m.hdf", mapper_arrays(t))
    values = rng.normal(size=N)
    small = to_pixels(mapper_flatmap(path, {}, "toy", HEIGHT // 2), values)
    assert small.shape == (HEIGHT // 2, WIDTH // 2)
    squares = (HEIGHT // 2, 2, WIDTH // 2, 2)
    parts = [np.nan_to_num(recipe(t, v)).reshape(squares).sum((1, 3)) for v in (values, np.ones(N))]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(small, parts[0] / parts[1], rtol=1e-4, atol=1e-6)


def test_fsaverage_left_then_right(written: tuple[Path, Toy, bool], rng: np.random.Generator) -> None:
    path, t, _ = written
    dense, values = np.vstack([t.to_left, t.to_right]), rng.normal(size=N)
    projected = to_vertices(read_fsaverage(path), values)
    reached = (dense != 0).any(1)
    np.testing.assert_allclose(projected[reached], (dense @ values)[reached], rtol=1e-12)
    assert np.isnan(projected[~reached]).all() and dense.min() < 0
    values[4] = np.nan
    np.testing.assert_array_equal(np.isnan(to_vertices(read_fsaverage(path), values)), ~reached | (dense[:, 4] != 0))
    with pytest.raises(DataError, match="20 voxels"):
        to_vertices(read_fsaverage(path), values[1:])


def test_summary(written: tuple[Path, Toy, bool]) -> None:
    path, t, legacy = written
    summary = read_mapper_summary(path)
    assert (summary.n_voxels, summary.has_flatmap, summary.has_fsaverage) == (N, True, True)
    assert list(summary.rois) == ([] if legacy else ["FFA", "V1"])
    assert all((summary.rois[name] == t.rois[name]).all() for name in summary.rois)


def test_nearly_cancelling_coefficients_have_no_pixel() -> None:
    weights = normalise_rows(np.array([[1.0, -0.99], [2.0, -0.5], [0.0, 0.0]]))
    np.testing.assert_allclose(weights.toarray(), [[0, 0], [4 / 3, -1 / 3], [0, 0]], rtol=1e-6)


CHANGES = {
    "no mask": lambda a: a.pop("flatmap_mask"),
    "no indptr": lambda a: a.pop("voxel_to_flatmap_indptr"),
    "mask of other size": lambda a: a.update(flatmap_mask=a["flatmap_mask"][:-8]),
    "mask of numbers": lambda a: a.update(flatmap_mask=a["flatmap_mask"] * 2.5),
    "curvature of other size": lambda a: a.update(flatmap_curvature=np.zeros((3, 3))),
    "column too high": lambda a: a["voxel_to_flatmap_indices"].__setitem__(0, N),
    "column below zero": lambda a: a["voxel_to_flatmap_indices"].__setitem__(0, -1),
    "starts that fall": lambda a: a["voxel_to_flatmap_indptr"].__setitem__(5, 10**6),
    "coefficient NaN": lambda a: a["voxel_to_flatmap_data"].__setitem__(0, np.nan),
    "shape of text": lambda a: a.update(voxel_to_flatmap_shape=np.array([b"a", b"b"])),
    "shape of three": lambda a: a.update(voxel_to_flatmap_shape=np.array([1, 2, 3])),
    "shape absurd": lambda a: a.update(voxel_to_flatmap_shape=np.array([2.0**60, np.inf])),
    "indices in halves": lambda a: a.update(voxel_to_flatmap_indices=a["voxel_to_flatmap_indices"] + 0.5),
}


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_damaged_mappers_end_in_a_sentence(tmp_path: Path, change: str) -> None:
    arrays = mapper_arrays(toy(N))
    CHANGES[change](arrays)
    path = write(tmp_path / "S01_mappers.hdf", arrays)
    with pytest.raises(DataError, match=r"Expected .*S01_mappers.hdf|S01_mappers.hdf.*should"):
        read_flatmap(path)


def test_parts_for_different_voxels(tmp_path: Path) -> None:
    arrays = mapper_arrays(toy(N)) | {"roi_mask_V2": np.zeros(N + 1)}
    with pytest.raises(DataError, match="'roi_mask_V2': 21"):
        read_mapper_summary(write(tmp_path / "m.hdf", arrays))
    with pytest.raises(DataError, match="no operator and no ROI"):
        read_mapper_summary(write(tmp_path / "n.hdf", {"flatmap_mask": np.ones((2, 2), bool)}))
