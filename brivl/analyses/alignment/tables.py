"""A text-aligned encoder as tables and sentences."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.alignment.compute import AlignmentResult
from brivl.analyses.alignment.ridge import BANDED_RIDGE, RIDGE
from brivl.analysis import Options, short_name
from brivl.core.numbers import number, signed

BAR = 0.9  # of banded ridge's median r
SCORES = {"r2": "R²", "r": "r"}
SHOWN = ("ridge", "unaligned", "aligned")  # models of the table of regions


def score_of(options: Options) -> str:
    """Choose the score to show by region.

    Parameters
    ----------
    options : mapping
        What the page chose; "score" is used.

    Returns
    -------
    str
        "r2" or "r"; "r2" where none is chosen.
    """
    return options["score"] if options.get("score") in SCORES else next(iter(SCORES))


def models_table(result: AlignmentResult) -> pd.DataFrame:
    """Tabulate the models.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    DataFrame
        One row per model: what it is, and medians over the voxels of r and R2 on the test rows.
    """
    rows = []
    for model, r, r2 in zip(result.models, result.r, result.r2, strict=True):
        row = {
            "model": model.name,
            "stage": model.stage,
            "lambda": model.weight,
            "control": model.control,
            "reads_text": model.reads_text,
            "median_r": float(np.median(r)),
            "median_r2": float(np.median(r2)),
        }
        if result.selective is not None and result.selective.any():
            row |= {
                f"{name}_selective": float(np.median(values[result.selective]))
                for name, values in (("median_r", r), ("median_r2", r2))
            }
        rows.append(row)
    return pd.DataFrame(rows)


def final_model(result: AlignmentResult) -> int:
    """Find the trained model at the chosen λ, after its last stage.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    int
        Its row.
    """
    rows = [i for i, m in enumerate(result.models) if m.weight == result.chosen_weight and not m.control]
    return max(rows, key=lambda i: result.models[i].stage)


def unaligned_model(result: AlignmentResult) -> int:
    """Find the same model without alignment: λ = 0, after its last stage.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    int
        Its row.
    """
    rows = [i for i, m in enumerate(result.models) if m.weight == 0]
    return max(rows, key=lambda i: result.models[i].stage)


def ridge_model(result: AlignmentResult) -> int:
    """Find banded ridge, or ridge where one layer is read.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    int
        Its row.
    """
    names = [model.name for model in result.models]
    return names.index(BANDED_RIDGE) if BANDED_RIDGE in names else names.index(RIDGE)


def ridge_title(result: AlignmentResult) -> str:
    """Name the ridge regression that the trained models are compared with.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    str
        "banded ridge", or "ridge" where one layer is read.
    """
    return result.models[ridge_model(result)].name.split(",")[0]


def regions_table(result: AlignmentResult) -> pd.DataFrame:
    """Tabulate the regions.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    DataFrame
        One row per region: number of voxels, and median r and R2 by ridge, without alignment, and with it.
    """
    models = dict(zip(SHOWN, (ridge_model(result), unaligned_model(result), final_model(result)), strict=True))
    columns = ["region", "n_voxels", *(f"{score}_{name}" for name in SHOWN for score in ("r", "r2"))]
    rows = []
    for name, inside in result.regions.items():
        row: dict[str, Any] = {"region": name, "n_voxels": len(inside)}
        for title, model in models.items():
            row[f"r_{title}"] = float(np.median(result.r[model][inside]))
            row[f"r2_{title}"] = float(np.median(result.r2[model][inside]))
        rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def curve_table(result: AlignmentResult) -> pd.DataFrame:
    """Tabulate the first stage by λ.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    DataFrame
        One row per λ: means over seeds of the stopping loss, of median r and R2 and of pair accuracy
        ("pairwise_text_accuracy"), and the range of R2 over seeds.
    """
    r2 = result.curve[:, :, 1]
    return pd.DataFrame(
        {
            "lambda": result.weights,
            "stopping_loss": result.stopping_loss.mean(1),
            "median_r": result.curve[:, :, 0].mean(1),
            "median_r2": r2.mean(1),
            "r2_low": r2.min(1),
            "r2_high": r2.max(1),
            "pairwise_text_accuracy": result.pair_accuracy.mean(1),
        }
    )


def tables(result: AlignmentResult) -> dict[str, pd.DataFrame]:
    """Tabulate a result.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    dict
        Tables by name; that of the regions is left out of the first place where there are none.
    """
    by_name = {"regions": regions_table(result), "models": models_table(result), "curve": curve_table(result)}
    return by_name if result.regions else {name: by_name[name] for name in ("models", "curve")}


def seed_range(result: AlignmentResult) -> float:
    """Say by how much median R2 differs between seeds.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    float
        Median over λ of the range; 0 for one seed.
    """
    return float(np.median(np.ptp(result.curve[:, :, 1], axis=1)))


def headline(result: AlignmentResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : AlignmentResult
        The result.
    options : mapping
        Not used: the finding is the same in all views.

    Returns
    -------
    str
        One sentence without its period.
    """
    trained, ridge = (result.r2[row] for row in (final_model(result), ridge_model(result)))
    return (
        f"Median R² {number(np.median(trained))} with descriptions, {number(np.median(ridge))} by "
        f"{ridge_title(result)}; {_effect(result)}"
    )


def _effect(result: AlignmentResult) -> str:
    gain = float(np.median(result.r2[final_model(result)]) - np.median(result.r2[unaligned_model(result)]))
    if abs(gain) <= seed_range(result):
        noise = number(seed_range(result), 2)
        return f"caption alignment gives no gain (ΔR² {signed(gain, 2)}, within the range over seeds of {noise})"
    return f"caption alignment {'adds' if gain > 0 else 'costs'} ΔR² {number(abs(gain), 2)}"


