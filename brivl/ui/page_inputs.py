"""Inputs of a demo page: in the URL, so that a link asks the same question, and kept while other pages are open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st


class Inputs:
    """Named strings of one page; what the URL says comes first, then what was there before, then the defaults."""

    def __init__(self, page: str, defaults: Mapping[str, str]) -> None:
        self._page = page
        self._kept_in = f"inputs of {page}"
        asked = {name: st.query_params[name] for name in defaults if name in st.query_params}
        self._values = {**defaults, **st.session_state.get(self._kept_in, {}), **asked}
        self._put()

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        """The value as a number from low to high; what is no number (a link can say anything) gives the default."""
        try:
            return min(high, max(low, int(self._values[name])))
        except ValueError:
            return default

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """The value if it is one of the options, else the first."""
        return self._values[name] if self._values[name] in options else options[0]

    def names(self, name: str, most: int) -> list[str]:
        """Up to `most` different names of a list with commas between."""
        parts = (part.strip() for part in self._values[name].split(","))
        return list(dict.fromkeys(part for part in parts if part))[:most]

    def change(self, **values: object) -> None:
        """Answer another question from now on."""
        self._values |= {name: str(value) for name, value in values.items()}
        self._put()

    def bound(self, name: str, value: object) -> dict:
        """Key and callback of a widget that shows this input as `value`."""
        key = f"{self._page} {name}"
        if st.session_state.get(key) != value:
            st.session_state[key] = value
        return {"key": key, "on_change": self._on_change(name, key)}

    def _on_change(self, name: str, key: str) -> Callable[[], None]:
        def take() -> None:
            value = st.session_state[key]
            if value is not None:
                self.change(**{name: ",".join(value) if isinstance(value, list) else value})

        return take

    def _put(self) -> None:
        st.session_state[self._kept_in] = dict(self._values)
        if {name: st.query_params.get(name) for name in self._values} != self._values:
            others = {name: st.query_params[name] for name in st.query_params if name not in self._values}
            st.query_params.from_dict({**others, **self._values})
