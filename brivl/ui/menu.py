"""The menu: which pages there are, and under which addresses."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection
from threading import Lock
from typing import Any

import streamlit as st

from brivl.config import APP_FILES

_lock = Lock()
_n_modules = 0  # when objects were last frozen


def freeze_imported_modules() -> None:
    """Exclude the objects of all modules from garbage collection, each time after modules were imported.

    A quarter of a million objects belong to modules, and looking through them takes some tenths of a second. Cycles
    that a session held at that moment are not collected; this happens once for each page, when it is first imported.
    """
    global _n_modules
    with _lock:
        if len(sys.modules) > _n_modules:
            _n_modules = len(sys.modules)
            gc.collect()
            gc.freeze()


ENTERED = "entered through app.py"
OLD_PAGES = {  # address in earlier versions -> page of today; links and saved views of then still open
    "aligned": "alignment",
    "captions": "captioning",
    "decode": "decoding",
    "imagine": "generation",
    "retrieve": "retrieval",
    "voxel_words": "voxel_captions",
}


def pages() -> dict[str, list]:
    """List the pages in the order of the menu; files of pages/ that are not named here follow in "Brain and model".

    Returns
    -------
    dict
        Pages of Streamlit by section; those of the section "" stand in the bar itself.
    """
    sections = {
        "": [
            st.Page("pages/home.py", title="Home", default=True),
            st.Page("pages/data.py", title="Data"),
            st.Page("pages/layers.py", title="Layers"),
            st.Page("pages/flatmap.py", title="Flatmap"),
            st.Page("pages/regions.py", title="Regions"),
            st.Page("pages/audit.py", title="Audit"),
            st.Page("pages/saved.py", title="Saved"),
            st.Page("pages/present.py", title="Present", visibility="hidden"),  # by the page Saved, or a link
        ],
        "The model": [
            st.Page("pages/retrieval.py", title="Retrieval"),
            st.Page("pages/attention.py", title="Attention"),
            st.Page("pages/captioning.py", title="Captioning"),
            st.Page("pages/generation.py", title="Generation"),
        ],
        "Brain and model": [
            st.Page("pages/integration.py", title="Integration"),
            st.Page("pages/transfer.py", title="Transfer"),
            st.Page("pages/decoding.py", title="Decoding"),
            st.Page("pages/voxel_captions.py", title="Voxel captions"),
            st.Page("pages/drive.py", title="Drive"),
            st.Page("pages/alignment.py", title="Alignment"),
        ],
        "More": [
            st.Page("pages/cache.py", title="Cache"),
            st.Page("pages/help.py", title="Help"),
            *(_redirect(old, new) for old, new in OLD_PAGES.items()),
        ],
    }
    named = {page.url_path for section in sections.values() for page in section} | {"home"}  # the first has no address
    sections["Brain and model"] += [st.Page(f"pages/{name}.py", title=t) for name, t in further_pages(named).items()]
    return sections


def further_pages(named: Collection[str]) -> dict[str, str]:
    """Find the pages that the menu does not name.

    Parameters
    ----------
    named : collection of str
        Names of the pages that have their place.

    Returns
    -------
    dict
        Title of each other file of pages/, which stands before the colon in its first line.
    """
    files = [path for path in sorted((APP_FILES / "pages").glob("*.py")) if path.stem not in named]
    return {path.stem: path.read_text(encoding="utf-8").partition(":")[0].strip('"') for path in files}


def page_file(name: str) -> str | None:
    """Find the file of a page.

    Parameters
    ----------
    name : str
        Address of the page, as of today or of an earlier version.

    Returns
    -------
    str or None
        The path as `st.switch_page` takes it, None where there is no such page.
    """
    path = f"pages/{OLD_PAGES.get(name, name)}.py"
    return path if (APP_FILES / path).is_file() else None


def _redirect(old: str, new: str) -> Any:
    """A page without an entry in the menu that leads to the page of today, with the same query parameters."""

    def go() -> None:
        st.switch_page(f"pages/{new}.py", query_params=st.query_params.to_dict())

    return st.Page(go, title=new, url_path=old, visibility="hidden")


def navigate() -> None:
    """Run the page that the address names."""
    freeze_imported_modules()
    page = st.navigation(pages(), position="top")
    st.session_state[ENTERED] = True
    page.run()


def ensure_navigation() -> None:
    """Enter through app.py where Streamlit did not.

    The first page that a new server gives, such as /layers, it gives by running pages/layers.py alone: until
    st.navigation has been called once, a folder pages/ counts as Streamlit's older, automatic kind.
    """
    if ENTERED not in st.session_state:
        st.navigation(pages(), position="top")
        st.rerun()
