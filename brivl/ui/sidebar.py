"""The sidebar: what is chosen, with the same controls in the same order on every page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from brivl.config import scheduler
from brivl.core.encoding.presets import PRESETS, preset_with_delays
from brivl.data.bids.options import CLEANING
from brivl.data.regions import BRAIN, region_choices
from brivl.data.registry import DatasetCard, name_with_options, options_of
from brivl.data.summary import DatasetSummary
from brivl.errors import BrivlError
from brivl.ui import cached, style, url_state
from brivl.ui.url_state import ALL, DEFAULT_POOLING, Choices
from brivl.viz.style import theme_of

POOLING_NAMES = {DEFAULT_POOLING: "model default", "cls": "[CLS]", "mean": "mean"}
POOLING_HELP = (
    "How the tokens of a layer (image patches, words) become one feature vector: that of the [CLS] token, the mean "
    "over tokens, or what the model's own embedding uses."
)
PRESET_HELP = (
    "**leakage-free** (strict): whole runs or passages are held out, and all statistics come from the training data. "
    "**as published** (paper): what the code of Lu et al. (2022) does."
)
DATA_HELP = "A built-in simulated dataset, or one of your own under BRIVL_DATA (you can type a path)."
FORM_TITLES = {
    "derivatives": "Folder of BOLD",
    "space": "Space",
    "res": "Resolution",
    "den": "Density",
    "desc": "Description (desc)",
    "acq": "Acquisition",
    "rec": "Reconstruction",
    "dir": "Phase-encoding direction",
    "echo": "Echo",
    "hemi": "Hemisphere",
}
CLEANING_TITLES = {  # of options: title, help, unit
    "clean": (
        "Confounds",
        "Regressed out of each run: nilearn's strategies, or basic (6 motion parameters, CSF and white matter). auto, "
        "the default where fMRIPrep's tables are, is basic if these predict BOLD of other runs, else none of them. "
        "Scrubbing leaves out volumes with motion, too.",
        "",
    ),
    "highpass": (
        "High-pass filter",
        "Seconds: cosines of longer periods are regressed out (default: 128 with confounds, else the linear drift).",
        "s",
    ),
    "dummies": ("Volumes before the steady state", "By fMRIPrep's tables; dropped by default with confounds.", ""),
    "smooth": ("Smoothing", "Full width at half maximum of a Gaussian in mm; default: none.", "mm"),
}
DRAWN_ON = "widgets drawn on"  # in the session: key -> the page that it was last drawn on
DELAYS_ERROR = "what is wrong with the delays"  # in the session, until it is shown
PILLS_UP_TO = 9  # subjects; more go into a list

Controls = Callable[[Choices, DatasetSummary], Choices]


def sidebar(controls: Controls | None = None) -> tuple[Choices, DatasetSummary] | None:
    """Draw the controls.

    Parameters
    ----------
    controls : callable or None
        Draws the controls below the dataset, `fit_controls` unless a page needs others.

    Returns
    -------
    (Choices, DatasetSummary) or None
        What is chosen; None where the dataset cannot be opened, with the reason on the page.
    """
    fields = url_state.raw_fields()
    name = url_state.dataset_of(fields)
    with st.sidebar:
        style.title("BriVL explorer")
        _data(name)
    try:
        summary = cached.dataset_summary(name)
    except BrivlError as error:
        st.session_state[url_state.KEPT] = {**fields, "data": name}
        _cannot_open(error)
        return None
    choices, notes = url_state.resolve(fields, summary)
    url_state.keep(url_state.to_fields(choices))
    with st.sidebar:
        chosen = (controls or fit_controls)(choices, summary)
        _reading(chosen, summary)
        if scheduler():
            style.small(f"Runs go to the Dask scheduler {scheduler()}")
    if chosen.region != choices.region:
        notes.append(url_state.missing_note("region", choices.region, chosen.subject, "all voxels"))
        url_state.keep(url_state.to_fields(chosen))
    _show(notes)
    return chosen, summary


def subject_controls(choices: Choices, summary: DatasetSummary) -> Choices:
    """Draw only the controls of subject and preset.

    Parameters
    ----------
    choices : Choices
        What is chosen.
    summary : DatasetSummary
        The dataset.

    Returns
    -------
    Choices
        As they were.
    """
    _subject(choices)
    _preset(choices)
    return choices


def fit_controls(
    choices: Choices, summary: DatasetSummary, has_own_layer: Callable[[Choices, DatasetSummary], bool] | None = None
) -> Choices:
    """Draw the controls of pages that show fits.

    Parameters
    ----------
    choices : Choices
        What is chosen.
    summary : DatasetSummary
        The dataset.
    has_own_layer : callable, optional
        Tells whether the figure itself has a control of the layer; one of the two is drawn.

    Returns
    -------
    Choices
        What is chosen now: all voxels where no subject has the region.
    """
    _models(choices, summary)
    if has_own_layer is None or not has_own_layer(choices, summary):
        _layer(choices)
    _subject(choices)
    choices = _region(choices)
    _preset(choices)
    if summary.stimulus_kind != "features":
        _pooling(choices)
    return choices


def _cannot_open(error: BrivlError) -> None:
    st.error(str(error))
    st.button("Show the simulated movie", on_click=url_state.change, kwargs={"data": url_state.PHANTOM_MOVIE})


def _show(notes: Sequence[str]) -> None:
    """Show notes once, where a link led: only links can name what does not exist."""
    if notes and st.session_state.pop(url_state.CAME_BY_URL, True):
        st.warning(" ".join(notes))


def _on_change(field: str) -> Callable[[], None]:
    def take() -> None:
        value = st.session_state[f"choose {field}"]
        if value is not None:
            url_state.change(**{field: value})

    return take


def bound(field: str, value: object) -> dict[str, Any]:
    """Give key and callback of a widget, set to the selection, so that links and pages agree with it.

    On another page the widget is another one, which starts from its default, though its key still has the value.

    Parameters
    ----------
    field : str
        Name of the query parameter.
    value : object
        Its value.

    Returns
    -------
    dict
        Keyword arguments of the widget.
    """
    key, run = f"choose {field}", get_script_run_ctx()
    page = run and run.page_script_hash
    drawn = st.session_state.setdefault(DRAWN_ON, {})
    if st.session_state.get(key) != value or drawn.get(key) != page:
        st.session_state[key] = value
    drawn[key] = page
    return {"key": key, "on_change": _on_change(field)}


def _data(name: str) -> None:
    cards = {card.name: card for card in cached.cards()}
    names = list(cards) if name in cards else [*cards, name]
    st.selectbox(
        "Data",
        names,
        format_func=lambda n: _dataset_title(n, cards.get(n)),
        accept_new_options=True,
        help=DATA_HELP,
        **bound("data", name),
    )


def _forms(subject: str, summary: DatasetSummary) -> None:
    """Select boxes for the forms in which runs were written, each only where there is a choice."""
    forms, named = summary.forms(subject), options_of(summary.name)
    for option, values in forms.offered.items():
        chosen = forms.chosen.get(option, "")
        chosen = "both" if (option, chosen) == ("hemi", "none") else chosen  # the two files of a run are one form
        default = f"{chosen} (default)" if chosen and option not in named else "default"
        st.selectbox(
            FORM_TITLES.get(option, option),
            offered := ["", *values],
            index=offered.index(named[option]) if named.get(option) in values else 0,
            format_func=partial(_or_default, default=default),
            help="Which of the bold files of each run are read; none stands for files without this part of the name.",
            key=f"{option} of {summary.name}",
            on_change=_take_form,
            args=(summary.name, option),
        )


def _cleaning(subject: str, summary: DatasetSummary) -> None:
    """Choices of cleaning, below one heading; only for datasets that are cleaned here."""
    plan = getattr(getattr(summary.dataset, "base", summary.dataset), "cleaning_plan", None)
    if plan is None:
        return
    named = options_of(summary.name)
    with st.expander("Cleaning", expanded=any(option in named for option in CLEANING)):
        style.small(next((note for note in summary.reading(subject).notes if note.startswith("Cleaning: ")), ""))
        for option, values in CLEANING.items():
            offered = ["", *dict.fromkeys([*values, *([named[option]] if option in named else [])])]
            title, about, unit = CLEANING_TITLES[option]
            st.selectbox(
                title,
                offered,
                index=offered.index(named.get(option, "")),
                format_func=partial(_with_unit, unit=unit),
                help=about,
                accept_new_options=option in ("highpass", "smooth"),
                key=f"{option} of {summary.name}",
                on_change=_take_form,
                args=(summary.name, option),
            )


def _with_unit(value: str, unit: str) -> str:
    return f"{value} {unit}" if value.replace(".", "").isdigit() else value or "default"


def _or_default(value: str, default: str) -> str:
    return value or default


def _take_form(name: str, option: str) -> None:
    """Select a form. Resolution and density belong to a space, and all forms to their folder."""
    belonging = {"space": ("res", "den", "desc", "hemi"), "derivatives": ("space", "res", "den", "desc", "hemi")}
    others = dict.fromkeys(belonging.get(option, ()), "")
    url_state.change(data=name_with_options(name, **others, **{option: st.session_state[f"{option} of {name}"]}))


def _reading(choices: Choices, summary: DatasetSummary) -> None:
    """Choice of the column of a BIDS folder's events that names the stimuli, and how the files were read."""
    _forms(choices.chosen_subjects[0], summary)
    try:
        columns = summary.event_columns(choices.chosen_subjects[0])
        reading = summary.reading(choices.chosen_subjects[0])
        if reading.is_provisional and (facts := cached.facts(choices.data, choices.chosen_subjects[0])) is not None:
            reading = facts.reading
    except BrivlError:  # the page itself says what is wrong with the files
        return
    if columns:
        named = options_of(summary.name).get("column", "")
        st.selectbox(
            "Stimulus column",
            ["", *columns],
            index=["", *columns].index(named) if named in columns else 0,
            format_func=lambda name: name or "chosen by its values",
            help="The column of the events that names the images or texts.",
            key=f"column of {summary.name}",
            on_change=_take_column,
            args=(summary.name,),
        )
    _cleaning(choices.chosen_subjects[0], summary)
    if reading.notes:
        style.small(reading.notes[0])
        with st.expander("How the files were read"):
            for note in reading.notes[1:]:
                style.small(note)
    for warning in reading.warnings:
        st.warning(warning)


