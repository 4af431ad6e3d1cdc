"""The tags of a MATLAB level 5 file, walked before anything is read from it.

Every size that the file claims is held against the bytes that are there, so that a damaged or hostile file takes
neither memory nor time. (MATLAB, "MAT-File Format", level 5: elements with a tag of type and number of bytes.)
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from brivl.data.formats.annex import check_fetched
from brivl.errors import DataError

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
DATA_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
CELL, STRUCT, CHAR, SPARSE, NUMERIC = 1, 2, 4, 5, range(6, 16)
MAX_DEPTH = 12
MAX_BYTES = 1 << 40  # of one variable; deflate's own limit is met first in small files
CHUNK = 1 << 18
MAX_NAME_BYTES = 64  # MATLAB's names have 63 letters at most
HDF5 = b"MATLAB 7.3"


class MalformedMat(Exception):
    """A claim that the file does not keep; its text is the end of a sentence."""


class _Stream(Protocol):
    def take(self, n: int) -> bytes: ...

    def skip(self, n: int) -> None: ...


class _Plain:
    """Bytes of the file itself, up to `left`."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left

    def take(self, n: int) -> bytes:
        self._pass(n)
        return self._file.read(n)

    def skip(self, n: int) -> None:
        self._pass(n)
        self._file.seek(n, 1)

    def _pass(self, n: int) -> None:
        if n > self._left:
            raise MalformedMat(f"an element claims {n} bytes where {self._left} are left")
        self._left -= n


