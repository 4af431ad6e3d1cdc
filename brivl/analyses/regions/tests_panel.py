"""Tests within one subject on the page Regions: by blocks of held-out samples, asked for by a button."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from brivl.core.numbers import number, probability, signed
from brivl.data.regions import ParcellationName
from brivl.encoding.within_subject import (
    WithinSubjectRequest,
    WithinSubjectResult,
    stored_within_subject,
    within_subject_batch_job,
    within_subject_job,
)
from brivl.encoding.within_subject_tables import method_note, region_table, summary
from brivl.errors import BrivlError
from brivl.ui import cached, style
from brivl.ui.result_or_run import answer
from brivl.ui.results import Shown
from brivl.viz.style import R2

BLOCKS_S = (20, 30, 40, 60)
KEY = "within block"
ABOUT = (
    "Does the model predict this subject better than chance, and one model better than the other? Held-out samples "
    "are taken in blocks longer than the haemodynamic response (whole passages for sentences); blocks of responses "
    "change places, or blocks of the difference change sign. Voxels need not be independent for this. It is a "
    "statement about this subject and these stimuli, not about people."
)


def draw(shown: Shown, level: ParcellationName) -> None:
    """The panel: tests of one subject in full, of several as counts."""
    several = len(shown.answers) > 1
    who = "each subject" if several else shown.subjects[0]
    with st.expander(f"Test within {who}, by blocks of stimuli"):
        style.small(ABOUT)
        try:
            _each(shown) if several else _panel(shown, level)
        except BrivlError as error:
            st.caption(str(error))


def asked_of(shown: Shown) -> dict[str, WithinSubjectRequest]:
    """Tests of each subject with the usual blocks, which the prevalence rests on."""
    return {
        subject: WithinSubjectRequest(found.request, shown.choices.region, float(BLOCKS_S[0]))
        for (_, subject), found in shown.answers.items()
    }


def stored_tests(shown: Shown) -> dict[str, WithinSubjectResult]:
    """Those that are stored, by subject; none where no test is valid."""
    try:
        found = {subject: cached.tests_within(asked) for subject, asked in asked_of(shown).items()}
    except BrivlError:
        return {}
    return {subject: tests for subject, tests in found.items() if tests is not None}


def _each(shown: Shown) -> None:
    asked = asked_of(shown)

    def read() -> dict[str, WithinSubjectResult] | None:
        found = stored_tests(shown)
        return found if len(found) == len(asked) else None

    tests = answer(
        within_subject_batch_job(cached.store(), list(asked.values())), read, button="Test within each subject"
    )
    if tests is None:
        return
    st.dataframe(counts_table(tests, shown.names), hide_index=True)
    style.small(
        f"Voxels, q < .05 within the subject. In {shown.subjects[0]}: {method_note(tests[shown.subjects[0]])} The "
        "column of subjects in the figure counts regions by the same tests."
    )


def counts_table(tests: Mapping[str, WithinSubjectResult], names: tuple[str, str]) -> pd.DataFrame:
    """One row per subject: voxels tested, predicted, and better predicted by each model."""
    a, b = names
    rows = []
    for subject, found in tests.items():
        counts = summary(found, ("a", "b"))
        rows.append(
            {
                "subject": subject,
                "voxels tested": counts["n_voxels"],
                "better than chance": counts["n_joint_q"],
                f"{a} better": counts["n_better_a"],
                f"{b} better": counts["n_better_b"],
                "blocks": counts["n_blocks"],
            }
        )
    return pd.DataFrame(rows)


def _panel(shown: Shown, level: ParcellationName) -> None:
    (found,) = shown.answers.values()
    series = shown.facts[shown.subjects[0]].timing.tr is not None
    seconds = (
        st.segmented_control("Block", BLOCKS_S, default=BLOCKS_S[0], format_func=_seconds, key=KEY) if series else 0
    )
    asked = WithinSubjectRequest(found.request, shown.choices.region, float(seconds or BLOCKS_S[0]))
    tests = answer(
        within_subject_job(cached.store(), asked),
        lambda: stored_within_subject(cached.store(), asked, shown.known),
        button="Test within this subject",
    )
    if tests is not None:
        _show(shown, tests, level)


def _show(shown: Shown, tests: WithinSubjectResult, level: ParcellationName) -> None:
    a, b = shown.names
    counts = summary(tests, ("a", "b"))
    style.caption(
        f"{counts['n_joint_q']:,} of {counts['n_voxels']:,} voxels are predicted better than chance (q < .05; "
        f"{counts['n_joint_max_t']:,} by max-T). Of these, {a} is better in {counts['n_better_a']:,} and {b} in "
        f"{counts['n_better_b']:,} (q < .05)."
    )
    table = region_table(tests, level)
    if not table.empty:
        st.dataframe(shown_table(table, shown.names), hide_index=True)
    style.small(method_note(tests))


def shown_table(table: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """As read: numbers rounded, p as printed."""
    interval = [f"{_small(low)} to {_small(high)}" for low, high in zip(table["ci_low"], table["ci_high"], strict=True)]
    return pd.DataFrame(
        {
            "region": table["region"],
            f"joint {R2}": table["r2_joint"].map(number),
            "p, chance": table["p_joint"].map(probability),
            "q, chance": table["q_joint"].map(probability),
            f"{names[0]} less {names[1]}": table["difference"].map(_small),
            "95 % interval": interval,
            "p": table["p_difference"].map(probability),
            "q": table["q_difference"].map(probability),
            "max-T p": table["p_max_difference"].map(probability),
        }
    )


def _small(value: float) -> str:
    """A difference of R² to four places: smaller ones mean nothing."""
    return signed(round(value, 4))


def _seconds(seconds: int) -> str:
    return f"{seconds} s"
