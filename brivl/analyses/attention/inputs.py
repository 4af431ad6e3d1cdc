"""The inputs of the page Attention: an image, a query, and the words of it whose map is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from brivl.analyses.attention.compute import n_start_layers
from brivl.core.retrieval.query_words import MAX_QUERY_CHARACTERS, has_foreign_letters, select_words, split_words
from brivl.data.stimuli.images import ReferencedImage
from brivl.models.attention.start_layers import IMAGE_START, TEXT_START
from brivl.scenes.naming import is_kind, named_thing
from brivl.ui import style
from brivl.ui.page_inputs import Inputs
from brivl.ui.picture_input import choose_picture

WHOLE = "all"  # of the input "words": the whole query
MAX_PILLS = 60
OPACITIES = (0, 100)
DEFAULTS = {
    "image": "scene:12",
    "q": "",
    "words": "",
    "start": str(IMAGE_START),
    "text_start": str(TEXT_START),
    "opacity": "60",
}
EMPTIED = "attention: query emptied"  # in the session


@dataclass(frozen=True)
class AttentionInputs:
    """What the page shows.

    Attributes
    ----------
    image : ReferencedImage
        The image.
    query : str
        The query.
    chosen : tuple of int
        Indices of the words of the phrase; none for the whole query.
    start_layer, text_start_layer : int
        First layers whose attention is used, counted from 1.
    opacity : float
        Of the map over the image, 0 to 1.
    """

    image: ReferencedImage
    query: str
    chosen: tuple[int, ...]
    start_layer: int
    text_start_layer: int
    opacity: float

    @property
    def phrase(self) -> str:
        """The chosen words; the whole query where none is chosen."""
        return select_words(self.query, self.chosen)


def draw_inputs() -> AttentionInputs | None:
    """Draw the controls.

    Returns
    -------
    AttentionInputs or None
        None where there is no query yet; the page then shows a sentence.

    Raises
    ------
    RequestError
        For an image that is not there.
    """
    inputs = Inputs("attention", DEFAULTS)
    chosen = choose_picture(inputs)
    layers = n_start_layers()
    start = inputs.integer("start", 1, layers["image"], IMAGE_START)
    text_start = inputs.integer("text_start", 1, layers["text"], TEXT_START)
    opacity = inputs.integer("opacity", *OPACITIES, 60)
    with st.sidebar:
        st.slider(
            "Start layer, image",
            1,
            layers["image"],
            **inputs.bound("start", start),
            help="Attention of this layer and those above it is added up.",
        )
        st.slider("Start layer, text", 1, layers["text"], **inputs.bound("text_start", text_start))
        st.slider("Opacity of the map", *OPACITIES, step=5, format="%d%%", **inputs.bound("opacity", opacity))
    query = _query(inputs, chosen)
    if query is None:
        return None
    return AttentionInputs(chosen, query, _words(inputs, query, chosen), start, text_start, opacity / 100)


def _query(inputs: Inputs, chosen: ReferencedImage) -> str | None:
    """Draw the text field. Empty stands for a scene's own caption, so that another scene brings another example."""
    query, key = inputs["q"].strip() or chosen.caption, "attention q"
    if st.session_state.get(key) != query:
        st.session_state[key] = query

    def take() -> None:
        typed = " ".join(st.session_state[key].split())
        st.session_state[EMPTIED] = not typed
        inputs.change(q="" if typed == chosen.caption else typed, words="")

    st.text_input("What to look for", key=key, on_change=take, placeholder="a red car")
    emptied = st.session_state.pop(EMPTIED, False)
    if not query:
        style.note("The query is empty: write in English what to look for in the image, for example “a red car”.")
        return None
    if emptied:
        style.note("The query was empty, so the scene's own caption is shown.")
    _remarks(query)
    return query[:MAX_QUERY_CHARACTERS]


def _remarks(query: str) -> None:
    if len(query) > MAX_QUERY_CHARACTERS:
        style.note(f"The query has {len(query):,} characters; the first {MAX_QUERY_CHARACTERS:,} are used.")
    if has_foreign_letters(query):
        style.note("The model knows English only: what it shows for other languages means nothing.")


def _words(inputs: Inputs, query: str, chosen: ReferencedImage) -> tuple[int, ...]:
    """Draw the words as pills, and return the indices of the chosen ones."""
    words = split_words(query)[:MAX_PILLS]
    on, key = list(_word_indices(inputs["words"], len(words), _first_named(chosen, query))), "attention words"
    if list(st.session_state.get(key) or []) != on or key not in st.session_state:
        st.session_state[key] = on

    def take() -> None:
        inputs.change(words=",".join(map(str, sorted(st.session_state[key]))) or WHOLE)

    if words:
        st.pills(
            "Select a word (none = whole query)",
            range(len(words)),
            key=key,
            selection_mode="multi",
            format_func=lambda i: words[i].text,
            on_change=take,
        )
    return tuple(on)


def _word_indices(text: str, n_words: int, default: Sequence[int]) -> tuple[int, ...]:
    """Indices in the address; the default for anything but a list of indices of words."""
    if text == WHOLE:
        return ()
    numbers = [int(part) for part in text.split(",") if part.isdecimal() and len(part) < 6]
    kept = tuple(sorted({number for number in numbers if number < n_words}))
    return kept or tuple(default)


def _first_named(chosen: ReferencedImage, query: str) -> list[int]:
    """The first word that names one thing of the scene, by kind rather than by colour."""
    if chosen.scene is None:
        return []
    words = split_words(query)[:MAX_PILLS]
    naming = [i for i, word in enumerate(words) if named_thing(chosen.scene, word.text) is not None]
    return sorted(naming, key=lambda i: not is_kind(words[i].text))[:1]
