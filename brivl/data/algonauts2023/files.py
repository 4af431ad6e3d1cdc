"""Which files the Algonauts Project 2023 challenge publishes for a subject, and what is read of them.

    subj01/training_split/training_fmri/{lh,rh}_training_fmri.npy    (n_pictures, n_vertices), z-scored, float32
    subj01/training_split/training_images/train-0001_nsd-00013.png   in the order of the rows
    subj01/test_split/test_images/                                   pictures whose responses are not published
    subj01/roi_masks/{lh,rh}.all-vertices_fsaverage_space.npy        (163842,) 1 where a column of the responses lies
    subj01/roi_masks/{lh,rh}.KIND_challenge_space.npy                (n_vertices,) number of the region, 0 for none

The published mapping_KIND.npy are pickled and are never opened: what they say is written below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from brivl.data.dataset_format import Published
from brivl.data.formats.npy import array_shape, read_numbers
from brivl.errors import DataError

SUBJECT = re.compile(r"subj[0-9]{2}")
IMAGE_NAME = re.compile(r"train-([0-9]{4,6})_nsd-([0-9]{5})\.(png|jpg)")
HEMISPHERES = ("lh", "rh")
N_FSAVERAGE = 163_842  # vertices of a hemisphere
# Numbers in the masks, as in the published mapping files (and NSD's own label tables); 0 is no region.
REGIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
        "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
        "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
        "floc-places": ("OPA", "PPA", "RSC"),
        "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
        "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
    }
)


def subjects_in(folder: Path) -> tuple[str, ...]:
    """List the subjects whose training responses are here.

    Parameters
    ----------
    folder : Path
        Folder of the dataset. OSError is raised where it cannot be read.

    Returns
    -------
    tuple of str
        Names such as "subj01".
    """
    names = (path.name for path in folder.iterdir() if SUBJECT.fullmatch(path.name))
    return tuple(sorted(name for name in names if any(path.exists() for path in response_files(folder / name))))


def response_files(subject: Path) -> tuple[Path, Path]:
    """Name the response files of a subject.

    Parameters
    ----------
    subject : Path
        Folder of the subject.

    Returns
    -------
    tuple of Path
        Left and right hemisphere.
    """
    folder = subject / "training_split" / "training_fmri"
    return folder / "lh_training_fmri.npy", folder / "rh_training_fmri.npy"


def mask_files(subject: Path) -> list[Path]:
    """Name the masks that are read, whether they are there or not.

    Parameters
    ----------
    subject : Path
        Folder of the subject.

    Returns
    -------
    list of Path
        Masks of both hemispheres.
    """
    kinds = ("all-vertices_fsaverage_space", *(f"{kind}_challenge_space" for kind in REGIONS))
    return [subject / "roi_masks" / f"{side}.{kind}.npy" for kind in kinds for side in HEMISPHERES]


def response_sizes(subject: Path) -> tuple[int, tuple[int, int]]:
    """Read the numbers of images and of vertices from the headers of the responses.

    Parameters
    ----------
    subject : Path
        Folder of the subject.

    Returns
    -------
    tuple
        Number of images, and numbers of vertices of the left and the right hemisphere.

    Raises
    ------
    DataError
        Responses are missing or truncated.
    """
    shapes = [_response_shape(path) for path in response_files(subject)]
    if shapes[0][0] != shapes[1][0]:
        raise DataError(
            f"Expected responses of both hemispheres of {subject.name!r} to the same images, got "
            f"{shapes[0][0]:,} and {shapes[1][0]:,} rows. Get both files again."
        )
    return shapes[0][0], (shapes[0][1], shapes[1][1])


def _response_shape(path: Path) -> tuple[int, int]:
    if not path.exists():
        raise DataError(f"Expected responses of one hemisphere in {str(path)!r}, got no file. Unpack them there.")
    shape = array_shape(path)
    if len(shape) != 2 or min(shape) < 1:
        raise DataError(
            f"Expected the shape (n_images, n_vertices) in {str(path)!r}, got {shape!r}. Get the file again."
        )
    return shape[0], shape[1]


def training_images(subject: Path, n: int) -> tuple[Path, ...]:
    """List the training images in the order of the rows.

    Parameters
    ----------
    subject : Path
        Folder of the subject.
    n : int
        Number of responses.

    Returns
    -------
    tuple of Path
        One image for each response.

    Raises
    ------
    DataError
        Images are missing, or are not one for each response.
    """
    folder = subject / "training_split" / "training_images"
    try:
        matches = {path: IMAGE_NAME.fullmatch(path.name) for path in folder.iterdir()}
    except OSError as error:
        raise DataError(
            f"Expected the folder {str(folder)!r} with the images, got none that can be read ({error.strerror}). "
            "Unpack the images there."
        ) from error
    numbered = sorted((int(match[1]), path) for path, match in matches.items() if match)
    numbers = [number for number, _ in numbered]
    if numbers != list(range(1, n + 1)):
        twice = f"number {_first_gap(numbers)} is missing or there twice"
        wrong = twice if len(numbers) == n else "that is not one each"
        raise DataError(
            f"Expected train-0001_nsd-XXXXX.png and so on in {str(folder)!r}, one for each of {n:,} responses, got "
            f"{len(numbers):,}: {wrong}. Unpack the images again."
        )
    return tuple(path for _, path in numbered)


def _first_gap(numbers: list[int]) -> int:
    return next((i for i, number in enumerate(numbers, 1) if number != i), len(numbers))


@dataclass(frozen=True)
class ResponseVertices:
    """Vertices of the columns of the responses, left hemisphere first.

    Attributes
    ----------
    vertex : np.ndarray
        (n_columns,) number on fsaverage, within the hemisphere.
    right : np.ndarray
        (n_columns,) bool, right hemisphere.
    rois : mapping of str to np.ndarray
        (n_columns,) bool for each region.
    """

    vertex: np.ndarray
    right: np.ndarray
    rois: Mapping[str, np.ndarray]


def read_vertices(subject: Path, n_vertices: tuple[int, int]) -> ResponseVertices:
    """Read vertices and regions of the columns.

    Parameters
    ----------
    subject : Path
        Folder of the subject.
    n_vertices : tuple of int
        Numbers of vertices of the left and the right hemisphere.

    Returns
    -------
    ResponseVertices
        Vertices and regions.

    Raises
    ------
    DataError
        A mask is missing or damaged, or belongs to other vertices.
    """
    vertices = [_vertices(subject, side, n) for side, n in zip(HEMISPHERES, n_vertices, strict=True)]
    rois: dict[str, np.ndarray] = {}
    for kind, names in REGIONS.items():
        both = [_labels(subject, side, kind, n) for side, n in zip(HEMISPHERES, n_vertices, strict=True)]
        numbers = np.concatenate(both)
        suffix = " stream" if kind == "streams" else ""
        for number, name in enumerate(names, 1):
            if (numbers == number).any():
                rois[name + suffix] = numbers == number
    right = np.repeat([False, True], n_vertices)
    return ResponseVertices(np.concatenate(vertices), right, rois)


def _vertices(subject: Path, side: str, n: int) -> np.ndarray:
    path = subject / "roi_masks" / f"{side}.all-vertices_fsaverage_space.npy"
    mask = _mask(path)
    if mask.shape != (N_FSAVERAGE,) or not np.isin(mask, (0, 1)).all():
        raise DataError(
            f"Expected 0 or 1 at {N_FSAVERAGE:,} vertices in {str(path)!r}, got shape {mask.shape!r}, largest value "
            f"{mask.max(initial=0):g}. Unpack roi_masks of this subject again."
        )
    vertices = np.flatnonzero(mask)
    if len(vertices) != n:
        raise DataError(
            f"Expected {n:,} vertices, as {side}_training_fmri.npy has, got {len(vertices):,} in {str(path)!r}. Get "
            "both files again."
        )
    return vertices


def _labels(subject: Path, side: str, kind: str, n: int) -> np.ndarray:
    path, most = subject / "roi_masks" / f"{side}.{kind}_challenge_space.npy", len(REGIONS[kind])
    mask = _mask(path)
    if mask.shape != (n,):
        raise DataError(
            f"Expected a number for each of {n:,} vertices in {str(path)!r}, got shape {mask.shape!r}. Unpack "
            "roi_masks of this subject again."
        )
    if not np.isin(mask, np.arange(most + 1)).all():
        raise DataError(
            f"Expected whole numbers from 0 to {most}, of the regions of {kind}, in {str(path)!r}, got others. Unpack "
            "roi_masks of this subject again."
        )
    return mask.astype(int)


def _mask(path: Path) -> np.ndarray:
    if not path.exists():
        raise DataError(f"Expected the mask {str(path)!r}, got no file. Unpack roi_masks of this subject again.")
    return read_numbers(path)


def _expected_files(folder: Path) -> list[str]:
    subjects = [folder / f"subj{i:02d}" for i in range(1, 9)]
    paths = [path for subject in subjects for path in (*response_files(subject), *mask_files(subject))]
    return [path.relative_to(folder).as_posix() for path in paths]


def _recognises(folder: Path) -> bool:
    return bool(subjects_in(folder)) or any(folder.glob("subj[0-9][0-9].zip"))


PUBLISHED = Published(
    title="Algonauts 2023 (Natural Scenes Dataset)",
    licence="Terms of the Natural Scenes Dataset, to which access is asked for: naturalscenesdataset.org",
    citation=(
        "Gifford, A. T., Lahner, B., Saba-Sadiya, S., Vilas, M. G., Lascelles, A., Oliva, A., Kay, K., Roig, G., & "
        "Cichy, R. M. (2023). The Algonauts Project 2023 Challenge: How the human brain makes sense of natural "
        "scenes. arXiv:2301.03198; Allen, E. J., et al. (2022). A massive 7T fMRI dataset to bridge cognitive "
        "neuroscience and artificial intelligence. Nature Neuroscience, 25, 116-126. "
        "doi:10.1038/s41593-021-00962-x"
    ),
    page="http://algonauts.csail.mit.edu/challenge.html",
    expected_files=_expected_files,
    recognises=_recognises,
)
