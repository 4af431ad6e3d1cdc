"""The verb `bundle`: figure, table, maps and methods text of a result in one zip file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import add_options, check_out, model_pair, parse_layers, parse_names, write_output
from brivl.data.anatomy.atlases import PARCELLATION_HELP
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.analyses.figure_for import FigureRequest


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `bundle` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("bundle", help="write figure, slide, table, maps and methods text of a result to a zip file")
    add_options(p, "dataset", "models")
    p.add_argument("--layer", required=True, help="layer number, counted from 1; for the page layers 4,8,12 or 1-6 too")
    p.add_argument("--subject", required=True, help="one, several (S01,S02), or all")
    p.add_argument("--page", default="layers", help="page of the figure: layers (default), flatmap or regions")
    add_options(p, "preset", "pooling")
    p.add_argument(
        "--map",
        default="",
        help="flatmap, layer x region: joint (default), a, b, pair, difference, unique_a, unique_b, shared",
    )
    p.add_argument("--level", default="", help=f"regions, layer x region: parcellation, {PARCELLATION_HELP}")
    p.add_argument("--order", default="", help="regions: order of rows, one of anatomical (default), p, effect, name")
    p.add_argument("--rows", default="", help="regions: rows of the figure, top (20 by joint R2) or q (q < .05)")
    p.add_argument("--view", default="", help="layers: regions draws layer x region in place of R2 by layer")
    p.add_argument("--sort", default="", help="layer x region: anatomical (default), or layer to sort by best layer")
    p.add_argument("--scale", default="", help="regions: ceiling normalises R2 by the noise ceiling")
    p.add_argument("--unit", default="", help="regions: observations of the t-test, subject (default) or voxel")
    p.add_argument("--out", required=True, type=Path, help="the zip file to write")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    check_out(args.out, ".zip")
    from brivl.analyses.figure_for import make_figure
    from brivl.sharing.bundle import bundle_bytes

    store = Store(args.cache)
    with exit_on_sigint():
        record = make_figure(store, _request(args))
    content = bundle_bytes(store, record)
    write_output(args.out, content)
    if args.json:
        summary = {
            "out": str(args.out),
            "bytes": len(content),
            "simulated": record.evidence.simulated,
            "headline": record.label.headline,
            "link": record.link,
        }
        print(json.dumps(summary))
        return
    label = f"{record.simulated_label}. " if record.simulated_label else ""
    print(f"{label}{record.label.headline}\n{args.out}: {len(content):,} bytes")


def _request(args: argparse.Namespace) -> FigureRequest:
    from brivl.analyses.figure_for import FigureRequest

    settings = {
        "preset": args.preset,
        "pooling": args.pooling or "",
        "map": args.map,
        "level": args.level,
        "order": args.order,
        "rows": args.rows,
        "scale": args.scale,
        "view": args.view,
        "sort": args.sort,
        "unit": args.unit,
    }
    layers = tuple(sorted(parse_layers(args.layer, "--layer")))
    subjects = parse_names(args.subject, "--subject")
    return FigureRequest(args.dataset, model_pair(args.models), layers, subjects, args.page, settings)
