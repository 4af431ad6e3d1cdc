"""Damage to bytes of any file, and lies in the headers of .npy, .npz, .nii, .nii.gz and .hdf files; all seeded."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np

Change = tuple[str, Path, bytes | Callable[[], bytes]]  # what is done, to which file, its new content or what makes it
PIECE = 2**24  # bytes of zeros in a block of a zip bomb


def damaged(path: Path, rng: np.random.Generator, n: int) -> Iterator[Change]:
    """Cut short, other bytes (mostly among the first), a stretch of zeros or twice; and what is no such file."""
    raw = path.read_bytes()
    for i in range(n):
        at, length = sorted(int(k) for k in rng.integers(0, len(raw) + 1, 2)), int(rng.integers(1, 200))
        kind = ("cut", "flipped", "flipped", "zeros", "twice")[i % 5]
        changed = {
            "cut": lambda at=at: raw[: at[0]],
            "flipped": lambda: _flipped(raw, rng),
            "zeros": lambda at=at, length=length: raw[: at[0]] + bytes(length) + raw[at[0] + length :],
            "twice": lambda at=at: raw[: at[1]] + raw[at[0] :],
        }[kind]()
        yield f"{kind} {i}", path, changed
    yield "empty", path, b""
    yield "a web page", path, b"<!DOCTYPE html><html><body>404 Not Found</body></html>"


def _flipped(raw: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.integers(1, 6)):
        changed[rng.integers(0, min(len(raw), 512) if rng.random() < 0.7 else len(raw))] ^= int(rng.integers(1, 256))
    return bytes(changed)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def lying_npy(path: Path) -> Iterator[Change]:
    """Headers of .npy that claim what is not there, or what must not be read."""
    X = np.load(path)
    data = np.ascontiguousarray(X).tobytes()
    headers = {
        "10^12 elements": {"descr": "<f8", "fortran_order": False, "shape": (10**12,)},
        "10^12 elements in 2-D": {"descr": "<f8", "fortran_order": False, "shape": (len(X), 10**10)},
        "a shape that overflows": {"descr": "<f8", "fortran_order": False, "shape": (2**33, 2**33)},
        "a negative shape": {"descr": "<f8", "fortran_order": False, "shape": (-1, 4)},
        "Python objects": {"descr": "|O", "fortran_order": False, "shape": X.shape},
        "records": {"descr": [("a", "<f8")], "fortran_order": False, "shape": X.shape},
        "a dtype that is none": {"descr": "<q99", "fortran_order": False, "shape": X.shape},
        "strings of 2 GB": {"descr": "<U500000000", "fortran_order": False, "shape": (1,)},
        "numbers of no bytes": {"descr": "|S0", "fortran_order": False, "shape": X.shape},
        "another key": {"descr": "<f8", "fortran_order": False, "shape": X.shape, "x": 1},
        "a shape in words": {"descr": "<f8", "fortran_order": False, "shape": "many"},
    }
    for name, header in headers.items():
        yield name, path, _npy_head(repr(header).encode()) + data
    yield "a header of 4 GB", path, b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{'descr'"
    yield "deep brackets", path, _npy_head(b"(" * 9000) + data
    yield "a program as header", path, _npy_head(b"__import__('os').abort()") + data


def _npy_head(text: bytes) -> bytes:
    text = text.ljust(-(-(len(text) + 11) // 64) * 64 - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", min(len(text), 65535)) + text


def other_arrays(X: np.ndarray) -> dict[str, np.ndarray]:
    """Other types, shapes and values in an array's place; some of them may be right."""
    floats = np.asarray(X, float)
    some = {"with NaN": np.nan, "with inf": np.inf, "with 1e300": 1e300, "negative": -7.0, "with 2^40": 2.0**40}
    values = {}
    for name, value in some.items():
        values[name] = floats.copy()
        values[name].reshape(-1)[:1] = value
    return values | {
        "scalar": np.array(1.0),
        "no rows": floats[:0],
        "one row less": floats[:-1],
        "one axis more": floats[None],
        "flat": floats.reshape(-1),
        "turned": floats.T,
        "half": floats.astype("f2"),
        "complex": floats * 1j,
        "text": np.full(X.shape, "x"),
        "bytes": np.full(X.shape, b"x"),
        "dates": np.zeros(X.shape, "M8[s]"),
        "bool": floats > 0,
        "uint8": np.zeros(X.shape, "u1"),
        "big endian": floats.astype(">f8"),
        "all NaN": floats * np.nan,
    }


