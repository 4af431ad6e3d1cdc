"""Which folders make one dataset: the raw BIDS folder with events and stimuli, and folders of derivatives with BOLD."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from brivl.data.formats.json import read_json_object
from brivl.errors import DataError

DESCRIPTION = "dataset_description.json"
MOST_SIBLINGS = 500  # folders beside a dataset that are looked at for derivatives of it
NO_DERIVATIVES = "none"  # in the place of a folder: raw BOLD


@dataclass(frozen=True)
class Roots:
    """Folders of one dataset.

    Attributes
    ----------
    raw : Path
        Top of the raw BIDS folder, which has events, stimuli and participants; the folder of derivatives itself where
        no raw folder is known.
    derivatives : tuple of Path
        Folders of derivatives with BOLD.
    offered : tuple of str
        Names of all folders of derivatives that were found, of which one can be named.
    """

    raw: Path
    derivatives: tuple[Path, ...] = ()
    offered: tuple[str, ...] = field(default=(), compare=False)

    @property
    def all(self) -> tuple[Path, ...]:
        """Every folder, the raw one first."""
        return (self.raw, *self.derivatives)

    def name(self, root: Path) -> str:
        """Name one of the folders as the option `derivatives` does.

        Parameters
        ----------
        root : Path
            One of `all`.

        Returns
        -------
        str
            NO_DERIVATIVES for the raw folder.
        """
        return NO_DERIVATIVES if root == self.raw else root.name


def find_roots(folder: Path, derivatives: str = "") -> Roots:
    """Find the folders that make one dataset.

    Without a name these are the folder itself, each folder in its derivatives/ that has subjects, and each folder
    beside it whose dataset_description.json names it as its source. Of a folder of derivatives the raw folder is found
    in the same ways.

    Parameters
    ----------
    folder : Path
        Raw BIDS folder, or a folder of derivatives.
    derivatives : str
        Name of a folder in derivatives/ or beside the folder, a path, or NO_DERIVATIVES; "" for those that are found.

    Returns
    -------
    Roots
        The folders.

    Raises
    ------
    DataError
        The named folder of derivatives is not there or has no subjects.
    """
    available = _derivatives_of(folder)
    offered = tuple(path.name for path in available)
    if derivatives == NO_DERIVATIVES:
        return Roots(folder, offered=offered)
    if not derivatives:
        raw = None if available else _raw_of(folder)
        return Roots(folder, available, offered) if raw is None else Roots(raw, (folder,))
    places = [folder / "derivatives" / derivatives, folder.parent / derivatives, folder / derivatives]
    named = [path for path in available if path.name == derivatives]
    named += [Path(os.path.abspath(place.expanduser())) for place in places if _has_runs(place)]
    if not named:
        raise DataError(
            f"Expected a folder of derivatives with sub-* folders, got {derivatives!r}. Choose one of "
            f"{', '.join([*offered, NO_DERIVATIVES])}, or give the path of the folder."
        )
    return Roots(folder, (named[0],), offered)


def _has_subjects(folder: Path) -> bool:
    try:
        return folder.is_dir() and any(path.is_dir() for path in folder.glob("sub-*"))
    except OSError:
        return False


def _has_runs(folder: Path) -> bool:
    """Whether a folder has subjects with func/, which FreeSurfer's and other folders of derivatives have not."""
    try:
        return any(path.is_dir() for pattern in ("sub-*/func", "sub-*/ses-*/func") for path in folder.glob(pattern))
    except OSError:
        return False


def _derivatives_of(raw: Path) -> tuple[Path, ...]:
    """Folders within derivatives/, and folders beside the raw one that name it."""
    inside = [raw / "derivatives", *_folders(raw / "derivatives")]
    beside = [path for path in _folders(raw.parent) if path != raw and _names(path, raw)]
    return tuple(dict.fromkeys(path for path in [*inside, *beside] if _has_runs(path)))


def _raw_of(folder: Path) -> Path | None:
    """Raw folder of a folder of derivatives; None where it is not known."""
    above = [parent.parent for parent in folder.parents if parent.name == "derivatives"][:1]
    beside = [path for path in _folders(folder.parent) if path != folder and _names(folder, path)]
    named = [path for path in _source_folders(folder) if path != folder]
    return next((path for path in [*above, *named, *beside] if _has_subjects(path)), None)


def _folders(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except OSError:
        names = []
    return (folder / name for name in names[:MOST_SIBLINGS])


def _description(folder: Path) -> dict:
    path = folder / DESCRIPTION
    try:
        return read_json_object(path) if path.is_file() else {}
    except (DataError, OSError):  # reported where the folder itself is opened
        return {}


def _sources(folder: Path) -> tuple[list[str], set[str]]:
    """Addresses and DOIs of the datasets from which a folder was made."""
    description = _description(folder)
    listed = description.get("SourceDatasets")
    sources = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    links = description.get("DatasetLinks")
    addresses = [one["URL"] for one in sources if isinstance(one.get("URL"), str)]
    addresses += [link for link in links.values() if isinstance(link, str)] if isinstance(links, dict) else []
    return addresses, {doi for one in sources for key in ("DOI", "URL") if (doi := _doi(one.get(key)))}


def _source_folders(folder: Path) -> list[Path]:
    paths = []
    for address in _sources(folder)[0]:
        parsed = urlparse(address)
        if parsed.scheme in ("", "file") and parsed.path not in ("", "/"):
            paths.append(Path(os.path.normpath(folder / unquote(parsed.path))))
    return paths


def _names(derivative: Path, raw: Path) -> bool:
    """Whether the description of a folder names another one as its source, by its place or its DOI."""
    if raw in _source_folders(derivative):
        return True
    dois, own = _sources(derivative)[1], _doi(_description(raw).get("DatasetDOI"))
    return bool(own) and own in dois


def _doi(value: object) -> str:
    """DOI without its prefix, "" for anything else."""
    text = str(value or "").strip().lower()
    at = text.find("10.")
    return text[at:].rstrip("/") if at >= 0 and ("doi" in text or at == 0) else ""
