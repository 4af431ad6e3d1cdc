"""An audit as it is read: tables with rounded numbers, and a sentence on what each fault does here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from brivl.analyses.audit.compute import Audit
from brivl.analyses.audit.faults import TOGETHER
from brivl.core.numbers import number, signed

STATES = ("off", "on")
NOT_HERE = "not applicable"


def fault_table(found: Audit) -> pd.DataFrame:
    """One row for each fault: R² off and on, counts, and for simulated data the distance from the truth."""
    return pd.DataFrame([_fault(row, found.info["n_silent"] > 0) for row in found.faults])


def _fault(row: Mapping[str, Any], truth: bool) -> dict[str, str]:
    def pair(name: str) -> str:
        return _pair(row[f"{name}_off"], row[f"{name}_on"])

    shown = {
        "fault": row["title"],
        "joint R²": pair("joint"),
        "A": pair("a"),
        "B": pair("b"),
        "A less B": pair("difference"),
        "change of joint": _signed(row["joint_change"]),
        "counted": f"{pair('n')} {row['counted_as']}" if row["counted_as"] else row["why_not"] and NOT_HERE,
    }
    if truth:
        shown |= {
            "voxels without signal that were found": pair("n_false"),
            "R² where nothing was planted": pair("silent_r2"),
            "error of A less B": pair("difference_error"),
        }
    return shown


def baseline_table(found: Audit) -> pd.DataFrame:
    """One row for each baseline: R² alone, and of the models without and with it beside them."""
    return pd.DataFrame([_baseline(row) for row in found.baselines])


def _baseline(row: Mapping[str, Any]) -> dict[str, str]:
    shown = {"baseline": row["title"], "alone": _r2(row["alone"])}
    if row["alone_shuffled"] is not None:
        shown["alone, shuffled folds"] = _r2(row["alone_shuffled"])
    return shown | {
        "joint": _pair(row["joint_without"], row["joint_with"]),
        "A": _pair(row["a_without"], row["a_with"]),
        "B": _pair(row["b_without"], row["b_with"]),
        "the baseline": _r2(row["baseline_with"]),
        "A less B": _pair(row["difference_without"], row["difference_with"]),
    }


def said(found: Audit) -> str:
    """What was compared, in a sentence or two."""
    info, fit = found.info, found.request.fit
    silent = f", and {info['n_silent']} simulated without signal" if info["n_silent"] else ""
    items = info["shared_items"]
    shared = f" {items} of {info['n_held_out']} held-out samples show what training showed too." if items else ""
    return (
        f"{fit.subject}, layer {fit.layer}, A {fit.models[0]}, B {fit.models[1]}: mean R² over {info['n_voxels']:,} "
        f"fitted voxels{silent}; off: preset strict, on: with the fault alone.{shared}"
    )


def headline(found: Audit) -> str:
    """The finding: what all faults at once do, or the one that does most."""
    rows = [row for row in found.faults if row["joint_change"] is not None]
    if not rows:
        return "None of the faults changes a score here"
    together = [row for row in rows if row["fault"] == TOGETHER.name]
    row = together[0] if together else max(rows, key=lambda row: abs(row["joint_change"]))
    return f"{row['title']}: joint R² {_moved(row, 'joint')} ({found.request.fit.subject})"


def sentences(found: Audit) -> list[str]:
    """What each fault does here, and why others cannot."""
    return [f"{row['title']}: {effect(row)}" for row in found.faults]


def effect(row: Mapping[str, Any], names: tuple[str, str] = ("A", "B")) -> str:
    """What a fault does here, in a sentence or two."""
    if row["why_not"]:
        return f"not applicable, because {row['why_not']}."
    parts, less = [], f"{names[0]} less {names[1]}"
    if row["joint_change"] is not None:
        moved = f"{less} from {_r2(row['difference_off'])} to {_r2(row['difference_on'])}"
        parts.append(f"joint R² {_moved(row, 'joint')}, {moved}.")
    if row["counted_as"] != "voxels":
        of = f" of {row['n_tested']:,}" if row["n_tested"] else ""
        parts.append(f"{row['n_on']:,}{of} {row['counted_as']} instead of {row['n_off']:,}.")
    if row["n_false_on"] is not None:
        parts.append(f"Of {row['n_silent']} voxels without signal {row['n_false_on']} instead of {row['n_false_off']}.")
    if row["difference_error_on"] is not None:
        on, off = row["difference_error_on"], row["difference_error_off"]
        nearer = "" if _r2(on) == _r2(off) else f" ({'on' if on < off else 'off'} is nearer the truth)"
        parts.append(f"Error of {less} against what was planted: {_moved(row, 'difference_error')}{nearer}.")
    if row["silent_r2_on"] is not None:
        parts.append(f"R² where nothing was planted: {_moved(row, 'silent_r2')}.")
    return " ".join(parts)


def in_text(table: pd.DataFrame, markdown: bool) -> str:
    """A table in plain text or in Markdown."""
    if not markdown:
        return table.to_string(index=False)
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _moved(row: Mapping[str, Any], name: str) -> str:
    return f"{_r2(row[f'{name}_on'])} instead of {_r2(row[f'{name}_off'])}"


def _pair(off: float | None, on: float | None) -> str:
    return "" if off is None and on is None else f"{_count(off)} → {_count(on)}"


def _count(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else _r2(value)


def _r2(value: float | None) -> str:
    """Four digits after the point are more than can be told apart."""
    return number(float("nan") if value is None else round(value, 4))


def _signed(value: float | None) -> str:
    return "" if value is None else signed(round(value, 4))
