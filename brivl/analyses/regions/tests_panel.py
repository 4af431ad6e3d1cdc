"""Tests within one subject on the page Regions: by blocks of held-out samples, asked for by a button."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from brivl.core.numbers import fixed, probability, signed_fixed
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
from brivl.ui.result_or_run import result_or_run
from brivl.ui.results import Shown
from brivl.viz.style import R2

BLOCKS_S = (20, 30, 40, 60)
KEY = "within block"
ABOUT = (
    "Is joint R² of this subject above chance, and does one model have the larger split R²? Held-out samples are "
    "grouped into blocks longer than the haemodynamic response (whole passages for sentences). Against chance: block "
    "permutation of responses. Between models: block sign-flip of the difference. Voxels need not be independent. The "
    "tests are about this subject and these stimuli, not about the population."
)


def draw(shown: Shown, level: ParcellationName) -> None:
    """Draw the panel: tests of one subject in full, of several as counts.

    Parameters
    ----------
    shown : Shown
        The question with its answers.
    level : str
        Parcellation.
    """
    several = len(shown.answers) > 1
    who = "each subject" if several else shown.subjects[0]
    with st.expander(f"Test within {who}, by blocks of stimuli"):
        style.small(ABOUT)
        try:
            _each(shown) if several else _panel(shown, level)
        except BrivlError as error:
            st.caption(str(error))


def within_subject_requests(shown: Shown) -> dict[str, WithinSubjectRequest]:
    """Build the tests of each subject that p and q of one subject, and the prevalence of several, rest on.

    Parameters
    ----------
    shown : Shown
        The question with its answers.

    Returns
    -------
    dict of str to WithinSubjectRequest
        Subject -> tests.
    """
    return {
        subject: WithinSubjectRequest(answer.request, shown.choices.region, float(BLOCKS_S[0]))
        for (_, subject), answer in shown.answers.items()
    }


def stored_tests(shown: Shown) -> dict[str, WithinSubjectResult]:
    """Look up the tests that are stored.

    Parameters
    ----------
    shown : Shown
        The question with its answers.

    Returns
    -------
    dict of str to WithinSubjectResult
        Subject -> tests; empty where no test is valid.
    """
    try:
        tests_by_subject = {
            subject: cached.within_subject_tests(request) for subject, request in within_subject_requests(shown).items()
        }
    except BrivlError:
        return {}
    return {subject: tests for subject, tests in tests_by_subject.items() if tests is not None}


def _each(shown: Shown) -> None:
    requests = within_subject_requests(shown)

    def read() -> dict[str, WithinSubjectResult] | None:
        stored = stored_tests(shown)
        return stored if len(stored) == len(requests) else None

    tests = result_or_run(
        within_subject_batch_job(cached.store(), list(requests.values())), read, button="Test within each subject"
    )
    if tests is None:
        return
    st.dataframe(counts_table(tests, shown.names), hide_index=True)
    style.small(
        f"Voxels, q < .05 within the subject. In {shown.subjects[0]}: {method_note(tests[shown.subjects[0]])} The "
        "column of subjects in the figure counts regions by the same tests."
    )


def counts_table(tests: Mapping[str, WithinSubjectResult], names: tuple[str, str]) -> pd.DataFrame:
    """Count voxels in each subject.

    Parameters
    ----------
    tests : mapping of str to WithinSubjectResult
        Subject -> tests.
    names : (str, str)
        Names of models A and B.

    Returns
    -------
    DataFrame
        One row for each subject: voxels tested, above chance, and with the larger split R² of each model.
    """
    a, b = names
    rows = []
    for subject, one in tests.items():
        counts = summary(one, ("a", "b"))
        rows.append(
            {
                "subject": subject,
                "voxels tested": counts["n_voxels"],
                "above chance": counts["n_joint_q"],
                f"larger split {R2}: {a}": counts["n_better_a"],
                f"larger split {R2}: {b}": counts["n_better_b"],
                "blocks": counts["n_blocks"],
            }
        )
    return pd.DataFrame(rows)


def _panel(shown: Shown, level: ParcellationName) -> None:
    (answer,) = shown.answers.values()
    series = shown.facts[shown.subjects[0]].timing.tr is not None
    seconds = (
        st.segmented_control("Block", BLOCKS_S, default=BLOCKS_S[0], format_func=_seconds, key=KEY) if series else 0
    )
    request = WithinSubjectRequest(answer.request, shown.choices.region, float(seconds or BLOCKS_S[0]))
    tests = result_or_run(
        within_subject_job(cached.store(), request),
        lambda: stored_within_subject(cached.store(), request, shown.summary),
        button="Test within this subject",
    )
    if tests is not None:
        _show(shown, tests, level)


def _show(shown: Shown, tests: WithinSubjectResult, level: ParcellationName) -> None:
    a, b = shown.names
    counts = summary(tests, ("a", "b"))
    style.caption(
        f"Joint {R2} is above chance in {counts['n_joint_q']:,} of {counts['n_voxels']:,} voxels (q < .05; "
        f"{counts['n_joint_max_t']:,} by max-T). Of these, {a} has the larger split {R2} in "
        f"{counts['n_better_a']:,} and {b} in {counts['n_better_b']:,} (q < .05)."
    )
    table = region_table(tests, level)
    if not table.empty:
        st.dataframe(shown_table(table, shown.names), hide_index=True)
    style.small(method_note(tests))


def shown_table(table: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """Round the numbers of tests as they are read.

    Parameters
    ----------
    table : DataFrame
        Tests of regions as `region_table` returns them.
    names : (str, str)
        Names of models A and B.

    Returns
    -------
    DataFrame
        Text in every cell.
    """
    interval = [
        f"{signed_fixed(low)} to {signed_fixed(high)}"
        for low, high in zip(table["ci_low"], table["ci_high"], strict=True)
    ]
    return pd.DataFrame(
        {
            "region": table["region"],
            f"joint {R2}": table["r2_joint"].map(fixed),
            "p, chance": table["p_joint"].map(probability),
            "q, chance": table["q_joint"].map(probability),
            f"{names[0]} − {names[1]}": table["difference"].map(signed_fixed),
            "95 % interval": interval,
            "p": table["p_difference"].map(probability),
            "q": table["q_difference"].map(probability),
            "max-T p": table["p_max_difference"].map(probability),
        }
    )


def _seconds(seconds: int) -> str:
    return f"{seconds} s"
