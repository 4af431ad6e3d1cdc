"""The page Attention: the map of a phrase over the image (paper Fig. 2c), and the relevance of the words."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from brivl.analyses.attention.analysis import ATTENTION
from brivl.analyses.attention.compute import Attention, stored_evaluation
from brivl.analyses.attention.figures import attention_figure
from brivl.analyses.attention.inputs import Question, ask
from brivl.analyses.attention.request import AttentionRequest
from brivl.analyses.attention.tables import figure_of, short
from brivl.analysis import Options, task_of
from brivl.sharing.analysis_evidence import AnalysisEvidence, figure_record
from brivl.ui import cached, share_tab, style, tabs
from brivl.ui.picture_input import credit
from brivl.ui.result_or_run import demo_page, result_or_run
from brivl.ui.style import Chip
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
                style.headline("What does the model attend to for a word?")
            return
        request = AttentionRequest(question.picture.reference, question.query, question.phrase)
        task = task_of(ATTENTION, cached.store(), request)
        evidence = result_or_run(task, lambda: cached.evidence(ATTENTION, request))
        if evidence is None:
            with head:
                style.headline(f"What does BriVL-mini attend to for “{short(question.phrase)}”?")
            st.image(question.picture.image, width=384, alt=question.picture.alt_text)
            return
        _show(question, evidence, head)


def _options(question: Question) -> Options:
    return {
        "start": str(question.start_layer),
        "text_start": str(question.text_start_layer),
        "opacity": str(round(100 * question.opacity)),
    }


def _show(question: Question, evidence: AnalysisEvidence, head: Any) -> None:
    options = _options(question)
    record = figure_record(evidence, options, share_tab.link_fields())
    similarity = evidence.result.attention.phrase_similarity
    with head:
        style.warnings(ATTENTION.warnings(evidence.result))
        style.headline(record.label.headline)
        simulated = [] if question.picture.scene is None else [Chip("drawn scene (SIMULATED)", "simulated")]
        similar = Chip(f"similarity of image and phrase {similarity:.2f}")
        style.chips([*simulated, Chip("small proxy model"), similar])
        share_tab.warn_if_changed(record)
    tabs.draw(tabs.View(record, lambda: _draw(question, evidence, record.label, options)))


def _draw(question: Question, evidence: AnalysisEvidence, label: FigureLabel, options: Options) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left, st.container(key="figure-attention"):
        st.plotly_chart(
            attention_figure(figure_of(evidence.result, options), label, style.theme()),
            theme=None,
            key="attention map",
            config=PLOT_CONFIG,
            height="stretch",
        )
    with right:
        _words(question, evidence.result.attention)
        credit(question.picture)
        _measured(stored_evaluation(cached.store()))


def _words(question: Question, found: Attention) -> None:
    st.subheader("Relevance of the words of the query", anchor=False)
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
