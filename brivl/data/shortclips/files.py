"""The files of a shortclips folder, and reading responses once their shapes are checked against each other.

responses/SUBJECT_responses.hdf   Y_train (n_train, n_voxels), run_onsets (n_runs,),
                                  Y_test (n_repeats, n_test, n_voxels) or (n_test, n_voxels)
stimuli/train_NN.hdf, test.hdf    stimuli (n_frames, height, width, 3), one file a training run
mappers/SUBJECT_mappers.hdf       see brivl.data.shortclips.mapper; may be absent
features/NAME.hdf                 X_train (n_train, n_features), X_test (n_test, n_features)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from brivl.core.columns import LARGE_BYTES, READ_COLUMNS, LazyArray
from brivl.data.dataset_format import Published
from brivl.data.formats.annex import check_fetched, is_pointer
from brivl.data.formats.hdf5 import Hdf5File, open_hdf5
from brivl.data.shortclips.frames import FrameFile, read_frame_header
from brivl.errors import DataError

RESPONSES = re.compile(r"^(?P<subject>[A-Za-z0-9-]+)_responses\.hdf5?$")
TRAIN = re.compile(r"^train_(?P<run>\d+)\.hdf5?$")
TEST = re.compile(r"^test\.hdf5?$")
FEATURES = re.compile(r"^(?P<name>.+)\.hdf5?$")
MAX_SAMPLES = 1_000_000


@dataclass(frozen=True)
class ResponseLayout:
    """Shapes of a subject's responses, from the header of the file.

    Attributes
    ----------
    n_train, n_test, n_repeats, n_voxels : int
        Sizes; TRs for samples.
    run_onsets : (n_runs,) array of int
        First training row of each run.
    """

    n_train: int
    n_test: int
    n_repeats: int
    n_voxels: int
    run_onsets: np.ndarray

    @property
    def run_lengths(self) -> list[int]:  # numpydoc ignore=RT01
        """Number of TRs of each training run."""
        return [int(n) for n in np.diff([*self.run_onsets, self.n_train])]


@dataclass(frozen=True)
class ShortclipsFiles:
    """The files of a folder, whether or not git-annex has fetched their content.

    Attributes
    ----------
    folder : Path
        The folder.
    responses, mappers : dict of str to Path
        File of each subject.
    train : tuple of Path
        Stimuli of the training runs, in their order.
    test : Path or None
        Stimuli of the test run.
    features : dict of str to Path
        File of each feature space.
    """

    folder: Path
    responses: dict[str, Path]
    mappers: dict[str, Path]
    train: tuple[Path, ...]
    test: Path | None
    features: dict[str, Path]

    @property
    def stimuli(self) -> tuple[Path, ...]:  # numpydoc ignore=RT01
        """Stimuli of the training runs, then those of the test run."""
        return self.train if self.test is None else (*self.train, self.test)

    def is_fetched(self, path: Path) -> bool:
        """Tell whether the content of a file is on this machine.

        Parameters
        ----------
        path : Path
            A file of the folder.

        Returns
        -------
        bool
            False for a broken link and for a pointer of git-annex.
        """
        return path.is_file() and not is_pointer(path)


def is_shortclips(folder: Path) -> bool:
    """Tell whether a folder has the published form.

    Parameters
    ----------
    folder : Path
        Folder.

    Returns
    -------
    bool
        True where there is a file responses/SUBJECT_responses.hdf, fetched or not.
    """
    return bool(_matching(folder / "responses", RESPONSES))


def find_files(folder: Path) -> ShortclipsFiles:
    """Find the files of a folder of the published form.

    Parameters
    ----------
    folder : Path
        Folder.

    Returns
    -------
    ShortclipsFiles
        The files.

    Raises
    ------
    DataError
        If a training run lacks its stimuli.
    """
    responses = {match["subject"]: path for match, path in _matching(folder / "responses", RESPONSES)}
    stimuli = sorted((int(match["run"]), path) for match, path in _matching(folder / "stimuli", TRAIN))
    numbers = [number for number, _ in stimuli]
    if numbers != list(range(len(numbers))):
        raise DataError(
            f"Expected train_00.hdf, train_01.hdf and so on, one for each run, in {str(folder / 'stimuli')!r}, got the "
            f"numbers {numbers!r}. Get the missing files."
        )
    return ShortclipsFiles(
        folder=folder,
        responses=responses,
        mappers={subject: path for subject in responses if (path := _mapper(folder, subject)) is not None},
        train=tuple(path for _, path in stimuli),
        test=next((path for _, path in _matching(folder / "stimuli", TEST)), None),
        features={match["name"]: path for match, path in _matching(folder / "features", FEATURES)},
    )


def _matching(folder: Path, pattern: re.Pattern[str]) -> list[tuple[re.Match[str], Path]]:
    """List the matching names in a folder, broken links too, sorted; none where there is no folder."""
    if not folder.is_dir():
        return []
    matches = [(pattern.match(path.name), path) for path in sorted(folder.iterdir())]
    return [(match, path) for match, path in matches if match is not None]


def _mapper(folder: Path, subject: str) -> Path | None:
    """Find the mapper file under the published name, or under the one in the README of the dataset."""
    pattern = re.compile(rf"^{re.escape(subject)}_mappers?\.hdf5?$")
    return next((path for _, path in _matching(folder / "mappers", pattern)), None)


def read_layout(path: Path) -> ResponseLayout:
    """Read the shapes and run onsets of a file of responses.

    Parameters
    ----------
    path : Path
        File of responses.

    Returns
    -------
    ResponseLayout
        Shapes and onsets.

    Raises
    ------
    DataError
        If an array is missing or shapes do not fit each other.
    """
    with open_hdf5(path) as file:
        train, test = file.shape("Y_train"), file.shape("Y_test")
        if len(train) != 2 or min(train) < 1 or not 2 <= train[0] <= MAX_SAMPLES:
            raise DataError(
                f"Expected 'Y_train' of shape (n_train, n_voxels) in {str(path)!r}, got {train!r}. Get the file again."
            )
        if len(test) not in (2, 3) or 0 in test or test[-1] != train[1] or test[-2] > MAX_SAMPLES:
            raise DataError(
                f"Expected 'Y_test' of shape (n_repeats, n_test, {train[1]}) or (n_test, {train[1]}) in {str(path)!r}, "
                f"as Y_train has {train[1]} voxels, got {test!r}. Get the file again."
            )
        onsets = _read_onsets(file, train[0])
        return ResponseLayout(train[0], test[-2], test[0] if len(test) == 3 else 1, train[1], onsets)


def _read_onsets(file: Hdf5File, n_train: int) -> np.ndarray:
    shape = file.shape("run_onsets")
    onsets = file.read("run_onsets", np.float64) if len(shape) == 1 and 0 < shape[0] <= n_train else np.empty(0)
    is_integer = onsets.size > 0 and np.isfinite(onsets).all() and (onsets == np.round(onsets)).all()
    if not (is_integer and onsets[0] == 0 and (np.diff(onsets) > 1).all() and onsets[-1] < n_train - 1):
        raise DataError(
            f"Expected the first of {n_train} training rows of each run as 'run_onsets' in {str(file.path)!r} "
            f"(integers that start at 0 and rise, runs of two rows at least), got shape {shape!r} and values from "
            f"{onsets[:20].tolist()!r}. The run lengths do not add up: get the file again."
        )
    return onsets.astype(int)


def read_responses(path: Path, layout: ResponseLayout) -> tuple[np.ndarray | LazyArray, np.ndarray | LazyArray]:
    """Read the responses of a subject, or prepare to read them in ranges of voxels.

    Parameters
    ----------
    path : Path
        File of responses.
    layout : ResponseLayout
        Shapes, as `read_layout` gives them.

    Returns
    -------
    Y_train : (n_train, n_voxels) array or LazyArray of float32
        Training responses, NaN where the file has NaN.
    Y_test : (n_repeats, n_test, n_voxels) array or LazyArray of float32
        Test responses.

    Notes
    -----
    Large responses stay in the file, unless its chunks are so wide that each range would decompress the whole file.
    """
    shapes = {
        "Y_train": (layout.n_train, layout.n_voxels),
        "Y_test": (layout.n_repeats, layout.n_test, layout.n_voxels),
    }
    with open_hdf5(path) as file:
        narrow = all((file.array(name).chunks or (1,))[-1] <= READ_COLUMNS for name in shapes)
    if narrow and 4 * layout.n_train * layout.n_voxels > LARGE_BYTES:
        Y_train, Y_test = (
            LazyArray(shape, partial(_read_columns, path, name, shape)) for name, shape in shapes.items()
        )
        return Y_train, Y_test
    train, test = (_read_columns(path, name, shape, 0, layout.n_voxels) for name, shape in shapes.items())
    return train, test


def _read_columns(path: Path, name: str, shape: tuple[int, ...], start: int, stop: int) -> np.ndarray:
    """Read columns of an array of this shape, float32; a single repeat may be stored without its axis."""
    with open_hdf5(path) as file:
        array = file.array(name)
        if array.shape not in (shape, shape[1:] if shape[0] == 1 else shape):
            raise DataError(
                f"Expected {name!r} of shape {shape!r} in {str(path)!r}, got {array.shape!r}: the file has changed "
                "while it was read. Start again."
            )
        values = np.empty((*array.shape[:-1], stop - start), np.float32)
        with file.reading(name):
            if values.size:
                array.read_direct(values, np.s_[..., start:stop])
    return values.reshape(*shape[:-1], stop - start)


def read_frame_headers(files: ShortclipsFiles, layout: ResponseLayout) -> tuple[list[FrameFile], int]:
    """Read the headers of all stimulus files and check them against the responses.

    Parameters
    ----------
    files : ShortclipsFiles
        Files of the folder.
    layout : ResponseLayout
        Shapes of the responses.

    Returns
    -------
    frames : list of FrameFile
        Files of the training runs, then the one of the test run.
    frames_per_tr : int
        Number of frames in each TR.

    Raises
    ------
    DataError
        If files are missing, not fetched, or do not have a whole number of frames per TR.
    """
    if len(files.train) != len(layout.run_onsets) or files.test is None:
        names = [path.name for path in files.stimuli]
        raise DataError(
            f"Expected test.hdf and {len(layout.run_onsets)} files train_NN.hdf, one for each run of the responses, in "
            f"{str(files.folder / 'stimuli')!r}, got {names!r}. Get the missing files."
        )
    for path in files.stimuli:
        check_fetched(path, files.folder)
    frames = [read_frame_header(path) for path in files.stimuli]
    lengths = [*layout.run_lengths, layout.n_test]
    per_tr = [divmod(file.n_frames, n) for file, n in zip(frames, lengths, strict=True)]
    if len(set(per_tr)) != 1 or per_tr[0][0] < 1 or per_tr[0][1]:
        counts = ", ".join(f"{f.path.name}: {f.n_frames} frames, {n} TRs" for f, n in zip(frames, lengths, strict=True))
        raise DataError(
            f"Expected the same whole number of frames in each TR of all runs in {str(files.folder)!r}, got {counts}. "
            "Stimuli and responses do not belong together, or a file is cut short: get them again."
        )
    return frames, per_tr[0][0]


def read_features(path: Path, layout: ResponseLayout) -> np.ndarray:
    """Read a feature space that comes with the data.

    Parameters
    ----------
    path : Path
        File of the features.
    layout : ResponseLayout
        Shapes of the responses.

    Returns
    -------
    (n_train + n_test, n_features) array of float32
        Finite features.

    Raises
    ------
    DataError
        If shapes do not fit the responses, or values are not finite.
    """
    with open_hdf5(path) as file:
        shapes = file.shape("X_train"), file.shape("X_test")
        fits = all(len(s) == 2 and s[1] > 0 for s in shapes) and shapes[0][1] == shapes[1][1]
        if not fits or (shapes[0][0], shapes[1][0]) != (layout.n_train, layout.n_test):
            raise DataError(
                f"Expected 'X_train' and 'X_test' of shapes ({layout.n_train}, n_features) and ({layout.n_test}, "
                f"n_features) in {str(path)!r}, as the responses have rows, got {shapes!r}. Get the file again."
            )
        X = np.concatenate([file.read("X_train", np.float32), file.read("X_test", np.float32)])
    if not np.isfinite(X).all():
        raise DataError(f"Expected finite features in {str(path)!r}, got NaN or infinite values. Get the file again.")
    return X


def _expected_files(folder: Path) -> list[str]:
    subjects = [f"S{i:02d}" for i in range(1, 6)]
    own = [f"{part}/{subject}_{part}.hdf" for part in ("responses", "mappers") for subject in subjects]
    return [*own, *(f"stimuli/train_{i:02d}.hdf" for i in range(12)), "stimuli/test.hdf"]


def _recognises(folder: Path) -> bool:
    return any((folder / "responses").glob("S[0-9][0-9]_responses.hdf*"))


PUBLISHED = Published(
    title="shortclips (Huth et al. 2012)",
    licence="Terms of the dataset's own page: doi:10.12751/g-node.vy1zjd",
    citation=(
        "Huth, A. G., Nishimoto, S., Vu, A. T., Dupré la Tour, T., & Gallant, J. L. (2022). Gallant Lab Natural "
        "Short Clips 3T fMRI Data. doi:10.12751/g-node.vy1zjd; Huth, A. G., Nishimoto, S., Vu, A. T., & Gallant, "
        "J. L. (2012). Neuron, 76(6), 1210-1224. doi:10.1016/j.neuron.2012.10.014"
    ),
    page="https://gin.g-node.org/gallantlab/shortclips",
    expected_files=_expected_files,
    recognises=_recognises,
    source="https://gin.g-node.org/gallantlab/shortclips",
    siblings=("wasabi", "origin"),
)
