"""Zip files that are made alike every time, and zip files of others, read with suspicion."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from brivl.errors import DataError

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file can say
MAX_FILES = 5_000
MAX_BYTES = 2**30  # of all files unpacked; a study of 100 subjects at 80,000 voxels has 0.1 GB
PLAIN_NAME = re.compile(r"[\w.()+,@=-]+(/[\w.()+,@=-]+)*", re.ASCII)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip file of named contents in the order given; equal contents give equal bytes, whenever and wherever."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, EPOCH)
            member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def reset_dates(content: bytes) -> bytes:
    """A zip file (.pptx is one) of our own making, with every date in its directory set to the same one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return zip_bytes({member.filename: archive.read(member) for member in archive.infolist()})


def read_zip(path: Path) -> dict[str, bytes]:
    """Contents by name; nothing is written to disk.

    DataError where it is no zip file, is damaged, names files outside of itself, or unpacks to more than MAX_BYTES.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_members(path, members)
            return {member.filename: _content(path, archive, member) for member in members}
    except OSError as error:
        raise DataError(f"Wanted to read the zip file {path.name!r}, but cannot: {error.strerror or error}.") from error
    except _BROKEN as error:
        raise DataError(f"{path.name!r} should be a zip file but cannot be read as one ({error}).") from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    strange = [name for name in names if not PLAIN_NAME.fullmatch(name) or {"..", "."} & set(name.split("/"))]
    if strange:
        raise DataError(f"{path.name!r} holds a file called {strange[0]!r:.120}; do not unpack it, no bundle has such.")
    if len(set(names)) < len(names):
        raise DataError(f"{path.name!r} holds two files of one name; no bundle does, so it is not trusted.")
    if len(names) > MAX_FILES or sum(member.file_size for member in members) > MAX_BYTES:
        raise DataError(
            f"{path.name!r} claims {len(names)} files of {sum(m.file_size for m in members)} bytes in all; at most "
            f"{MAX_FILES} files and {MAX_BYTES} bytes are read."
        )


def _content(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member; no more are unpacked than it claims, whatever its stream holds."""
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise DataError(f"{member.filename!r} in {path.name!r} has not the size that is claimed; the file is damaged.")
    return content