def curve_sentence(result: AlignmentResult) -> str:
    """Say where the curve over λ is highest, compared with what the paper reports.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    str
        Two sentences.
    """
    table = curve_table(result)
    best = table.iloc[int(np.nanargmax(table["median_r2"].to_numpy(float)))]
    first, last = table.iloc[0], table.iloc[-1]
    gain, loss = best["median_r2"] - first["median_r2"], last["median_r2"] - first["median_r2"]
    seeds = f"range over seeds {number(seed_range(result), 2)}"
    if best["lambda"]:
        where = f"highest at λ = {best['lambda']:g} ({signed(gain, 2)} relative to λ = 0; {seeds})"
    else:
        where = f"highest without descriptions (λ = 0; {seeds})"
    compared = "no λ increases it by more than the range over seeds"
    if gain > seed_range(result):
        is_small = best["lambda"] < last["lambda"]
        compared = (
            "as the paper reports, a small λ is best" if is_small else "unlike in the paper, the largest λ is best"
        )
    return (
        f"Median R² is {where}: {compared}. At λ = {last['lambda']:g} the difference from λ = 0 is {signed(loss, 2)}, "
        "and a test image lies nearer to its own description than to that of another image in "
        f"{100 * last['pairwise_text_accuracy']:.0f} % of pairs (λ = 0: {100 * first['pairwise_text_accuracy']:.0f} %)."
    )


def caption(result: AlignmentResult, options: Options) -> str:
    """Say what the figure shows.

    Parameters
    ----------
    result : AlignmentResult
        The result.
    options : mapping
        What the page chose; "score" is used.

    Returns
    -------
    str
        Full sentences.
    """
    regions = (
        f" Regions: median {SCORES[score_of(options)]}; with descriptions: λ = {result.chosen_weight:g}."
        if result.regions
        else ""
    )
    return (
        f"Test images. Curve: median R² over voxels after the first stage (bars: range over {result.request.n_seeds} "
        f"seeds; large symbol: the chosen λ).{regions}"
    )


def methods(result: AlignmentResult) -> str:
    """Describe how the encoder was trained.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    str
        The methods paragraph.
    """
    request = result.request
    layers = ", ".join(str(layer) for layer in result.layers)
    test = "the test set" if result.has_test_set else "the first of the outer folds"
    weights = ", ".join(f"{weight:g}" for weight in result.weights)
    second = (
        ""
        if not request.n_blocks
        else f" In a second stage the last {request.n_blocks} blocks of the backbone were trained too, at λ = 0 and at "
        "the chosen λ."
    )
    return (
        f"Features of {short_name(request.backbone)} (layers {layers}; [CLS] and mean over patches) were mapped "
        f"linearly to an image embedding, and this to {result.n_components} principal components of the responses of "
        f"{len(result.voxel_indices):,} voxels of {request.subject}, which held {100 * result.explained:.0f} % of "
        "their variance. The loss was the regression loss plus λ times a symmetric contrastive loss between image "
        f"embeddings and the embeddings by {short_name(request.text)} of descriptions of the images "
        f"({short_name(request.descriptions)}; {result.n_distinct} distinct), after Ma et al. (2024). The mapping was "
        f"trained on {result.n_fit} images at λ = {weights} with {request.n_seeds} random seeds; the loss of "
        f"{result.n_stopping} other images ended the training and chose λ = {result.chosen_weight:g} among the values "
        f"above 0.{second} Ridge regression (preset {request.preset!r}) was fitted to the same features and training "
        f"images, and a control was trained with shuffled descriptions. All models were scored on {result.n_test} "
        f"images of {test}, to which nothing was fitted."
    )


def detail(result: AlignmentResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    str
        Dataset, subject, backbone.
    """
    request = result.request
    return f"{short_name(request.dataset)}, {request.subject}, {short_name(request.backbone)}"


def scores_summary(result: AlignmentResult) -> dict[str, Any]:
    """Give the curve, the medians of each model, and the bar: median r against 0.9 of that of banded ridge.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    table = models_table(result)
    column = "median_r_selective" if "median_r_selective" in table else "median_r"
    trained, ridge = table[column].iloc[final_model(result)], table[column].iloc[ridge_model(result)]
    return {
        "n_voxels": len(result.voxel_indices),
        "chosen_lambda": result.chosen_weight,
        "n_selective": None if result.selective is None else int(result.selective.sum()),
        "curve": {
            f"{row['lambda']:g}": {name: round(float(row[name]), 4) for name in row.index if name != "lambda"}
            for _, row in curve_table(result).iterrows()
        },
        "models": {
            row["model"]: {name: round(float(row[name]), 4) for name in map(str, table) if name.startswith("median")}
            for _, row in table.iterrows()
        },
        "measured_on": "voxels with a planted category" if column.endswith("selective") else "all fitted voxels",
        "aligned_r": round(float(trained), 4),
        "banded_ridge_r": round(float(ridge), 4),
        "share_of_ridge": round(float(trained / ridge), 4),
        "bar": BAR,
        "passes": bool(trained >= BAR * ridge),
    }


def summary(result: AlignmentResult) -> dict[str, Any]:
    """Give all that `--json` prints.

    Parameters
    ----------
    result : AlignmentResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    request = result.request
    return {
        "dataset": request.dataset,
        "subject": request.subject,
        "backbone": request.backbone,
        "text": request.text,
        "descriptions": request.descriptions,
        "layers": list(result.layers),
        "preset": request.preset,
        **scores_summary(result),
        "regions": json.loads(regions_table(result).to_json(orient="records", double_precision=4)),
        "simulated": result.simulated,
    }
