"""What of this machine's files can be named on a page or in a link: the folders of BRIVL_DATA and what lies in them."""

from __future__ import annotations

import re
from pathlib import Path

from brivl.config import data_dirs
from brivl.errors import RequestError

PHANTOM = re.compile(r"phantom-[a-z]+(:[\w/,]+)?(@[a-z]+)?")
# "/data/pereira2018:3@shuffled", "/data/study:read?column=text": which experiment or task, options, which control
ENDING = re.compile(r"(:[\w-]*(\?[\w=&%.+-]*)?)?(@[a-z]+)?$")
DRAWN = ("scenes", "clips")  # galleries that are no folders


def roots() -> tuple[Path, ...]:
    """Folders that whoever started the server has opened to the pages."""
    return data_dirs()


def check_dataset(name: str) -> None:
    """RequestError for a dataset that is neither a phantom nor within the folders of BRIVL_DATA."""
    if not PHANTOM.fullmatch(name):
        _check(ENDING.sub("", name))


def check_gallery(name: str) -> None:
    """RequestError for a folder of pictures outside of BRIVL_DATA."""
    if name not in DRAWN:
        _check(name)


def check_model(name: str) -> None:
    """RequestError for a model's folder or file outside of BRIVL_DATA; names of models pass."""
    if name[:1] in ("/", "~", ".") or Path(name).exists():
        _check(name)


def _check(name: str) -> None:
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # ~nobody
        path = Path(name)
    within = any(path.absolute().is_relative_to(root.absolute()) for root in roots())
    if not within or ".." in path.parts:
        raise RequestError(
            f"Wanted a folder within BRIVL_DATA, since pages open no other, and got {name!r}. Start the app as "
            "`BRIVL_DATA=/path/to/folder make app`; on the command line any folder will do."
        )
