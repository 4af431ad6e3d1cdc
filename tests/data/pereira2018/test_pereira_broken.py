"""Damaged and hostile MATLAB files end in a sentence, or are read rightly, without much memory."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from brivl.data.formats.mat_scan import scan_mat
from brivl.data.pereira2018.loader import open_pereira
from brivl.errors import BrivlError, DataError
from tests.support.pereira_fixture import make_brain, write_subject

N_MUTATIONS = 64
MAX_MEMORY = 64e6  # bytes, far below the 1 GiB that is allowed


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Whole files by name: both generations, compressed as published, and one that is not."""
    folder = tmp_path_factory.mktemp("whole")
    Y = np.random.default_rng(0).standard_normal((8, 40))
    contents = {}
    for generation in "AB":
        path = write_subject(folder, "P01", Y, make_brain(40), generation)
        contents[path.name] = path.read_bytes()
    mat = {k: v for k, v in scipy.io.loadmat(folder / "P01/examples_384sentences.mat").items() if k[0] != "_"}
    scipy.io.savemat(folder / "plain.mat", mat)
    return contents | {"plain": (folder / "plain.mat").read_bytes()}


def _elements(raw: bytes) -> list[int]:
    """Where each variable begins."""
    at, starts = 128, []
    while at < len(raw):
        starts.append(at)
        at += 8 + struct.unpack_from("<I", raw, at + 4)[0]
    return starts


def _mutated(raw: bytes, i: int) -> bytes:
    """One of four kinds of damage, seeded: cut, flipped bytes, an absurd size in a tag, an absurd number inside."""
    rng, data = np.random.default_rng(i), bytearray(raw)
    if i % 4 == 0:
        return raw[: int(rng.integers(0, len(raw)))]
    if i % 4 == 1:
        for at in rng.integers(0, len(raw), 3):
            data[at] ^= int(rng.integers(1, 256))
        return bytes(data)
    start = int(rng.choice(_elements(raw)))
    if i % 4 == 2:
        struct.pack_into("<I", data, start + 4 * int(rng.integers(0, 2)), int(rng.choice([2**31 - 8, 2**32 - 1, 0, 7])))
        return bytes(data)
    return _absurd_inside(bytes(data), start, rng)


def _absurd_inside(raw: bytes, start: int, rng: np.random.Generator) -> bytes:
    """A variable whose own header is changed, packed again so that all checksums hold."""
    kind, length = struct.unpack_from("<II", raw, start)
    body = raw[start + 8 : start + 8 + length]
    inner = bytearray(zlib.decompress(body) if kind == 15 else struct.pack("<II", kind, length) + body)
    at = 8 * int(rng.integers(1, max(2, min(len(inner) // 8, 200)))) + 4 * int(rng.integers(0, 2))
    struct.pack_into("<I", inner, min(at, len(inner) - 4), int(rng.choice([2**31 - 1, 2**30, 2**32 - 8, 0])))
    packed = zlib.compress(bytes(inner)) if kind == 15 else bytes(inner[8:])
    return raw[:start] + struct.pack("<II", kind, len(packed)) + packed + raw[start + 8 + length :]


def _read_all(folder: Path) -> None:
    data = open_pereira(folder)
    design, responses = data.design("P01"), data.responses("P01")
    assert len(data.stimulus("P01").items) == design.n_train == len(responses.Y_train)
    assert responses.Y_train.shape[1] == responses.voxels.n_voxels <= 40
    assert ((responses.voxels.aal >= 1) & (responses.voxels.aal <= 90)).all()
    assert ((responses.voxels.ijk >= 0) & (responses.voxels.ijk < responses.voxels.shape)).all()


@pytest.mark.parametrize("name", ["examples_384sentences.mat", "data_384sentences.mat", "plain"])
def test_mutations_end_in_a_sentence_or_a_right_load(name: str, files: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "P01").mkdir()
    path, refused = tmp_path / "P01" / ("examples_384sentences.mat" if name == "plain" else name), 0
    path.write_bytes(files[name])
    _read_all(tmp_path)
    for i in range(N_MUTATIONS):
        path.write_bytes(_mutated(files[name], i))
        tracemalloc.start()
        try:
            _read_all(tmp_path)
        except BrivlError as error:
            refused += 1
            assert str(error).endswith(".") and repr(str(path))[1:-1] in str(error)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < MAX_MEMORY, f"mutation {i}"
    assert refused > N_MUTATIONS / 2


def test_a_bomb_and_a_claim_of_gigabytes_take_no_memory(tmp_path: Path) -> None:
    """400 bytes that claim 18 GB of cells; and 1 GB of zeros squeezed into a megabyte, as a variable nobody wants."""
    mat = tmp_path / "a.mat"
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49)
    flags = struct.pack("<IIII", 6, 8, 1, 0) + struct.pack("<IIii", 5, 8, 2**30, 2) + struct.pack("<HH4s", 1, 1, b"Y")
    mat.write_bytes(head + struct.pack("<II", 14, len(flags)) + flags)
    with pytest.raises(DataError, match="claims 2147483648 parts"):
        scan_mat(mat, ("Y",))
    packer = zlib.compressobj(9)
    size = 10**8
    shape = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, size // 8, 1)
    begin = shape + struct.pack("<HH4s", 1, 1, b"Y") + struct.pack("<II", 9, size)
    body = packer.compress(struct.pack("<II", 14, len(begin) + size) + begin)
    for _ in range(10):
        body += packer.compress(bytes(size // 10))
    body += packer.flush()
    mat.write_bytes(head + struct.pack("<II", 15, len(body)) + body)
    tracemalloc.start()
    assert scan_mat(mat, ("Y",)) == {"Y": (size // 8, 1)}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_version_7_3_and_unfetched_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "P01" / "examples_384sentences.mat"
    path.parent.mkdir()
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match="save it with -v7"):
        open_pereira(tmp_path).design("P01")
    path.write_text("/annex/objects/MD5E-s123--d41d8cd98f00b204e9800998ecf8427e.mat\n")
    with pytest.raises(DataError, match="not fetched"):
        open_pereira(tmp_path).responses("P01")
    path.unlink()
    path.symlink_to("../.git/annex/objects/aa/bb/MD5E-s123--d4.mat/MD5E-s123--d4.mat")
    for ask in ("design", "digest", "responses"):
        with pytest.raises(DataError, match="not fetched"):
            getattr(open_pereira(tmp_path), ask)("P01")


def test_fields_that_contradict_each_other(tmp_path: Path) -> None:
    path = write_subject(tmp_path, "P01", np.ones((8, 40)), make_brain(40))
    mat = {k: v for k, v in scipy.io.loadmat(path).items() if k[0] != "_"}
    for field, value, message in (
        ("indicesIn3D", np.arange(40) + 1.0, "colToCoord and indicesIn3D"),
        ("colToCoord", np.zeros((40, 3)), "from 1 to"),
        ("roiMultimaskAAL", np.full((40, 1), 2), "that agree with its lists"),
        ("dimensions", [9.0, 1e9, 7.0], "three sizes"),
        ("roisAAL", np.array([["x"] * 116], object).T, "AAL1"),
    ):
        old = mat["meta"][0, 0][field].copy()
        mat["meta"][0, 0][field] = np.asarray(value)
        scipy.io.savemat(path, mat)
        with pytest.raises(DataError, match=message):
            open_pereira(tmp_path).responses("P01")
        mat["meta"][0, 0][field] = old
