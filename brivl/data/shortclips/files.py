"""Files of the shortclips data: which there are, and responses read only after everything about them adds up.

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
from brivl.data.formats.annex import check_fetched, is_pointer
from brivl.data.formats.hdf5 import Hdf5File, open_hdf5
from brivl.data.shortclips.frames import FrameFile, read_frame_header
from brivl.errors import DataError

RESPONSES = re.compile(r"^(?P<subject>[A-Za-z0-9-]+)_responses\.hdf5?$")
TRAIN = re.compile(r"^train_(?P<run>\d+)\.hdf5?$")
FEATURES = re.compile(r"^(?P<name>.+)\.hdf5?$")
MAX_SAMPLES = 1_000_000


@dataclass(frozen=True)
class ResponseLayout:
    """Shapes of a subject's responses, from the header."""

    n_train: int
    n_test: int
    n_repeats: int
    n_voxels: int
    run_onsets: np.ndarray  # (n_runs,) first training row of each run

    @property
    def run_lengths(self) -> list[int]:
        return [int(n) for n in np.diff([*self.run_onsets, self.n_train])]


@dataclass(frozen=True)
class ShortclipsFiles:
    """Where the files of a folder lie. Names are listed whether or not git-annex has fetched their content."""

    folder: Path
    responses: dict[str, Path]  # subject -> file
    mappers: dict[str, Path]
    train: tuple[Path, ...]  # in order of runs
    test: Path | None
    features: dict[str, Path]  # feature space -> file

    @property
    def stimuli(self) -> tuple[Path, ...]:
        return self.train if self.test is None else (*self.train, self.test)

    def is_here(self, path: Path) -> bool:
        """Whether the content of a file is here."""
        return path.is_file() and not is_pointer(path)


def is_shortclips(folder: Path) -> bool:
    """Whether a folder has the published form: responses/SUBJECT_responses.hdf, fetched or not."""
    return bool(_matching(folder / "responses", RESPONSES))


def find_files(folder: Path) -> ShortclipsFiles:
    """The files of a folder of the published form."""
    responses = {found["subject"]: path for found, path in _matching(folder / "responses", RESPONSES)}
    stimuli = sorted((int(found["run"]), path) for found, path in _matching(folder / "stimuli", TRAIN))
    numbers = [number for number, _ in stimuli]
    if numbers != list(range(len(numbers))):
        raise DataError(
            f"{str(folder / 'stimuli')!r} should have train_00.hdf, train_01.hdf and so on, one for each run, but has "
            f"the numbers {numbers!r}; get the missing files."
        )
    return ShortclipsFiles(
        folder=folder,
        responses=responses,
        mappers={subject: path for subject in responses if (path := _mapper(folder, subject)) is not None},
        train=tuple(path for _, path in stimuli),
        test=next((path for _, path in _matching(folder / "stimuli", re.compile(r"^test\.hdf5?$"))), None),
        features={found["name"]: path for found, path in _matching(folder / "features", FEATURES)},
    )


def _matching(folder: Path, pattern: re.Pattern[str]) -> list[tuple[re.Match[str], Path]]:
    """Names in a folder, broken links too, sorted; none where there is no folder."""
    if not folder.is_dir():
        return []
    found = [(pattern.match(path.name), path) for path in sorted(folder.iterdir())]
    return [(match, path) for match, path in found if match is not None]


def _mapper(folder: Path, subject: str) -> Path | None:
    """The published name, or the one that the dataset's README prints."""
    pattern = re.compile(rf"^{re.escape(subject)}_mappers?\.hdf5?$")
    return next((path for _, path in _matching(folder / "mappers", pattern)), None)


def read_layout(path: Path) -> ResponseLayout:
    """Shapes and run onsets of a responses file. DataError where keys are missing or shapes do not add up."""
    with open_hdf5(path) as file:
        train, test = file.shape("Y_train"), file.shape("Y_test")
        if len(train) != 2 or min(train) < 1 or not 2 <= train[0] <= MAX_SAMPLES:
            raise DataError(f"'Y_train' in {str(path)!r} should have shape (n_train, n_voxels) but has {train!r}.")
        if len(test) not in (2, 3) or 0 in test or test[-1] != train[1] or test[-2] > MAX_SAMPLES:
            raise DataError(
                f"'Y_test' in {str(path)!r} should have shape (n_repeats, n_test, {train[1]}) or (n_test, {train[1]}), "
                f"as Y_train has {train[1]} voxels, but has {test!r}."
            )
        return ResponseLayout(
            train[0], test[-2], test[0] if len(test) == 3 else 1, train[1], _read_onsets(file, train[0])
        )


