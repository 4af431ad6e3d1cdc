"""What the page Audit shows: known faults of the published protocol with their measured effect on the data chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from brivl.analyses.audit.compute import Audit, AuditRequest, audit_request, known_audit
from brivl.analyses.audit.faults import FAULTS
from brivl.analyses.audit.figures import PairScores, pair_figure
from brivl.analyses.audit.nuisance import BASELINES
from brivl.analyses.audit.tables import baseline_table, effect, fault_table, headline, said
from brivl.core.numbers import number
from brivl.data.summary import DatasetSummary
from brivl.errors import BrivlError
from brivl.ui import cached, style
from brivl.ui.jobs import Run, active_job, run_buttons, say_failures, watch
from brivl.ui.menu import make_sure_of_menu
from brivl.ui.sidebar import sidebar
from brivl.ui.style import Chip
from brivl.ui.url_state import ALL, Choices
from brivl.viz.style import PLOT_CONFIG, R2, FigureLabel

WHAT = (
    "The published protocol has faults that can be known from the authors' code and paper. Each is switched on here by "
    "itself, on the data chosen at the left, and compared with the preset strict, which has none. Features without "
    "meaning, and a twin without training, say how much of a score needs no understanding."
)
FAULT_CAPTION = f"{R2} with the preset strict (open dots) and with one fault alone (filled)."
BASELINE_CAPTION = (
    f"{R2} of the joint model and of both models, without (open dots) and with (filled) one band of features without "
    "meaning beside them; what it shares with a model goes to where it predicts better."
)


@dataclass(frozen=True)
class AuditRun(Run):
    """An audit as a computation."""

    asked: AuditRequest | None = None

    @property
    def job(self) -> dict:
        """The same request in every session."""
        return audit_request(cached.store(), self.asked)


def audit_page() -> None:
    """Draw the page. Everything that a user can cause ends as a sentence."""
    make_sure_of_menu()
    style.put_style()
    question = sidebar()
    if question is None:
        return
    try:
        _page(*question)
    except BrivlError as error:
        st.error(str(error))


def _page(choices: Choices, known: DatasetSummary) -> None:
    subject = choices.chosen_subjects[0]
    fit = next(r for r in choices.requests() if r.subject == subject)
    asked = AuditRequest(replace(fit, preset="strict"))
    names = (known.model_options[choices.a].title, known.model_options[choices.b].title)
    if choices.subject == ALL:
        style.small(f"An audit is of one subject: {subject}. Choose another at the left.")
    found = known_audit(cached.store(), asked, known)
    if found is not None:
        _show(found, known, names)
        return
    run = AuditRun(f"Audit layer {choices.layer}, {subject}", [fit], asked)
    style.headline(f"What do known faults do to layer {choices.layer}, {subject}?")
    style.caption(WHAT)
    job = active_job([run])
    if job is not None:
        watch(job.job_id)
    else:
        say_failures([run])
        style.small("About 10 to 30 fits of at most 1,000 voxels; each is kept as soon as it is there.")
        run_buttons([run])
    _explain({})


def _show(found: Audit, known: DatasetSummary, names: tuple[str, str]) -> None:
    fit = found.request.fit
    style.headline(headline(found))
    simulated = [Chip("SIMULATED", "simulated")] if found.info["simulated"] else []
    stand_in = [Chip("stand-in models")] if any(known.model_options[m].stand_in for m in fit.models) else []
    voxels = Chip(f"{found.info['n_voxels']:,} voxels")
    style.chips([Chip(known.short_name), *simulated, Chip(fit.subject), Chip(f"layer {fit.layer}"), voxels, *stand_in])
    rows = [row for row in found.faults if row["joint_change"] is not None]
    detail = f"{known.short_name}, {fit.subject}, layer {fit.layer}"
    label = FigureLabel(headline(found), FAULT_CAPTION, found.info["simulated"], detail)
    _pairs(rows, ("off", "on"), names, label)
    style.caption(f"{FAULT_CAPTION} {said(found)}")
    _table(fault_table(found), names, "faults", found)
    _explain({row["fault"]: effect(row, names) for row in found.faults})
    _baselines(found, names, label)
    _leaks(found)


def _pairs(
    rows: Sequence[Mapping[str, Any]], states: tuple[str, str], names: tuple[str, str], label: FigureLabel
) -> None:
    before, after = states
    table = pd.DataFrame(
        [
            {"row": _wrapped(row["title"])}
            | {f"{s}_off": row[f"{s}_{before}"] for s in ("joint", "a", "b")}
            | {f"{s}_on": row[f"{s}_{after}"] for s in ("joint", "a", "b")}
            for row in rows
        ]
    )
    figure = pair_figure(PairScores(table, names, states), label, style.theme())
    st.plotly_chart(figure, theme=None, key=f"audit {states[0]}", config=PLOT_CONFIG)


def _wrapped(title: str, width: int = 30) -> str:
    """A title on two lines or more, for the axis."""
    lines = [""]
    for word in title.split():
        lines = [*lines, word] if len(lines[-1]) + len(word) > width else [*lines[:-1], f"{lines[-1]} {word}".strip()]
    return "<br>".join(lines)


def _table(table: pd.DataFrame, names: tuple[str, str], what: str, found: Audit) -> None:
    titles = {"A": names[0], "B": names[1], "A less B": f"{names[0]} less {names[1]}"}
    shown = table.rename(columns=titles)
    st.dataframe(shown, hide_index=True)
    rows = found.faults if what == "faults" else found.baselines
    simulated = "simulated_" if found.info["simulated"] else ""
    csv = pd.DataFrame(rows).assign(simulated=found.info["simulated"]).to_csv(index=False)
    st.download_button(
        f"Table of {what}, CSV", csv, f"{simulated}audit_{what}.csv", "text/csv", key=f"csv {what}", on_click="ignore"
    )


def _explain(effects: Mapping[str, str]) -> None:
    """Each fault: what it is, where the published protocol has it, what it does here."""
    st.subheader("The faults, one by one", anchor=False)
    for fault in FAULTS.values():
        st.markdown(f"**{fault.title}.** {fault.what} *{fault.source}*")
        if fault.name in effects:
            style.note(f"Here: {effects[fault.name]}")


def _baselines(found: Audit, names: tuple[str, str], label: FigureLabel) -> None:
    if not found.baselines:
        return
    st.subheader("Features without meaning", anchor=False)
    _pairs(found.baselines, ("without", "with"), names, replace(label, caption=BASELINE_CAPTION))
    style.caption(BASELINE_CAPTION)
    _table(baseline_table(found), names, "baselines", found)
    for row in found.baselines:
        baseline = BASELINES[row["baseline"]]
        shuffled = row["alone_shuffled"]
        also = "" if shuffled is None else f"; {number(round(shuffled, 4))} with sentences dealt to folds at random"
        style.small(f"{baseline.title}: {baseline.what} Alone {R2} {number(round(row['alone'], 4))}{also}.")


def _leaks(found: Audit) -> None:
    st.subheader("What folds share", anchor=False)
    for preset, sentence in found.info["leaks"].items():
        style.caption(f"Preset {preset}: {sentence or 'no passage or run lies on both sides of a fold.'}")
    items = found.info["shared_items"]
    if items:
        style.caption(f"{items} of {found.info['n_held_out']} held-out samples show what a training sample showed too.")