def _take_column(name: str) -> None:
    url_state.change(data=name_with_options(name, column=st.session_state[f"column of {name}"]))


def _dataset_title(name: str, card: DatasetCard | None) -> str:
    short = Path(name).name if "/" in name and Path(name).is_absolute() else name
    if card is None:
        return short
    return f"{short} (cannot be opened)" if card.problem else f"{short} (simulated)" if card.simulated else short


def _models(choices: Choices, summary: DatasetSummary) -> None:
    def title(name: str) -> str:
        offer = summary.model_options[name]
        return f"{offer.title} (demo)" if offer.stand_in else offer.title

    names = list(summary.model_options)
    notes = "\n\n".join(f"**{option.title}**: {option.note}" for option in summary.model_options.values())
    theme = theme_of(style.theme())
    swatch_a, swatch_b = (f':color[■]{{foreground="{colour}"}}' for colour in (theme.a_text, theme.b_text))
    st.selectbox(f"{swatch_a} Model A", names, format_func=title, help=notes, **bound("a", choices.a))
    st.selectbox(f"{swatch_b} Model B", names, format_func=title, **bound("b", choices.b))


def _layer(choices: Choices) -> None:
    if choices.n_layers == 1:
        st.caption("Layer 1 (these features have one)")
        return
    st.slider("Layer", 1, choices.n_layers, **bound("layer", choices.layer))


