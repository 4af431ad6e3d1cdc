"""How well models find the items of a gallery by their captions, in a table that opens on demand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from brivl.analyses.retrieval.compute import Query, recall_request
from brivl.core.retrieval.recall import Recall
from brivl.data.galleries.gallery import Gallery
from brivl.data.galleries.recall import GalleryRecall, stored_recall
from brivl.errors import BrivlError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.models.registry import SHIPPED
from brivl.ui import cached, style
from brivl.ui.result_or_run import answer

COLUMNS = ["model", "direction", "R@1 (%)", "R@5 (%)", "R@10 (%)", "median rank"]


def recall_panel(gallery: Gallery, queries: Sequence[Query]) -> None:
    """Draw it; a gallery without captions has none."""
    if not gallery.captions_digest:
        return
    with st.expander(f"Recall on {gallery.title}"):
        found = [(query, _measured(gallery, query)) for query in queries]
        rows = [row for query, one in found if one is not None for row in _rows(gallery, query, one)]
        if rows:
            st.dataframe(pd.DataFrame(rows, columns=COLUMNS), hide_index=True)
            one = next(one for _, one in found if one is not None)
            style.small(
                f"{one.n_texts:,} captions, {one.n_items:,} items; a caption's rank is that of its own item among all, "
                "ties counted against it."
            )


def _measured(gallery: Gallery, query: Query) -> GalleryRecall | None:
    try:
        digest, store = embedder_digest(query.model), cached.store()
        task = recall_request(store, query.gallery, query.model, query.most)
        return answer(task, lambda: stored_recall(store, gallery, digest), button=f"Measure {_title(query.model)}")
    except BrivlError as error:
        st.error(str(error))
        return None


def _rows(gallery: Gallery, query: Query, found: GalleryRecall) -> list[tuple]:
    ways = {f"text to {gallery.kind}": found.forward, f"{gallery.kind} to text": found.back}
    return [(_title(query.model), way, *_percent(one), one.median_rank) for way, one in ways.items()]


def _percent(one: Recall) -> tuple[float, ...]:
    return tuple(round(100 * share, 1) for share in (one.r1, one.r5, one.r10))


def _title(model: str) -> str:
    return SHIPPED[model].title if model in SHIPPED else Path(model).stem
