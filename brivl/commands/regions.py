"""The verb `regions`: two models compared by region, with every number of the page Regions."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import add_options, check_out, model_pair, parse_names, progress_bar, write_output
from brivl.core.numbers import probability
from brivl.data.anatomy.atlases import PARCELLATION_HELP
from brivl.store.artifacts import Store

PRINTED_COLUMNS = [
    "region",
    "n_voxels",
    "mean_joint",
    "mean_a",
    "mean_b",
    "mean_unique_a",
    "mean_unique_b",
    "mean_shared",
]
PRINTED_COLUMNS += ["difference", "d_z", "p", "q"]


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `regions` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("regions", help="compare two models by region: means, intervals, tests, prevalence")
    add_options(p, "dataset", "models", "layer")
    p.add_argument("--subject", default="all", help="one, several (S01,S02), or all (default)")
    add_options(p, "preset")
    p.add_argument("--level", default="", help=f"parcellation: {PARCELLATION_HELP}")
    p.add_argument("--order", default="anatomical", help="order of rows: anatomical (default), p, effect or name")
    p.add_argument("--rows", default="", help="rows of the figure: all (default), top (20 by joint R2) or q (q < .05)")
    p.add_argument("--scale", default="", help="ceiling: normalise R2 by the noise ceiling")
    p.add_argument(
        "--unit",
        default="subject",
        help="test over: subject (default; blocks of stimuli for one subject), or voxel (anti-conservative)",
    )
    p.add_argument(
        "--tests",
        action="store_true",
        help="test within each subject, for the prevalence (always done for one subject)",
    )
    p.add_argument("--out", type=Path, help="write all numbers to this .csv file")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    models = model_pair(args.models)
    check_out(args.out, ".csv")
    subjects = parse_names(args.subject, "--subject")
    from brivl.analyses.figure_for import FigureRequest, make_figure

    settings = {name: str(getattr(args, name)) for name in ("preset", "level", "order", "rows", "scale", "unit")}
    one = len(subjects) == 1 and subjects != ("all",) and args.unit != "voxel"  # p and q of one subject are these tests
    settings |= {"tests": "yes"} if args.tests or one else {}
    with exit_on_sigint():
        request = FigureRequest(args.dataset, models, (args.layer,), subjects, "regions", settings)
        record = make_figure(Store(args.cache), request, progress_bar(quiet=args.json))
    if args.out:
        write_output(args.out, next(iter(record.csv_files().values())).encode())
    table = record.make_tables()["scores"]
    if args.json:
        rows = json.loads(table.to_json(orient="records", double_precision=6))
        for name in ("p", "q"):  # in full: six decimals make 0 of a small p
            for row, value in zip(rows, table[name], strict=True):
                row[name] = None if math.isnan(value) else float(value)
        printed = {"dataset": args.dataset, "models": list(models), "layer": args.layer}
        printed |= {"simulated": record.evidence.simulated, "headline": record.label.headline, "regions": rows}
        print(json.dumps(printed))
        return
    counts = [f"{k} of {n}" for k, n in zip(table["prevalence_k"], table["prevalence_n"], strict=True)]
    rows_text = (
        table[PRINTED_COLUMNS]
        .assign(subjects=counts)
        .to_string(index=False, float_format="%.4f", formatters={"p": probability, "q": probability})
    )
    label = f"{record.simulated_label}. " if record.simulated_label else ""
    print(f"{label}{record.label.headline}\n{record.label.caption}\n{rows_text}")
