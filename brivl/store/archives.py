"""Reproducible zip files, and safe reading of zip files from other people."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from brivl.errors import DataError

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file can hold
MAX_FILES = 5_000
MAX_BYTES = 2**30  # of all unpacked files; a study of 100 subjects at 80,000 voxels takes 0.1 GB
PLAIN_NAME = re.compile(r"[\w.()+,@=-]+(/[\w.()+,@=-]+)*", re.ASCII)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Pack files into a zip file that is the same for equal contents, at any time and on any machine.

    Parameters
    ----------
    files : Mapping[str, bytes]
        Name -> content, packed in this order.

    Returns
    -------
    bytes
        The zip file.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, EPOCH)
            member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def reset_dates(content: bytes) -> bytes:
    """Set all dates in the directory of a zip file (.pptx is one) to EPOCH.

    Parameters
    ----------
    content : bytes
        A zip file that this program made.

    Returns
    -------
    bytes
        The same files, packed by `zip_bytes`.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return zip_bytes({member.filename: archive.read(member) for member in archive.infolist()})


def read_zip(path: Path) -> dict[str, bytes]:
    """Read all files of a zip file into memory; nothing is written to disk.

    Parameters
    ----------
    path : Path
        The zip file, which need not be trusted.

    Returns
    -------
    dict[str, bytes]
        Name -> content.

    Raises
    ------
    DataError
        Where the file is not a zip file, is damaged, has names that point outside of it, or unpacks to more than
        MAX_BYTES.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_members(path, members)
            return {member.filename: _content(path, archive, member) for member in members}
    except OSError as error:
        raise DataError(
            f"Cannot read the zip file {path.name!r} ({error.strerror or error}). Check its path and permissions."
        ) from error
    except _BROKEN as error:
        raise DataError(
            f"Expected a zip file, got {path.name!r}, which is damaged ({error}). Copy it again."
        ) from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    unsafe = [name for name in names if not PLAIN_NAME.fullmatch(name) or {"..", "."} & set(name.split("/"))]
    if unsafe:
        raise DataError(
            f"Expected plain file names in {path.name!r}, got {unsafe[0]!r:.120}, which no bundle contains. "
            "Do not unpack this file."
        )
    if len(set(names)) < len(names):
        raise DataError(
            f"Expected different file names in {path.name!r}, got one name twice, which no bundle contains. "
            "Do not unpack this file."
        )
    n_bytes = sum(member.file_size for member in members)
    if len(names) > MAX_FILES or n_bytes > MAX_BYTES:
        raise DataError(
            f"Expected at most {MAX_FILES} files of {MAX_BYTES} bytes in all, got {len(names)} files of {n_bytes} "
            f"bytes in {path.name!r}. Do not unpack this file."
        )


def _content(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member; no more are unpacked than its header states, whatever its stream holds."""
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise DataError(
            f"Expected {member.file_size} bytes of {member.filename!r} in {path.name!r}, got another number. "
            "The file is damaged; copy it again."
        )
    return content
