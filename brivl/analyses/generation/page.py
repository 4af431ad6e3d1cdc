"""What the page Imagine shows (paper Fig. 3c): pictures made for texts, while they grow and when they are done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from brivl.analyses.generation.compute import DEFAULT_STEPS, STARTS, Asked, Imagining, imagine_request, known_imagining
from brivl.analyses.generation.figures import Curve, similarity_figure
from brivl.analyses.generation.previews import read_preview
from brivl.analyses.generation.prompts import Prompt, read_prompt
from brivl.errors import RequestError
from brivl.ui import cached, style
from brivl.ui.page_inputs import Inputs
from brivl.ui.result_or_run import answer, demo_page
from brivl.ui.style import Chip
from brivl.viz.style import PLOT_CONFIG, FigureLabel

FIELDS = ("p1", "p2", "p3", "p4")
EXAMPLES = ("a red car", "a blue house", "a green tree", "an orange fish")
DEFAULTS = {**dict(zip(FIELDS, EXAMPLES, strict=True)), "seed": "0", "steps": str(DEFAULT_STEPS), "start": "drawn"}
PAGE_STEPS = (10, 400)
CAPTION = (
    "Each picture is made, not found: a grid of codes of VQGAN-mini is pulled, step by step, until BriVL-mini finds "
    "the decoded picture near the text (generator and BriVL-mini frozen, augmented looks, Adam). Start: {start}; the "
    "one that comes nearest goes on. The verdict is that of an independent classifier, trained on other scenes, which "
    "took no part in the making. Curve: the best cosine so far, of the whole picture."
)

START_NAMES = {"drawn": "drawn pictures", "places": "empty places", "codes": "random codes"}


def imagine_page() -> None:
    """Draw the page."""
    with demo_page():
        inputs = Inputs("imagine", DEFAULTS)
        prompts, questions = _sidebar(inputs)
        _page(prompts, questions)


def _sidebar(inputs: Inputs) -> tuple[list[Prompt], list[Asked]]:
    """The controls; prompts that can be answered and their questions. Says what is wrong with the others."""
    seed, steps = inputs.integer("seed", 0, 2**31 - 1, 0), inputs.integer("steps", *PAGE_STEPS, DEFAULT_STEPS)
    start = inputs.choice("start", tuple(STARTS))
    with st.sidebar:
        for i, name in enumerate(FIELDS, start=1):
            st.text_input(f"Prompt {i}", **inputs.bound(name, inputs[name]))
        st.number_input("Seed", 0, 2**31 - 1, step=1, **inputs.bound("seed", seed))
        st.slider("Steps", *PAGE_STEPS, step=10, **inputs.bound("steps", max(10, steps // 10 * 10)))
        st.selectbox(
            "Start from",
            list(STARTS),
            format_func=START_NAMES.__getitem__,
            help="; ".join(f"{name}: {what}" for name, what in STARTS.items()),
            **inputs.bound("start", start),
        )
    typed = [inputs[name] for name in FIELDS if inputs[name].strip()]
    prompts = {prompt.text: prompt for prompt in map(_readable, typed or [""]) if prompt is not None}
    return list(prompts.values()), [Asked(text, seed, max(10, steps // 10 * 10), start) for text in prompts]


def _readable(typed: str) -> Prompt | None:
    try:
        return read_prompt(typed)
    except RequestError as error:
        st.warning(str(error))
        return None


def _page(prompts: Sequence[Prompt], questions: Sequence[Asked]) -> None:
    if not questions:
        style.headline("Nothing to imagine yet")
        return
    for notice in dict.fromkeys(notice for prompt in prompts for notice in prompt.notices):
        style.note(notice)
    store = cached.store()
    task = imagine_request(store, questions)
    known = [known_imagining(store, asked) for asked in questions]
    if all(known):
        _show([made for made in known if made is not None], questions[0])
        return
    style.headline(_promise(questions))
    _chips(questions[0])
    answer(task, lambda: _all_of(questions), button="Imagine", preview=lambda: _growing(task, questions))


def _all_of(questions: Sequence[Asked]) -> list[Imagining] | None:
    known = [known_imagining(cached.store(), asked) for asked in questions]
    return [made for made in known if made is not None] if all(known) else None


def _promise(questions: Sequence[Asked]) -> str:
    named = ", ".join(f"“{asked.prompt[:40]}”" for asked in questions)
    return f"{len(questions)} picture{'s' if len(questions) > 1 else ''} to be made: {named}"


def _chips(asked: Asked) -> None:
    style.chips(
        [
            Chip("SIMULATED", "simulated"),
            Chip("stand-in models"),
            Chip("guide BriVL-mini"),
            Chip("generator VQGAN-mini"),
            Chip(f"seed {asked.seed}"),
            Chip(f"{asked.steps} steps"),
        ]
    )


def _growing(task: dict, questions: Sequence[Asked]) -> None:
    """The pictures as they are now."""
    shown = read_preview(cached.store(), task) or {}
    for i, (column, asked) in enumerate(zip(st.columns(4), questions, strict=False)):
        with column:
            image = shown.get(f"image_{i}")
            if image is None:
                style.small(f"“{asked.prompt[:60]}” comes next")
                continue
            _picture(image, f"Picture being made for “{asked.prompt}”")
            style.small(f"“{asked.prompt[:60]}”, cosine {shown[f'curve_{i}'][-1]:.2f}")


def _show(made: Sequence[Imagining], asked: Asked) -> None:
    style.headline(_finding(made))
    _chips(asked)
    for column, one in zip(st.columns(4), made, strict=False):
        with column:
            _picture(one.image, f"Picture made for “{one.prompt.text}”")
            style.caption(f"“{one.prompt.text[:80]}”")
            style.small(f"{_verdict(one)} Cosine {one.similarity:.2f}, {one.seconds:.0f} s.")
    label = FigureLabel("", "", simulated=True)
    curves = [Curve(one.prompt.text[:40], one.steps, one.similarities) for one in made]
    st.plotly_chart(similarity_figure(curves, label, style.theme()), theme=None, config=PLOT_CONFIG, key="similarities")
    style.caption(CAPTION.format(start=STARTS[asked.start]))
    with st.expander("How they grew"):
        for one in made:
            style.small(f"“{one.prompt.text[:80]}”, steps {', '.join(str(int(step)) for step in one.steps)}")
            st.image(_strip(one.previews), alt=f"How the picture made for “{one.prompt.text}” grew")


def _picture(image: np.ndarray, shows: str) -> None:
    st.image(image, width="stretch", alt=shows)


def _strip(previews: np.ndarray) -> np.ndarray:
    """Looks side by side, twice as large: (n, H, W, 3) -> (2 H, 2 n W, 3)."""
    return np.concatenate(list(previews), axis=1).repeat(2, 0).repeat(2, 1)


def _verdict(made: Imagining) -> str:
    kinds, colours = made.verdict
    seen = ", ".join((*colours, *kinds))
    return f"The judge sees {seen}." if seen else "The judge sees nothing that it knows."


def _finding(made: Sequence[Imagining]) -> str:
    """In how many pictures the judge sees what the text names."""
    asked = [one for one in made if one.prompt.kinds]
    if not asked:
        return f"{len(made)} picture{'s' if len(made) > 1 else ''} made; no text names a thing that the judge knows"
    right = sum(_is_seen(one) for one in asked)
    return f"An independent classifier sees what the text names, thing and colour, in {right} of {len(asked)} pictures"


def _is_seen(made: Imagining) -> bool:
    kinds, colours = made.verdict
    return set(made.prompt.kinds) <= set(kinds) and set(made.prompt.colours) <= set(colours)
