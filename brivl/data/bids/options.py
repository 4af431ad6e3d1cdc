"""Options that may follow the task in the name of a BIDS dataset, as in FOLDER:TASK?space=T1w&clean=simple."""

from __future__ import annotations

from collections.abc import Mapping

from brivl.data.bids.selection import SELECTABLE

STRATEGIES = ("auto", "basic", "simple", "scrubbing", "compcor", "ica_aroma")  # of cleaning, see `confounds`
# Usual values of the options of cleaning, which forms offer; cut-offs and widths may be any others.
CLEANING: Mapping[str, tuple[str, ...]] = {
    "clean": ("none", *STRATEGIES),
    "highpass": ("128", "100", "200", "savgol:120", "linear"),
    "dummies": ("drop", "keep"),
    "smooth": ("4", "6", "8"),
}
OPTIONS = ("column", "onoff", "test", "derivatives", *CLEANING, *SELECTABLE)
