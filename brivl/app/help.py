"""The page Help: the tour, the guides and the other documents of the project, as they are in docs/."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import streamlit as st

from brivl.config import APP_FILES
from brivl.ui import style
from brivl.ui.menu import ensure_navigation

FOLDER = APP_FILES / "docs"
FIRST = "tour"
GUIDES = "howto"
DOC = "doc"  # in the URL
PICTURE = re.compile(r"^!\[([^\]]*)\]\(([^)\s]+)\)$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s#]+\.md)(?:#[^)]*)?\)")


@cache
def documents() -> dict[str, Path]:
    """List the documents.

    Returns
    -------
    dict
        Name in a link -> file: the tour, then the guides, then the rest. No file outside of docs/ has a name.
    """
    guides = sorted((FOLDER / GUIDES).glob("*.md"))
    rest = sorted(path for path in FOLDER.glob("*.md") if path.stem != FIRST)
    return {
        path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in (FOLDER / f"{FIRST}.md", *guides, *rest)
    }


def help_page() -> None:
    """Draw the page."""
    ensure_navigation()
    style.put_style()
    names = documents()
    name = st.query_params.get(DOC, FIRST)
    name = name if name in names else FIRST
    with st.sidebar:
        style.title("BriVL explorer")
        with st.container(key="documents", gap="small"):
            for other, path in names.items():
                label = f"**{title_of(path)}**" if other == name else title_of(path)
                st.page_link("pages/help.py", label=label, query_params={DOC: other})
    _show(name, names[name])


def title_of(path: Path) -> str:
    """Read the title of a document.

    Parameters
    ----------
    path : Path
        The document.

    Returns
    -------
    str
        Its first line, without its mark.
    """
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").replace("`", "")


def _show(name: str, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    style.headline(title_of(path))
    parts = PICTURE.split(text.partition("\n")[2])  # text, words and address of a picture, text, ...
    st.markdown(_linked(parts[0], name))
    for shows, address, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        image = path.parent / address
        if image.is_file():
            st.image(str(image), alt=shows, width=900)
        st.markdown(_linked(after, name))


def _linked(text: str, name: str) -> str:
    """Make links to other documents lead to them on this page; links to other files become plain text."""

    def to(match: re.Match[str]) -> str:
        target = _joined(name, match[2])
        return f"[{match[1]}](/help?{DOC}={target})" if target in documents() else match[1]

    return LINK.sub(to, text)


def _joined(name: str, link: str) -> str:
    """Name of the document that a link within `name` leads to: "../own_data.md" in "howto/x" -> "own_data"."""
    parts = [*Path(name).parent.parts]
    for part in Path(link).with_suffix("").parts:
        if part == "..":
            parts = parts[:-1] if parts else ["outside"]
        else:
            parts.append(part)
    return "/".join(parts)
