"""How well models find the items of a gallery by their captions, in a table that opens on demand."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from brivl.analyses.retrieval.compute import recall_request
from brivl.analyses.retrieval.request import RetrievalRequest
from brivl.analyses.retrieval.tables import model_title
from brivl.core.retrieval.recall import Recall
from brivl.data.galleries.gallery import Gallery
from brivl.data.galleries.recall import GalleryRecall, stored_recall
from brivl.errors import BrivlError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.ui import cached, style
from brivl.ui.result_or_run import result_or_run

COLUMNS = ["model", "direction", "R@1 (%)", "R@5 (%)", "R@10 (%)", "median rank"]


def recall_panel(gallery: Gallery, request: RetrievalRequest) -> None:
    """Draw the recall of each model; a gallery without captions has none.

    Parameters
    ----------
    gallery : Gallery
        The gallery.
    request : RetrievalRequest
        Which models, and where.
    """
    if not gallery.captions_digest:
        return
    with st.expander(f"Recall on {gallery.title}"):
        recalls = {model: _measured(gallery, request, model) for model in request.models}
        measured = {model: one for model, one in recalls.items() if one is not None}
        rows = [row for model, one in measured.items() for row in _rows(gallery, model, one)]
        if rows:
            st.dataframe(pd.DataFrame(rows, columns=COLUMNS), hide_index=True)
            one = next(iter(measured.values()))
            style.small(
                f"{one.n_texts:,} captions, {one.n_items:,} items; the rank of a caption is that of its own item among "
                "all, ties counted against it."
            )


def _measured(gallery: Gallery, request: RetrievalRequest, model: str) -> GalleryRecall | None:
    try:
        digest, store = embedder_digest(model), cached.store()
        task = recall_request(store, request.gallery, model, request.max_images)
        return result_or_run(
            task, lambda: stored_recall(store, gallery, digest), button=f"Measure {model_title(model)}"
        )
    except BrivlError as error:
        st.error(str(error))
        return None


def _rows(gallery: Gallery, model: str, recall: GalleryRecall) -> list[tuple]:
    ways = {f"text to {gallery.kind}": recall.forward, f"{gallery.kind} to text": recall.back}
    return [(model_title(model), way, *_percent(one), one.median_rank) for way, one in ways.items()]


def _percent(one: Recall) -> tuple[float, ...]:
    return tuple(round(100 * share, 1) for share in (one.r1, one.r5, one.r10))
