"""Text-aligned encoding as tables and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.alignment.result import Aligned
from brivl.core.numbers import number, signed

RIDGE = "banded ridge, a band for each layer"
BAR = 0.9  # of banded ridge's median r


def models_table(found: Aligned) -> pd.DataFrame:
    """One row per model: what it is, and medians over the voxels of r and R2 on the rows that nothing was fitted to."""
    rows = []
    for about, r, r2 in zip(found.models, found.r, found.r2, strict=True):
        row = {
            "model": about["name"],
            "stage": about["stage"],
            "lambda": about["weight"],
            "control": about["control"],
            "reads_text": about["reads_text"],
            "median_r": float(np.median(r)),
            "median_r2": float(np.median(r2)),
        }
        if found.selective is not None and found.selective.any():
            row |= {
                f"{name}_selective": float(np.median(values[found.selective]))
                for name, values in (("median_r", r), ("median_r2", r2))
            }
        rows.append(row)
    return pd.DataFrame(rows)


def final_model(found: Aligned) -> int:
    """Row of the trained model at the chosen lambda, after its last stage."""
    rows = [i for i, m in enumerate(found.models) if m["weight"] == found.info["chosen"] and not m["control"]]
    return max(rows, key=lambda i: found.models[i]["stage"])


def unaligned_model(found: Aligned) -> int:
    """Row of the same without alignment: lambda 0, after its last stage."""
    rows = [i for i, m in enumerate(found.models) if m["weight"] == 0]
    return max(rows, key=lambda i: found.models[i]["stage"])


def ridge_model(found: Aligned) -> int:
    """Row of banded ridge, or of ridge where one layer is read."""
    names = [about["name"] for about in found.models]
    return names.index(RIDGE) if RIDGE in names else names.index("ridge, image features")


def regions_table(found: Aligned) -> pd.DataFrame:
    """One row per region: number of voxels, and median r and R2 by ridge, without alignment, and with it."""
    shown = {"ridge": ridge_model(found), "unaligned": unaligned_model(found), "aligned": final_model(found)}
    rows = []
    for name, inside in found.regions.items():
        row: dict[str, Any] = {"region": name, "n_voxels": len(inside)}
        for what, model in shown.items():
            row[f"r_{what}"] = float(np.median(found.r[model][inside]))
            row[f"r2_{what}"] = float(np.median(found.r2[model][inside]))
        rows.append(row)
    return pd.DataFrame(rows)


def curve_table(found: Aligned) -> pd.DataFrame:
    """One row per lambda: mean over seeds of the loss that says when to stop, and of median r and R2, with ranges."""
    r2 = found.curve[:, :, 1]
    return pd.DataFrame(
        {
            "lambda": found.weights,
            "stopping_loss": found.held_loss.mean(1),
            "median_r": found.curve[:, :, 0].mean(1),
            "median_r2": r2.mean(1),
            "r2_low": r2.min(1),
            "r2_high": r2.max(1),
            "told_apart": found.told.mean(1),
        }
    )


def headline(found: Aligned) -> str:
    """What came out, in one sentence."""
    ours, ridge = (found.r2[row] for row in (final_model(found), ridge_model(found)))
    return (
        f"Trained with descriptions: median R² {number(np.median(ours))}, banded ridge {number(np.median(ridge))}; "
        f"the descriptions {_change(found)}"
    )


def _change(found: Aligned) -> str:
    gain = float(np.median(found.r2[final_model(found)]) - np.median(found.r2[unaligned_model(found)]))
    return (
        "change nothing"
        if abs(gain) <= seed_spread(found)
        else f"{'add' if gain > 0 else 'cost'} {number(abs(gain), 2)}"
    )


def seed_spread(found: Aligned) -> float:
    """By how much median R2 differs between seeds, the median over lambda; 0 for one seed."""
    return float(np.median(np.ptp(found.curve[:, :, 1], axis=1)))


def curve_sentence(found: Aligned) -> str:
    """Where the curve over lambda is highest, held against what the paper reports."""
    table = curve_table(found)
    best, first, last = table.loc[table["median_r2"].idxmax()], table.iloc[0], table.iloc[-1]
    gain, loss = best["median_r2"] - first["median_r2"], last["median_r2"] - first["median_r2"]
    spread = seed_spread(found)
    where = f"highest at λ = {best['lambda']:g} ({signed(gain, 2)} over λ = 0; seeds differ by {number(spread, 2)})"
    small = where if best["lambda"] else f"highest without descriptions (λ = 0; seeds differ by {number(spread, 2)})"
    agrees = "no λ helps beyond what seeds differ by"
    if gain > spread:
        is_small = best["lambda"] < last["lambda"]
        agrees = "as the paper reports, a small λ is best" if is_small else "unlike in the paper, the largest λ is best"
    return (
        f"Median R² is {small}: {agrees}. At λ = {last['lambda']:g} it is {signed(loss, 2)}, and a test picture lies "
        f"nearer to its own description than to another's in {100 * last['told_apart']:.0f} % of pairs "
        f"(λ = 0: {100 * first['told_apart']:.0f} %)."
    )


def said(found: Aligned) -> str:
    """How it was done."""
    info = found.info
    test = "the test set" if info["has_test_set"] else "the first of five folds of pictures"
    second = (
        ""
        if not found.asked.n_blocks
        else (f" In the second stage the last {found.asked.n_blocks} blocks of {found.asked.backbone} are trained too.")
    )
    return (
        f"Trained on {info['n_fit']} pictures, stopped by {info['n_held']} others, scored on {info['n_test']} of "
        f"{test}. {info['n_components']} components hold {100 * info['explained']:.0f} % of the responses' variance; "
        f"{info['n_distinct']} descriptions differ. λ = {info['chosen']:g} has the smallest loss on the "
        f"{info['n_held']} stopping pictures among those above 0.{second}"
    )


def summary(found: Aligned) -> dict[str, Any]:
    """The curve, each model's medians, and the bar: the aligned model's median r against 0.9 of banded ridge's."""
    table = models_table(found)
    column = "median_r_selective" if "median_r_selective" in table else "median_r"
    ours, ridge = table[column].iloc[final_model(found)], table[column].iloc[ridge_model(found)]
    return {
        "n_voxels": len(found.columns),
        "chosen_lambda": found.info["chosen"],
        "n_selective": None if found.selective is None else int(found.selective.sum()),
        "curve": {
            f"{row['lambda']:g}": {name: round(float(row[name]), 4) for name in row.index if name != "lambda"}
            for _, row in curve_table(found).iterrows()
        },
        "models": {
            row["model"]: {name: round(float(row[name]), 4) for name in table if name.startswith("median")}
            for _, row in table.iterrows()
        },
        "measured_on": "voxels with a planted category" if column.endswith("selective") else "all fitted voxels",
        "aligned_r": round(float(ours), 4),
        "banded_ridge_r": round(float(ridge), 4),
        "share_of_ridge": round(float(ours / ridge), 4),
        "bar": BAR,
        "passes": bool(ours >= BAR * ridge),
    }
