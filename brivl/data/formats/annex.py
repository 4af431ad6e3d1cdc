"""Files that git-annex (datalad) keeps elsewhere: whether their content is here, and the key that names it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from brivl.errors import DataError

KEY = re.compile(r"^(?P<backend>[A-Z0-9_]+)(?:-[a-zA-Z]\d+)*?-s(?P<size>\d+)(?:-[a-zA-Z]\d+)*--(?P<name>.+)$")
HASHES = ("SHA", "MD5", "BLAKE")  # backends whose key is a digest of the content
POINTER_BYTES = 32_768  # git-annex writes pointers of this size at most
POINTER = re.compile(rb"^(\.\./)*(\.git)?/?annex/objects/")


def is_pointer(path: Path) -> bool:
    """Tell whether only a pointer of git-annex is here, not the content of the file.

    Parameters
    ----------
    path : Path
        File of a dataset.

    Returns
    -------
    bool
        True for a broken link into annex/objects and for a small file that names an annex key.
    """
    if path.is_symlink():
        return "annex" in Path(os.readlink(path)).parts and not path.exists()
    try:
        if not path.is_file() or path.stat().st_size > POINTER_BYTES:
            return False
        with path.open("rb") as file:
            return POINTER.match(file.read(200)) is not None
    except OSError:
        return False


def check_fetched(path: Path, folder: Path) -> None:
    """Check that a file of a dataset is here and has the size that its annex key states.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path
        Folder of the dataset, above the file.

    Raises
    ------
    DataError
        The file is missing, not fetched or truncated; the message names the command that fetches it.
    """
    name = path.relative_to(folder).as_posix()
    fetch = f"Run `datalad get {name}` (or `git annex get {name}`) in {str(folder)!r}"
    if is_pointer(path):
        raise DataError(f"Expected the content of {name!r}, got a pointer of git-annex: it is not fetched. {fetch}.")
    if path.is_symlink() and not path.exists():
        raise DataError(
            f"Expected the file {name!r}, got a link to {os.readlink(path)!r}, which does not exist. Put the file back."
        )
    if not path.is_file():
        raise DataError(
            f"Expected {name!r} in {str(folder)!r}, got no such file: it is missing. {fetch}, if the folder is a "
            "datalad dataset."
        )
    key, size = annex_key(path), path.stat().st_size
    match = KEY.match(key or "")
    if match is not None and int(match["size"]) != size:
        raise DataError(
            f"Expected {name!r} to have {int(match['size']):,} bytes by its annex key, got {size:,}. {fetch}."
        )


def annex_key(path: Path) -> str | None:
    """Read the annex key of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str or None
        The key, where the file is a link into annex/objects and the key is a digest of the content; else None.
    """
    if not path.is_symlink():
        return None
    target = Path(os.readlink(path))
    match = KEY.match(target.name)
    has_hash = match is not None and "annex" in target.parts and match["backend"].startswith(HASHES)
    return target.name if has_hash else None
