"""The page Attention: the map of a phrase over the image (paper Fig. 2c), and the relevance of the words."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import streamlit as st

from brivl.analyses.attention.analysis import ATTENTION
from brivl.analyses.attention.compute import EVALUATION, N_EVALUATION_SCENES, Attention, stored_evaluation
from brivl.analyses.attention.figures import attention_figure
from brivl.analyses.attention.inputs import AttentionInputs, draw_inputs
from brivl.analyses.attention.request import AttentionRequest
from brivl.analyses.attention.tables import figure_of, short
from brivl.analysis import Options, task_of
from brivl.sharing.analysis_evidence import AnalysisEvidence, figure_record
from brivl.ui import cached, share_tab, style, tabs
from brivl.ui.picture_input import credit
from brivl.ui.published_method import published_method
from brivl.ui.result_or_run import demo_page, result_or_run
from brivl.ui.style import Chip
from brivl.viz.style import PLOT_CONFIG, A, FigureLabel, rgba

CSS = """<style>
.bx-words {display: flex; flex-wrap: wrap; gap: 0.3rem 0.35rem; margin: 0.2rem 0; font-size: 1.05rem;}
.bx-words span {border-radius: 0.3rem; padding: 0.08rem 0.4rem; text-align: center; line-height: 1.25;}
.st-key-figure-attention {--h: clamp(280px, calc(100vh - 430px), calc(60vw - 22rem)) !important;}
.bx-words small {display: block; font-size: 0.74rem; opacity: 0.85;}
</style>"""
DIFFERS = (
    "As in Chefer et al. (2021) and Lu et al. (2022), Fig. 2c: attention times its gradient, positive part, mean over "
    "heads, accumulated over layers. Different: two streams without attention between them, so that relevance is "
    "computed for the cosine of both embeddings, and from a start layer on; and a demo model in place of BriVL."
)


def attention_page() -> None:
    """Draw the page; an example is filled in."""
    with demo_page():
        st.html(CSS)
        head = st.container()
        inputs = draw_inputs()
        if inputs is None:
            with head:
                style.headline("What does the model attend to for a word?")
            return
        request = AttentionRequest(inputs.image.reference, inputs.query, inputs.phrase)
        task = task_of(ATTENTION, cached.store(), request)
        evidence = result_or_run(task, lambda: cached.evidence(ATTENTION, request))
        if evidence is None:
            with head:
                style.headline(f"What does BriVL-mini attend to for “{short(inputs.phrase)}”?")
            st.image(inputs.image.image, width=384, alt=inputs.image.alt_text)
            return
        _show(inputs, evidence, head)


def _options(inputs: AttentionInputs) -> Options:
    return {
        "start": str(inputs.start_layer),
        "text_start": str(inputs.text_start_layer),
        "opacity": str(round(100 * inputs.opacity)),
    }


def _show(inputs: AttentionInputs, evidence: AnalysisEvidence, head: Any) -> None:
    options = _options(inputs)
    record = figure_record(evidence, options, share_tab.link_fields())
    similarity = evidence.result.attention.phrase_similarity
    with head:
        style.warnings(ATTENTION.warnings(evidence.result))
        style.headline(record.label.headline)
        simulated = [] if inputs.image.scene is None else [Chip("drawn scene (SIMULATED)", "simulated")]
        similar = Chip(f"similarity of image and phrase {similarity:.2f}")
        style.chips([*simulated, Chip(style.DEMO_MODELS, help=style.DEMO_HELP), similar])
        share_tab.warn_if_changed(record)
    tabs.draw(tabs.View(record, lambda: _draw(inputs, evidence, record.label, options)))
    published_method(DIFFERS, ("chefer2021", "lu2022"), ATTENTION.name)


def _draw(inputs: AttentionInputs, evidence: AnalysisEvidence, label: FigureLabel, options: Options) -> None:
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
        _words(inputs, evidence.result.attention)
        credit(inputs.image)
        _pointing_game()


def _words(inputs: AttentionInputs, attention: Attention) -> None:
    st.subheader("Relevance of the words of the query", anchor=False)
    shares = attention.words_from(inputs.text_start_layer)
    st.html(words_html([word.text for word in attention.words[: attention.n_words_read]], shares))
    style.small(
        f"Each word's share of the relevance for the similarity of the image and the whole query "
        f"({attention.query_similarity:.2f}), from layer {inputs.text_start_layer} of the text stream on."
    )
    if attention.n_words_read < len(attention.words):
        style.note(
            f"The query is long: the model reads the first {attention.n_words_read} of {len(attention.words)} words."
        )


def words_html(words: list[str], shares: np.ndarray) -> str:
    """Write the words with their fractions of the relevance below; the larger, the bluer.

    Parameters
    ----------
    words : list of str
        The words.
    shares : (n_words,) array
        Fractions of the relevance.

    Returns
    -------
    str
        HTML.
    """
    top = max(float(shares.max(initial=0)), 1e-9)
    spans = "".join(
        f'<span style="background:{rgba(A, 0.5 * float(share) / top)}">{escape(word)}'
        f"<small>{float(share):.0%}</small></span>"
        for word, share in zip(words, shares, strict=False)
    )
    return f'<p class="bx-words">{spans}</p>'


def _pointing_game() -> None:
    """How often maps hit: the stored measure, or a button that starts it."""
    task = {"task": EVALUATION, "store": str(cached.store().root), "n_scenes": N_EVALUATION_SCENES}
    numbers = result_or_run(task, lambda: stored_evaluation(cached.store()), button="Measure pointing accuracy")
    if numbers is None:
        style.small("The pointing game counts how often maps peak on the thing that a word names, in held-out scenes.")
        return
    parts = [
        f"{what} words {100 * n['accuracy']:.0f} % (chance {100 * n['chance']:.0f} %, n = {n['n_words']})"
        for what, n in (("object", numbers["object"]), ("colour", numbers["colour"]))
    ]
    style.small(
        f"Pointing accuracy on {numbers['n_scenes']} held-out drawn scenes (simulated), peak on the named thing: "
        f"{', '.join(parts)}. Without its top word a caption loses more similarity than without a random one in "
        f"{100 * numbers['text']['top_word_larger']:.0f} %."
    )
