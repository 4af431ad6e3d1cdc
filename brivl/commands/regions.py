"""python -m brivl regions: two models compared by region, with every number of the page Regions."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, model_pair, progress_bar
from brivl.errors import RequestError
from brivl.store.artifacts import Store

SHOWN = ["region", "n_voxels", "mean_joint", "mean_a", "mean_b", "difference", "d_z", "p", "q"]


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `regions` to the command line."""
    p = verbs.add_parser("regions", help="two models by region: means, intervals, tests, in how many subjects")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--models", required=True, help="two names, A,B")
    p.add_argument("--layer", required=True, type=int, help="1-based")
    p.add_argument("--subject", default="all", help="one, some (S01,S02), or all (default)")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--level", default="", help="roi, area (8), merged (45), region (90), aal3 or hcp (MNI space)")
    p.add_argument("--order", default="anatomical", help="anatomical (default), p, effect or name")
    p.add_argument("--scale", default="", help="ceiling: R2 over the noise ceiling")
    p.add_argument(
        "--unit", default="subject", help="pairs of the t-test: subject (default), or voxel as in many papers"
    )
    p.add_argument("--tests", action="store_true", help="test within each subject, for the prevalence")
    p.add_argument("--out", type=Path, help="write all numbers to this .csv")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_regions)


def run_regions(args: argparse.Namespace) -> None:
    """Fit what is missing, compare and print. Raises BrivlError for anything that cannot be answered."""
    models = model_pair(args.models)
    check_out(args.out, ".csv")
    subjects = tuple(dict.fromkeys(name.strip() for name in args.subject.split(",") if name.strip()))
    if not subjects:
        raise RequestError(f"Wanted a subject, or all, and got {args.subject!r}.")
    from brivl.analyses.figure_for import Asked, make_figure
    from brivl.store.writing import write_bytes

    settings = {name: str(getattr(args, name)) for name in ("preset", "level", "order", "scale", "unit")}
    settings |= {"tests": "yes"} if args.tests else {}
    with exit_on_sigint():
        asked = Asked(args.dataset, models, (args.layer,), subjects, "regions", settings)
        record = make_figure(Store(args.cache), asked, progress_bar(quiet=args.json))
    if args.out:
        write_bytes(args.out, next(iter(record.csv_files().values())).encode())
    table = record.make_tables()["scores"]
    if args.json:
        rows = json.loads(table.to_json(orient="records", double_precision=6))
        printed = {"dataset": args.dataset, "models": list(models), "layer": args.layer}
        printed |= {"simulated": record.evidence.simulated, "headline": record.label.headline, "regions": rows}
        print(json.dumps(printed))
        return
    counts = [f"{k} of {n}" for k, n in zip(table["prevalence_k"], table["prevalence_n"], strict=True)]
    rows_text = table[SHOWN].assign(subjects=counts).to_string(index=False, float_format="%.4f")
    label = f"{record.simulated_label}. " if record.simulated_label else ""
    print(f"{label}{record.label.headline}\n{record.label.caption}\n{rows_text}")
