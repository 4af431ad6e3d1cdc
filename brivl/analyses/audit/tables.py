"""An audit as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.audit.compute import AuditResult
from brivl.analyses.audit.faults import CLEANING_OFF, FAULTS, TOGETHER
from brivl.analyses.audit.nuisance import BASELINES, UNTRAINED
from brivl.analyses.audit.rows import SELECTED, TESTED_REGIONS, TESTED_VOXELS, VOXELS
from brivl.analysis import Options, short_name
from brivl.models.registry import SHIPPED, parse_control

STRICT, FAULT = "strict", "with fault"  # states of a fit with a fault: off and on in stored rows
WITHOUT, WITH = "without", "with baseline"
SCORES = ("joint", "a", "b", "difference")
FAULTS_VIEW, BASELINES_VIEW = "faults", "baselines"  # what the figure shows
MINUS = "\N{MINUS SIGN}"


def model_titles(models: tuple[str, str]) -> tuple[str, str]:
    """Give the names of two models as figures have them.

    Parameters
    ----------
    models : tuple of str
        Shipped models, folders, or features of the dataset.

    Returns
    -------
    tuple of str
        Two different names.
    """
    a, b = (_title(model) for model in models)
    return (a, b) if a != b else (f"{a} (1st)", f"{b} (2nd)")


def _title(model: str) -> str:
    if model in SHIPPED:
        return SHIPPED[model].title
    parsed = parse_control(model)
    return f"{_title(parsed[0])} ({parsed[1]})" if parsed else short_name(model)


def fault_title(row: Mapping[str, Any]) -> str:
    """Give the title of the fault of a row.

    Parameters
    ----------
    row : mapping
        Row of a fault, whose own title is that of the first release.

    Returns
    -------
    str
        The title of today.
    """
    return FAULTS[row["fault"]].title


def score_titles(models: tuple[str, str]) -> dict[str, str]:
    """Give the names of the four scores of a row.

    Parameters
    ----------
    models : tuple of str
        Names of the models.

    Returns
    -------
    dict
        "joint", "a", "b" and "difference" -> name.
    """
    a, b = model_titles(models)
    return {"joint": "joint R²", "a": a, "b": b, "difference": f"{a} {MINUS} {b}"}


def _rounded(value: float | None) -> float | None:
    """Four decimals, NaN for a missing value."""
    return np.nan if value is None else round(float(value), 4)


def fault_table(result: AuditResult) -> pd.DataFrame:
    """Tabulate the scores with each fault, and for simulated data how far they are from the ground truth.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    DataFrame
        One row per fault and score with the preset strict and with the fault: joint R2, split R2 of both models, their
        difference; for simulated data R2 of voxels without signal and the error of the difference.
    """
    titles = score_titles(result.request.models)
    titles |= {"silent_r2": "R² of voxels without signal", "difference_error": f"RMS error of {titles['difference']}"}
    rows = [
        (fault_title(row), title, _rounded(row[f"{name}_off"]), _rounded(row[f"{name}_on"]))
        for row in result.faults
        for name, title in titles.items()
        if row[f"{name}_on"] is not None
    ]
    return pd.DataFrame(rows, columns=["fault", "score", STRICT, FAULT])


def count_table(result: AuditResult) -> pd.DataFrame:
    """Tabulate what was counted with each fault, and for simulated data how many of these are false positives.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    DataFrame
        One row per fault and count.
    """
    rows: list[tuple[Any, ...]] = []
    for row in result.faults:
        counts = {"n": counted_words(row, result.request.models), "n_false": "false positives in voxels without signal"}
        rows += [
            (fault_title(row), words, row[f"{name}_off"], row[f"{name}_on"])
            for name, words in counts.items()
            if row[f"{name}_on"] is not None
        ]
    table = pd.DataFrame(rows, columns=["fault", "counted", STRICT, FAULT])
    return table.astype({STRICT: "Int64", FAULT: "Int64"})


def counted_words(row: Mapping[str, Any], models: tuple[str, str]) -> str:
    """Say what the counts of a row are of.

    Parameters
    ----------
    row : mapping
        Row of a fault.
    models : tuple of str
        Names of the models.

    Returns
    -------
    str
        A noun in the plural, "" where nothing was counted.
    """
    a, b = model_titles(models)
    words = {
        VOXELS: "voxels",
        SELECTED: "voxels selected",
        TESTED_REGIONS: f"regions with a significant difference between {a} and {b}",
        TESTED_VOXELS: "voxels predicted significantly",
    }
    return words.get(row["counted_as"] or "", "")


def baseline_table(result: AuditResult) -> pd.DataFrame:
    """Tabulate the scores of the models without and with each baseline as a third band.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    DataFrame
        One row per baseline and score.
    """
    rows = [
        (BASELINES[row["baseline"]].title, title, _rounded(row[f"{name}_without"]), _rounded(row[f"{name}_with"]))
        for row in result.baselines
        for name, title in score_titles(result.request.models).items()
    ]
    return pd.DataFrame(rows, columns=["baseline", "score", WITHOUT, WITH])


def baseline_alone_table(result: AuditResult) -> pd.DataFrame:
    """Tabulate the scores of each baseline itself.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    DataFrame
        One row per baseline: R2 alone, alone in shuffled folds where there are folds, and split R2 as a third band.
    """
    rows = []
    for row in result.baselines:
        cells: dict[str, Any] = {"baseline": BASELINES[row["baseline"]].title, "R² alone": _rounded(row["alone"])}
        if row["alone_shuffled"] is not None:
            cells["R² alone, shuffled folds"] = _rounded(row["alone_shuffled"])
        rows.append(cells | {"split R² as a third band": _rounded(row["baseline_with"])})
    return pd.DataFrame(rows)


def leak_table(result: AuditResult) -> pd.DataFrame:
    """Tabulate what the folds of each preset share.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    DataFrame
        One row per preset.
    """
    none = "No passage or run is on both sides of a fold."
    return pd.DataFrame([{"preset": name, "leakage": sentence or none} for name, sentence in result.leaks.items()])


def tables(result: AuditResult) -> dict[str, pd.DataFrame]:
    """Tabulate an audit.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    dict
        Tables by name, that of the faults first.
    """
    by_name = {"faults": fault_table(result), "counts": count_table(result)}
    left_out = [(fault_title(row), row["why_not"]) for row in result.faults if row["why_not"]]
    if left_out:
        by_name["not applicable"] = pd.DataFrame(left_out, columns=["fault", "because"])
    if result.baselines:
        by_name |= {"baselines": baseline_table(result), "baselines alone": baseline_alone_table(result)}
    return by_name | {"leakage": leak_table(result)}


def shows_baselines(result: AuditResult, options: Options) -> bool:
    """Tell whether the figure shows the low-level baselines.

    Parameters
    ----------
    result : AuditResult
        The result.
    options : mapping
        What the page chose; "view" is used.

    Returns
    -------
    bool
        False for the faults, which are the default, and where there are no baselines.
    """
    return options.get("view") == BASELINES_VIEW and bool(result.baselines)


def headline(result: AuditResult, options: Options) -> str:
    """State the finding: what all faults at once do, or the one with the largest effect; or what baselines reach.

    Parameters
    ----------
    result : AuditResult
        The result.
    options : mapping
        What the page chose; "view" is used.

    Returns
    -------
    str
        One sentence without its period.
    """
    if shows_baselines(result, options):
        return _baseline_headline(result)
    changed = {row["fault"]: row for row in result.faults if row["joint_change"] is not None}
    if not changed:
        return "No fault of the published protocol changes a score of these data"
    row = changed.get(TOGETHER.name) or max(changed.values(), key=lambda one: abs(one["joint_change"]))
    start = "As published" if row["fault"] == TOGETHER.name else f"With {FAULTS[row['fault']].short}"
    difference = score_titles(result.request.models)["difference"]
    return (
        f"{start}, joint R² {_moves(row, 'joint')}{_main_cause(changed)}; {difference} "
        f"{_moves(row, 'difference', 'goes', 'goes')}"
    )


def _baseline_headline(result: AuditResult) -> str:
    """What the best low-level baseline and the untrained network reach alone, beside the models."""
    alone = {row["baseline"]: row["alone"] for row in result.baselines if row["alone"] is not None}
    low = [name for name in alone if name != UNTRAINED]
    parts = []
    if low:
        best = max(low, key=lambda name: alone[name])
        parts.append(f"low-level features alone reach R² = {r2_text(alone[best])} ({_lower(BASELINES[best].title)})")
    if UNTRAINED in alone:
        parts.append(f"an untrained network {'' if parts else 'alone reaches R² = '}{r2_text(alone[UNTRAINED])}")
    sentence = ", ".join([*parts, f"the models jointly {r2_text(result.baselines[0]['joint_without'])}"])
    return sentence[0].upper() + sentence[1:]


def _lower(title: str) -> str:
    return title[0].lower() + title[1:]


def _moves(row: Mapping[str, Any], name: str, down: str = "drops", up: str = "rises") -> str:
    """ "drops from 0.491 to 0.316", or "stays at 0.491"."""
    off, on = row[f"{name}_off"], row[f"{name}_on"]
    if r2_text(off) == r2_text(on):
        return f"stays at {r2_text(off)}"
    return f"{down if on < off else up} from {r2_text(off)} to {r2_text(on)}"


def _main_cause(changed: Mapping[str, Mapping[str, Any]]) -> str:
    """Which single fault has most of the effect of all together; "" where none has more than half of it."""
    together = changed.get(TOGETHER.name)
    alone = [row for name, row in changed.items() if name not in (TOGETHER.name, CLEANING_OFF.name)]
    if together is None or not alone or r2_text(together["joint_off"]) == r2_text(together["joint_on"]):
        return ""
    top = max(alone, key=lambda row: row["joint_change"] / together["joint_change"])
    share = top["joint_change"] / together["joint_change"]
    if share < 0.5:
        return ""
    most = "more than half of it" if share < 0.8 else "almost all of it" if share < 1.2 else "chiefly"
    return f", {most} from {FAULTS[top['fault']].short}"


def r2_text(value: float | None) -> str:
    """Format a score.

    Parameters
    ----------
    value : float or None
        The score.

    Returns
    -------
    str
        Three decimals with a true minus sign; a dash for a missing value.
    """
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{value:.3f}".replace("-", MINUS)
    return text.lstrip(MINUS) if not text.strip(f"{MINUS}0.") else text


def effect(row: Mapping[str, Any], models: tuple[str, str]) -> str:
    """Describe what a fault does to these data.

    Parameters
    ----------
    row : mapping
        Row of the fault.
    models : tuple of str
        Names of the models.

    Returns
    -------
    str
        A sentence or more.
    """
    if row["why_not"]:
        return f"Not applicable, because {row['why_not']}."
    lines, difference = [], score_titles(models)["difference"]
    if row["joint_change"] is not None:
        lines.append(
            f"{FAULT.capitalize()}, joint R² {_moves(row, 'joint')} and {difference} "
            f"{_moves(row, 'difference', 'goes', 'goes')}."
        )
    if row["counted_as"] and row["counted_as"] != VOXELS:
        of = f" of {row['n_tested']:,}" if row["n_tested"] else ""
        counted = counted_words(row, models)
        lines.append(f"{STRICT.capitalize()}: {row['n_off']:,}{of} {counted}; {FAULT}: {row['n_on']:,}.")
    if row["n_false_on"] is not None:
        lines.append(
            f"False positives among {row['n_silent']} voxels without signal: {row['n_false_off']} ({STRICT}), "
            f"{row['n_false_on']} ({FAULT})."
        )
    if row["difference_error_on"] is not None:
        on, off = row["difference_error_on"], row["difference_error_off"]
        closer = "" if r2_text(on) == r2_text(off) else f" (closer to ground truth {FAULT if on < off else STRICT})"
        closer = closer.replace(f"truth {STRICT}", f"truth with preset {STRICT}")
        lines.append(f"The RMS error of {difference} {_moves(row, 'difference_error')}{closer}.")
    if row["silent_r2_on"] is not None:
        lines.append(f"R² of voxels without signal {_moves(row, 'silent_r2', 'goes', 'goes')}.")
    return " ".join(lines)


def caption(result: AuditResult, options: Options) -> str:
    """Say what the figures show.

    Parameters
    ----------
    result : AuditResult
        The result.
    options : mapping
        What the page chose; "view" is used.

    Returns
    -------
    str
        Full sentences.
    """
    scores = f"R² on held-out data, mean over {result.n_voxels:,} voxels: joint model, and split R² of each model."
    if shows_baselines(result, options):
        return (
            f"{scores} Open marks: the models alone; filled marks: with a low-level baseline as a third band, which "
            "takes over the variance that it shares with a model and predicts better."
        )
    return f"{scores} Open marks: leakage-free protocol (preset strict); filled marks: the same with one fault."


def methods(result: AuditResult) -> str:
    """Describe how the faults were measured.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    str
        The methods paragraph.
    """
    request = result.request
    a, b = model_titles(request.models)
    occur = [FAULTS[row["fault"]].short for row in result.faults if not row["why_not"]]
    names = [name for name in occur if name not in (TOGETHER.short, CLEANING_OFF.short)]
    faults = (", ".join(names[:-1]) + " and " if len(names) > 1 else "") + names[-1] if names else "none"
    together = ", and with all of them at once" if TOGETHER.short in occur else ""
    if CLEANING_OFF.short in occur:
        together += "; and without cleaning, where only the linear drift of each run is removed"
    return (
        f"Responses of {request.subject} were predicted by banded ridge regression from layer {request.layer} of {a} "
        f"and {b} jointly (Dupré la Tour et al. 2022), with the leakage-free preset 'strict' and again with each known "
        "fault of the published protocol (Lu et al. 2022) alone that can occur with these data: "
        f"{faults}{together}. Scores are R² on held-out data, mean over {result.n_voxels:,} voxels, evenly thinned out "
        "of those that the preset would fit, and split between the models."
        f"{_test_words(result)}{_baseline_words(result)}{_truth_words(result)}{_shared_words(result)}"
    )


def _test_words(result: AuditResult) -> str:
    """Sentences on selection and on multiple tests."""
    faults = {row["fault"] for row in result.faults if not row["why_not"]}
    words = ""
    if "test-selection" in faults:
        words += (
            " Voxels selected by R² > 0 on the data on which they are scored (circular analysis; Kriegeskorte et al. "
            "2009) were compared with voxels selected on the other folds, or on the other half of the test run."
        )
    if "uncorrected-tests" in faults:
        words += (
            " Tests at p < .05 without correction were compared with the same tests, by 1,000 permutations or sign "
            "flips of blocks of held-out samples, at q < .05 (Benjamini and Hochberg 1995)."
        )
    return words


def _baseline_words(result: AuditResult) -> str:
    if not result.baselines:
        return ""
    titles = [_lower(BASELINES[row["baseline"]].title) for row in result.baselines]
    return (
        f" Low-level baselines ({', '.join(titles)}) were fitted alone and as a third band beside the models, after "
        "Feghhi et al. (2024)."
    )


def _truth_words(result: AuditResult) -> str:
    if not result.n_silent:
        return ""
    return (
        f" The data are simulated: {result.n_silent} voxels without signal were fitted as well, in which everything "
        "found is a false positive, and the difference of the models was compared with the ground truth."
    )


def _shared_words(result: AuditResult) -> str:
    if not result.shared_items:
        return ""
    return (
        f" {result.shared_items:,} of {result.n_held_out:,} held-out samples show an item that a training sample "
        "showed too."
    )


def detail(result: AuditResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    str
        Dataset, subject, layer and models.
    """
    request = result.request
    models = " and ".join(model_titles(request.models))
    return f"{short_name(request.dataset)}, {request.subject}, layer {request.layer}, {models}"


def summary(result: AuditResult) -> dict[str, Any]:
    """Give all that `--json` prints.

    Parameters
    ----------
    result : AuditResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    request = result.request
    return {
        "dataset": request.dataset,
        "models": list(request.models),
        "layer": request.layer,
        "subject": request.subject,
        "n_voxels": result.n_voxels,
        "n_silent": result.n_silent,
        "simulated": result.simulated,
        "leaks": dict(result.leaks),
        "shared_items": result.shared_items,
        "n_held_out": result.n_held_out,
        "faults": [{**row, "title": fault_title(row)} for row in result.faults],
        "baselines": [{**row, "title": BASELINES[row["baseline"]].title} for row in result.baselines],
    }
