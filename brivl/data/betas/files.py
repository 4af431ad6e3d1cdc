"""Single-trial estimates in files: .npy, .h5, .tsv or NIfTI, whole or a file for each session, as columns of voxels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.core.records import Voxels
from brivl.data.formats.annex import is_pointer
from brivl.data.formats.hdf5 import open_hdf5
from brivl.data.formats.nifti import iter_volumes, open_nifti, read_mask
from brivl.data.formats.npy import array_shape, response_columns
from brivl.data.formats.table import matrix_shape, read_matrix
from brivl.data.plain.voxels import read_voxels
from brivl.errors import DataError

HDF5 = (".h5", ".hdf5", ".hdf")
NIFTI = (".nii.gz", ".nii")
ENDINGS = (".npy", *HDF5, ".tsv", *NIFTI)
ARRAYS = ("betas", "betasmd", "data")  # names of the array in HDF5, as NSD and GLMsingle write it


@dataclass(frozen=True)
class BetaFiles:
    """Files of one subject.

    Attributes
    ----------
    paths : tuple of Path
        One file, or one for each session, in the order of the trials.
    mask : Path or None
        Voxels that are kept of images.
    """

    paths: tuple[Path, ...]
    mask: Path | None


@dataclass(frozen=True)
class Betas:
    """Estimates that are read a range of voxels at a time.

    Attributes
    ----------
    n_trials : tuple of int
        Trials of each file.
    n_voxels : int
        Number of voxels.
    read : callable
        Takes start and stop and returns (n_trials, stop - start) float32.
    voxels : Voxels
        Positions of the voxels.
    note : str
        What was read, a part of a sentence.
    """

    n_trials: tuple[int, ...]
    n_voxels: int
    read: Callable[[int, int], np.ndarray]
    voxels: Voxels
    note: str


def find_betas(folder: Path) -> dict[str, BetaFiles]:
    """Find the files of each subject: betas/SUBJECT.ENDING, or files of sessions in betas/SUBJECT/.

    Parameters
    ----------
    folder : Path
        Folder of the dataset.

    Returns
    -------
    dict of str to BetaFiles
        By subject, sorted.

    Raises
    ------
    DataError
        A subject has two files, or the folder cannot be read.
    """
    subjects: dict[str, BetaFiles] = {}
    try:
        entries = sorted((folder / "betas").iterdir())
    except OSError as error:
        raise DataError(
            f"Expected the folder betas in {str(folder)!r}, got none that can be read ({error.strerror}). Check it."
        ) from error
    for path in entries:
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.name.endswith(ENDINGS) and "mask" not in one.name)
            name, paths = path.name, tuple(sorted(inside, key=_session))
        elif path.name.endswith(ENDINGS) and not _is_mask(path):
            name, paths = _stem(path), (path,)
        else:
            continue
        if name in subjects:
            raise DataError(f"Expected one file of betas for {name!r}, got two in {str(folder)!r}. Remove one of them.")
        if paths:
            masks = [*folder.glob(f"betas/{name}_mask.nii*"), *folder.glob(f"betas/{name}/*mask.nii*")]
            subjects[name] = BetaFiles(paths, masks[0] if masks else None)
    return subjects


def _is_mask(path: Path) -> bool:
    return _stem(path).endswith("_mask")


def _stem(path: Path) -> str:
    return next(path.name.removesuffix(ending) for ending in ENDINGS if path.name.endswith(ending))


def _session(path: Path) -> tuple[list[int], str]:
    """Order of the files of sessions: by the numbers in their names."""
    return [int(number) for number in re.findall(r"\d+", path.name)], path.name


def open_beta_files(files: BetaFiles, folder: Path, subject: str, space: str) -> Betas:
    """Open the estimates of one subject.

    Parameters
    ----------
    files : BetaFiles
        Its files.
    folder : Path
        Folder of the dataset, which may have voxels/SUBJECT.npz.
    subject : str
        Name of the subject.
    space : str
        Name of the space.

    Returns
    -------
    Betas
        The estimates.

    Raises
    ------
    DataError
        Files are missing, damaged, not fetched, or differ in voxels.
    """
    unfetched = next((path for path in files.paths if is_pointer(path)), None)
    if unfetched is not None:
        raise DataError(
            f"Expected the content of {str(unfetched)!r}, got a pointer of git-annex. Run `datalad get` on it."
        )
    first = files.paths[0]
    if first.name.endswith(NIFTI) or (first.suffix in HDF5 and len(_hdf5_array(first)[1]) == 4):
        return _from_volumes(files, space)
    parts = [_columns(path) for path in files.paths]
    widths = {shape[1] for shape, _ in parts}
    if len(widths) > 1:
        raise DataError(
            f"Expected the same voxels in every file of {subject}, got {sorted(widths)} columns. Save them again."
        )
    (n_voxels,) = widths

    def read(start: int, stop: int) -> np.ndarray:
        return np.concatenate([columns(start, stop) for _, columns in parts])

    voxels = read_voxels(folder / "voxels" / f"{subject}.npz", n_voxels, space)
    return Betas(tuple(shape[0] for shape, _ in parts), n_voxels, read, voxels, _named(files.paths))


def _named(paths: Sequence[Path]) -> str:
    return paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} further files"


Columns = Callable[[int, int], np.ndarray]


def _columns(path: Path) -> tuple[tuple[int, int], Columns]:
    """Shape (n_trials, n_voxels) of a file and a function that reads columns."""
    if path.suffix == ".npy":
        shape = _two(array_shape(path), path)
        array = response_columns(path, shape[0], 0)[0]
        return shape, lambda start, stop: array[:, start:stop]
    if path.suffix == ".tsv":
        values = read_matrix(path)
        return matrix_shape(values), lambda start, stop: values[:, start:stop]
    name, full = _hdf5_array(path)
    shape = _two(full, path)
    return shape, lambda start, stop: _read_hdf5(path, name, start, stop)


def _hdf5_array(path: Path) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the array of betas: one of ARRAYS, else the only one."""
    with open_hdf5(path) as file:
        names = file.names()
        name = next((name for name in ARRAYS if name in names), names[0] if len(names) == 1 else ARRAYS[0])
        return name, file.shape(name)


