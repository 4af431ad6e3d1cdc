"""shortclips files that are damaged, cut short or of other shapes end in an error sentence, or load correctly."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from brivl.data.formats.hdf5 import open_hdf5
from brivl.data.shortclips.frames import MovieFrames, read_frame_header
from brivl.data.shortclips.loader import open_shortclips
from brivl.data.shortclips.mapper import read_fsaverage
from brivl.errors import BrivlError, DataError
from tests.support.shortclips_fixture import N_RUNS, RUN, make_shortclips, mapper_arrays, responses_arrays, toy, write

RESPONSES, MAPPER, STIMULI = "responses/S01_responses.hdf", "mappers/S01_mappers.hdf", "stimuli/train_01.hdf"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shortclips(tmp_path_factory.mktemp("data") / "shortclips")


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "shortclips"))


def load(folder: Path) -> None:
    """Everything of S01."""
    d = open_shortclips(folder)
    stimulus, responses = d.stimulus("S01"), d.responses("S01")
    assert stimulus.items[RUN : 3 * RUN].dtype == np.uint8 and responses.Y_test.ndim == 3
    assert d.flatmap("S01").pixel_to_voxel.shape[1] == responses.voxels.n_voxels == responses.Y_train.shape[1]
    assert read_fsaverage(folder / MAPPER).shape[1] == responses.voxels.n_voxels


def test_sixty_mutations_end_in_a_sentence_or_a_load(folder: Path) -> None:
    rng, refused = np.random.default_rng(0), 0
    for i in range(60):
        path = folder / (RESPONSES, MAPPER, STIMULI)[i % 3]
        kept = path.read_bytes()
        path.write_bytes(_cut(kept, rng) if i % 4 == 0 else _flipped(kept, rng))
        try:
            load(folder)
        except BrivlError as error:
            refused += 1
            assert str(error).endswith(".") and len(str(error)) > 40
        path.write_bytes(kept)
    load(folder)
    assert refused > 30


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(0, len(content))]


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """One to five other bytes, mostly among the first, where the structure of the file is."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        changed[rng.integers(0, min(len(changed), 4096) if rng.random() < 0.7 else len(changed))] = rng.integers(256)
    return bytes(changed)


def test_truncated_files_say_how_much_is_here(folder: Path) -> None:
    content = (folder / RESPONSES).read_bytes()
    (folder / RESPONSES).write_bytes(content[:-1000])
    with pytest.raises(DataError, match=f"Expected {len(content):,} bytes .* got {len(content) - 1000:,}"):
        open_shortclips(folder).design("S01")
    (folder / RESPONSES).write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DataError, match="Expected an HDF5 file, got .*which starts with b'<!DOCTY"):
        open_shortclips(folder).design("S01")


