"""The six tabs below the headline of every page with results: Figure, Table, Method, Code, Export, Share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from brivl.sharing.figure_record import FigureRecord
from brivl.ui import share_tab, style
from brivl.viz.export import PAPER, SLIDE, figure_bytes

NAMES = ("Figure", "Table", "Method", "Code", "Export", "Share")
TABLE_HEIGHT, LONG_TABLE = 420, 30  # pixels; rows from which a table scrolls
PROBABILITY = re.compile(r"[pq](_\w+)?")  # names of columns that hold p or q


@dataclass(frozen=True)
class View:
    """A figure as a page shows it.

    Attributes
    ----------
    record : FigureRecord
        The figure with its tables, methods, code and files.
    draw : callable
        Draws the figure and its controls on the page.
    hint : str
        What can be done with the figure on the page; not printed.
    below : callable or None
        Draws what stands under the caption.
    check : str
        A sentence on how the numbers were checked, on the tab Method.
    table_note : str
        A sentence under the tables.
    titles : mapping of str to str
        Titles of columns of the tables on the page, where a file has another name.
    more_exports : callable or None
        Draws further downloads on the tab Export.
    more_tables : callable or None
        Makes tables that stand below those of the record and have downloads of their own; they are not in bundles.
    """

    record: FigureRecord
    draw: Callable[[], None]
    hint: str = ""
    below: Callable[[], None] | None = None
    check: str = ""
    table_note: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    more_exports: Callable[[], None] | None = None
    more_tables: Callable[[], Mapping[str, pd.DataFrame]] | None = None


def draw(view: View) -> None:
    """Draw all tabs; only the open one is filled.

    Parameters
    ----------
    view : View
        What they show.
    """
    fill: dict[str, Callable[[View], None]] = {
        "Figure": _figure,
        "Table": _table,
        "Method": _method,
        "Code": _code,
        "Export": _export,
        "Share": lambda view: share_tab.share_tab(view.record),
    }
    for name, tab in zip(NAMES, st.tabs(list(NAMES), key="tabs", on_change="rerun"), strict=True):
        if tab.open:
            with tab:
                fill[name](view)


def _figure(view: View) -> None:
    view.draw()
    style.caption(f"{view.record.label.caption} {view.hint}".strip())
    if view.below is not None:
        view.below()


def _table(view: View) -> None:
    tables = {**view.record.make_tables(), **(view.more_tables() if view.more_tables else {})}
    for name, table in tables.items():
        if len(tables) > 1:
            st.subheader(name.capitalize(), anchor=False)
        st.dataframe(
            table,
            hide_index=True,
            height=TABLE_HEIGHT if len(tables) == 1 or len(table) > LONG_TABLE else "content",
            column_config=column_formats(table, view.titles),
        )
    style.small(" ".join(part for part in (view.table_note, view.record.evidence.source_note) if part))


def column_formats(table: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, ColumnConfig]:
    """Choose the number format of each column: two digits for p and q ("1.1e-82"), else three decimals.

    Parameters
    ----------
    table : DataFrame
        A table of a figure.
    titles : mapping of str to str
        Titles by column.

    Returns
    -------
    dict of str to ColumnConfig
        For `st.dataframe`.
    """
    formats: dict[str, ColumnConfig] = {}
    for name in map(str, table.columns):
        title = titles.get(name, name)
        if not pd.api.types.is_float_dtype(table[name]):
            formats[name] = st.column_config.Column(title)
        elif PROBABILITY.fullmatch(name):
            formats[name] = st.column_config.NumberColumn(title, format="%.2g")
        else:
            formats[name] = st.column_config.NumberColumn(title, format="%.3f")
    return formats


def _method(view: View) -> None:
    evidence = view.record.evidence
    st.markdown(evidence.methods())
    if view.check:
        style.small(view.check)
    reasons = evidence.reasons()
    if reasons:
        st.markdown("**Why these settings**")
        st.markdown("\n".join(f"- `{field}` = {value}: {why}" for field, value, why in reasons))


def _code(view: View) -> None:
    st.caption("On the command line")
    st.code(view.record.evidence.shell_lines(), language="bash", wrap_lines=True)
    st.caption("In Python")
    st.code(view.record.evidence.python_lines(), language="python", wrap_lines=True)
    st.caption("Link to this page")
    st.code(share_tab.link(view.record), language=None, wrap_lines=True)


def _export(view: View) -> None:
    """Files are made when they are requested."""
    record = view.record
    files: list[tuple[str, str, str, Callable[[], str | bytes]]] = [
        ("PNG, 16:9 slide", "png", "image/png", lambda: figure_bytes(record.draw(SLIDE), "png", dpi=144)),
        ("PDF, for print", "pdf", "application/pdf", lambda: figure_bytes(record.draw(PAPER), "pdf")),
        ("SVG, for print", "svg", "image/svg+xml", lambda: figure_bytes(record.draw(PAPER), "svg")),
        ("CSV, tidy table", "csv", "text/csv", lambda: next(iter(record.csv_files().values()))),
    ]
    share_tab.bundle_button(record)
    with st.container(horizontal=True):
        for label, ending, mime, make in files:
            name = f"{record.file_stem}.{ending}"
            st.download_button(label, make, name, mime, key=f"export {ending}", on_click="ignore")
    for name, table in (view.more_tables() if view.more_tables else {}).items():
        st.download_button(
            f"CSV, {name}",
            partial(record.csv, table),
            f"{record.file_stem}_{name.replace(' ', '_')}.csv",
            "text/csv",
            key=f"export {name}",
            on_click="ignore",
        )
    if view.more_exports is not None:
        view.more_exports()
    style.small(record.evidence.source_note)