def lying_npz(path: Path, bomb: str) -> Iterator[Change]:
    """Archives whose parts lie, and bombs: a few MB in place of array `bomb` that unfold to 4 GB."""
    with np.load(path) as whole:
        arrays = dict(whole)
    for name in arrays:
        yield f"without {name}", path, _npz({k: v for k, v in arrays.items() if k != name})
        for what, changed in other_arrays(arrays[name]).items():
            yield f"{name} {what}", path, partial(_npz, arrays | {name: changed})
    rest = {name: npy(array) for name, array in arrays.items() if name != bomb}
    width = max(1, 2**32 // 8 // max(1, len(arrays[bomb])))
    for name, shape in {"bomb": (len(arrays[bomb]), width), "bomb of one number": (1,)}.items():
        header = _npy_head(repr({"descr": "<f8", "fortran_order": False, "shape": shape}).encode())
        yield name, path, partial(_with_bomb, rest, f"{bomb}.npy", header)
    yield "objects", path, _zip(rest | {bomb: npy(np.array([{"a": 1}], object))})
    yield "not an array", path, _zip(rest | {bomb: b"hello"})
    secret = bytearray(_npz(arrays))
    secret[secret.index(b"PK\x01\x02") + 8] |= 1
    yield "encrypted, says the header", path, bytes(secret)


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _zip(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def _with_bomb(rest: Mapping[str, bytes], name: str, header: bytes) -> bytes:
    """A zip in which `name` unfolds to a header and 4 GB of zeros: blocks that end in a full flush can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(header) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = first + block * (2**32 // PIECE) + packer.flush()
    size = len(header) + 2**32
    raw = _zip(rest)
    start = raw.index(b"PK\x05\x06")
    directory_at = struct.unpack_from("<I", raw, start + 16)[0]
    directory = raw[directory_at:start]
    extra = struct.pack("<HHQQ", 1, 16, size, len(packed))
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 45, 0, 8, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(name), len(extra))
    entry = struct.pack(
        "<4s6H3I5H2I",
        b"PK\x01\x02",
        45,
        45,
        0,
        8,
        0,
        33,
        0,
        2**32 - 1,
        2**32 - 1,
        len(name),
        len(extra),
        0,
        0,
        0,
        0,
        directory_at,
    )
    body = local + name.encode() + extra + packed
    directory += entry + name.encode() + extra
    end = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, len(rest) + 1, len(rest) + 1, len(directory), directory_at + len(body), 0
    )
    return raw[:directory_at] + body + directory + end


NIFTI_FIELDS: dict[str, tuple[int, str, tuple[Any, ...]]] = {  # offset and form of header fields, values to put there
    "sizeof_hdr": (0, "<i", (0, 540, 348 << 16)),
    "dim": (
        40,
        "<8h",
        (
            (4, 2000, 2000, 1000, 5, 1, 1, 1),
            (4, 32767, 32767, 32767, 32767, 1, 1, 1),
            (9, 5, 4, 2, 20, 1, 1, 1),
            (4, -5, 4, 2, 20, 1, 1, 1),
            (4, 5, 4, 2, 0, 1, 1, 1),
            (3, 5, 4, 2, 1, 1, 1, 1),
            (0,) * 8,
            (4, 4, 5, 2, 20, 1, 1, 1),
            (5, 5, 4, 2, 20, 1, 1, 1),
        ),
    ),
    "datatype": (70, "<h", (0, 1, 64, 128, 1792, 2048, 77, 512)),
    "bitpix": (72, "<h", (0, 64, -16)),
    "pixdim": (80, "<4f", ((0.0, 0.0, 0.0, 0.0), (float("nan"),) * 4, (-1e38, 1e38, 1e-38, -2.5))),
    "vox_offset": (108, "<f", (float("nan"), float("inf"), -352.0, 1e30, 353.5, 0.0)),
    "scl_slope": (112, "<f", (float("nan"), float("inf"), 0.0, 1e38)),
    "scl_inter": (116, "<f", (float("nan"), float("-inf"), -1e38)),
    "xyzt_units": (123, "<B", (0, 255, 16, 24)),
    "qform_code": (252, "<h", (-3, 9999)),
    "srow": (280, "<4f", ((float("nan"),) * 4, (0.0,) * 4, (float("inf"), 0.0, 0.0, 0.0))),
    "magic": (344, "<4s", (b"ni1\0", b"n+9\0", b"\0\0\0\0")),
}


def lying_nifti(path: Path) -> Iterator[Change]:
    """Every field of the header that can do harm, packed again with right checksums; 400 bytes that claim 18 GB."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    packed: Callable[[bytes], bytes] = _gz if path.suffix == ".gz" else bytes
    for name, (at, form, values) in NIFTI_FIELDS.items():
        for i, value in enumerate(values):
            changed = bytearray(raw)
            struct.pack_into(form, changed, at, *(value if isinstance(value, tuple) else (value,)))
            yield f"{name} {i}", path, packed(bytes(changed))
    yield "one byte short within", path, packed(raw[:-1])
    yield "longer than it says", path, packed(raw + bytes(5000))
    header = nibabel.Nifti1Header()
    header.set_data_shape((2000, 2000, 1000, 5))
    header["vox_offset"] = 352
    yield "400 bytes that claim 18 GB", path, packed(header.binaryblock + bytes(48))
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = packer.compress(raw) + b"".join(packer.compress(bytes(PIECE)) for _ in range(16)) + packer.flush()
    yield "a bomb behind it", path, body if path.suffix == ".gz" else raw + bytes(2**20)


def _gz(raw: bytes) -> bytes:
    return gzip.compress(raw, 1, mtime=0)


def lying_hdf5(path: Path, scratch: Path) -> Iterator[Change]:
    """Arrays missing, of other type, shape and values; without content; as groups, links and references."""
    with h5py.File(path) as file:
        arrays = {name: file[name][()] for name in file}
    for name, X in arrays.items():
        rest = {other: value for other, value in arrays.items() if other != name}
        for what, changed in other_arrays(X).items():
            if changed.dtype.kind not in "UM":
                yield f"{name} {what}", path, partial(_hdf5, scratch, rest | {name: changed})
        yield f"without {name}", path, partial(_hdf5, scratch, rest)
        for what, put in _STRANGE.items():
            yield f"{name} {what}", path, partial(_hdf5, scratch, rest, partial(_put, put, name, X))


def _put(put: Callable[[h5py.File, str, np.ndarray], object], name: str, X: np.ndarray, file: h5py.File) -> None:
    put(file, name, X)


_STRANGE: dict[str, Callable[[h5py.File, str, np.ndarray], object]] = {
    "without content": lambda f, n, X: f.create_dataset(n, (10**7, *X.shape[1:]), X.dtype, chunks=(1, *X.shape[1:])),
    "of 10^12": lambda f, n, X: f.create_dataset(n, (10**6, 10**6), "f8"),
    "a group": lambda f, n, X: f.create_group(n),
    "a link to nothing": lambda f, n, X: f.__setitem__(n, h5py.SoftLink("/nothing")),
    "a link to itself": lambda f, n, X: f.__setitem__(n, h5py.SoftLink(f"/{n}")),
    "words": lambda f, n, X: f.create_dataset(n, data="hello"),
    "words of any length": lambda f, n, X: f.create_dataset(n, data=["a", "bb"], dtype=h5py.string_dtype()),
    "records": lambda f, n, X: f.create_dataset(n, data=np.zeros(3, [("a", "f8"), ("b", "i4")])),
    "references": lambda f, n, X: f.create_dataset(n, (2,), h5py.ref_dtype),
    "nothing": lambda f, n, X: f.create_dataset(n, data=h5py.Empty("f8")),
}


def _hdf5(scratch: Path, arrays: Mapping[str, Any], more: Callable[[h5py.File], object] = lambda file: None) -> bytes:
    with h5py.File(scratch, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip" if np.size(values) > 1 else None)
        more(file)
    return scratch.read_bytes()
