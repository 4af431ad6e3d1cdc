"""Which files of this machine can be named on a page or in a link: the folders of BRIVL_DATA and what lies in them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl

from brivl.config import data_dirs
from brivl.data.registry import SIMULATED, folder_in_data_dirs
from brivl.errors import RequestError

SIMULATED_NAME = re.compile(r"phantom-[a-z]+(:[\w/,]+)?(@[a-z]+)?")
# "/data/pereira2018:3@shuffled", "/data/study:read?column=text": which experiment or task, options, which control
ENDING = re.compile(r"(:[\w-]*(\?[\w=&%.+-]*)?)?(@[a-z]+)?$")
BUILT_IN_GALLERIES = ("scenes", "clips")  # not folders


def roots() -> tuple[Path, ...]:
    """Give the folders that whoever started the server has opened to the pages.

    Returns
    -------
    tuple of Path
        Those of BRIVL_DATA.
    """
    return data_dirs()


def full_name(name: str) -> str:
    """Complete the bare name of a dataset in BRIVL_DATA, as links of bundles have it.

    Parameters
    ----------
    name : str
        "shortclips", "pereira2018:3", or any other name.

    Returns
    -------
    str
        With the folder of the dataset; any other name as it was.
    """
    ending = ENDING.search(name)
    base, rest = (name, "") if ending is None else (name[: ending.start()], ending[0])
    folder = None if SIMULATED_NAME.fullmatch(name) else folder_in_data_dirs(base)
    return name if folder is None else f"{folder}{rest}"


def check_dataset(name: str) -> None:
    """Refuse a dataset that is neither simulated nor within the folders of BRIVL_DATA.

    Parameters
    ----------
    name : str
        Its name; RequestError is raised where pages do not open it.
    """
    # A bare name of derivatives lies within the dataset's folder or beside it; a path may lie anywhere. Options are
    # read as `open_dataset` reads them, whatever characters they have.
    options = parse_qsl(name.rpartition(":")[2].partition("?")[2])
    apart = [value.partition("@")[0] for key, value in options if key == "derivatives"]
    within = all(_is_within(value) for value in apart if not re.fullmatch(r"\w[\w.+-]*", value))
    if not SIMULATED_NAME.fullmatch(name) and not (within and _is_within(ENDING.sub("", name))):
        raise RequestError(
            f"Expected a dataset, got {name!r}. Built-in datasets: {', '.join(SIMULATED)}. For your own data, start "
            "the app with BRIVL_DATA=/path/to/folder; pages open only what is within BRIVL_DATA."
        )


def check_gallery(name: str) -> None:
    """Refuse a folder of images outside of BRIVL_DATA.

    Parameters
    ----------
    name : str
        "scenes", "clips" or a folder; RequestError is raised where pages do not open it.
    """
    if name not in BUILT_IN_GALLERIES:
        _check(name, "gallery")


def check_model(name: str) -> None:
    """Refuse the folder or file of a model outside of BRIVL_DATA.

    Parameters
    ----------
    name : str
        Name of a model, which passes, or a path; RequestError is raised where pages do not open it.
    """
    if name[:1] in ("/", "~", ".") or Path(name).exists():
        _check(name, "model")


def _check(name: str, what: str) -> None:
    if not _is_within(name):
        raise RequestError(
            f"Expected a {what} within BRIVL_DATA, got {name!r}. Start the app with BRIVL_DATA=/path/to/folder, or use "
            "the command line, which takes any folder."
        )


def _is_within(name: str) -> bool:
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # ~nobody
        path = Path(name)
    return ".." not in path.parts and any(path.absolute().is_relative_to(root.absolute()) for root in roots())
