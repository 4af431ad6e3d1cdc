"""Inputs of a page that asks a model: in the URL, so that a link repeats the query, and kept from page to page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st


class Inputs:
    """Named strings of one page: from the URL, else as they were before, else their defaults.

    Parameters
    ----------
    page : str
        Name of the page.
    defaults : mapping
        Default by name.
    """

    def __init__(self, page: str, defaults: Mapping[str, str]) -> None:
        self._page = page
        self._kept_in = f"inputs of {page}"
        given = {name: st.query_params[name] for name in defaults if name in st.query_params}
        self._values = {**defaults, **st.session_state.get(self._kept_in, {}), **given}
        self._put()

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        """Give a value as a number.

        Parameters
        ----------
        name : str
            Its name.
        low, high : int
            Smallest and largest number; others are clipped.
        default : int
            Given for what is no number, since a link can contain anything.

        Returns
        -------
        int
            From `low` to `high`.
        """
        try:
            return min(high, max(low, int(self._values[name])))
        except ValueError:
            return default

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """Give a value that must be one of several.

        Parameters
        ----------
        name : str
            Its name.
        options : tuple of str
            What it can be.

        Returns
        -------
        str
            The first option for any other value.
        """
        return self._values[name] if self._values[name] in options else options[0]

    def names(self, name: str, most: int) -> list[str]:
        """Give a value as a list of names.

        Parameters
        ----------
        name : str
            Its name.
        most : int
            Largest number of names.

        Returns
        -------
        list of str
            Different names, which commas separate in the value.
        """
        parts = (part.strip() for part in self._values[name].split(","))
        return list(dict.fromkeys(part for part in parts if part))[:most]

    def change(self, **values: object) -> None:
        """Change values.

        Parameters
        ----------
        **values : object
            New values by name.
        """
        self._values |= {name: str(value) for name, value in values.items()}
        self._put()

    def bound(self, name: str, value: object) -> dict[str, Any]:
        """Give key and callback of a widget that shows a value.

        Parameters
        ----------
        name : str
            Name of the value.
        value : object
            What the widget shows.

        Returns
        -------
        dict
            Keyword arguments of the widget.
        """
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
