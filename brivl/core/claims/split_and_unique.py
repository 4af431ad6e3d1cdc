"""Clauses of headlines that name split R2 and unique variance together, since neither may be read as the other.

Split R2 divides the prediction of one joint fit (product measure), whoever could have made it alone. Unique variance is
what the joint fit loses without a model.
"""

from __future__ import annotations

from brivl.core.numbers import number
from brivl.core.regions.variance_partitioning import MeanScores

NOT_COMPUTED = "unique parts not computed"
EQUAL = 0.005  # split R2 that differ by less are called equal; figures have two decimals


def split_clause(names: tuple[str, str], scores: MeanScores) -> str:
    """Write which model carries the larger share of the joint prediction.

    Parameters
    ----------
    names : (str, str)
        Names of models A and B.
    scores : MeanScores
        Means over voxels.

    Returns
    -------
    str
        The clause, with the split R2 of the leading model first.
    """
    a, b = scores.split
    if abs(a - b) < EQUAL:
        return f"{names[0]} and {names[1]} carry equal shares of the joint prediction (split R² {r2(a)} and {r2(b)})"
    first = int(b > a)
    ordered = f"split R² {r2(scores.split[first])} vs {r2(scores.split[1 - first])}"
    return f"{names[first]} carries the larger share of the joint prediction ({ordered})"


def parts_clause(names: tuple[str, str], scores: MeanScores) -> str:
    """Write how much of the joint R2 is shared by the models, and how much each explains alone.

    Parameters
    ----------
    names : (str, str)
        Names of models A and B.
    scores : MeanScores
        Means over voxels.

    Returns
    -------
    str
        The clause; NOT_COMPUTED where the models were not fitted alone.
    """
    if not scores.has_parts:
        return NOT_COMPUTED
    each = ", ".join(f"unique to {name} {unique(part)}" for name, part in zip(names, scores.unique, strict=True))
    fraction = scores.shared_fraction
    if not 0 <= fraction <= 1:  # no joint prediction, or negative unique parts: no percentage of R2 is meaningful
        return f"{each}, shared {r2(scores.shared)}"
    return f"{100 * fraction:.0f} % of R² is shared ({each})"


def split_and_parts(names: tuple[str, str], scores: MeanScores) -> str:
    """Write both clauses.

    Parameters
    ----------
    names : (str, str)
        Names of models A and B.
    scores : MeanScores
        Means over voxels.

    Returns
    -------
    str
        For example "ViT carries the larger share of the joint prediction (split R² 0.28 vs 0.20); 94 % of R² is shared
        (unique to BriVL 0.006, unique to ViT 0.025)".
    """
    return f"{split_clause(names, scores)}; {parts_clause(names, scores)}"


def r2(value: float) -> str:
    """Format an R2 with two decimals.

    Parameters
    ----------
    value : float
        R2.

    Returns
    -------
    str
        For example "0.28"; a dash for NaN.
    """
    return "–" if value != value else f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def unique(value: float) -> str:
    """Format a unique variance, with a note where it is not above 0.

    Parameters
    ----------
    value : float
        Unique variance.

    Returns
    -------
    str
        For example "0.025" or "−0.033 (none)".
    """
    return f"{number(value, 2)} (none)" if value <= 0 else number(value, 2)
