"""Files of the reproduction: PDF, PNG, CSV and a note beside each figure; each is complete or absent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from brivl.analyses.reproduce.means import PaperMeans, voxel_rule
from brivl.analyses.reproduce.paper_page import PaperPage
from brivl.cli.options import write_output
from brivl.core.claims.checks import Verdict
from brivl.errors import StoreError
from brivl.store.manifests import versions
from brivl.viz.export import figure_bytes

DPI = 200
CHECKS = "checks"
HEAD = ("check", "figures", "verdict", "claim", "rule", "evidence", "dataset", "simulated")


def write_page(folder: Path, page: PaperPage, gathered: PaperMeans) -> list[Path]:
    """Write STEM.csv, STEM.json, STEM.pdf and STEM.png; each is complete or absent.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    page : PaperPage
        The page.
    gathered : PaperMeans
        Means of all fits of the dataset.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    StoreError
        Where a file cannot be written.
    """
    drawn = page.draw()
    drawn.set_layout_engine("none")  # it is laid out; without this each file would lay it out again
    contents = {
        "csv": csv_bytes(page, gathered),
        "json": (json.dumps(note(page, gathered), indent=1, ensure_ascii=False) + "\n").encode(),
        "pdf": figure_bytes(drawn, "pdf", DPI),
        "png": figure_bytes(drawn, "png", DPI),
    }
    paths = [folder / f"{page.stem}.{ending}" for ending in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_output(path, content)
    return paths


def csv_bytes(page: PaperPage, gathered: PaperMeans) -> bytes:
    """Write the table of a page as CSV, with figure, dataset and simulated in front of every row.

    Parameters
    ----------
    page : PaperPage
        The page.
    gathered : PaperMeans
        Means of all fits of the dataset.

    Returns
    -------
    bytes
        Content of the file; numbers in full precision.
    """
    summary = gathered.source.summary
    table = page.table.copy()
    for name, value in (("simulated", summary.simulated), ("dataset", summary.short_name), ("figure", page.figure.key)):
        table.insert(0, name, value)
    return table.to_csv(index=False, lineterminator="\n").encode()


def note(page: PaperPage, gathered: PaperMeans) -> dict[str, Any]:
    """Describe what a figure rests on, for the file beside it.

    Parameters
    ----------
    page : PaperPage
        The page.
    gathered : PaperMeans
        Means of all fits of the dataset.

    Returns
    -------
    dict
        JSON values.
    """
    s = gathered.source
    return {
        "figure": page.figure.key,
        "paper": page.figure.name,
        "shows": page.figure.shows,
        "label": "SIMULATED DATA" if s.summary.simulated else "measured data",
        "simulated": s.summary.simulated,
        "headline": page.label.headline,
        "caption": page.label.caption,
        "dataset": s.summary.short_name,
        "title": s.summary.title,
        "licence": s.summary.licence,
        "citation": s.summary.citation,
        "models": {"a": s.models[0], "b": s.models[1]},
        "names": {"a": s.names[0], "b": s.names[1]},
        "stand_ins": [m for m in s.models if m in s.summary.model_options and s.summary.model_options[m].stand_in],
        "preset": s.preset,
        "layers": list(s.layers_of(page.figure)),
        "n_layers": s.n_layers,
        "subjects": list(s.subjects_of(page.figure)),
        "voxels": voxel_rule(gathered),
        "versions": dict(versions()),
    }


def check_table(verdicts: Sequence[tuple[Verdict, str, bool | None]]) -> pd.DataFrame:
    """Make the table of checks.

    Parameters
    ----------
    verdicts : sequence of tuple
        Verdict, dataset ("" where there is none), whether that is simulated.

    Returns
    -------
    DataFrame
        One row for each check, columns HEAD.
    """
    rows = [
        (v.id, " ".join(v.figures), v.verdict, v.claim, v.rule, v.evidence, dataset, simulated)
        for v, dataset, simulated in verdicts
    ]
    return pd.DataFrame(rows, columns=list(HEAD))


def markdown(table: pd.DataFrame, title: str, remarks: Sequence[str]) -> str:
    """Write the table of checks as Markdown.

    Parameters
    ----------
    table : DataFrame
        What `check_table` gives.
    title : str
        Heading.
    remarks : sequence of str
        What stands above the table: what is simulated, what was not made.

    Returns
    -------
    str
        The text.
    """
    lines = [f"# {title}", "", *(f"{remark}\n" for remark in remarks)]
    lines += [_row(table.columns), _row(["---"] * len(table.columns))]
    lines += [_row(_cell(value) for value in row) for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def _row(cells: Any) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def _cell(value: object) -> str:
    return "" if value is None else {True: "yes", False: "no"}.get(value, str(value))  # type: ignore[call-overload]


def write_checks(folder: Path, table: pd.DataFrame, text: str) -> list[Path]:
    """Write checks.csv and checks.md.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    table : DataFrame
        What `check_table` gives.
    text : str
        What `markdown` gives.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    StoreError
        Where a file cannot be written.
    """
    contents: Mapping[str, bytes] = {
        "csv": table.to_csv(index=False, lineterminator="\n").encode(),
        "md": text.encode(),
    }
    paths = [folder / f"{CHECKS}.{ending}" for ending in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_output(path, content)
    return paths


def make_folder(path: Path) -> None:
    """Create the folder of the results.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    StoreError
        Where it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"Expected to write into the folder {str(path)!r}, but could not ({error.strerror}). Choose another --out."
        ) from error
