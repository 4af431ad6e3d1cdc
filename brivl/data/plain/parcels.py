"""Parcels of a plain folder: names of the columns, and where they lie by a label image, from which maps are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.records import FlatmapGeometry, Voxels, names_mni
from brivl.data.anatomy.label_tables import TABLE_ENDINGS, read_label_table
from brivl.data.anatomy.label_volume import LabelVolume
from brivl.data.anatomy.own_atlases import own_parcellation, read_label_image
from brivl.data.formats.content_digest import digest_files
from brivl.errors import DataError

STEM = "parcels"  # of parcels.nii.gz and parcels.tsv
NIFTI = (".nii.gz", ".nii")


@dataclass(frozen=True)
class ParcelFiles:
    """Files that describe the columns of the responses.

    Attributes
    ----------
    image : Path or None
        Label image.
    table : Path or None
        Names of labels.
    """

    image: Path | None
    table: Path | None

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that are there."""
        return tuple(path for path in (self.image, self.table) if path is not None)


def find_parcels(folder: Path) -> ParcelFiles:
    """Find parcels.nii.gz and parcels.tsv (or another table) in a folder.

    Parameters
    ----------
    folder : Path
        Folder of the dataset.

    Returns
    -------
    ParcelFiles
        What is there.
    """
    images = [folder / f"{STEM}{ending}" for ending in NIFTI]
    tables = [folder / f"{STEM}{ending}" for ending in TABLE_ENDINGS]
    image = next((path for path in images if path.is_file()), None)
    return ParcelFiles(image, next((path for path in tables if path.is_file()), None))


def parcel_voxels(files: ParcelFiles, header: Sequence[str], n_columns: int, space: str) -> Voxels:
    """Describe parcels as voxels: the column of the n-th label, in rising order, at the centre of the label.

    Parameters
    ----------
    files : ParcelFiles
        Label image, table of names, or both.
    header : sequence of str
        Names of the columns, where the responses have them.
    n_columns : int
        Number of columns of the responses.
    space : str
        Name of the space.

    Returns
    -------
    Voxels
        One for each parcel; the parcels are the regions.

    Raises
    ------
    DataError
        There is not one label for each column, or a column has no voxel in the image.
    """
    named = read_label_table(files.table) if files.table else {}
    volume = None if files.image is None else _image(files.image, files.image.stat().st_mtime_ns)
    numbers = _numbers(named, volume, header, n_columns, files)
    names: Mapping[int, str] = {
        i + 1: named.get(number, header[i] if header else f"label {number}") for i, number in enumerate(numbers)
    }
    source = ", ".join([*(path.name for path in files.files), *(["header"] if header and not named else [])])
    note = f"Parcels: {n_columns} columns, described by {source}; each is a region."
    key, own = own_parcellation(STEM, np.arange(1, n_columns + 1), names, note)
    if volume is None:
        ijk = np.zeros((n_columns, 3), int)
        ijk[:, 0] = np.arange(n_columns)
        unknown = f"{space}, places of parcels not known"
        return Voxels(unknown, ijk, (n_columns, 1, 1), None, parcellations={key: own})
    i, j, k = (int(n) for n in volume.labels.shape)
    return Voxels(
        space,
        _centres(volume, numbers),
        (i, j, k),
        volume.affine,
        flatmap="mapper",
        mapper=digest_files(files.files[0].parent, files.files[:1]),
        parcellations={key: own},
    )


def parcel_flatmap(
    files: ParcelFiles, n_columns: int, header: Sequence[str], space: str, height: int
) -> FlatmapGeometry:
    """Draw parcels from their label image: on fsaverage5 in MNI space, else as slices.

    Parameters
    ----------
    files : ParcelFiles
        With a label image.
    n_columns : int
        Number of parcels.
    header : sequence of str
        Names of the columns, where the responses have them.
    space : str
        Name of the space.
    height : int
        Height in pixels.

    Returns
    -------
    FlatmapGeometry
        Pixels show the parcels of the voxels that they would show.

    Raises
    ------
    DataError
        There is no label image.
    """
    from brivl.data.anatomy.fsaverage5 import fsaverage5_flatmap
    from brivl.data.anatomy.slice_montage import slice_montage

    if files.image is None:
        raise DataError("Expected parcels.nii.gz, from which a map of parcels is drawn, got none. Add the label image.")
    volume = _image(files.image, files.image.stat().st_mtime_ns)
    named = read_label_table(files.table) if files.table else {}
    numbers = _numbers(named, volume, header, n_columns, files)
    inside = np.isin(volume.labels, numbers)
    i, j, k = (int(n) for n in volume.labels.shape)
    voxels = Voxels(space, np.argwhere(inside), (i, j, k), volume.affine)
    geometry = fsaverage5_flatmap(voxels, height) if names_mni(space) else slice_montage(voxels, None)
    column = np.searchsorted(numbers, volume.labels[inside])
    indicator = scipy.sparse.csr_matrix(
        (np.ones(len(column)), (np.arange(len(column)), column)), shape=(len(column), n_columns)
    )
    weights = scipy.sparse.csr_matrix(geometry.pixel_to_voxel @ indicator)
    weights.sort_indices()  # before it is stored, since stored arrays cannot be changed
    return replace(geometry, pixel_to_voxel=weights)


@lru_cache(maxsize=2)
def _image(path: Path, _mtime_ns: int) -> LabelVolume:
    return read_label_image(path)


def _numbers(
    named: Mapping[int, str], volume: LabelVolume | None, header: Sequence[str], n_columns: int, files: ParcelFiles
) -> np.ndarray:
    """Labels of the columns, in rising order."""
    present = np.unique(volume.labels) if volume is not None else np.zeros(0, int)
    present = present[present > 0]
    candidates = [np.array(sorted(named)), present, np.arange(1, len(header) + 1)]
    numbers = next((one for one in candidates if len(one) == n_columns), None)
    if numbers is None:
        got = f"{len(header)} names in the header"
        if files.image is not None:
            got = f"{len(present)} labels in {files.image.name}"
        if files.table is not None:
            got += f" and {len(named)} names in {files.table.name}"
        raise DataError(
            f"Expected one label for each of {n_columns} columns, got {got}. Correct the table or the image."
        )
    lacking = np.setdiff1d(numbers, present)
    if volume is not None and len(lacking):
        raise DataError(
            f"Expected a voxel of every parcel in {files.image.name if files.image else ''!r}, got none of label "
            f"{int(lacking[0])} and {len(lacking)} of {n_columns}. Name the image that the responses were taken with."
        )
    return numbers


def _centres(volume: LabelVolume, numbers: np.ndarray) -> np.ndarray:
    """(n_parcels, 3) index of the voxel of each label that is nearest to the mean of its voxels."""
    index = np.argwhere(np.isin(volume.labels, numbers))
    column = np.searchsorted(numbers, volume.labels[tuple(index.T)])
    counts = np.bincount(column, minlength=len(numbers))
    means = np.stack([np.bincount(column, index[:, axis], len(numbers)) / counts for axis in range(3)], axis=1)
    distance = np.square(index - means[column]).sum(1)
    order = np.lexsort((distance, column))
    return index[order[np.searchsorted(column[order], np.arange(len(numbers)))]]
