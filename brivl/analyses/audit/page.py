"""The page Audit: known faults of the published protocol with their measured effect on the data chosen."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from brivl.analyses.audit.analysis import AUDIT
from brivl.analyses.audit.compute import AuditResult
from brivl.analyses.audit.faults import CLEANING_OFF, FAULTS
from brivl.analyses.audit.figures import BASELINES_TITLE, FAULTS_TITLE, figures
from brivl.analyses.audit.nuisance import BASELINES
from brivl.analyses.audit.request import AuditRequest
from brivl.analyses.audit.tables import (
    BASELINES_VIEW,
    FAULTS_VIEW,
    effect,
    model_titles,
    r2_text,
    shows_baselines,
)
from brivl.analysis import Options
from brivl.data.summary import DatasetSummary
from brivl.models.feature_model import POOLINGS
from brivl.models.registry import SHIPPED
from brivl.ui import style
from brivl.ui.analysis_page import AnalysisPage, Shown, plot
from brivl.ui.page_inputs import Inputs
from brivl.ui.url_state import Choices
from brivl.viz.style import R2

ABOUT = (
    "The authors' code and paper show known issues of the published protocol. Each is switched on by itself and "
    "compared with the leakage-free preset, which has none. Low-level baselines and an untrained network show how much "
    "R² needs no semantic content."
)
VIEWS = {FAULTS_VIEW: FAULTS_TITLE, BASELINES_VIEW: BASELINES_TITLE}
WAITS = "About 10 to 30 fits of at most 1,000 voxels; each is stored as soon as it is done."


def _controls(choices: Choices | None, summary: DatasetSummary | None, inputs: Inputs) -> AuditRequest:
    assert choices is not None  # the page of a subject
    pooling = next((one for one in POOLINGS if one == choices.pooling), None)  # else that of the model
    return AuditRequest(choices.data, choices.chosen_subjects[0], choices.models, choices.layer, pooling)


def _chips(request: AuditRequest) -> list[str]:
    proxies = any(model in SHIPPED and SHIPPED[model].is_proxy for model in request.models)
    return [f"layer {request.layer}", *model_titles(request.models), *([style.DEMO_MODELS] if proxies else [])]


def _options(inputs: Inputs, result: AuditResult) -> Options:
    if not result.baselines:
        return {}
    view = inputs.choice("show", tuple(VIEWS))
    st.segmented_control(
        "Compare with", list(VIEWS), format_func=VIEWS.__getitem__, required=True, **inputs.bound("show", view)
    )
    return {"view": view}


def _draw(shown: Shown) -> None:
    for title, figure in figures(shown.result, shown.label, style.theme(), shown.options).items():
        plot(figure, f"audit {title}")


def _below(shown: Shown) -> None:
    result: AuditResult = shown.result
    if not shows_baselines(result, shown.options):
        _explain({row["fault"]: effect(row, result.request.models) for row in result.faults})
        _leaks(result)
        return
    st.subheader("The baselines one by one", anchor=False)
    for row in result.baselines:
        baseline = BASELINES[row["baseline"]]
        shuffled = row["alone_shuffled"]
        in_shuffled = "" if shuffled is None else f"; {r2_text(shuffled)} in shuffled folds"
        st.markdown(f"**{baseline.title}.** {baseline.what} Alone: {R2} = {r2_text(row['alone'])}{in_shuffled}.")


def _explain(effects: Mapping[str, str]) -> None:
    """Each fault: what it is, where the published protocol has it, what it does to these data."""
    st.subheader("Known issues one by one", anchor=False)
    for fault in FAULTS.values():
        if fault is CLEANING_OFF and fault.name not in effects:  # no switch of data that were not cleaned here
            continue
        st.markdown(f"**{fault.title}.** {fault.what} *{fault.source}*")
        if fault.name in effects:
            style.note(f"These data: {effects[fault.name]}")


def _leaks(result: AuditResult) -> None:
    st.subheader("What training and test sets share", anchor=False)
    for preset, sentence in result.leaks.items():
        style.caption(f"Preset {preset}: {sentence or 'no passage or run is on both sides of a fold.'}")
    if result.shared_items:
        style.caption(
            f"{result.shared_items:,} of {result.n_held_out:,} held-out samples show an item that a training sample "
            "showed too."
        )


PAGE = AnalysisPage(
    analysis=AUDIT,
    button="Run the audit",
    question=lambda request: (
        f"How much do known protocol issues change the result? (layer {request.layer}, {request.subject})"
    ),
    about=ABOUT,
    controls=_controls,
    defaults={"show": FAULTS_VIEW},
    whole_question=True,
    suits=lambda choices, summary: None,
    chips=_chips,
    options=_options,
    draw=_draw,
    below=_below,
    intro=lambda request: _explain({}),
    waits=WAITS,
)
