"""Atlases and ROIs that lie with the data: label images with a table of names, and masks, brought to the voxels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from brivl.core.records import Parcellation, Voxels, describe_space, names_mni
from brivl.data.anatomy.atlases import OWN_PREFIX
from brivl.data.anatomy.coordinates import apply_affine
from brivl.data.anatomy.label_tables import TABLE_ENDINGS, read_label_table
from brivl.data.anatomy.label_volume import LabelVolume
from brivl.data.formats.annex import is_pointer
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.nifti import iter_volumes, open_nifti, read_mask
from brivl.errors import DataError

NIFTI = (".nii.gz", ".nii")
KINDS = ("func", "anat", "roi", "rois", "masks")  # folders of a subject or session
MAX_LABEL = 100_000  # of an atlas; larger numbers are no labels
MNI_CODE = 4  # of the header's sform or qform (NIfTI-1): coordinates of MNI152
AFFINE_TOLERANCE = 1e-3  # mm
# Masks of tissue and of the whole brain, which are no regions of interest.
NO_ROI = re.compile(r"brain|deface|^(gm|wm|csf|graymatter|whitematter|cortex|head|skull)$", re.I)


@dataclass(frozen=True)
class AtlasFiles:
    """An atlas that lies with the data.

    Attributes
    ----------
    name : str
        Name that is shown.
    image : Path
        Label image.
    table : Path or None
        Names of the labels; None where there is no table.
    """

    name: str
    image: Path
    table: Path | None

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that regions depend on."""
        return (self.image, *(() if self.table is None else (self.table,)))


