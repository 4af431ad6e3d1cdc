"""Numbers as text, one way everywhere: three significant digits, true minus signs, p as "p = .012"."""

from __future__ import annotations

import numpy as np


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with a true minus sign and no exponent for everyday sizes.

    Parameters
    ----------
    value : float or None
        None, NaN and infinity give a dash.
    digits : int
        Largest number of significant digits.

    Returns
    -------
    str
        For example "0.0123" or "−4".
    """
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e7:
        text = f"{float(text):,.0f}" if abs(value) >= 1 else f"{float(text):f}".rstrip("0")
    return text.replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """Format a number as `number` does, with a plus sign before positive values.

    Parameters
    ----------
    value : float
        NaN and infinity give a dash.
    digits : int
        Largest number of significant digits.

    Returns
    -------
    str
        For example "+0.0123".
    """
    return f"+{number(value, digits)}" if np.isfinite(value) and value > 0 else number(value, digits)


def fixed(value: float | None, decimals: int = 3) -> str:
    """Format a score with a fixed number of decimals and a true minus sign.

    Parameters
    ----------
    value : float or None
        None, NaN and infinity give a dash.
    decimals : int
        Number of decimals.

    Returns
    -------
    str
        For example "0.250" or "−0.033".
    """
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def signed_fixed(value: float | None, decimals: int = 3) -> str:
    """Format a score as `fixed` does, with a plus sign before positive values.

    Parameters
    ----------
    value : float or None
        None, NaN and infinity give a dash.
    decimals : int
        Number of decimals.

    Returns
    -------
    str
        For example "+0.023".
    """
    text = fixed(value, decimals)
    return text if text == "–" or text.startswith("−") or float(text) == 0 else f"+{text}"


def probability(value: float | None) -> str:
    """Format a probability for a table.

    Parameters
    ----------
    value : float or None
        None and NaN give a dash.

    Returns
    -------
    str
        ".012", "< .001" or "> .999".
    """
    if value is None or not np.isfinite(value):
        return "–"
    if value < 0.001:
        return "< .001"
    if value > 0.999:
        return "> .999"
    return f"{value:.3f}".removeprefix("0")


def p_text(value: float | None, symbol: str = "p") -> str:
    """Format a probability as a phrase.

    Parameters
    ----------
    value : float or None
        None and NaN are called "not defined".
    symbol : str
        Name of the probability, for example "p" or "q".

    Returns
    -------
    str
        "p = .012", "p < .001" or "p not defined".
    """
    text = probability(value)
    if text == "–":
        return f"{symbol} not defined"
    return f"{symbol} {text}" if text[0] in "<>" else f"{symbol} = {text}"


LIMITS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def round_limit(values: np.ndarray) -> float:
    """Choose the limit of a colour scale.

    Parameters
    ----------
    values : np.ndarray
        Values of any shape; NaN and infinity are left out.

    Returns
    -------
    float
        The first of `LIMITS` that 99 % of the magnitudes do not exceed.
    """
    finite = np.abs(values[np.isfinite(values)])
    reach = float(np.quantile(finite, 0.99)) if finite.size else 0.0
    return next((step for step in LIMITS if step >= reach), LIMITS[-1])


def format_duration(seconds: float) -> str:
    """Format a duration.

    Parameters
    ----------
    seconds : float
        Duration in seconds.

    Returns
    -------
    str
        "8 s", "3 min" or "1 h 20 min".
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
