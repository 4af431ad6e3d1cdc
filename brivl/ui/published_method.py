"""How a page differs from the published method, as a part that opens on demand."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from brivl.sharing.citations import short_reference
from brivl.ui import style

TITLE = "How this differs from the published method"


def published_method(differences: str, works: Sequence[str], document: str) -> None:
    """Draw a collapsed part with the differences, links to the works, and a link to the whole description.

    Parameters
    ----------
    differences : str
        What is alike and what differs; nothing is drawn where it is "".
    works : sequence of str
        Keys of `citations.BIB` of the published methods.
    document : str
        Name of the document on the page Help.
    """
    if not differences:
        return
    with st.expander(TITLE):
        style.caption(differences)
        references = [short_reference(key) for key in works]
        links = [f"[{name}]({address})" if address else name for name, address in references]
        st.markdown(" · ".join([*links, f"[Full description](/help?doc={document})"]))
