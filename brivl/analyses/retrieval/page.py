"""What the page Retrieve shows (paper Fig. 2a, b): the best matches of a question, by one model or two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from brivl.analyses.retrieval.compute import Found, Query, known_retrieval, retrieve_request
from brivl.analyses.retrieval.gallery_grid import gallery_grid
from brivl.analyses.retrieval.recall_panel import recall_panel
from brivl.data.galleries.embeddings import is_embedded
from brivl.data.galleries.gallery import Gallery
from brivl.data.galleries.registry import MAX_IMAGES
from brivl.data.stimuli.images import store_upload
from brivl.data.stimuli.thumbnails import png
from brivl.errors import BrivlError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.models.registry import BRIVL_MINI, SHIPPED
from brivl.scenes.captions import with_article
from brivl.ui import cached, style
from brivl.ui.allowed_paths import check_model
from brivl.ui.page_inputs import Inputs
from brivl.ui.picture_input import choose_picture, credit
from brivl.ui.result_or_run import answer, demo_page
from brivl.ui.style import Chip

EXAMPLE = "a red car"
GALLERIES = {"scenes": "2,000 drawn scenes", "clips": "200 drawn clips", "folder": "a folder of mine"}
DEFAULTS = {
    "text": EXAMPLE,
    "minus": "",
    "pic": "False",
    "image": "scene:12",
    "gallery": "scenes",
    "folder": "",
    "other": "",
    "k": "10",
    "most": str(MAX_IMAGES),
}
EMPTY = f"Type a text at the left, such as “{EXAMPLE}”, or add a picture. A term alone cannot be taken away."
COLUMNS = 5  # of pictures, on the whole page
LONGEST = 1_000  # characters that the text box takes
LIMITS = (1, 1_000_000)
CAPTION = (
    "Cosine of the query and each item in the shared space, best first: {formula}. {how} A click on a picture searches "
    "by it; hover for its caption."
)


def retrieve_page() -> None:
    """Draw the page."""
    with demo_page():
        inputs = Inputs("retrieve", DEFAULTS)
        image = _sidebar(inputs)
        if not inputs["text"].strip() and not image:
            style.headline("What shall be found?")
            style.caption(EMPTY)
            return
        kind = inputs.choice("gallery", tuple(GALLERIES))
        if kind == "folder" and not inputs["folder"].strip():
            style.headline("Which folder shall be searched?")
            style.caption(
                "Type the path of a folder of images within BRIVL_DATA at the left; it stays on this machine."
            )
            return
        _page(inputs, _gallery(inputs, kind), _queries(inputs, image, kind))


def _sidebar(inputs: Inputs) -> str:
    """The controls; the reference of the picture that belongs to the question, "" for none."""
    with st.sidebar:
        st.text_input("Text", max_chars=max(LONGEST, len(inputs["text"])), **inputs.bound("text", inputs["text"]))
        minus = inputs["minus"]
        st.text_input(
            "minus the term",
            max_chars=max(LONGEST, len(minus)),
            placeholder="such as red",
            **inputs.bound("minus", minus),
        )
        with_picture = st.toggle("plus a picture", **inputs.bound("pic", inputs["pic"] == "True"))
    chosen = choose_picture(inputs) if with_picture else None
    with st.sidebar:
        if chosen is not None:
            st.image(chosen.image, width=140, alt=chosen.alt_text)
            credit(chosen)
        _where(inputs)
    return "" if chosen is None else chosen.reference


def _where(inputs: Inputs) -> None:
    kind = inputs.choice("gallery", tuple(GALLERIES))
    st.selectbox("Search in", list(GALLERIES), format_func=GALLERIES.__getitem__, **inputs.bound("gallery", kind))
    if kind == "folder":
        st.text_input(
            "Folder",
            placeholder="/path/to/images",
            **inputs.bound("folder", inputs["folder"]),
            help="Images in it and below it; or the layout of Flickr30k (dataset_flickr30k.json with its images) or of "
            "MSR-VTT 1k-A (a csv of video_id and sentence, frames/VIDEO_ID/*.jpg).",
        )
        most = inputs.integer("most", *LIMITS, MAX_IMAGES)
        st.number_input("Images at most", *LIMITS, step=1000, **inputs.bound("most", most))
    st.text_input(
        "Second model",
        placeholder="a CLIP, by name or folder",
        **inputs.bound("other", inputs["other"]),
        help="Shown beside BriVL-mini: any CLIP of transformers, or a BriVL that was trained here (a .safetensors).",
    )
    st.slider("Matches", 5, 50, step=5, **inputs.bound("k", _k(inputs)))


def _k(inputs: Inputs) -> int:
    return inputs.integer("k", 5, 50, 10) // 5 * 5


def _gallery(inputs: Inputs, kind: str) -> Gallery:
    name = inputs["folder"].strip() if kind == "folder" else kind
    return cached.gallery(name, inputs.integer("most", *LIMITS, MAX_IMAGES))


def _queries(inputs: Inputs, image: str, kind: str) -> list[Query]:
    name = inputs["folder"].strip() if kind == "folder" else kind
    models = dict.fromkeys([BRIVL_MINI, *filter(None, [inputs["other"].strip()])])
    for model in models:
        check_model(model)
    most = inputs.integer("most", *LIMITS, MAX_IMAGES)
    return [Query(name, model, inputs["text"], image, inputs["minus"], most) for model in models]


def _page(inputs: Inputs, gallery: Gallery, queries: Sequence[Query]) -> None:
    top = st.container()
    columns = st.columns(len(queries), gap="large") if len(queries) > 1 else [st.container()]
    found = _answers(columns, gallery, queries)
    with top:
        style.headline(_finding(gallery, queries, found, _k(inputs)))
        _chips(gallery, queries, found)
        notices = (notice for one in found for notice in (() if one is None else (*one.notices, *_unread(one))))
        for notice in dict.fromkeys([*gallery.notes, *notices]):
            style.note(notice)
    for column, query, one in zip(columns, queries, found, strict=True):
        if one is not None:
            with column:
                _grid(inputs, gallery, query, one, COLUMNS // len(queries))
    if found[0] is not None:
        style.caption(CAPTION.format(formula=found[0].formula, how=_how(gallery, found[0])))
    recall_panel(gallery, queries)


def _answers(columns: Sequence[DeltaGenerator], gallery: Gallery, queries: Sequence[Query]) -> list[Found | None]:
    """Ask each model; None where there is no answer yet, with its progress. The worker takes one after the other."""
    found: list[Found | None] = []
    for column, query in zip(columns, queries, strict=True):
        with column:
            if len(queries) > 1:
                st.subheader(_title(query.model), anchor=False)
            waits = any(one is None for one in found)
            found.append(None if waits else _answer(gallery, query))
            if waits:
                style.small("Comes next.")
    return found


def _answer(gallery: Gallery, query: Query) -> Found | None:
    try:
        store = cached.store()
        ready = is_embedded(store, gallery, embedder_digest(query.model))
        if not ready and known_retrieval(store, query, gallery) is None:
            style.small(f"{_title(query.model)} looks at {gallery.title} once; questions then take less than a second.")
        button = None if ready else f"Search with {_title(query.model)}"
        return answer(retrieve_request(store, query), lambda: known_retrieval(store, query, gallery), button=button)
    except BrivlError as error:
        st.error(str(error))
        return None


def _grid(inputs: Inputs, gallery: Gallery, query: Query, found: Found, n_columns: int) -> None:
    def search_by(row: int) -> None:
        reference = f"scene:{row}"
        if gallery.name != "scenes":
            frames = gallery.item(row, 384).frames
            reference = store_upload(cached.store(), png(frames[len(frames) // 2]), gallery.item_name(row))
        inputs.change(text="", minus="", pic="True", image=reference)

    k = _k(inputs)
    gallery_grid(gallery, found.rows[:k], found.scores[:k], n_columns, search_by, f"{len(query.model)}-{gallery.kind}")


def _title(model: str) -> str:
    return SHIPPED[model].title if model in SHIPPED else Path(model).stem


def _asked(query: Query) -> str:
    said = [f"“{query.text[:60]}”"] if query.text.strip() else []
    return " + ".join([*said, *(["a picture"] if query.image else [])]) + (
        f" \N{MINUS SIGN} “{query.minus[:40]}”" if query.minus.strip() else ""
    )


def _finding(gallery: Gallery, queries: Sequence[Query], found: Sequence[Found | None], k: int) -> str:
    asked = _asked(queries[0])
    done = [(query, one) for query, one in zip(queries, found, strict=True) if one is not None and len(one.rows)]
    if not done:
        return f"{asked} in {gallery.title}"
    best = [f"{gallery.item_name(int(one.rows[0]))}, similarity {one.scores[0]:.2f}" for _, one in done]
    if len(done) > 1:
        best = [f"{line} ({_title(query.model)})" for line, (query, _) in zip(best, done, strict=True)]
        return f"Best match for {asked}: {'; '.join(best)}"
    one = done[0][1]
    if not one.n_showing:
        return f"Best match for {asked}: {best[0]}"
    share = f"{int(one.shows[:k].sum())} of the {one.n_showing} with {with_article(one.thing)}"
    return f"Best match for {asked}: {best[0]}; the first {min(k, len(one.rows))} hold {share}"


def _chips(gallery: Gallery, queries: Sequence[Query], found: Sequence[Found | None]) -> None:
    chips = [Chip("SIMULATED", "simulated")] if gallery.simulated else []
    chips += [Chip("stand-in model")] if any(q.model == BRIVL_MINI for q in queries) else []
    chips += [Chip(gallery.title), *(Chip(_title(query.model)) for query in queries)]
    indexed = [one.index_recall for one in found if one is not None and one.index_recall is not None]
    chips += [Chip(f"by index, recall@10 {recall:.3f} against comparing with all") for recall in indexed]
    style.chips(chips)


def _how(gallery: Gallery, found: Found) -> str:
    what = "drawn at random and captioned by the program" if gallery.simulated else "your files, which stay here"
    items = f"{found.n_searched:,} items searched, {what}."
    if gallery.kind == "video":
        items += " A video is the mean of 16 frames, one at random of each of 16 parts."
    return items


def _unread(found: Found) -> tuple[str, ...]:
    if not found.n_bad:
        return ()
    return (f"{found.n_bad:,} files could not be read and are left out, such as {', '.join(found.bad)}.",)
