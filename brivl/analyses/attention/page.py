"""What the page Attend shows (paper Fig. 2c): the map of a phrase over the picture, and the words of the query."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from brivl.analyses.attention.compute import Attention, attend_request, known_attention, known_evaluation
from brivl.analyses.attention.figures import AttentionFigure, attention_figure
from brivl.analyses.attention.figures import attention_page as printed
from brivl.analyses.attention.inputs import Question, ask
from brivl.scenes.scene import render
from brivl.ui import cached, style
from brivl.ui.picture_input import credit
from brivl.ui.result_or_run import answer, demo_page
from brivl.ui.style import Chip
from brivl.viz.export import SLIDE, figure_bytes
from brivl.viz.style import PLOT_CONFIG, A, FigureLabel, rgba

CSS = """<style>
.bx-words {display: flex; flex-wrap: wrap; gap: 0.3rem 0.35rem; margin: 0.2rem 0; font-size: 1.05rem;}
.bx-words span {border-radius: 0.3rem; padding: 0.08rem 0.4rem; text-align: center; line-height: 1.25;}
.st-key-figure-attention {--h: max(400px, calc(100vh - 470px)) !important;}
.bx-words small {display: block; font-size: 0.74rem; opacity: 0.85;}
</style>"""


def attention_page() -> None:
    """Draw the page; the example is filled in."""
    with demo_page():
        st.html(CSS)
        head = st.container()
        question = ask()
        if question is None:
            with head:
                style.headline("Where does the model look for a word?")
            return
        store = cached.store()
        reference = question.picture.reference
        task = attend_request(store, reference, question.query, question.phrase)
        found = answer(task, lambda: known_attention(store, reference, question.query, question.phrase))
        if found is None:
            with head:
                style.headline(f"Where does BriVL-mini look for “{_short(question.phrase)}”?")
            st.image(question.picture.image, width=384, alt=question.picture.alt_text)
            return
        _show(question, found, head)


def _show(question: Question, found: Attention, head: Any) -> None:
    shown = figure_of(question, found)
    label = FigureLabel(
        _headline(question, shown),
        _caption(question, shown),
        question.picture.scene is not None,
        f"BriVL-mini, a stand-in; Generic Attention Explainability from layer {question.start_layer} on",
    )
    with head:
        style.headline(label.headline)
        simulated = [] if question.picture.scene is None else [Chip("drawn scene (SIMULATED)", "simulated")]
        style.chips(
            [
                *simulated,
                Chip("stand-in model"),
                Chip(f"similarity of image and phrase {found.phrase_similarity:.2f}"),
            ]
        )
    left, right = st.columns([3, 2], gap="large")
    with left, st.container(key="figure-attention"):
        st.plotly_chart(
            attention_figure(shown, label, style.theme()),
            theme=None,
            key="attention map",
            config=PLOT_CONFIG,
            height="stretch",
        )
    with right:
        _lingual(question, found)
        credit(question.picture)
        _measured(known_evaluation(cached.store()))
        _export(shown, label, question)
    style.caption(label.caption)


def figure_of(question: Question, found: Attention) -> AttentionFigure:
    """The map of the start layer, with the mask of the thing that the phrase names."""
    image, scene, named = question.picture.image, question.picture.scene, question.named
    values = found.map_from(question.start_layer)
    if scene is None or named is None:
        return AttentionFigure(image, values, opacity=question.opacity)
    mask = render(scene, image.shape[0]).masks[named]
    return AttentionFigure(image, values, mask, scene.things[named].kind, question.opacity)


def _headline(question: Question, shown: AttentionFigure) -> str:
    phrase = _short(question.phrase)
    if shown.hit is None:
        return f"Where BriVL-mini looks for “{phrase}”"
    thing = question.picture.scene.things[question.named]
    where, verdict = ("on", "a hit") if shown.hit else ("away from", "a miss")
    return f"For “{phrase}” the map peaks {where} the {thing.colour} {thing.kind}: {verdict}"


def _caption(question: Question, shown: AttentionFigure) -> str:
    outline = " White outline: the named thing's visible pixels." if shown.mask is not None else ""
    return (
        f"Relevance of each image patch for the similarity of the image and “{_short(question.phrase)}”, taken alone: "
        f"attention times its gradient, positive part, mean of heads, added up from layer {question.start_layer} on, "
        f"scaled bilinearly to the image. Cross: its peak.{outline}"
    )


def _lingual(question: Question, found: Attention) -> None:
    st.subheader("Words that the whole query rests on", anchor=False)
    shares = found.words_from(question.text_start_layer)
    st.html(words_html([word.text for word in found.words[: found.n_words_read]], shares))
    style.small(
        f"Each word's share of the relevance for the similarity of the image and the whole query "
        f"({found.query_similarity:.2f}), from layer {question.text_start_layer} of the lingual stream on."
    )
    if found.n_words_read < len(found.words):
        style.note(f"The query is long: the model reads the first {found.n_words_read} of {len(found.words)} words.")


def words_html(words: list[str], shares: np.ndarray) -> str:
    """The words with their shares below, the larger the bluer."""
    top = max(float(shares.max(initial=0)), 1e-9)
    spans = "".join(
        f'<span style="background:{rgba(A, 0.5 * float(share) / top)}">{escape(word)}'
        f"<small>{float(share):.0%}</small></span>"
        for word, share in zip(words, shares, strict=False)
    )
    return f'<p class="bx-words">{spans}</p>'


def _measured(numbers: Mapping[str, Any] | None) -> None:
    """The pointing game, if it was ever played here."""
    if numbers is None:
        style.small("How often maps hit: python -m brivl eval attention measures it and leaves the figures here.")
        return
    parts = [
        f"{what} words {100 * n['accuracy']:.0f} % (chance {100 * n['chance']:.0f} %, n = {n['n_words']})"
        for what, n in (("object", numbers["object"]), ("colour", numbers["colour"]))
    ]
    style.small(
        f"Pointing game on {numbers['n_scenes']} held-out drawn scenes (simulated), peak on the named thing: "
        f"{', '.join(parts)}. Without its top word a caption loses more similarity than without a random one in "
        f"{100 * numbers['text']['top_word_larger']:.0f} %."
    )


def _export(shown: AttentionFigure, label: FigureLabel, question: Question) -> None:
    st.download_button(
        "Download PNG",
        lambda: figure_bytes(printed(shown, label, SLIDE), "png", 150),
        on_click="ignore",
        file_name=f"attention_{'_'.join(question.phrase.lower().split())[:40] or 'map'}.png",
        mime="image/png",
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57].rstrip()}..."
