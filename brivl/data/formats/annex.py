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
    """Whether only a pointer of git-annex is here, not the content: a broken link, or a small file that names a key."""
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
    """DataError, naming what to run, where `path` below the dataset's `folder` is missing, not fetched or cut short."""
    name = path.relative_to(folder).as_posix()
    fetch = f"run `datalad get {name}` (or `git annex get {name}`) in {str(folder)!r}"
    if is_pointer(path):
        raise DataError(f"{name!r} is not fetched: only the pointer of git-annex is here; {fetch}.")
    if path.is_symlink() and not path.exists():
        raise DataError(f"{name!r} is a link to {os.readlink(path)!r}, which does not exist; put the file back.")
    if not path.is_file():
        raise DataError(f"{name!r} is missing in {str(folder)!r}; if the folder is a datalad dataset, {fetch}.")
    key, size = annex_key(path), path.stat().st_size
    wanted = None if key is None else int(KEY.match(key)["size"])
    if wanted not in (None, size):
        raise DataError(f"{name!r} should have {wanted:,} bytes by its annex key but has {size:,}; {fetch}.")


def annex_key(path: Path) -> str | None:
    """The key of a file that is a link into annex/objects, where the key is a digest of its content; else None."""
    if not path.is_symlink():
        return None
    target = Path(os.readlink(path))
    found = KEY.match(target.name)
    known = found is not None and "annex" in target.parts and found["backend"].startswith(HASHES)
    return target.name if known else None
