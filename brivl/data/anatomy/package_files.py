"""Files of installed packages, found without importing the packages, whose import loads plotting."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from brivl.errors import DataError


def package_file(package: str, name: str, remedy: str) -> Path:
    """Find a file that a package ships.

    Parameters
    ----------
    package : str
        Name of the package as it is imported.
    name : str
        Path of the file within the package.
    remedy : str
        Sentence that says which package to install.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        The package or the file is missing.
    """
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(folders[0]) / name if folders else Path(name)
    if not path.is_file():
        shown = package.replace("_", "-")
        raise DataError(f"Expected the file {path.name!r} of the package {shown}, got none. {remedy}")
    return path
