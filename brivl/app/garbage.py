"""Streamlit collects garbage after every run, also of a part of a page that redraws itself three times a second."""

from __future__ import annotations

import gc
import sys
from threading import Lock

_lock = Lock()
_n_modules = 0  # when objects were last set aside


def spare_modules() -> None:
    """Set aside what there is whenever modules have come: a collection then looks at what is younger alone.

    A quarter of a million objects belong to modules, and to look through them takes some tenths of a second. What a
    session held in a circle at that moment is not collected, which happens as often as a page is first imported.
    """
    global _n_modules
    with _lock:
        if len(sys.modules) > _n_modules:
            _n_modules = len(sys.modules)
            gc.collect()
            gc.freeze()
