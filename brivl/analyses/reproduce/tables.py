"""Tidy tables of what the figures of the paper draw: one number a row, for maps one voxel a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brivl.analyses.reproduce.means import Gathered
from brivl.core.claims.checks import BRAIN
from brivl.core.records import EncodingResult, Voxels
from brivl.core.regions.areas import aal_regions
from brivl.core.regions.region_stats import RegionComparison, compare_subjects
from brivl.data.regions import coordinates
from brivl.errors import RequestError

MEAN = "mean"  # in the column "subject": over the subjects above it
QUANTITIES = (("joint", "joint R2"), ("a", "split R2"), ("b", "split R2"))


@dataclass(frozen=True)
class RegionTables:
    """Scores by region at one layer. `comparison` and `joint` (mean over subjects) in the order of `names`;
    dots: region, subject, joint, a, b, n_voxels."""

    names: tuple[str, ...]
    comparison: RegionComparison
    joint: np.ndarray
    dots: pd.DataFrame


def layer_table(gathered: Gathered, level: str = BRAIN, region: str = BRAIN) -> pd.DataFrame:
    """layer, subject, r2_joint, r2_split_a, r2_split_b, n_voxels of one region."""
    table = gathered.means.table
    rows = table[(table["level"] == level) & (table["region"] == region)]
    named = {"joint": "r2_joint", "a": "r2_split_a", "b": "r2_split_b"}
    return rows.drop(columns=["level", "region"]).rename(columns=named).reset_index(drop=True)


def region_tables(gathered: Gathered, level: str, layer: int) -> RegionTables:
    """Regions of a level that have voxels, front to back, compared over subjects at a layer. RequestError for none."""
    table = gathered.means.table
    rows = table[(table["level"] == level) & (table["layer"] == layer)]
    if rows.empty:
        raise RequestError(_no_voxel(gathered, layer))
    names = tuple(r.name for r in aal_regions(level) if r.name in set(rows["region"]))
    joint, a, b = (rows.pivot(index="subject", columns="region", values=c)[list(names)] for c in ("joint", "a", "b"))
    dots = rows[["region", "subject", "joint", "a", "b", "n_voxels"]].reset_index(drop=True)
    return RegionTables(names, compare_subjects(a.to_numpy(), b.to_numpy(), names), joint.mean().to_numpy(), dots)


def tidy(rows: pd.DataFrame, keys: Sequence[str], names: tuple[str, str]) -> pd.DataFrame:
    """Long form of rows with joint, a, b, n_voxels: keys, subject, quantity, model, r2, n_voxels; means over subjects
    as rows of their own (their n_voxels is the mean), after the subjects."""
    mean = rows.groupby(list(keys), sort=False)[["joint", "a", "b", "n_voxels"]].mean().reset_index()
    both = pd.concat([rows, mean.assign(subject=MEAN)], ignore_index=True)
    models = dict(zip(("joint", "a", "b"), ("both", *names), strict=True))
    parts = [
        both[[*keys, "subject", "n_voxels"]].assign(quantity=quantity, model=models[column], r2=both[column])
        for column, quantity in QUANTITIES
    ]
    return pd.concat(parts, ignore_index=True)[[*keys, "subject", "quantity", "model", "r2", "n_voxels"]]


def layer_csv(gathered: Gathered) -> pd.DataFrame:
    """Figs. 4b, 5a."""
    rows = gathered.means.table
    return tidy(rows[rows["level"] == BRAIN], ["layer"], gathered.source.names)


def area_layer_csv(gathered: Gathered) -> pd.DataFrame:
    """Fig. S4."""
    rows = gathered.means.table
    return tidy(rows[rows["level"] == "area"], ["region", "layer"], gathered.source.names)


def region_csv(gathered: Gathered, level: str, layer: int, order: Sequence[str]) -> pd.DataFrame:
    """Figs. 5b-d, 6c: regions in the order drawn; p (paired t) and q (Benjamini-Hochberg) stand beside the means."""
    found = region_tables(gathered, level, layer)
    rows = found.dots.assign(layer=layer)
    rows = rows.set_index("region").loc[list(order)].reset_index()
    table = tidy(rows, ["region", "layer"], gathered.source.names)
    tests = found.comparison.table.set_index("region")
    means = table["subject"] == MEAN
    for column in ("p", "q"):
        table[column] = np.where(means, table["region"].map(tests[column]), np.nan)
    return table


def _no_voxel(gathered: Gathered, layer: int) -> str:
    return f"no voxel of {gathered.source.known.short_name} in these regions is kept at layer {layer}"


def atlas_values(gathered: Gathered, layer: int, value: str) -> dict[int, float]:
    """AAL number -> mean over subjects of joint R² or of the difference of split R². RequestError without any voxel."""
    table = gathered.means.by_layer_and_region("region", value)
    if layer not in table.index:
        raise RequestError(_no_voxel(gathered, layer))
    numbers = {r.name: r.labels[0] for r in aal_regions("region")}
    return {numbers[name]: float(v) for name, v in table.loc[layer].items() if np.isfinite(v)}


def atlas_csv(gathered: Gathered, layers: Sequence[int], value: str) -> pd.DataFrame:
    """Figs. 6a-b, S2, S3: one row for each AAL region and layer."""
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
    """Figs. 4c-e, S5-S13: one row for each voxel drawn and layer, with its place, ROIs and scores."""
    base = voxel_places(subject, voxels)
    parts = []
    for layer, r in results.items():
        table = base.assign(r2_joint=r.r2_joint, r2_split_a=r.r2_split[0], r2_split_b=r.r2_split[1])
        table.insert(0, "layer", layer)
        parts.append(table[shown])
    return pd.concat(parts, ignore_index=True)


def voxel_places(subject: str, voxels: Voxels) -> pd.DataFrame:
    """subject, voxel, i, j, k, x_mm, y_mm, z_mm (where they are known), roi (several with ";")."""
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
