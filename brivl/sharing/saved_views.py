"""Views that a user has saved: link, note, picture and words as they were, one folder file each, written at once.

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

from brivl.errors import RequestError, StoreError
from brivl.store.writing import write_bytes

FOLDER = "views"
FORMAT = 1
MOST_VIEWS = 500
MOST_TITLE, MOST_NOTE = 200, 4_000  # characters
MAX_BYTES = 32 * 2**20  # of one file
_PAGE = re.compile(r"[a-z][a-z_]{0,39}")  # part of a path when the view is opened
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class SavedView:
    """One saved view; `picture` is a PNG, base64 in the file."""

    id: str
    title: str
    note: str
    page: str
    query: Mapping[str, str]  # of the link, as on this machine
    link: str  # as it may be shown to others
    result: str  # what the link says of the numbers
    headline: str
    caption: str
    detail: str
    methods: str
    simulated: bool
    created: str  # ISO 8601, UTC
    picture: bytes


def new_view(title: str, note: str, **fields: object) -> SavedView:
    """A view with an identity and a date of its own. Raises RequestError for texts that are too long."""
    if len(title) > MOST_TITLE or len(note) > MOST_NOTE:
        raise RequestError(
            f"Wanted a title of at most {MOST_TITLE} and a note of at most {MOST_NOTE:,} characters and got "
            f"{len(title):,} and {len(note):,}; shorten them."
        )
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return SavedView(
        uuid.uuid4().hex[:16],
        title.strip() or str(fields["headline"])[:MOST_TITLE],
        note.strip(),
        created=now,
        **fields,
    )


def save_view(root: Path, view: SavedView) -> None:
    """Write a view; it is there whole or not at all. Raises StoreError, and RequestError where there are too many."""
    folder = root / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if len(list(folder.glob("*.json"))) >= MOST_VIEWS:
            raise RequestError(f"There are {MOST_VIEWS} saved views already; remove some first.")
        body = asdict(view) | {"format": FORMAT, "picture": base64.b64encode(view.picture).decode("ascii")}
        write_bytes(folder / f"{view.id}.json", json.dumps(body).encode())
    except OSError as error:
        raise StoreError(
            f"Could not save the view in {str(folder)!r}: {error.strerror}. Free space or set BRIVL_CACHE elsewhere."
        ) from error


def saved_views(root: Path) -> list[SavedView]:
    """All that can be read, oldest first; files of another form are left alone. Raises StoreError."""
    folder = root / FOLDER
    try:
        paths = list(folder.glob("*.json")) if folder.is_dir() else []
    except OSError as error:
        raise StoreError(f"Could not look into {str(folder)!r}: {error.strerror}; check its rights.") from error
    found = [view for path in paths if (view := _read(path)) is not None]
    return sorted(found, key=lambda view: (view.created, view.id))


def views_state(root: Path) -> list[tuple[str, int, int]]:
    """What changes when a view is saved or removed: name, time and size of each file, none of which is read."""
    found = []
    for path in (root / FOLDER).glob("*.json"):
        with suppress(OSError):  # removed while we looked
            stat = path.stat()
            found.append((path.name, stat.st_mtime_ns, stat.st_size))
    return sorted(found)


def remove_view(root: Path, view_id: str) -> None:
    """Delete a view; one that is gone already is no matter. Raises RequestError for what is no name, StoreError."""
    if not _ID.fullmatch(view_id):
        raise RequestError(f"Wanted the name of a saved view and got {view_id!r}.")
    try:
        (root / FOLDER / f"{view_id}.json").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"Could not remove the view {view_id!r}: {error.strerror}; check the rights.") from error


def _read(path: Path) -> SavedView | None:
    """A view, or None where a file is none."""
    try:
        if path.stat().st_size > MAX_BYTES or not _ID.fullmatch(path.stem):
            return None
        body = json.loads(path.read_text(encoding="utf-8"))
        if body.pop("format") != FORMAT or body["id"] != path.stem or not _PAGE.fullmatch(body["page"]):
            return None
        view = SavedView(**body | {"picture": base64.b64decode(body["picture"], validate=True)})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return view if _well_formed(view) else None


def _well_formed(view: SavedView) -> bool:
    texts = (
        view.title,
        view.note,
        view.link,
        view.result,
        view.headline,
        view.caption,
        view.detail,
        view.methods,
        view.created,
    )
    query = isinstance(view.query, dict) and all(isinstance(v, str) for v in view.query.values())
    whole = all(isinstance(text, str) for text in texts) and isinstance(view.simulated, bool)
    return whole and query and view.picture.startswith(b"\x89PNG\r\n")
