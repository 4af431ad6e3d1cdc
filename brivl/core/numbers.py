"""Numbers as text, one way everywhere: three significant digits, true minus signs, p as "p = .012"."""

from __future__ import annotations

import numpy as np


def number(value: float, digits: int = 3) -> str:
    """Value with at most `digits` significant digits, a true minus sign, no exponent for everyday sizes."""
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e7:
        text = f"{float(text):,.0f}" if abs(value) >= 1 else f"{float(text):f}".rstrip("0")
    return text.replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """Like `number`, with a plus sign before positive values."""
    return f"+{number(value, digits)}" if np.isfinite(value) and value > 0 else number(value, digits)


def probability(value: float) -> str:
    """Probability as printed in a table: ".012", "< .001", "> .999", or a dash when it is not defined."""
    if value is None or not np.isfinite(value):
        return "–"
    if value < 0.001:
        return "< .001"
    if value > 0.999:
        return "> .999"
    return f"{value:.3f}".removeprefix("0")


def p_text(value: float, symbol: str = "p") -> str:
    """Probability as a phrase: "p = .012", "p < .001", "p not defined"."""
    text = probability(value)
    if text == "–":
        return f"{symbol} not defined"
    return f"{symbol} {text}" if text[0] in "<>" else f"{symbol} = {text}"


LIMITS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def round_limit(values: np.ndarray) -> float:
    """Limit of a colour scale: the first round number that 99 % of the magnitudes do not exceed."""
    finite = np.abs(values[np.isfinite(values)])
    reach = float(np.quantile(finite, 0.99)) if finite.size else 0.0
    return next((step for step in LIMITS if step >= reach), LIMITS[-1])


def format_duration(seconds: float) -> str:
    """A duration as one would say it: "8 s", "3 min", "1 h 20 min"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
