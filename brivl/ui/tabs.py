"""The six tabs below the headline: Figure, Table, Method, Code, Export, Share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from brivl.sharing.figure_record import npz_bytes
from brivl.sharing.methods import cli_lines, methods_paragraph, preset_reasons, python_lines
from brivl.ui import share_tab, style
from brivl.ui.results import Shown
from brivl.viz.export import PAPER, SLIDE, figure_bytes

if TYPE_CHECKING:
    from brivl.ui.frame import View

NAMES = ("Figure", "Table", "Method", "Code", "Export", "Share")


def draw(view: View) -> None:
    """All tabs; only the open one is filled."""
    fill: dict[str, Callable[[View], None]] = {
        "Figure": _figure,
        "Table": _table,
        "Method": _method,
        "Code": _code,
        "Export": _export,
        "Share": share_tab.share_tab,
    }
    for name, tab in zip(NAMES, st.tabs(list(NAMES), key="tabs", on_change="rerun"), strict=True):
        if tab.open:
            with tab:
                fill[name](view)


def _figure(view: View) -> None:
    view.draw()
    style.caption(f"{view.label.caption} {view.hint}")
    style.small(self_check(view.shown))
    if view.below is not None:
        view.below()


def self_check(shown: Shown) -> str:
    """The parts of R² must add up to the whole."""
    return f"split adds up to joint: max |diff| {shown.largest_gap():.1g} over {_count(len(shown.answers))}"


def _count(n: int) -> str:
    return "1 fit" if n == 1 else f"{n} fits"


def _table(view: View) -> None:
    st.dataframe(view.table(), hide_index=True, height=420)
    a, b = view.shown.names
    style.small(f"a: {a}, b: {b}. {_said(view)}")


def _method(view: View) -> None:
    st.markdown(methods_paragraph(view.shown.done))
    preset = view.shown.done.preset
    st.markdown(f"**Why preset “{preset.name}” does so**")
    st.markdown("\n".join(f"- `{field}` = {value}: {why}" for field, value, why in preset_reasons(preset)))


def _code(view: View) -> None:
    st.caption("On the command line")
    st.code(cli_lines(view.shown.done), language="bash", wrap_lines=True)
    st.caption("In Python")
    st.code(python_lines(view.shown.done), language="python", wrap_lines=True)
    st.caption("Link to this page")
    st.code(share_tab.link(view.shown), language=None, wrap_lines=True)


def _export(view: View) -> None:
    """Files are made when they are asked for."""
    simulated = "simulated_" if view.shown.known.simulated else ""
    stem = f"{simulated}{view.stem}"
    files = [
        ("PNG, 16:9 slide", "png", "image/png", lambda: figure_bytes(view.page(SLIDE), "png", dpi=144)),
        ("PDF, for print", "pdf", "application/pdf", lambda: figure_bytes(view.page(PAPER), "pdf")),
        ("SVG, for print", "svg", "image/svg+xml", lambda: figure_bytes(view.page(PAPER), "svg")),
        ("CSV, tidy table", "csv", "text/csv", lambda: csv_text(view)),
    ]
    share_tab.bundle_button(view)
    with st.container(horizontal=True):
        for label, ending, mime, make in files:
            st.download_button(label, make, f"{stem}.{ending}", mime, key=f"export {ending}", on_click="ignore")
    st.caption("Scores of every voxel (.npz, as written by `python -m brivl fit --out`)")
    _npz(view, simulated)
    style.small(_said(view))


def _npz(view: View, simulated: str) -> None:
    keys = sorted(view.shown.answers)
    layer, subject = keys[0]
    if len(keys) > 1:
        layer, subject = st.selectbox("Fit", keys, format_func=lambda key: f"layer {key[0]}, {key[1]}", width=260)
    answer, voxels = view.shown.answers[layer, subject], view.shown.facts[subject].voxels
    name = f"{simulated}{subject}_layer{layer:02d}.npz"
    make = partial(npz_bytes, answer, voxels)
    st.download_button("NPZ", make, name, "application/octet-stream", key="export npz", on_click="ignore")


def csv_text(view: View) -> str:
    """The table, with what it rests on in every row, so that it can be read alone."""
    choices, known = view.shown.choices, view.shown.known
    table = view.table().assign(
        dataset=known.name,
        simulated=known.simulated,
        model_a=choices.a,
        model_b=choices.b,
        preset=choices.preset,
        region_filter=choices.region,
    )
    return table.to_csv(index=False)


def _said(view: View) -> str:
    known = view.shown.known
    words = ["Simulated data." if known.simulated else known.citation, known.licence]
    return " ".join(word for word in words if word)