def _read_hdf5(path: Path, name: str, start: int, stop: int) -> np.ndarray:
    with open_hdf5(path) as file, file.reading(name):
        values = file.array(name)[:, start:stop]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, np.float32)


def _two(shape: tuple[int, ...], path: Path) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < 1:
        raise DataError(
            f"Expected betas of shape (n_trials, n_voxels) in {str(path)!r}, got {shape!r}. Save one row for each "
            "trial; volumes go into a NIfTI file (x, y, z, n_trials)."
        )
    return shape[0], shape[1]


@dataclass(frozen=True)
class _Volumes:
    """Volumes of one file, a trial each, on a grid (x, y, z)."""

    path: Path
    grid: tuple[int, ...]
    affine: np.ndarray | None  # None in HDF5, which has none
    n_trials: int
    each: Callable[[], Iterator[np.ndarray]]


def _volumes_of(path: Path) -> _Volumes:
    """NIfTI (x, y, z, n_trials), or an array (n_trials, z, y, x) in HDF5, as NSD writes it."""
    if path.name.endswith(NIFTI):
        image = open_nifti(path)
        if len(image.shape) != 4:
            raise DataError(
                f"Expected betas (x, y, z, n_trials), got {image.shape!r} in {str(path)!r}. Name an image with a "
                "volume for each trial."
            )
        affine = np.asarray(image.affine, float)
        return _Volumes(path, image.shape[:3], affine, int(image.shape[3]), lambda: iter_volumes(path, image))
    name, shape = _hdf5_array(path)

    def each() -> Iterator[np.ndarray]:
        with open_hdf5(path) as file, file.reading(name):
            array = file.array(name)
            for trial in range(shape[0]):
                yield np.asarray(array[trial], np.float32).T

    return _Volumes(path, shape[:0:-1], None, shape[0], each)


def _from_volumes(files: BetaFiles, space: str) -> Betas:
    """Volumes within a mask, or where every value is finite and some differ."""
    parts = [_volumes_of(path) for path in files.paths]
    first = parts[0]
    for part in parts:
        if part.grid != first.grid or not _alike(part.affine, first.affine):
            raise DataError(
                f"Expected betas on one grid {first.grid!r}, got {part.grid!r} or another affine in "
                f"{str(part.path)!r}. Resample it."
            )
    affine = first.affine
    if files.mask is None:
        inside, source = _varying(parts), "every voxel with finite values that vary"
    else:
        mask = read_mask(files.mask)
        if mask.inside.shape != first.grid or not _alike(mask.affine, affine):
            raise DataError(
                f"Expected a mask on the grid of the betas, {first.grid!r}, got {mask.inside.shape!r} or another "
                f"affine in {str(files.mask)!r}. Resample it."
            )
        inside, source = mask.inside, f"mask {files.mask.name}"
        affine = mask.affine if affine is None else affine
    if not inside.any():
        raise DataError(f"Expected voxels with betas in {str(first.path)!r}, got none. Check betas and mask.")
    values = np.stack([volume[inside] for part in parts for volume in part.each()])
    x, y, z = (int(n) for n in first.grid)
    voxels = Voxels(space, np.argwhere(inside), (x, y, z), affine)
    n_trials = tuple(part.n_trials for part in parts)
    return Betas(n_trials, values.shape[1], lambda a, b: values[:, a:b], voxels, f"{_named(files.paths)}, {source}")


def _alike(affine: np.ndarray | None, other: np.ndarray | None) -> bool:
    return affine is None or other is None or bool(np.allclose(affine, other, rtol=0, atol=1e-3))


def _varying(parts: Sequence[_Volumes]) -> np.ndarray:
    """Voxels with finite values of which some differ."""
    varies, finite, first = np.zeros(parts[0].grid, bool), np.ones(parts[0].grid, bool), None
    for part in parts:
        for volume in part.each():
            first = volume if first is None else first
            finite &= np.isfinite(volume)
            varies |= volume != first
    return varies & finite