def _subject(choices: Choices) -> None:
    names = [*choices.subjects, ALL] if len(choices.subjects) > 1 else list(choices.subjects)
    if len(names) <= PILLS_UP_TO + 1:
        st.pills("Subject", names, selection_mode="single", **bound("subject", choices.subject))
    else:
        st.selectbox("Subject", names, **bound("subject", choices.subject))


def _region(choices: Choices) -> Choices:
    """Draw the region filter; a region that no subject has becomes all voxels, once a fit has stored the regions."""
    facts = next((f for s in choices.chosen_subjects if (f := cached.facts(choices.data, s))), None)
    names = [BRAIN, *(region_choices(facts.voxels, choices.region) if facts else ())]
    if choices.region not in names:
        if facts is None:
            names.append(choices.region)
        else:
            choices = replace(choices, region=BRAIN)
    st.selectbox(
        "Region",
        names,
        format_func=lambda n: "all voxels" if n == BRAIN else n,
        disabled=len(names) == 1,
        help="Scores are averaged over the fitted voxels of this region.",
        **bound("region", choices.region),
    )
    return choices


def _preset(choices: Choices) -> None:
    base, _, delays = choices.preset.partition(":")
    st.segmented_control(
        "Preset",
        list(PRESETS),
        format_func=lambda name: style.PRESET_TITLES.get(name, name),
        help=PRESET_HELP,
        **bound("preset", base),
    )
    if wrong := st.session_state.pop(DELAYS_ERROR, ""):
        st.error(wrong)
    with st.expander("Delays of the features", expanded=bool(delays)):
        st.text_input(
            "Delays in seconds",
            delays,
            placeholder="0,4,6,8, filled at TR < 2 s",
            help="Seconds with commas between them, or hrf to convolve features with the canonical response.",
            key=f"delays of {choices.preset}",
            on_change=_take_delays,
            args=(choices.preset,),
        )


def _take_delays(preset: str) -> None:
    try:
        url_state.change(preset=preset_with_delays(preset, st.session_state[f"delays of {preset}"]))
    except BrivlError as error:
        st.session_state[DELAYS_ERROR] = str(error)


def _pooling(choices: Choices) -> None:
    with st.expander("Token pooling"):
        st.radio(
            "Token pooling",
            list(POOLING_NAMES),
            format_func=POOLING_NAMES.__getitem__,
            label_visibility="collapsed",
            help=POOLING_HELP,
            **bound("pooling", choices.pooling),
        )
        style.small(POOLING_HELP)