Arrays = dict[str, np.ndarray]
CHANGES: dict[str, tuple[Callable[[Arrays], object], str]] = {
    "no test": (lambda a: a.pop("Y_test"), "the array 'Y_test' .* got 'Y_train', 'run_onsets'"),
    "no onsets": (lambda a: a.pop("run_onsets"), "the array 'run_onsets' .* got"),
    "other voxels in test": (lambda a: a.update(Y_test=a["Y_test"][..., :-1]), "as Y_train has 20 voxels"),
    "train in 3-D": (lambda a: a.update(Y_train=a["Y_train"][None]), r"\(n_train, n_voxels\)"),
    "no samples": (lambda a: a.update(Y_train=a["Y_train"][:0]), r"\(0, 20\)"),
    "text": (lambda a: a.update(Y_train=np.full((4, 20), b"x")), "Expected numbers, got"),
    "complex": (lambda a: a.update(Y_train=a["Y_train"] * 1j), "Expected numbers, got"),
    "onsets beyond": (lambda a: a.update(run_onsets=np.array([0, N_RUNS * RUN])), "do not add up"),
    "onsets fall": (lambda a: a.update(run_onsets=np.array([0, 9, 3])), "do not add up"),
    "onsets NaN": (lambda a: a.update(run_onsets=np.array([0, np.nan])), "do not add up"),
    "onset missing": (lambda a: a.update(run_onsets=a["run_onsets"][:-1]), "4 files|3 files"),
    "runs of other length": (lambda a: a.update(run_onsets=a["run_onsets"] + [0, 1, 0, 0]), "whole number of frames"),
    "other voxels than mapper": (
        lambda a: a.update(Y_train=a["Y_train"][:, 1:], Y_test=a["Y_test"][..., 1:]),
        "got 20 in .* and 19 in ",
    ),
}


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_responses_that_do_not_add_up(folder: Path, change: str) -> None:
    arrays = responses_arrays(20)
    apply, message = CHANGES[change]
    apply(arrays)
    write(folder / RESPONSES, arrays)
    with pytest.raises(DataError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2 * RUN, 8, 8, 4), "u1"), "Expected frames"),
        (np.zeros((2 * RUN, 8, 8), "u1"), "Expected frames"),
        (np.zeros((2 * RUN - 1, 8, 8, 3), "u1"), f"{2 * RUN - 1} frames, {RUN} TRs"),
        (np.full((2 * RUN, 16, 16, 3), 1.5), "from 1.5 to 1.5"),
        (np.full((2 * RUN, 16, 16, 3), np.nan), "from nan to nan"),
        (np.full((2 * RUN, 16, 16, 3), 256), "from 256 to 256"),
        (np.zeros((2 * RUN, 8, 8, 3), "u1"), "of one size"),
    ],
)
def test_frames_that_do_not_fit(folder: Path, values: np.ndarray, message: str) -> None:
    write(folder / STIMULI, {"stimuli": values})
    with pytest.raises(DataError, match=message):
        load(folder)


def test_missing_runs(folder: Path) -> None:
    (folder / "stimuli" / "train_03.hdf").unlink()
    with pytest.raises(DataError, match=f"{N_RUNS} files train_NN.hdf"):
        load(folder)
    (folder / "stimuli" / "train_01.hdf").unlink()
    with pytest.raises(DataError, match=r"numbers \[0, 2\]"):
        load(folder)


def test_claims_of_more_than_is_stored(tmp_path: Path) -> None:
    """Arrays without content, which would fill the memory with zeros."""
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        file.create_dataset("stimuli", shape=(10**7, 512, 512, 3), dtype="u1", chunks=(1, 512, 512, 3))
        file.create_dataset("Y", shape=(10**6, 10**6), dtype="f8")
    with pytest.raises(DataError, match="got 0: the file is truncated"):
        read_frame_header(tmp_path / "a.hdf")
    with open_hdf5(tmp_path / "a.hdf") as opened, pytest.raises(DataError, match="got 0: the file is truncated"):
        opened.shape("Y")


def test_nothing_outside_the_file_is_read(tmp_path: Path) -> None:
    other = write(tmp_path / "other.hdf", {"secret": np.arange(5)})
    (tmp_path / "raw").write_bytes(b"12345678")
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        file["link"] = h5py.ExternalLink(str(other), "secret")
        file["soft"] = h5py.SoftLink("/raw")
        file.create_dataset("raw", shape=(1,), dtype="f8", external=[(str(tmp_path / "raw"), 0, 8)])
        layout = h5py.VirtualLayout((5,), "i8")
        layout[:] = h5py.VirtualSource(str(other), "secret", (5,))
        file.create_virtual_dataset("virtual", layout)
        file.create_group("group")
    with open_hdf5(tmp_path / "a.hdf") as opened:
        for name in ("link", "soft", "raw", "virtual", "group"):
            with pytest.raises(DataError, match="array within the file"):
                opened.read(name)


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf", {"stimuli": np.zeros((9, 4, 4, 3), "u1")})
    lazy = MovieFrames((read_frame_header(path),))
    write(path, {"stimuli": np.zeros((8, 4, 4, 3), "u1")})
    with pytest.raises(DataError, match="has changed"):
        lazy[:3]


def test_mapper_without_flatmap_still_gives_rois(folder: Path) -> None:
    arrays = {k: v for k, v in mapper_arrays(toy(20)).items() if "flatmap" not in k}
    write(folder / MAPPER, arrays)
    voxels = open_shortclips(folder).voxels("S01")
    assert voxels.flatmap == "slices" and list(voxels.rois) == ["FFA", "V1"]
