"""The page Caption: one picture, two captioners, a map of attention for each word."""

from __future__ import annotations

import numpy as np
import streamlit as st

from brivl.analyses.captioning.compute import SaidOf, caption_request, known_captions, references_of, things_right
from brivl.analyses.captioning.figures import spotlight
from brivl.data.stimuli.images import ReferencedImage
from brivl.models.registry import SHIPPED
from brivl.ui import cached, style
from brivl.ui.page_inputs import Inputs
from brivl.ui.picture_input import choose_picture, credit
from brivl.ui.result_or_run import answer, demo_page
from brivl.ui.style import Chip

DEFAULTS = {"image": "scene:2", "search": "greedy", "n_beams": "4", "words": "content"}
SEARCHES = ("greedy", "beam")
WORDS = ("content", "all")
MOST_ON_PAGE = 8
THUMB = 96  # pixels
UNSAID = frozenset({"<end>", ",", "."})  # parts of a sentence that no map is shown for
SMALL_WORDS = frozenset("a an the in on at of to and is that there with".split())
SURE = 0.8  # words below this chance are named
N_DOUBTS = 4


def captions_page() -> None:
    """Draw the page; the example is filled in."""
    with demo_page():
        inputs = Inputs("captions", DEFAULTS)
        chosen = choose_picture(inputs)
        beam, every = _beam(inputs), _every_word(inputs)
        store = cached.store()
        headline = st.container()
        left, right = st.columns([2, 5], gap="large")
        with left:
            _picture(chosen)
        with right:
            task = caption_request(store, chosen.reference, beam)
            said = answer(task, lambda: known_captions(store, chosen.reference, beam))
            if said is not None:
                _both(chosen, said, every)
        with headline:
            _head(chosen, said, beam)


def _beam(inputs: Inputs) -> int:
    with st.sidebar:
        search = inputs.choice("search", SEARCHES)
        st.segmented_control(
            "Words are chosen by",
            SEARCHES,
            **inputs.bound("search", search),
            required=True,
            help="Greedy takes the likeliest next word. A beam follows several sentences at once and "
            "keeps the one whose words are likeliest on average.",
        )
        width = inputs.integer("n_beams", 2, MOST_ON_PAGE, 4)
        if search == "greedy":
            return 1
        st.slider("Sentences followed", 2, MOST_ON_PAGE, **inputs.bound("n_beams", width))
        return width


def _every_word(inputs: Inputs) -> bool:
    with st.sidebar:
        words = inputs.choice("words", WORDS)
        st.segmented_control(
            "Maps for words",
            WORDS,
            **inputs.bound("words", words),
            required=True,
            help="Content words name things, colours, sizes, actions and places.",
        )
    return words == "all"


def _head(chosen: ReferencedImage, said: dict[str, SaidOf] | None, beam: int) -> None:
    if said is None:
        style.headline("What do the two captioners say?")
    elif chosen.scene is None:
        first = next(iter(said))
        style.headline(f"{SHIPPED[first].title} says: {said[first].text}")
    else:
        counts = {SHIPPED[name].title: things_right(chosen, one.text) for name, one in said.items()}
        (a, (right, total)), (b, (other, _)) = counts.items()
        things = "thing" if total == 1 else "things"
        style.headline(f"{a} names {right} of {total} {things} with the right colour, {b} {other}")
    simulated = [] if chosen.scene is None else [Chip("drawn scene (SIMULATED)", "simulated")]
    style.chips([*simulated, Chip("stand-in models"), Chip("greedy" if beam == 1 else f"beam of {beam}")])


def _picture(chosen: ReferencedImage) -> None:
    st.image(chosen.image, width="stretch", alt=chosen.alt_text)
    credit(chosen)
    if chosen.scene is None:
        style.note("The stand-ins know 26 kinds of drawn things in 10 colours, and see everything as one of them.")
        return
    with st.expander("What may be said of it (references)"):
        for sentence in references_of(chosen):
            st.markdown(f"- {sentence}")


def _both(chosen: ReferencedImage, said: dict[str, SaidOf], every: bool) -> None:
    for column, (name, one) in zip(st.columns(2, gap="medium"), said.items(), strict=True):
        with column:
            st.subheader(SHIPPED[name].title, anchor=False)
            st.markdown(f"**{one.text}**")
            style.small(f"{_doubts(one)} Mean log-probability of a word {one.score:.2f}.")
            _words(chosen.image, one, every)
    style.caption(
        "Each word with its probability, over what the decoder looked at when it chose it: its attention to the "
        "encoder's patches (mean over blocks and heads), brightest where it is strongest."
    )


def _doubts(said: SaidOf) -> str:
    """The words that it was least sure of, the most doubtful first."""
    doubts = sorted([(p, word) for word, p in _chances(said) if p < SURE and word not in UNSAID])[:N_DOUBTS]
    if not doubts:
        return f"Sure of every word (above {_percent(SURE)})."
    return f"Least sure of {', '.join(f'{word} ({_percent(p)})' for p, word in doubts)}."


def _words(image: np.ndarray, said: SaidOf, every: bool) -> None:
    left_out = UNSAID if every else UNSAID | SMALL_WORDS
    shown = [i for i, word in enumerate(said.words) if word not in left_out]
    chances = _chances(said)
    maps = [spotlight(image, said.attention[i]) for i in shown]
    if maps:
        below = [f"{chances[i][0]} {_percent(chances[i][1])}" for i in shown]
        st.image(maps, caption=below, width=THUMB, alt=[f"Where it looks for “{chances[i][0]}”" for i in shown])


def _chances(said: SaidOf) -> list[tuple[str, float]]:
    return list(zip(said.words, np.exp(said.log_probs).tolist(), strict=True))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
