"""The page Retrieval (paper Fig. 2a, b): the best matches of a query, by one model or two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from brivl.analyses.retrieval.analysis import RETRIEVAL
from brivl.analyses.retrieval.compute import Matches
from brivl.analyses.retrieval.gallery_grid import gallery_grid
from brivl.analyses.retrieval.recall_panel import recall_panel
from brivl.analyses.retrieval.request import EXAMPLE, RetrievalRequest
from brivl.analyses.retrieval.tables import model_title, notices, query_words
from brivl.analysis import task_of
from brivl.data.galleries.embeddings import is_embedded
from brivl.data.galleries.gallery import Gallery
from brivl.data.galleries.registry import MAX_IMAGES
from brivl.data.stimuli.images import store_upload
from brivl.data.stimuli.thumbnails import png
from brivl.errors import BrivlError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.models.registry import BRIVL_MINI
from brivl.sharing.analysis_evidence import AnalysisEvidence, figure_record
from brivl.ui import cached, share_tab, style, tabs
from brivl.ui.allowed_paths import check_model
from brivl.ui.page_inputs import Inputs
from brivl.ui.picture_input import choose_picture, credit
from brivl.ui.result_or_run import demo_page, result_or_run
from brivl.ui.style import Chip

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
EMPTY = f"Enter a text in the sidebar, such as “{EXAMPLE}”, or add an image."
NO_FOLDER = "Enter the path of a folder of images within BRIVL_DATA in the sidebar; it stays on this machine."
ONLY_MINUS = "Enter a positive query as well: a text in the sidebar, or an image."
COLUMNS = 5  # of images, over the whole width
MAX_TYPED = 2_000  # characters that the text box takes
LIMITS = (1, 1_000_000)
HINT = "Click an image to search by it; hover for its caption."
OneResult = AnalysisEvidence | BrivlError | None  # of one model: its matches, why there are none, or not there yet


def retrieval_page() -> None:
    """Draw the page."""
    with demo_page():
        inputs = Inputs(RETRIEVAL.name, DEFAULTS)
        image = _sidebar(inputs)
        if not inputs["text"].strip() and not image:
            style.headline("What do you search for?")
            style.caption(ONLY_MINUS if inputs["minus"].strip() else EMPTY)
            return
        kind = inputs.choice("gallery", tuple(GALLERIES))
        if kind == "folder" and not inputs["folder"].strip():
            style.headline("Which folder do you search in?")
            style.caption(NO_FOLDER)
            return
        request = _request(inputs, image, kind)
        _page(inputs, cached.gallery(request.gallery, request.max_images), request)


def _sidebar(inputs: Inputs) -> str:
    """Draw the controls; the reference of the image that belongs to the query, "" for none."""
    with st.sidebar:
        text, minus = inputs["text"], inputs["minus"]
        st.text_input("Text", max_chars=max(MAX_TYPED, len(text)), **inputs.bound("text", text))
        st.text_input(
            "minus the term",
            max_chars=max(MAX_TYPED, len(minus)),
            placeholder="such as red",
            **inputs.bound("minus", minus),
        )
        with_image = st.toggle("plus an image", **inputs.bound("pic", inputs["pic"] == "True"))
    chosen = choose_picture(inputs) if with_image else None
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


def _request(inputs: Inputs, image: str, kind: str) -> RetrievalRequest:
    models = tuple(dict.fromkeys([BRIVL_MINI, *filter(None, [inputs["other"].strip()])]))
    for model in models:
        check_model(model)
    gallery = inputs["folder"].strip() if kind == "folder" else kind
    most = inputs.integer("most", *LIMITS, MAX_IMAGES)
    return RetrievalRequest(inputs["text"], image, inputs["minus"], gallery, models, _k(inputs), most)


def _page(inputs: Inputs, gallery: Gallery, request: RetrievalRequest) -> None:
    """Draw the matches that are there in six tabs; without any, what is searched and its progress."""
    head = st.container()
    results = {model: _look_up(gallery, replace(request, models=(model,))) for model in request.models}
    ready = tuple(model for model, one in results.items() if isinstance(one, AnalysisEvidence))
    if not ready:
        with head:
            style.headline(f"{query_words(request)} in {gallery.title}")
            _chips_and_notices(gallery, request, [])
        _columns(inputs, gallery, request, results)
        recall_panel(gallery, request)
        return
    evidence = cached.evidence(RETRIEVAL, replace(request, models=ready), gallery)
    if evidence is None:  # evicted a moment ago
        st.rerun()
    record = figure_record(evidence, {}, share_tab.link_fields())
    with head:
        style.headline(record.label.headline)
        _chips_and_notices(gallery, request, list(evidence.result.matches.values()))
        share_tab.warn_if_changed(record)
    view = tabs.View(
        record,
        lambda: _columns(inputs, gallery, request, results),
        hint=HINT,
        below=lambda: recall_panel(gallery, request),
    )
    tabs.draw(view)


def _look_up(gallery: Gallery, request: RetrievalRequest) -> OneResult:
    try:
        return cached.evidence(RETRIEVAL, request, gallery)
    except BrivlError as error:
        return error


def _columns(inputs: Inputs, gallery: Gallery, request: RetrievalRequest, results: Mapping[str, OneResult]) -> None:
    """Draw a column for each model: its matches, or its progress. The worker takes one model after the other."""
    several, waits = len(results) > 1, False
    columns = st.columns(len(results), gap="large") if several else [st.container()]
    for column, (model, one) in zip(columns, results.items(), strict=True):
        with column:
            if several:
                st.subheader(model_title(model), anchor=False)
            if isinstance(one, AnalysisEvidence):
                _grid(inputs, gallery, model, one.result.matches[model], COLUMNS // len(results))
            elif isinstance(one, BrivlError):
                st.error(str(one))
            elif waits:
                style.small("Queued after the first model.")
            else:
                waits = True
                _search(gallery, replace(request, models=(model,), k=RetrievalRequest.k))


def _search(gallery: Gallery, request: RetrievalRequest) -> None:
    """Search with one model, at once where its embeddings of the gallery are stored; then draw the page again."""
    (model,), store = request.models, cached.store()
    title, ready = model_title(model), is_embedded(store, gallery, embedder_digest(model))
    if not ready:
        style.small(f"{title} embeds {gallery.title} once; queries then take less than a second.")
    task = task_of(RETRIEVAL, store, request)
    button = None if ready else f"Search with {title}"
    if result_or_run(task, lambda: cached.evidence(RETRIEVAL, request, gallery), button=button) is not None:
        st.rerun()


def _grid(inputs: Inputs, gallery: Gallery, model: str, matches: Matches, n_columns: int) -> None:
    def search_by(row: int) -> None:
        reference = f"scene:{row}"
        if gallery.name != "scenes":
            frames = gallery.item(row, 384).frames
            reference = store_upload(cached.store(), png(frames[len(frames) // 2]), gallery.item_name(row))
        inputs.change(text="", minus="", pic="True", image=reference)

    gallery_grid(gallery, matches, _k(inputs), n_columns, search_by, f"{len(model)}-{gallery.kind}")


def _chips_and_notices(gallery: Gallery, request: RetrievalRequest, matches: list[Matches]) -> None:
    chips = [Chip("SIMULATED", "simulated")] if gallery.simulated else []
    chips += [Chip(style.DEMO_MODELS, help=style.DEMO_HELP)] if BRIVL_MINI in request.models else []
    chips += [Chip(gallery.title), *(Chip(model_title(model)) for model in request.models)]
    recalls = [one.index_recall for one in matches if one.index_recall is not None]
    style.chips([*chips, *(Chip(f"by index, recall@10 {recall:.3f}") for recall in recalls)])
    for notice in notices(request, gallery, matches):
        style.note(notice)