def _read_onsets(file: Hdf5File, n_train: int) -> np.ndarray:
    shape = file.shape("run_onsets")
    onsets = file.read("run_onsets", np.float64) if len(shape) == 1 and 0 < shape[0] <= n_train else np.empty(0)
    whole = onsets.size > 0 and np.isfinite(onsets).all() and (onsets == np.round(onsets)).all()
    if not (whole and onsets[0] == 0 and (np.diff(onsets) > 1).all() and onsets[-1] < n_train - 1):
        raise DataError(
            f"'run_onsets' in {str(file.path)!r} should list the first of {n_train} training rows of each run (whole "
            f"numbers from 0, rising, runs of two rows at least) but has shape {shape!r} and starts with "
            f"{onsets[:20].tolist()!r}; the run lengths do not add up."
        )
    return onsets.astype(int)


def read_responses(path: Path, layout: ResponseLayout) -> tuple[np.ndarray | LazyArray, np.ndarray | LazyArray]:
    """Y_train (n_train, n_voxels) and Y_test (n_repeats, n_test, n_voxels), float32, NaN where the file has NaN.

    Large ones stay in the file and are read a range of voxels at a time, unless they are stored in chunks so wide that
    every range would have the whole file decompressed.
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
    Y_train, Y_test = (_read_columns(path, name, shape, 0, layout.n_voxels) for name, shape in shapes.items())
    return Y_train, Y_test


def _read_columns(path: Path, name: str, shape: tuple[int, ...], start: int, stop: int) -> np.ndarray:
    """Columns of an array of this shape, or of its only repeat; float32. DataError where the file has changed."""
    with open_hdf5(path) as file:
        array = file.array(name)
        if array.shape not in (shape, shape[1:] if shape[0] == 1 else shape):
            raise DataError(f"{str(path)!r} has changed while it was read; start again.")
        values = np.empty((*array.shape[:-1], stop - start), np.float32)
        with file.reading(name):
            if values.size:
                array.read_direct(values, np.s_[..., start:stop])
    return values.reshape(*shape[:-1], stop - start)


def read_frame_headers(files: ShortclipsFiles, layout: ResponseLayout) -> tuple[list[FrameFile], int]:
    """Frame files of the runs and of the test run, and frames per TR. DataError where they do not fit the responses."""
    if len(files.train) != len(layout.run_onsets) or files.test is None:
        names = [path.name for path in files.stimuli]
        raise DataError(
            f"{str(files.folder / 'stimuli')!r} should have test.hdf and {len(layout.run_onsets)} files train_NN.hdf, "
            f"one for each run of the responses, but has {names!r}; get the missing files."
        )
    for path in files.stimuli:
        check_fetched(path, files.folder)
    frames = [read_frame_header(path) for path in files.stimuli]
    lengths = [*layout.run_lengths, layout.n_test]
    shares = [divmod(file.n_frames, n) for file, n in zip(frames, lengths, strict=True)]
    if len(set(shares)) != 1 or shares[0][0] < 1 or shares[0][1]:
        said = ", ".join(f"{f.path.name}: {f.n_frames} frames, {n} TRs" for f, n in zip(frames, lengths, strict=True))
        raise DataError(
            f"Every run in {str(files.folder)!r} should have the same whole number of frames in each TR, but has "
            f"{said}; stimuli and responses do not belong together, or a file is cut short."
        )
    return frames, shares[0][0]


def read_features(path: Path, layout: ResponseLayout) -> np.ndarray:
    """Feature space that comes with the data, (n_train + n_test, n_features) float32, finite."""
    with open_hdf5(path) as file:
        shapes = file.shape("X_train"), file.shape("X_test")
        fits = all(len(s) == 2 and s[1] > 0 for s in shapes) and shapes[0][1] == shapes[1][1]
        if not fits or (shapes[0][0], shapes[1][0]) != (layout.n_train, layout.n_test):
            raise DataError(
                f"'X_train' and 'X_test' in {str(path)!r} should have shapes ({layout.n_train}, n_features) and "
                f"({layout.n_test}, n_features), as the responses have rows, but have {shapes!r}."
            )
        X = np.concatenate([file.read("X_train", np.float32), file.read("X_test", np.float32)])
    if not np.isfinite(X).all():
        raise DataError(f"Features in {str(path)!r} should be finite numbers, but some are NaN or infinite.")
    return X
