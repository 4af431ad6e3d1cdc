"""Views that a user has saved: link, caption, speaker notes, image and texts, each in a file that is written at once.

They lie in cache/views, where no eviction reaches them; `make clean-cache` removes them with all else.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brivl.errors import RequestError, StoreError
from brivl.store.writing import write_bytes

FOLDER = "views"
FORMAT = 2
ORDER = "order.json"  # ids in the order that the user has chosen
MOST_VIEWS = 500
MOST_TITLE, MOST_CAPTION, MOST_NOTES = 200, 600, 4_000  # characters
MAX_BYTES = 32 * 2**20  # of one file
_PAGE = re.compile(r"[a-z][a-z_]{0,39}")  # part of a path when the view is opened
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class SavedView:
    """A saved view.

    Attributes
    ----------
    id : str
        16 hex digits.
    title : str
        Title of its slide.
    shown_caption : str
        The user's caption, shown with the figure in the presenter, on slides and in the report.
    speaker_notes : str
        The user's notes: in the notes of slides and in the window for the speaker, never shown with the figure.
    page : str
        Name of the page that it was saved on.
    query : mapping of str to str
        Query parameters of the link, as on this machine.
    link : str
        The link as it may be shown to others.
    result : str
        Fingerprint of the numbers.
    headline, caption, detail : str
        Texts of the figure.
    methods : str
        Methods paragraph.
    simulated : bool
        Whether any of the data are simulated.
    created : str
        ISO 8601, UTC.
    picture : bytes
        The figure, PNG; base64 in the file.
    """

    id: str
    title: str
    shown_caption: str
    speaker_notes: str
    page: str
    query: Mapping[str, str]
    link: str
    result: str
    headline: str
    caption: str
    detail: str
    methods: str
    simulated: bool
    created: str
    picture: bytes


def new_view(title: str, shown_caption: str, speaker_notes: str, **fields: Any) -> SavedView:
    """Make a view with an id and a date of its own.

    Parameters
    ----------
    title : str
        Its title; "" for the headline of the figure.
    shown_caption : str
        Caption that is shown.
    speaker_notes : str
        Notes that are not.
    **fields : object
        All other fields but `id` and `created`.

    Returns
    -------
    SavedView
        Not saved yet.

    Raises
    ------
    RequestError
        For texts that are too long.
    """
    for what, text, most in (
        ("title", title, MOST_TITLE),
        ("caption", shown_caption, MOST_CAPTION),
        ("speaker notes", speaker_notes, MOST_NOTES),
    ):
        if len(text) > most:
            raise RequestError(f"Expected a {what} of at most {most:,} characters, got {len(text):,}. Shorten it.")
    return SavedView(
        id=uuid.uuid4().hex[:16],
        title=title.strip() or str(fields["headline"])[:MOST_TITLE],
        shown_caption=shown_caption.strip(),
        speaker_notes=speaker_notes.strip(),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        **fields,
    )


def save_view(root: Path, view: SavedView) -> None:
    """Write a view, completely or not at all.

    Parameters
    ----------
    root : Path
        The cache folder.
    view : SavedView
        The view.

    Raises
    ------
    RequestError
        Where there are MOST_VIEWS already.
    StoreError
        Where the disk refuses.
    """
    folder = root / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if len(_paths(folder)) >= MOST_VIEWS:
            raise RequestError(
                f"Expected fewer than {MOST_VIEWS} saved views, got one more. Remove some on the page Saved."
            )
        body = asdict(view) | {"format": FORMAT, "picture": base64.b64encode(view.picture).decode("ascii")}
        write_bytes(folder / f"{view.id}.json", json.dumps(body).encode())
    except OSError as error:
        raise StoreError(
            f"Could not save the view in {str(folder)!r}: {error.strerror}. Free space or set BRIVL_CACHE elsewhere."
        ) from error


def saved_views(root: Path) -> list[SavedView]:
    """Read all views.

    Parameters
    ----------
    root : Path
        The cache folder.

    Returns
    -------
    list of SavedView
        In the order that the user has chosen, those that are not in it last, oldest first. Files of another form
        are left alone.

    Raises
    ------
    StoreError
        Where the folder cannot be read.
    """
    folder = root / FOLDER
    try:
        paths = _paths(folder) if folder.is_dir() else []
    except OSError as error:
        raise StoreError(
            f"Expected a folder of saved views that can be read, got {str(folder)!r} ({error.strerror}). Check its "
            "rights."
        ) from error
    views = [view for path in paths if (view := _read(path)) is not None]
    rank = {view_id: i for i, view_id in enumerate(_order(folder))}
    return sorted(views, key=lambda view: (rank.get(view.id, len(rank)), view.created, view.id))


def move_view(root: Path, view_id: str, by: int) -> None:
    """Move a view within the order of all views.

    Parameters
    ----------
    root : Path
        The cache folder.
    view_id : str
        Its id; one that is not there changes nothing.
    by : int
        Places, negative towards the first. StoreError is raised where the disk refuses.
    """
    order = [view.id for view in saved_views(root)]
    if view_id not in order:
        return
    position = min(len(order) - 1, max(0, order.index(view_id) + by))
    order.remove(view_id)
    order.insert(position, view_id)
    try:
        write_bytes(root / FOLDER / ORDER, json.dumps(order).encode())
    except OSError as error:
        raise StoreError(f"Could not save the order of the views: {error.strerror}. Free space, then try again.") from (
            error
        )


def views_state(root: Path) -> list[tuple[str, int, int]]:
    """Describe what changes when a view is saved, moved or removed.

    Parameters
    ----------
    root : Path
        The cache folder.

    Returns
    -------
    list of (str, int, int)
        Name, time and size of each file; none is read.
    """
    state = []
    for path in (root / FOLDER).glob("*.json"):
        with suppress(OSError):  # removed meanwhile
            stat = path.stat()
            state.append((path.name, stat.st_mtime_ns, stat.st_size))
    return sorted(state)


def remove_view(root: Path, view_id: str) -> None:
    """Delete a view; one that is gone already changes nothing.

    Parameters
    ----------
    root : Path
        The cache folder.
    view_id : str
        Its id.

    Raises
    ------
    RequestError
        For what is no id.
    StoreError
        Where the disk refuses.
    """
    if not _ID.fullmatch(view_id):
        raise RequestError(f"Expected the id of a saved view, got {view_id!r}. Choose one on the page Saved.")
    try:
        (root / FOLDER / f"{view_id}.json").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"Could not remove the view {view_id!r}: {error.strerror}. Check the rights.") from error


def _paths(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.json") if path.name != ORDER]


def _order(folder: Path) -> list[str]:
    """Ids in the order that the user has chosen; [] where there is none, or none that can be read."""
    try:
        order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [item for item in order if isinstance(item, str)] if isinstance(order, list) else []


def _read(path: Path) -> SavedView | None:
    """A view, or None where a file is none."""
    try:
        if path.stat().st_size > MAX_BYTES or not _ID.fullmatch(path.stem):
            return None
        body = json.loads(path.read_text(encoding="utf-8"))
        written_by = body.pop("format")
        if written_by == 1:  # the one note was meant for the speaker: slides had it in their notes
            body |= {"shown_caption": "", "speaker_notes": body.pop("note")}
        elif written_by != FORMAT:
            return None
        if body["id"] != path.stem or not _PAGE.fullmatch(body["page"]):
            return None
        view = SavedView(**body | {"picture": base64.b64decode(body["picture"], validate=True)})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return view if _well_formed(view) else None


def _well_formed(view: SavedView) -> bool:
    texts = (
        view.title,
        view.shown_caption,
        view.speaker_notes,
        view.link,
        view.result,
        view.headline,
        view.caption,
        view.detail,
        view.methods,
        view.created,
    )
    query = isinstance(view.query, dict) and all(isinstance(v, str) for v in view.query.values())
    complete = all(isinstance(text, str) for text in texts) and isinstance(view.simulated, bool)
    return complete and query and view.picture.startswith(b"\x89PNG\r\n")
