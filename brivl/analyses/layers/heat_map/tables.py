"""The figure "layer x region": mean scores of each region at each layer, the best layer of a region, its certainty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from brivl.core.claims.coverage import Coverage
from brivl.core.claims.layer_headlines import Peak, heat_map_headline
from brivl.core.numbers import fixed
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, partition_variance
from brivl.data.regions import ATLAS_NOTES, PARCELLATION_NOUNS
from brivl.encoding.fit import FitRequest, FitResult
from brivl.errors import RequestError
from brivl.viz.style import R2

SCORES = ("r2_joint", "r2_split_a", "r2_split_b", *VARIANCE_COMPONENTS)
COLUMNS = ["layer", "region", "subject", *SCORES, "n_voxels"]
KINDS = ("joint", "a", "b", "difference", *VARIANCE_COMPONENTS)  # as the maps of a flatmap are called
SORTS = ("anatomical", "layer")
MOST_ROWS = 90  # in a figure; tables hold all
MOST_CURVES = 6
COLUMN_OF = {"joint": "r2_joint", "a": "r2_split_a", "b": "r2_split_b"}
Masks = Mapping[str, np.ndarray]


def region_layer_means(
    fits: Mapping[tuple[int, str], FitResult],
    masks: Mapping[str, Masks],
    single_models: Callable[[FitRequest], np.ndarray | None],
) -> pd.DataFrame:
    """Average scores over the fitted voxels of each region, by layer and subject.

    Parameters
    ----------
    fits : mapping of (int, str) to FitResult
        (layer, subject) -> fit.
    masks : mapping of str to mapping of str to (n_voxels,) bool array
        Subject -> region -> voxels, regions in anatomical order.
    single_models : callable
        Gives R2 of each model alone, (2, n_voxels), or None where it is not stored.

    Returns
    -------
    DataFrame
        COLUMNS, one row for each layer, region and subject with fitted voxels in the region; unique and shared variance
        are NaN where the models were not fitted alone.

    Raises
    ------
    RequestError
        Where no voxel of any region was fitted.
    """
    tables = []
    for (layer, subject), fit in sorted(fits.items()):
        names, result = list(masks[subject]), fit.result
        if not names:
            continue
        inside = np.stack([masks[subject][name] for name in names]) & result.selected
        single = single_models(fit.request)
        parts = np.full((3, len(result.selected)), np.nan)
        if single is not None:
            parts = np.stack(list(partition_variance(result.r2_joint, single).by_name().values()))
        values = np.vstack([result.r2_joint[None], result.r2_split, parts])[:, result.selected].astype(float)
        counts = inside.sum(1)
        means = values @ inside[:, result.selected].T.astype(float) / np.where(counts > 0, counts, np.nan)
        table = pd.DataFrame(means.T, columns=list(SCORES)).assign(
            layer=layer, region=names, subject=subject, n_voxels=counts
        )
        tables.append(table.loc[counts > 0, COLUMNS])
    if not tables or all(table.empty for table in tables):
        raise RequestError("No voxel of these regions was fitted. Choose another parcellation.")
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class HeatMap:
    """Scores of regions by layer, and how they are shown.

    Attributes
    ----------
    table : DataFrame
        Means as `region_layer_means` returns them.
    names : (str, str)
        Names of models A and B.
    kind : str
        What is shown, one of KINDS.
    level : str
        Parcellation.
    coverage : Coverage
        Which fits are there.
    sort : str
        Order of the rows: "anatomical", or "layer" by best layer.
    layer : int or None
        Layer that the page shows.
    chosen : tuple of str
        Regions whose curves are drawn, the first one marked.
    """

    table: pd.DataFrame
    names: tuple[str, str]
    kind: str
    level: str
    coverage: Coverage
    sort: str = "anatomical"
    layer: int | None = None
    chosen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RequestError(f"Expected a quantity out of {list(KINDS)}, got {self.kind!r}. Choose one of them.")
        if self.sort not in SORTS:
            raise RequestError(f"Expected an order out of {list(SORTS)}, got {self.sort!r}. Choose one of them.")

    def values(self, kind: str | None = None) -> pd.DataFrame:
        """Give the values shown, one row for each layer, region and subject.

        Parameters
        ----------
        kind : str, optional
            One of KINDS; that of the figure without it.

        Returns
        -------
        DataFrame
            Columns layer, region, subject, value. What compares the models is NaN at layers with identical features.
        """
        kind = kind or self.kind
        if kind == "difference":
            value = self.table["r2_split_a"] - self.table["r2_split_b"]
        else:
            value = self.table[COLUMN_OF.get(kind, kind)]
        if kind in ("a", "b", "difference"):
            value = value.where(~self.table["layer"].isin(self.coverage.identical))
        return self.table[["layer", "region", "subject"]].assign(value=value)

    @property
    def layers(self) -> list[int]:
        """All layers asked for."""
        return sorted({layer for layer, _ in self.coverage.fitted | self.coverage.missing})

    def cells(self) -> pd.DataFrame:
        """Average over subjects.

        Returns
        -------
        DataFrame
            One row for each region and layer: region, layer, value, low, high (95 % Student's t interval over subjects,
            NaN for fewer than 2), n (subjects).
        """
        grouped = self.values().dropna(subset=["value"]).groupby(["region", "layer"])["value"]
        cells = grouped.agg(["mean", "std", "size"]).reset_index()
        n = cells["size"].to_numpy()
        half = np.full(len(cells), np.nan)
        several = n > 1
        half[several] = stats.t.ppf(0.975, n[several] - 1) * cells["std"].to_numpy()[several] / np.sqrt(n[several])
        return pd.DataFrame(
            {
                "region": cells["region"],
                "layer": cells["layer"],
                "value": cells["mean"],
                "low": cells["mean"] - half,
                "high": cells["mean"] + half,
                "n": n,
            }
        )

    def uncertain(self, cells: pd.DataFrame) -> np.ndarray:
        """Find the cells that are hatched.

        Parameters
        ----------
        cells : DataFrame
            As `cells` returns them.

        Returns
        -------
        (n_cells,) bool array
            Cells whose interval over subjects includes 0; of one subject, scores that are not above 0.
        """
        bounded = np.isfinite(cells["low"].to_numpy())
        value, low, high = (cells[name].to_numpy() for name in ("value", "low", "high"))
        if self.kind == "difference":
            return bounded & (low <= 0) & (high >= 0)
        return np.where(bounded, low <= 0, value <= 0)

    def best(self) -> pd.Series:
        """Find the layer with the highest joint R2 of each region.

        Returns
        -------
        Series
            Layer by region, for regions whose joint R2 is above 0 somewhere; empty until all layers of all subjects are
            fitted, since a best layer of some is no best layer.
        """
        if self.coverage.missing:
            return pd.Series(dtype=int)
        joint = self.values("joint").groupby(["region", "layer"])["value"].mean().unstack("layer")
        joint = joint[joint.max(axis=1) > 0]
        return joint.idxmax(axis=1).astype(int)

    def rows(self) -> list[str]:
        """List the regions in the order of the rows.

        Returns
        -------
        list of str
            Anatomical order, or by best layer and then by joint R2; the first MOST_ROWS, chosen ones always among them.
        """
        regions = list(dict.fromkeys(self.table["region"]))
        best = self.best()
        if self.sort == "layer" and len(best):
            joint = self.values("joint").groupby("region")["value"].mean()
            regions.sort(key=lambda region: (best.get(region, 10**6), -joint[region]))
        return [region for i, region in enumerate(regions) if i < MOST_ROWS or region in self.chosen]

    @property
    def quantity(self) -> str:
        """What the colours show."""
        a, b = self.names
        return {
            "joint": f"Joint {R2}",
            "a": f"Split {R2}, {a}",
            "b": f"Split {R2}, {b}",
            "difference": f"Split {R2}, {a} − {b}",
            "unique_a": f"Unique {R2}, {a}",
            "unique_b": f"Unique {R2}, {b}",
            "shared": f"Shared {R2}",
        }[self.kind]

    @property
    def headline(self) -> str:
        """The finding: best layers of regions, once all layers are there."""
        cells = self.cells()
        size = cells["value"].abs() if self.kind == "difference" else cells["value"]
        top = cells.iloc[int(np.nanargmax(size.to_numpy(float)))] if size.notna().any() else None
        peak = None if top is None else Peak(self.quantity, str(top["region"]), int(top["layer"]), float(top["value"]))
        regions = f"{self.table['region'].nunique()} {PARCELLATION_NOUNS[self.level]}"
        return heat_map_headline(self.best() if self.kind == "joint" else None, peak, regions, self.coverage)

    @property
    def caption(self) -> str:
        """What is plotted."""
        several, n_regions = self.coverage.n_subjects > 1, self.table["region"].nunique()
        uncertain = "95 % interval over subjects includes 0" if several else f"{R2} not above 0"
        hatched = several or self.kind != "difference"
        noun = PARCELLATION_NOUNS[self.level]
        parts = [
            f"Colour: {self.quantity} on held-out data, mean over the region's fitted voxels"
            f"{' and over the subjects fitted at a layer (n)' if several else ''}.",
            "Dot: best layer of a region by joint R²." if not self.coverage.missing else "",
            f"Best layers are marked once all fits are there ({self.coverage.fits})." if self.coverage.missing else "",
            f"Hatched: {uncertain}." if hatched else "",
            "Curves: chosen regions; bands: 95 % interval over subjects (Student's t)."
            if several
            else "Curves: chosen regions.",
            self._identical(),
            f"The first {MOST_ROWS} of {n_regions} {noun} in this order; the table has all."
            if n_regions > MOST_ROWS
            else "",
            ATLAS_NOTES.get(self.level, ""),
        ]
        return " ".join(part for part in parts if part)

    def _identical(self) -> str:
        if not self.coverage.identical:
            return ""
        layers = ", ".join(map(str, sorted(self.coverage.identical)))
        return f"The two models have identical features at layers {layers}."

    def curve(self, region: str) -> pd.DataFrame:
        """Give the curve of a region over layers.

        Parameters
        ----------
        region : str
            Title of the region.

        Returns
        -------
        DataFrame
            layer, value, low, high, n, with a row of NaN for each layer asked for that is missing.
        """
        cells = self.cells()
        mine = cells[cells["region"] == region].set_index("layer").reindex(self.layers)
        return mine.rename_axis("layer").reset_index()[["layer", "value", "low", "high", "n"]]

    def chosen_regions(self) -> list[str]:
        """List the regions whose curves are drawn.

        Returns
        -------
        list of str
            Those chosen that are rows; without any, the three with the highest joint R2.
        """
        there = set(self.table["region"])
        chosen = [region for region in self.chosen if region in there][:MOST_CURVES]
        if chosen:
            return chosen
        joint = self.values("joint").groupby("region")["value"].mean()
        return joint.sort_values(ascending=False).index[:3].tolist()

    def hover(self, cells: pd.DataFrame) -> list[str]:
        """Write the value of each cell with its interval.

        Parameters
        ----------
        cells : DataFrame
            As `cells` returns them.

        Returns
        -------
        list of str
            Such as "0.123 (0.101 to 0.145, n = 8)".
        """
        texts = []
        columns = (cells[name].tolist() for name in ("value", "low", "high", "n"))
        for value, low, high, n in zip(*columns, strict=True):
            interval = f"{fixed(low)} to {fixed(high)}, " if np.isfinite(low) else ""
            texts.append(f"{fixed(value)} ({interval}n = {n})")
        return texts