@dataclass(frozen=True)
class OwnRegions:
    """Files of atlases and ROIs of one subject.

    Attributes
    ----------
    atlases : tuple of AtlasFiles
        Atlases, in the order of their names.
    rois : mapping of str to Path
        Name of each ROI to its mask.
    """

    atlases: tuple[AtlasFiles, ...] = ()
    rois: Mapping[str, Path] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that regions depend on."""
        return (*(path for atlas in self.atlases for path in atlas.files), *self.rois.values())

    @property
    def digest(self) -> str:
        """Text for the digest of the data, by the names and contents of files; "" without regions."""
        parts = [digest_files(path.parent, [path]) for path in self.files]
        return f"; regions {' '.join(parts)}" if parts else ""


def entities_of(path: Path) -> dict[str, str]:
    """Read the entities of a BIDS file name.

    Parameters
    ----------
    path : Path
        File such as atlas-Schaefer2018_desc-100Parcels_dseg.nii.gz.

    Returns
    -------
    dict of str to str
        Such as {"atlas": "Schaefer2018", "desc": "100Parcels"}.
    """
    return dict(re.findall(r"(?:^|_)([a-zA-Z]+)-([^_.]+)", path.name))


def find_own_regions(folder: Path, places: Iterable[Path], space: str) -> OwnRegions:
    """Find label images and masks of ROIs: in atlases/ and rois/ of the folder, and in folders of a subject.

    Of label images elsewhere than in atlases/, only *_dseg.nii.gz is taken; of masks, those with an entity label or
    mask, or, in a folder called roi or rois, every one. Masks of the brain and of tissue are no ROIs. Where a file is
    there in several spaces, that of the voxels is taken; of several runs, the first.

    Parameters
    ----------
    folder : Path
        Top of the dataset.
    places : iterable of Path
        Folders of the subject in which *_dseg and *_mask files are looked for.
    space : str
        Name of the space of the voxels, such as "MNI152NLin2009cAsym"; "" where it is not known.

    Returns
    -------
    OwnRegions
        Files; empty where there are none.
    """
    places = list(dict.fromkeys(places))
    images = [(path, True) for path in _files(folder / "atlases")]
    images += [(path, False) for place in places for path in _files(place) if _stem(path).endswith("_dseg")]
    atlases: dict[str, AtlasFiles] = {}
    for path, named in sorted(images, key=lambda one: _preference(one[0], space)):
        if _stem(path).endswith(("_probseg", "_mask")):
            continue
        name = _atlas_name(path, named)
        atlases.setdefault(name, AtlasFiles(name, path, _table_of(path, folder)))
    masks = [path for place in places for path in _files(place) if _stem(path).endswith("_mask") or _is_mask(path)]
    in_rois = [path for name in ("rois", "roi") for place in (folder, *places) for path in _files(place / name)]
    rois: dict[str, Path] = {}
    for path in sorted(masks, key=lambda one: _preference(one, space)) + sorted(in_rois):
        name = _roi_name(path, path in in_rois)
        if name:
            rois.setdefault(name, path)
    return OwnRegions(tuple(atlases[name] for name in sorted(atlases)), dict(sorted(rois.items())))


def subject_places(roots: Iterable[Path], subject: str) -> list[Path]:
    """List the folders of a subject in which atlases and masks may lie.

    Parameters
    ----------
    roots : iterable of Path
        Top of the dataset, and of folders of derivatives.
    subject : str
        Name of the subject's folders, such as "sub-01".

    Returns
    -------
    list of Path
        Folders that are there.
    """
    patterns = ("", *KINDS, *(f"ses-*/{kind}" for kind in KINDS))
    within = [place for root in roots for pattern in patterns for place in _matching(root / subject, pattern)]
    return [place for place in dict.fromkeys(within) if place.is_dir()]


def _matching(place: Path, pattern: str) -> list[Path]:
    return sorted(place.glob(pattern)) if pattern else [place]


def _files(place: Path) -> list[Path]:
    """Images in a folder whose content is here."""
    try:
        paths = sorted(path for path in place.iterdir() if path.name.endswith(NIFTI) and not path.name.startswith("."))
    except OSError:
        return []
    return [path for path in paths if path.exists() and not is_pointer(path)]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _preference(path: Path, space: str) -> tuple[bool, bool, str]:
    own = entities_of(path).get("space", "")
    return own != space, not (names_mni(own) and names_mni(space)), path.name


def _is_mask(path: Path) -> bool:
    """Whether a name has the entity mask, as in sub-CSI1_mask-LHPPA.nii.gz."""
    return "mask" in entities_of(path)


def _atlas_name(path: Path, named: bool) -> str:
    """Name of an atlas by its entities; the stem of a file in atlases/ without any."""
    own = entities_of(path)
    parts = [own[key] for key in ("atlas", "seg", "desc", "scale", "label") if key in own]
    stem = re.sub(r"(?:^|_)(?:space|res|tpl|sub)-[^_]+", "", _stem(path).removesuffix("_dseg")).strip("_")
    name = "_".join(parts) if parts else stem
    return re.sub(r"[^\w.+-]", "", name)[:60] or "atlas"


def is_roi(label: str) -> bool:
    """Tell whether a label names a region of interest.

    Parameters
    ----------
    label : str
        Value of the entity label or mask, or "".

    Returns
    -------
    bool
        False for "", the brain and tissue.
    """
    return bool(label) and NO_ROI.search(label) is None


def _roi_name(path: Path, in_rois: bool) -> str:
    """Name of an ROI; "" for a mask that is none."""
    own = entities_of(path)
    stem = re.sub(r"^(sub|ses)-[^_]+_", "", re.sub(r"^(sub|ses)-[^_]+_", "", _stem(path)))
    name = own.get("label") or own.get("mask") or (stem.removesuffix("_mask") if in_rois else "")
    if not is_roi(name) or NO_ROI.search(own.get("desc", "")):
        return ""
    side = {"L": ", left", "R": ", right"}.get(own.get("hemi", ""), "")
    return f"{name}{side}"


def _table_of(image: Path, top: Path) -> Path | None:
    """The table beside an image or above it whose name says that it belongs: the longest that begins as the image."""
    stem, own = _stem(image), entities_of(image)
    place, candidates = image.parent, []
    while True:
        try:
            tables = sorted(path for path in place.iterdir() if path.suffix.lower() in TABLE_ENDINGS)
        except OSError:
            tables = []
        for path in tables:
            theirs = entities_of(path)
            same = place == image.parent and stem.startswith(path.stem)
            inherited = path.stem.endswith("dseg") and theirs and all(own.get(k) == v for k, v in theirs.items())
            candidates += [path] if same or inherited else []
        if candidates or place == top or top not in place.parents:
            return max(candidates, key=lambda path: (len(path.stem), path.name), default=None)
        place = place.parent


def own_parcellation(
    name: str, labels: np.ndarray, names: Mapping[int, str], note: str = ""
) -> tuple[str, Parcellation]:
    """Make a level on Regions of the labels of voxels or vertices.

    Put the results into `Voxels.parcellations`.

    Parameters
    ----------
    name : str
        Name of the atlas, as menus show it.
    labels : np.ndarray
        (n_voxels,) whole numbers, 0 for none.
    names : mapping of int to str
        Names of labels.
    note : str
        File, and how it was brought to the voxels.

    Returns
    -------
    tuple of str and Parcellation
        Key, as --level takes it, and the record.

    Raises
    ------
    DataError
        Labels are no whole numbers from 0, or no voxel has one.
    """
    values = np.asarray(labels)
    whole = values.ndim == 1 and values.dtype.kind in "iufb" and np.isfinite(values).all()
    if not (whole and (values == np.floor(values)).all() and (values >= 0).all() and (values <= MAX_LABEL).all()):
        raise DataError(
            f"Expected a label for each voxel in the atlas {name}, whole numbers from 0 to {MAX_LABEL}, got others. "
            "Name an image of labels."
        )
    if not values.any():
        raise DataError(
            f"Expected the atlas {name} to label some of the {len(values):,} voxels, got none. Check its space."
        )
    numbers = values.astype(np.int32)
    present = set(np.unique(numbers).tolist())
    kept = {int(number): str(text) for number, text in names.items() if number in present}
    return f"{OWN_PREFIX}{name}", Parcellation(numbers, kept, note)


def add_own_regions(voxels: Voxels, regions: OwnRegions, space: str) -> tuple[Voxels, tuple[str, ...]]:
    """Bring atlases and ROIs to voxels by the nearest voxel of their images.

    An image on another grid is resampled where it lies in the space of the voxels; what cannot be used is left out.
    ROIs and atlases that voxels have already are kept.

    Parameters
    ----------
    voxels : Voxels
        Voxels with an affine.
    regions : OwnRegions
        Files.
    space : str
        Name of the space of the voxels; "" where it is not known.

    Returns
    -------
    tuple of Voxels and tuple of str
        Voxels with the regions, and a sentence on each file.
    """
    parcellations, rois, notes = dict(voxels.parcellations), dict(voxels.rois), []
    for atlas in regions.atlases:
        try:
            key, own = _read_atlas(atlas, voxels, space)
        except DataError as error:
            notes.append(f"Atlas {atlas.name} is left out. {error}")
            continue
        parcellations.setdefault(key, own)
        notes.append(own.note)
    done: list[str] = []
    for name, path in regions.rois.items():
        try:
            inside = _read_roi(path, voxels, space)
        except DataError as error:
            notes.append(f"ROI {name} is left out. {error}")
            continue
        rois.setdefault(name, inside)
        done.append(name)
    if done:
        notes.append(f"ROIs from masks in the folder: {', '.join(done)}.")
    return replace(voxels, parcellations=parcellations, rois=rois), tuple(notes)


def _read_atlas(atlas: AtlasFiles, voxels: Voxels, space: str) -> tuple[str, Parcellation]:
    volume = read_label_image(atlas.image)
    resampled = _resampling(atlas.image, volume.labels.shape, volume.affine, voxels, space)
    names = {} if atlas.table is None else read_label_table(atlas.table)
    labels = volume.at(_mm(voxels))
    present = [int(n) for n in np.unique(labels) if n]
    unnamed = [number for number in present if number not in names]
    table = f"names from {atlas.table.name}" if atlas.table else "without a table of names"
    lacking = f", {len(unnamed)} of them without a name" if unnamed and atlas.table else ""
    note = (
        f"Atlas {atlas.name}: {atlas.image.name}{resampled}, {table}: {len(present)} regions with voxels{lacking}, "
        f"{int((labels > 0).sum()):,} of {voxels.n_voxels:,} voxels."
    )
    return own_parcellation(atlas.name, labels, names, note)


def _read_roi(path: Path, voxels: Voxels, space: str) -> np.ndarray:
    mask = read_mask(path)
    _resampling(path, mask.inside.shape, mask.affine, voxels, space)
    inside = LabelVolume(mask.inside.astype(np.uint8), mask.affine).at(_mm(voxels)) > 0
    if not inside.any():
        raise DataError(f"Expected voxels of the data inside of {path.name!r}, got none. Check its space.")
    return inside


def _mm(voxels: Voxels) -> np.ndarray:
    if voxels.surface is not None and voxels.surface.mm is not None:
        return voxels.surface.mm.astype(float)
    if voxels.affine is None:
        raise DataError("Expected voxels with an affine, got none. Add it, so that images can be brought to them.")
    return apply_affine(voxels.affine, voxels.ijk)


def read_label_image(path: Path) -> LabelVolume:
    """Read an image of labels.

    Parameters
    ----------
    path : Path
        NIfTI file of one volume, with whole numbers from 0 to MAX_LABEL.

    Returns
    -------
    LabelVolume
        Labels and affine.

    Raises
    ------
    DataError
        The image is damaged, or holds other numbers.
    """
    image = open_nifti(path)
    if len(image.shape) < 3 or any(n != 1 for n in image.shape[3:]):
        raise DataError(
            f"Expected labels of shape (x, y, z), got {image.shape!r} in {str(path)!r}. Name an image of one volume."
        )
    values = next(iter_volumes(path, image))
    if not np.isfinite(values).all() or (values != np.floor(values)).any() or values.min() < 0:
        raise DataError(
            f"Expected whole numbers from 0 as labels in {str(path)!r}, got others. Name an image of labels."
        )
    if values.max() > MAX_LABEL:
        raise DataError(
            f"Expected labels up to {MAX_LABEL} in {str(path)!r}, got {values.max():g}. Name an image of labels."
        )
    return LabelVolume(values.astype(np.int32), np.asarray(image.affine, float))


def _resampling(path: Path, shape: Sequence[int], affine: np.ndarray, voxels: Voxels, space: str) -> str:
    """What is said of an image on another grid; DataError where it lies in another space."""
    theirs = _space_of(path)
    same_grid = (
        voxels.affine is not None
        and tuple(shape) == tuple(voxels.shape)
        and np.allclose(affine, voxels.affine, rtol=0, atol=AFFINE_TOLERANCE)
    )
    if theirs and theirs != space and not (names_mni(theirs) and voxels.in_mni):
        raise DataError(
            f"Expected {path.name!r} in the space of the voxels, {describe_space(space or voxels.space)}, got "
            f"{theirs}. Bring it to that space first."
        )
    if same_grid:
        return ""
    if not theirs:
        raise DataError(
            f"Expected {path.name!r} on the grid of the voxels, shape {tuple(voxels.shape)!r}, or in a space that its "
            f"name states (space-...), got shape {tuple(shape)!r} and no space. Resample it, or name its space."
        )
    return f" (resampled by nearest voxel, {theirs})"


def _space_of(path: Path) -> str:
    """Space by the file name, else MNI152 by the header; "" where neither says."""
    named = entities_of(path).get("space", "") or entities_of(path).get("tpl", "")
    if named:
        return named
    header = open_nifti(path).header
    if "mni" in path.name.lower() or MNI_CODE in (int(header["sform_code"]), int(header["qform_code"])):
        return "MNI152"
    return ""
