"""The user's own data as plain arrays: features, responses and run onsets in .npy or .npz files.

    dataset.json            optional: tr (s), n_test, title, space, simulated, licence, citation
    run_onsets.npy          (n_runs,) first training row of each run; may be absent if groups.npy is there
    test_run_onsets.npy     optional (n_test_runs,): first test row of each run of the test set, from 0
    groups.npy              optional (n_train,): rows of one value are never split between folds (passages, say)
    features/MODEL.npy      (n_samples, n_features) or (n_layers, n_samples, n_features), one file a model;
                            or one features.npz with an array a model
    responses/SUBJECT.npy   (n_samples, n_voxels), training rows first, then the n_test rows of dataset.json;
                            or SUBJECT.npz with Y_train (n_train, n_voxels) and optional Y_test
                            (n_test, n_voxels) or (n_repeats, n_test, n_voxels);
                            or .tsv, or .h5 with one array, or one for each run in the order of their names
    parcels.nii.gz, .tsv    optional: the columns are parcels, in the rising order of labels; either or both
    voxels/SUBJECT.npz      optional: ijk (n_voxels, 3), shape (3,); in it also optional affine (4, 4),
                            aal (n_voxels,), roi_NAME (n_voxels,)
    atlases/*.nii.gz        optional label images with a table of names beside each; rois/*.nii.gz masks

Responses are taken as they are: nothing is detrended here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from brivl.core.columns import LARGE_BYTES, LazyArray
from brivl.core.encoding.delays import FILLED_BELOW_S
from brivl.core.records import Design, FlatmapGeometry, Responses, Stimulus, StimulusKind, Truth, Voxels
from brivl.data.anatomy.own_atlases import OwnRegions, add_own_regions, find_own_regions
from brivl.data.dataset import check_subject
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.json import read_json_object
from brivl.data.formats.nifti import TR_RANGE
from brivl.data.formats.npy import array_label, array_names, array_shape, read_float32, read_numbers, response_columns
from brivl.data.plain.matrix_files import ENDINGS as MATRIX_ENDINGS
from brivl.data.plain.matrix_files import matrix_rows, names_of_columns, read_rows
from brivl.data.plain.parcels import find_parcels, parcel_flatmap, parcel_voxels
from brivl.data.plain.voxels import read_voxels
from brivl.data.reading import Reading
from brivl.errors import DataError


@dataclass(frozen=True)
class Description:
    """What dataset.json says; every field may be left out.

    Attributes
    ----------
    tr : float or None
        Repetition time, s; None for one response per stimulus, without delays.
    n_test : int
        Number of last rows of each responses/*.npy that are the test set.
    title, space, licence, citation : str
        Facts for lists and figures.
    simulated : bool
        Whether responses are simulated.
    """

    tr: float | None = None
    n_test: int = 0
    title: str = ""
    space: str = "native"
    simulated: bool = False
    licence: str = "not stated"
    citation: str = "not stated"


def read_description(path: Path) -> Description:
    """Read dataset.json.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Description
        Its content, or the defaults where the file is absent.

    Raises
    ------
    DataError
        A key or value is not understood.
    """
    if not path.is_file():
        return Description()
    about = read_json_object(path)
    names = [field.name for field in fields(Description)]
    unknown = sorted(set(about) - set(names))
    if unknown:
        raise DataError(
            f"Expected keys out of {names!r} in {str(path)!r}, got the unknown keys {unknown!r}. Correct or remove "
            "them."
        )
    for key, value in about.items():
        expected = _wrong(key, value)
        if expected:
            raise DataError(f"Expected {key!r} in {str(path)!r} as {expected}, got {value!r}. Correct the value.")
    # Texts on one line: licences are sometimes pasted whole, with blank lines.
    values: dict[str, Any] = {k: " ".join(v.split()) if isinstance(v, str) else v for k, v in about.items()}
    return Description(**values)


def _wrong(key: str, value: object) -> str | None:
    """What was wanted of a value, in words; None where it is right."""
    if key == "tr":
        low, high = TR_RANGE
        number = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        return None if value is None or number else f"{low} to {high} seconds, or null"
    if key == "n_test":
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return None if whole else "a whole number, 0 or more"
    if key == "simulated":
        return None if isinstance(value, bool) else "true or false"
    return None if isinstance(value, str) else "text"


TEST_ONSETS = "test_run_onsets.npy"
LOADER_VERSION = "plain 1: responses as they are"  # part of the digest; count up when answers change


@dataclass(frozen=True)
class ArrayRef:
    """An array on disk: a .npy file, or an array within an .npz file.

    Attributes
    ----------
    path : Path
        The file.
    name : str or None
        Name within an .npz file.
    """

    path: Path
    name: str | None = None

    def read(self) -> np.ndarray:
        """Read the array.

        Returns
        -------
        np.ndarray
            float32.
        """
        return read_float32(self.path, self.name)

    def shape(self) -> tuple[int, ...]:
        """Read the shape from the header.

        Returns
        -------
        tuple of int
            The shape.
        """
        return array_shape(self.path, self.name)

    def __str__(self) -> str:
        return array_label(self.path, self.name)


@dataclass(frozen=True)
class PlainDataset:
    """A plain folder; fulfils `brivl.data.dataset.Dataset`, with features instead of stimuli.

    Attributes
    ----------
    folder : Path
        The folder.
    about : Description
        Content of dataset.json.
    features : mapping of str to ArrayRef
        Features of each model.
    files : mapping of str to Path
        Responses of each subject.
    """

    folder: Path
    about: Description
    features: Mapping[str, ArrayRef]
    files: Mapping[str, Path]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def stimulus_kind(self) -> StimulusKind:
        """ "features": the folder brings them in place of stimuli."""
        return "features"

    @property
    def title(self) -> str:
        return self.about.title or self.folder.name

    @property
    def simulated(self) -> bool:
        return self.about.simulated

    @property
    def licence(self) -> str:
        return self.about.licence

    @property
    def citation(self) -> str:
        return self.about.citation

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(self.files)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self.features)

    def design(self, subject: str) -> Design:
        """Return training and test rows and the first row of each run.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Design
            Order of the samples.

        Raises
        ------
        DataError
            Runs do not add up with the responses.
        """
        check_subject(self, subject)
        n_train, n_test = self._rows(subject)
        onsets, groups = self.folder / "run_onsets.npy", self.folder / "groups.npy"
        grouped = _read_groups(groups, n_train) if groups.is_file() else None
        if onsets.is_file():
            starts = _read_onsets(onsets, n_train)
        elif grouped is not None:
            starts = np.zeros(1, int)
        elif len(runs := self._runs_of_file(subject, n_train)) > 1:
            starts = runs
        else:
            raise DataError(
                f"Expected run_onsets.npy, the first training row of each run, or groups.npy in {str(self.folder)!r}, "
                "got neither. Add one, since it says which rows are held out together."
            )
        path = self.folder / TEST_ONSETS
        if not path.is_file():
            return Design(self.about.tr, n_train, n_test, starts, grouped)
        if not n_test:
            raise DataError(
                f"Expected a test set for {str(path)!r}, got none. Give n_test or Y_test, or remove the file."
            )
        return Design(self.about.tr, n_train, n_test, starts, grouped, _read_onsets(path, n_test, "test"))

    def _runs_of_file(self, subject: str, n_train: int) -> np.ndarray:
        """First training row of each array of an HDF5 file that has one for each run."""
        path = self.files[subject]
        lengths = matrix_rows(path)[0] if path.suffix in MATRIX_ENDINGS else (n_train,)
        starts = np.cumsum([0, *lengths[:-1]])
        return starts[starts < n_train]

    def stimulus(self, subject: str) -> Stimulus:
        """Return the features of every model.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Stimulus
            Features, float32.

        Raises
        ------
        DataError
            Features do not fit the responses, or are not finite.
        """
        check_subject(self, subject)
        n_samples = sum(self._rows(subject))
        features = {model: _read_features(model, ref, n_samples, subject) for model, ref in self.features.items()}
        return Stimulus("features", (), scipy.sparse.csr_matrix((n_samples, 0)), features)

    def responses(self, subject: str) -> Responses:
        """Return the responses; large .npy files are read a range of voxels at a time, when it is needed.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Responses
            Training responses (n_train, n_voxels) and test responses (n_repeats, n_test, n_voxels) or None, float32.
        """
        check_subject(self, subject)
        n_train, n_test = self._rows(subject)
        path = self.files[subject]
        Y_train: np.ndarray | LazyArray
        Y_test: np.ndarray | LazyArray | None
        if path.suffix == ".npy" and 4 * math.prod(array_shape(path)) > LARGE_BYTES:
            Y_train, Y_test = response_columns(path, n_train, n_test)
        elif path.suffix != ".npz":
            Y = read_float32(path) if path.suffix == ".npy" else read_rows(path)
            Y_train, Y_test = Y[:n_train], Y[None, n_train:] if n_test else None
        else:
            Y_train = read_float32(path, "Y_train")
            repeats = read_float32(path, "Y_test") if n_test else None
            Y_test = repeats[None] if repeats is not None and repeats.ndim == 2 else repeats
        return Responses(Y_train, Y_test, self._voxels(subject, Y_train.shape[1])[0])

    def own_regions(self, subject: str) -> OwnRegions:
        """Find the atlases and the masks of ROIs in the folder.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        OwnRegions
            Files in atlases/ and rois/; none where voxels have no places in space.
        """
        path = self._voxels_file(subject)
        if not path.is_file() or "affine" not in array_names(path):
            return OwnRegions()
        return find_own_regions(self.folder, (), self.about.space)

    def _voxels(self, subject: str, n_voxels: int) -> tuple[Voxels, tuple[str, ...]]:
        """Voxels with the regions of the folder, and a sentence on each atlas."""
        parcels = find_parcels(self.folder)
        header = names_of_columns(self.files[subject])
        if parcels.files or header:
            voxels = parcel_voxels(parcels, header, n_voxels, self.about.space)
            return voxels, tuple(one.note for one in voxels.parcellations.values())
        voxels = read_voxels(self._voxels_file(subject), n_voxels, self.about.space)
        regions = self.own_regions(subject)
        return add_own_regions(voxels, regions, self.about.space) if regions.files else (voxels, ())

    def reading(self, subject: str) -> Reading:
        """Say which atlases and ROIs were read.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Reading
            Empty for a folder without any.
        """
        check_subject(self, subject)
        path = self.files[subject]
        parcels = find_parcels(self.folder).files or names_of_columns(path)
        if not parcels and not self.own_regions(subject).files:
            return Reading()
        if path.suffix in MATRIX_ENDINGS:
            n_voxels = matrix_rows(path)[1]
        else:
            n_voxels = array_shape(path, None if path.suffix == ".npy" else "Y_train")[-1]
        return Reading(self._voxels(subject, n_voxels)[1])

    def flatmap(self, subject: str, height: int) -> FlatmapGeometry:
        """Draw parcels from their label image.

        Parameters
        ----------
        subject : str
            Name of the subject.
        height : int
            Height in pixels.

        Returns
        -------
        FlatmapGeometry
            The geometry.

        Raises
        ------
        DataError
            The folder has no label image of parcels.
        """
        n_parcels = self.responses(subject).Y_train.shape[1]
        header = names_of_columns(self.files[subject])
        return parcel_flatmap(find_parcels(self.folder), n_parcels, header, self.about.space, height)

    def reading_warnings(self, subject: str) -> tuple[str, ...]:
        """Return the warnings of `reading`, of which a plain folder has none.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        tuple of str
            Empty.
        """
        check_subject(self, subject)
        return ()

    def truth(self, subject: str) -> Truth | None:
        """Return None, since what a folder simulates is not recorded.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        None
            No ground truth.
        """
        check_subject(self, subject)
        return None

    def digest(self, subject: str) -> str:
        """Digest all files that results of a subject depend on.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        str
            Digest of names and contents.
        """
        check_subject(self, subject)
        top = ("dataset.json", "run_onsets.npy", "groups.npy", TEST_ONSETS)
        paths = [self.files[subject], self._voxels_file(subject), *(self.folder / name for name in top)]
        existing = [path for path in paths if path.is_file()] + list(find_parcels(self.folder).files)
        # Default delays were filled for short TRs later; results at other TRs stay those that are stored.
        filled = self.about.tr is not None and self.about.tr < FILLED_BELOW_S
        version = f"{LOADER_VERSION}; delays filled" if filled else LOADER_VERSION
        version += self.own_regions(subject).digest
        return digest_files(self.folder, [*existing, *(ref.path for ref in self.features.values())], version)

    def _voxels_file(self, subject: str) -> Path:
        return self.folder / "voxels" / f"{subject}.npz"

    def _rows(self, subject: str) -> tuple[int, int]:
        """n_train and n_test from the headers of the response files, checked."""
        path = self.files[subject]
        if path.suffix in MATRIX_ENDINGS:
            n_train, n_test = sum(matrix_rows(path)[0]) - self.about.n_test, self.about.n_test
        else:
            n_train, n_test = _npy_rows(path, self.about) if path.suffix == ".npy" else _npz_rows(path, self.about)
        if n_train < 2:
            raise DataError(
                f"Expected at least 2 training rows, got {n_train} in {str(path)!r}. Add rows, or correct n_test."
            )
        return n_train, n_test


def open_plain(folder: Path | str) -> PlainDataset:
    """Open a plain folder.

    Parameters
    ----------
    folder : Path or str
        The folder.

    Returns
    -------
    PlainDataset
        The dataset.

    Raises
    ------
    DataError
        Features or responses are missing, or dataset.json is wrong.
    """
    folder = Path(folder).absolute()
    features = _find_features(folder)
    endings = (".npy", ".npz", *MATRIX_ENDINGS)
    files = sorted(p for p in (folder / "responses").glob("[!.]*") if p.suffix in endings)
    if not features or not files:
        missing = (
            "features/MODEL.npy (or features.npz)" if not features else "responses/SUBJECT.npy (or .npz, .h5, .tsv)"
        )
        raise DataError(f"Expected {missing} in the plain dataset {str(folder)!r}, got none. Add it.")
    stems = [p.stem for p in files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise DataError(
            f"Expected one file for each subject in {str(folder / 'responses')!r}, got two for {twice!r}. Remove one "
            "of them."
        )
    return PlainDataset(folder, read_description(folder / "dataset.json"), features, {p.stem: p for p in files})


def _find_features(folder: Path) -> dict[str, ArrayRef]:
    single, many = folder / "features.npz", sorted((folder / "features").glob("*.npy"))
    if single.is_file() and many:
        raise DataError(f"Expected features.npz or features/*.npy in {str(folder)!r}, got both. Remove one of them.")
    if single.is_file():
        return {name: ArrayRef(single, name) for name in array_names(single)}
    return {path.stem: ArrayRef(path) for path in many}


def _npy_rows(path: Path, about: Description) -> tuple[int, int]:
    shape = array_shape(path)
    if len(shape) != 2 or shape[1] < 1:
        raise DataError(f"Expected the shape (n_samples, n_voxels) in {str(path)!r}, got {shape!r}. Save it again.")
    return shape[0] - about.n_test, about.n_test


def _npz_rows(path: Path, about: Description) -> tuple[int, int]:
    names = array_names(path)
    if "Y_train" not in names:
        raise DataError(
            f"Expected Y_train, and Y_test if there is a test set, in {str(path)!r}, got {names!r}. Add Y_train."
        )
    train = array_shape(path, "Y_train")
    test = array_shape(path, "Y_test") if "Y_test" in names else None
    if len(train) != 2 or train[1] < 1:
        raise DataError(
            f"Expected Y_train of shape (n_train, n_voxels) in {str(path)!r}, got {train!r}. Save it again."
        )
    if test is not None and (len(test) not in (2, 3) or test[-1] != train[1] or 0 in test):
        raise DataError(
            f"Expected Y_test of shape (n_test, {train[1]}) or (n_repeats, n_test, {train[1]}) in {str(path)!r}, as "
            f"Y_train has {train[1]} voxels, got {test!r}. Save it again."
        )
    n_test = 0 if test is None else test[-2]
    if about.n_test and about.n_test != n_test:
        raise DataError(
            f"Expected n_test {about.n_test!r} test rows, as dataset.json says, got {n_test} in Y_test of "
            f"{str(path)!r}. Correct or remove n_test."
        )
    return train[0], n_test


def _read_onsets(path: Path, n_rows: int, kind: str = "training") -> np.ndarray:
    """Run onsets, checked against the number of rows of the training or the test set."""
    onsets = read_numbers(path).astype(np.float64)
    within = onsets.ndim == 1 and onsets.size > 0 and (onsets >= 0).all() and (onsets < n_rows).all()
    whole = within and (onsets == np.floor(onsets)).all()
    if not (whole and onsets[0] == 0 and (np.diff(onsets.astype(int)) > 0).all()):
        raise DataError(
            f"Expected the first {kind} row of each run in {str(path)!r}, whole numbers that start at 0, rise, and "
            f"stay below the {n_rows} {kind} rows of the responses, got {onsets.ravel()[:20].tolist()!r}. Correct "
            "them: the run lengths do not add up."
        )
    return onsets.astype(int)


def _read_groups(path: Path, n_train: int) -> np.ndarray:
    groups = read_numbers(path)
    if groups.shape != (n_train,):
        raise DataError(
            f"Expected one number for each of {n_train} training rows in {str(path)!r}, got shape {groups.shape!r}. "
            "Save one for each."
        )
    return groups


def _read_features(model: str, ref: ArrayRef, n_samples: int, subject: str) -> np.ndarray:
    """Features float32, (n_samples, n_features) or (n_layers, n_samples, n_features), checked."""
    shape = ref.shape()
    if len(shape) not in (2, 3) or 0 in shape:
        raise DataError(
            f"Expected features of {model!r}, {ref}, of shape (n_samples, n_features) or "
            f"(n_layers, n_samples, n_features), got {shape!r}. Save them again."
        )
    if shape[-2] != n_samples:
        raise DataError(
            f"Expected features of {model!r}, {ref}, of {n_samples} rows, one for each training and test row of the "
            f"responses of {subject!r}, got {shape[-2]}. Cut or extend them to match."
        )
    X = ref.read()
    bad = int(X.size - np.isfinite(X).sum())
    if bad:
        raise DataError(
            f"Expected finite numbers in the features of {model!r}, {ref}, got {bad} of {X.size} values that are NaN "
            "or infinite. Fill or remove them."
        )
    return X
