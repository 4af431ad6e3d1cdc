"""Tidy tables of what the figures of the paper draw: one number a row, for maps one voxel a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brivl.analyses.reproduce.means import PaperMeans
from brivl.core.claims.checks import BRAIN
from brivl.core.records import EncodingResult, Voxels
from brivl.core.regions.areas import AalLevel, aal_regions
from brivl.core.regions.region_stats import RegionComparison, compare_subjects
from brivl.data.regions import coordinates
from brivl.errors import RequestError

MEAN = "mean"  # in the column "subject": over the subjects above it
QUANTITIES = (("joint", "joint R2"), ("a", "split R2"), ("b", "split R2"))


@dataclass(frozen=True)
class RegionTables:
    """Scores by region at one layer.

    Attributes
    ----------
    names : tuple of str
        Regions, from front to back.
    comparison : RegionComparison
        Test of each region, in the order of `names`.
    joint : ndarray, shape (n_regions,)
        Joint R², mean over subjects.
    dots : DataFrame
        Columns region, subject, joint, a, b, n_voxels.
    """

    names: tuple[str, ...]
    comparison: RegionComparison
    joint: np.ndarray
    dots: pd.DataFrame


def layer_table(gathered: PaperMeans, level: str = BRAIN, region: str = BRAIN) -> pd.DataFrame:
    """List the scores of one region by layer and subject.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.
    level : str
        Level of the region.
    region : str
        Its name.

    Returns
    -------
    DataFrame
        Columns layer, subject, r2_joint, r2_split_a, r2_split_b, n_voxels.
    """
    table = gathered.means.table
    rows = table[(table["level"] == level) & (table["region"] == region)]
    named = {"joint": "r2_joint", "a": "r2_split_a", "b": "r2_split_b"}
    return rows.drop(columns=["level", "region"]).rename(columns=named).reset_index(drop=True)


def region_tables(gathered: PaperMeans, level: AalLevel, layer: int) -> RegionTables:
    """Compare the two models in the regions of a level that have voxels, over subjects at a layer.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.
    level : str
        "area", "merged" or "region" of AAL.
    layer : int
        Number of the layer, counted from 1.

    Returns
    -------
    RegionTables
        Regions from front to back.

    Raises
    ------
    RequestError
        Where no region has a voxel.
    """
    table = gathered.means.table
    rows = table[(table["level"] == level) & (table["layer"] == layer)]
    if rows.empty:
        raise RequestError(_no_voxel(gathered, layer))
    names = tuple(r.name for r in aal_regions(level) if r.name in set(rows["region"]))
    joint, a, b = (rows.pivot(index="subject", columns="region", values=c)[list(names)] for c in ("joint", "a", "b"))
    dots = rows[["region", "subject", "joint", "a", "b", "n_voxels"]].reset_index(drop=True)
    return RegionTables(names, compare_subjects(a.to_numpy(), b.to_numpy(), names), joint.mean().to_numpy(), dots)


def tidy(rows: pd.DataFrame, keys: Sequence[str], names: tuple[str, str]) -> pd.DataFrame:
    """Bring scores into long form, with means over subjects as rows of their own after the subjects.

    Parameters
    ----------
    rows : DataFrame
        Columns subject, joint, a, b, n_voxels and the keys.
    keys : sequence of str
        Columns that identify a row.
    names : tuple of str
        Names of models A and B.

    Returns
    -------
    DataFrame
        Columns keys, subject, quantity, model, r2, n_voxels. In rows of means, n_voxels is the mean.
    """
    mean = rows.groupby(list(keys), sort=False)[["joint", "a", "b", "n_voxels"]].mean().reset_index()
    both = pd.concat([rows, mean.assign(subject=MEAN)], ignore_index=True)
    models = dict(zip(("joint", "a", "b"), ("both", *names), strict=True))
    parts = [
        both[[*keys, "subject", "n_voxels"]].assign(quantity=quantity, model=models[column], r2=both[column])
        for column, quantity in QUANTITIES
    ]
    return pd.concat(parts, ignore_index=True)[[*keys, "subject", "quantity", "model", "r2", "n_voxels"]]


def layer_csv(gathered: PaperMeans) -> pd.DataFrame:
    """Make the table of Figs. 4b and 5a.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.

    Returns
    -------
    DataFrame
        Columns layer, subject, quantity, model, r2, n_voxels.
    """
    rows = gathered.means.table
    return tidy(rows[rows["level"] == BRAIN], ["layer"], gathered.source.names)


def area_layer_csv(gathered: PaperMeans) -> pd.DataFrame:
    """Make the table of Fig. S4.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.

    Returns
    -------
    DataFrame
        Columns region, layer, subject, quantity, model, r2, n_voxels.
    """
    rows = gathered.means.table
    return tidy(rows[rows["level"] == "area"], ["region", "layer"], gathered.source.names)


def region_csv(gathered: PaperMeans, level: AalLevel, layer: int, order: Sequence[str]) -> pd.DataFrame:
    """Make the table of Figs. 5b-d and 6c.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.
    level : str
        "area", "merged" or "region" of AAL.
    layer : int
        Number of the layer, counted from 1.
    order : sequence of str
        Regions in the order drawn.

    Returns
    -------
    DataFrame
        Scores in long form; p (paired t) and q (Benjamini-Hochberg) stand beside the means.
    """
    tables = region_tables(gathered, level, layer)
    rows = tables.dots.assign(layer=layer)
    rows = rows.set_index("region").loc[list(order)].reset_index()
    table = tidy(rows, ["region", "layer"], gathered.source.names)
    tests = tables.comparison.table.set_index("region")
    means = table["subject"] == MEAN
    for column in ("p", "q"):
        table[column] = np.where(means, table["region"].map(tests[column]), np.nan)
    return table


def _no_voxel(gathered: PaperMeans, layer: int) -> str:
    return f"no voxel of {gathered.source.summary.short_name} in these regions is kept at layer {layer}"


def atlas_values(gathered: PaperMeans, layer: int, value: str) -> dict[int, float]:
    """Average joint R², or the difference of split R², over subjects.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.
    layer : int
        Number of the layer, counted from 1.
    value : {"joint", "difference"}
        What is averaged.

    Returns
    -------
    dict
        Mean by number of the AAL region.

    Raises
    ------
    RequestError
        Where no voxel is kept at the layer.
    """
    table = gathered.means.by_layer_and_region("region", value)
    if layer not in table.index:
        raise RequestError(_no_voxel(gathered, layer))
    numbers = {r.name: r.labels[0] for r in aal_regions("region")}
    means = dict(zip(table.columns, table.loc[layer].to_numpy(float), strict=True))
    return {numbers[name]: float(v) for name, v in means.items() if np.isfinite(v)}


def atlas_csv(gathered: PaperMeans, layers: Sequence[int], value: str) -> pd.DataFrame:
    """Make the table of Figs. 6a-b, S2 and S3.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.
    layers : sequence of int
        Numbers of layers.
    value : {"joint", "difference"}
        What is averaged.

    Returns
    -------
    DataFrame
        One row for each AAL region and layer.
    """
    named = {r.labels[0]: r for r in aal_regions("region")}
    table = gathered.means.table
    counts = table[table["level"] == "region"].groupby(["layer", "region"])["subject"].nunique()
    rows = [
        (layer, number, named[number].name, named[number].area, v, int(counts[layer, named[number].name]))
        for layer in layers
        for number, v in sorted(atlas_values(gathered, layer, value).items())
    ]
    quantity = "mean_r2_joint" if value == "joint" else "mean_r2_split_difference"
    return pd.DataFrame(rows, columns=["layer", "aal", "region", "area", quantity, "n_subjects"])


def voxel_csv(subject: str, voxels: Voxels, results: Mapping[int, EncodingResult], shown: np.ndarray) -> pd.DataFrame:
    """Make the table of Figs. 4c-e and S5-S13.

    Parameters
    ----------
    subject : str
        Name of the subject.
    voxels : Voxels
        Positions and regions of the voxels of a subject.
    results : mapping
        Fits by layer.
    shown : ndarray of bool, shape (n_voxels,)
        Voxels that are drawn.

    Returns
    -------
    DataFrame
        One row for each voxel drawn and layer, with its position, ROIs and scores.
    """
    base = voxel_positions(subject, voxels)
    parts = []
    for layer, r in results.items():
        table = base.assign(r2_joint=r.r2_joint, r2_split_a=r.r2_split[0], r2_split_b=r.r2_split[1])
        table.insert(0, "layer", layer)
        parts.append(table[shown])
    return pd.concat(parts, ignore_index=True)


def voxel_positions(subject: str, voxels: Voxels) -> pd.DataFrame:
    """List the positions and ROIs of voxels.

    Parameters
    ----------
    subject : str
        Name of the subject.
    voxels : Voxels
        Positions and regions of the voxels of a subject.

    Returns
    -------
    DataFrame
        Columns subject, voxel, i, j, k, x_mm, y_mm, z_mm (where they are known), roi (several with ";").
    """
    table = pd.DataFrame(np.asarray(voxels.ijk), columns=["i", "j", "k"])
    table.insert(0, "voxel", np.arange(len(table)))
    table.insert(0, "subject", subject)
    mm = coordinates(voxels)
    if mm is not None:
        table[["x_mm", "y_mm", "z_mm"]] = np.round(mm, 3)
    rois = np.full(len(table), "", object)
    for name, inside in voxels.rois.items():
        inside = np.asarray(inside, bool)
        rois[inside] = np.where(rois[inside] == "", name, rois[inside] + ";" + name)
    return table.assign(roi=rois)