class _Inflated:
    """Bytes that a compressed element unfolds to, never more than a chunk of them at a time."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left
        self._zlib, self._ready, self._rest = zlib.decompressobj(), b"", b""

    def take(self, n: int) -> bytes:
        parts, wanted = [], n
        while wanted:
            block = self._some(wanted)
            parts.append(block)
            wanted -= len(block)
        return b"".join(parts)

    def skip(self, n: int) -> None:
        while n:
            n -= len(self._some(n))

    def finish(self) -> None:
        """Nothing may follow, and the checksum of the compressed element must hold."""
        if self._ready or self._more():
            raise MalformedMat("a compressed variable is longer than its header says")
        if not self._zlib.eof:
            raise MalformedMat("a compressed variable ends too early")

    def _some(self, n: int) -> bytes:
        if not self._ready:
            self._ready = self._more()
            if not self._ready:
                raise MalformedMat(f"a compressed variable ends {n} bytes early")
        block, self._ready = self._ready[:n], self._ready[n:]
        return block

    def _more(self) -> bytes:
        while not self._zlib.eof:
            if not self._rest:
                self._rest = self._file.read(min(CHUNK, self._left))
                self._left -= len(self._rest)
                if not self._rest:
                    return b""
            block = self._zlib.decompress(self._rest, CHUNK)
            self._rest = self._zlib.unconsumed_tail
            if block:
                return block
        return b""


@dataclass(frozen=True)
class _Walk:
    order: str  # "<" or ">"

    def numbers(self, code: str, raw: bytes) -> tuple[int, ...]:
        return struct.unpack(f"{self.order}{len(raw) // struct.calcsize(code)}{code}", raw)

    def tag(self, stream: _Stream) -> tuple[int, int, bytes | None]:
        """Type, number of bytes, and the bytes themselves where they stand in the tag."""
        raw = stream.take(8)
        kind, size = self.numbers("I", raw)
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise MalformedMat(f"a small element claims {size} bytes")
            return kind, size, raw[4 : 4 + size]
        return kind, size, None

    def small(self, stream: _Stream, most: int) -> tuple[int, bytes]:
        """Type and content of an element that has to be short."""
        kind, size, inside = self.tag(stream)
        if inside is not None:
            return kind, inside
        if size > most:
            raise MalformedMat(f"a header element claims {size} bytes")
        content = stream.take(size)
        stream.skip(-size % 8)
        return kind, content

    def head(self, stream: _Stream) -> tuple[int, bool, tuple[int, ...], str]:
        """Class, whether complex, shape and name of a matrix."""
        kind, flags = self.small(stream, 8)
        if kind != 6 or len(flags) != 8:
            raise MalformedMat("a variable has no array flags")
        word = self.numbers("I", flags)[0]
        kind, raw = self.small(stream, 4 * 32)
        shape = self.numbers("i", raw)
        if kind != 5 or len(raw) % 4 or len(shape) < 2 or min(shape) < 0:
            raise MalformedMat(f"a variable claims the shape {shape!r}")
        name = self.small(stream, MAX_NAME_BYTES)[1]
        return word & 0xFF, bool(word & 0x800), shape, name.decode("latin-1")

    def body(self, stream: _Stream, head: tuple[int, bool, tuple[int, ...], str], left: int, depth: int) -> None:
        """Walk what follows the head of a matrix of at most `left` bytes."""
        mclass, is_complex, shape, _ = head
        count = math.prod(shape)
        if mclass == CELL:
            self._matrices(stream, count, left, depth)
        elif mclass == STRUCT:
            length = self.numbers("i", self.small(stream, 4)[1])
            names = self.small(stream, 1 << 16)[1]
            if not length or length[0] < 1 or length[0] > MAX_NAME_BYTES or len(names) % length[0]:
                raise MalformedMat("a struct has broken field names")
            self._matrices(stream, count * (len(names) // length[0]), left, depth)
        elif mclass == SPARSE:  # rows, columns, values: as many as there are, which scipy holds against the shape
            for _ in range(4 if is_complex else 3):
                self._values(stream, None, False)
        elif mclass == CHAR or mclass in NUMERIC:
            for _ in range(2 if is_complex else 1):
                self._values(stream, count, mclass == CHAR)
        else:
            raise MalformedMat(f"a variable is of class {mclass}, which is neither numbers, text, cell nor struct")

    def _values(self, stream: _Stream, count: int | None, is_text: bool) -> None:
        kind, size, inside = self.tag(stream)
        if kind not in DATA_BYTES:
            raise MalformedMat(f"values have the unknown type {kind}")
        n = size // DATA_BYTES[kind]
        count = n if count is None else count
        if size % DATA_BYTES[kind] or (n < count if is_text and kind == 16 else n != count and (size or not is_text)):
            raise MalformedMat(f"{count} values are claimed where {n} stand")
        if inside is None:
            stream.skip(size + -size % 8)

    def _matrices(self, stream: _Stream, count: int, left: int, depth: int) -> None:
        if depth >= MAX_DEPTH or count * 8 > left:
            raise MalformedMat(f"a cell or struct claims {count} parts in {left} bytes")
        for _ in range(count):
            kind, size, inside = self.tag(stream)
            if kind != MATRIX or inside is not None or size > left:
                raise MalformedMat(f"a part of a cell or struct is of type {kind} and claims {size} bytes")
            if size:
                self.body(stream, self.head(stream), size, depth + 1)


def scan_mat(path: Path, wanted: Collection[str] = ()) -> dict[str, tuple[int, ...]]:
    """List the variables of a MATLAB file, and walk the requested ones to their last byte.

    Parameters
    ----------
    path : Path
        File of version 5 to 7.
    wanted : collection of str
        Names of variables that will be read.

    Returns
    -------
    dict of str to tuple of int
        Shape of each variable.

    Raises
    ------
    DataError
        The file is missing, not fetched or truncated, or claims more than it holds.
    """
    check_fetched(path, path.parent)
    try:
        with path.open("rb") as file:
            return _scan(file, path.stat().st_size, wanted)
    except OSError as error:
        raise DataError(
            f"Expected a file that can be read, got {str(path)!r} ({error.strerror}). Check its path and rights."
        ) from error
    except (MalformedMat, zlib.error, struct.error) as error:
        raise DataError(
            f"Expected a complete MATLAB file, got {str(path)!r}: {error}. Copy or unpack it again."
        ) from error


def _scan(file: BinaryIO, size: int, wanted: Collection[str]) -> dict[str, tuple[int, ...]]:
    walk, shapes, at = _Walk(_byte_order(file.read(HEADER_BYTES))), {}, HEADER_BYTES
    while at < size:
        file.seek(at)
        kind, length, inside = walk.tag(_Plain(file, size - at))
        if inside is not None or kind not in (MATRIX, COMPRESSED) or length > size - at - 8:
            raise MalformedMat(f"at byte {at} an element of type {kind} claims {length} bytes of {size - at - 8}")
        name, shape = _variable(walk, file, kind, length, wanted)
        if name in shapes:
            raise MalformedMat(f"the variable {name!r} comes twice")
        shapes[name] = shape
        at += 8 + length
    return shapes


def _variable(
    walk: _Walk, file: BinaryIO, kind: int, length: int, wanted: Collection[str]
) -> tuple[str, tuple[int, ...]]:
    stream, left = (_Inflated(file, length), MAX_BYTES) if kind == COMPRESSED else (_Plain(file, length), length)
    if kind == COMPRESSED:
        kind, left, _ = walk.tag(stream)
        if kind != MATRIX:
            raise MalformedMat(f"a compressed variable is of type {kind}")
    head = walk.head(stream)
    if head[3] in wanted:
        walk.body(stream, head, left, 0)
        if isinstance(stream, _Inflated):
            stream.finish()
    return head[3], head[2]


def _byte_order(header: bytes) -> str:
    if header.startswith(HDF5):
        raise MalformedMat("it is of MATLAB's version 7.3; load it in MATLAB and save it with -v7")
    mark = header[126:128]
    if len(header) < HEADER_BYTES or mark not in (b"IM", b"MI"):
        raise MalformedMat("it does not begin like one")
    return "<" if mark == b"IM" else ">"
