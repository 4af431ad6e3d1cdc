"""The verb `variance-partitioning` (also `parts`): unique variance of each model, and the variance that both share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import add_options, check_out, model_pair, progress_bar, simulated_label, write_table
from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `variance-partitioning` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser(
        "variance-partitioning",
        aliases=["parts"],
        help="unique and shared variance of two models, from fits of both and of each alone",
    )
    add_options(p, "dataset", "models", "layer", "subject", "preset", "pooling")
    p.add_argument("--out", type=Path, help="write the variance components of every voxel to this .csv file")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    models = model_pair(args.models)
    check_out(args.out, ".csv")
    from brivl.encoding.fit import FitRequest, stored_fit
    from brivl.encoding.single_model import variance_partition

    store = Store(args.cache)
    request = FitRequest(args.dataset, models, args.layer, args.subject, args.preset, args.pooling)
    with exit_on_sigint():
        components = variance_partition(store, request, progress_bar(quiet=args.json)).by_name()
    fitted = stored_fit(store, request)
    assert fitted is not None  # variance_partition has stored it
    values = {"r2_joint": fitted.result.r2_joint} | components
    simulated = bool(fitted.info["simulated"])
    if args.out:
        _write(args.out, values, simulated)
    means = {name: round(float(np.nanmean(column, dtype=float)), 6) for name, column in values.items()}
    if args.json:
        choices = {"dataset": args.dataset, "models": list(models), "layer": args.layer, "subject": args.subject}
        choices |= {"preset": args.preset, "n_voxels": int(fitted.result.selected.sum())}
        print(json.dumps(choices | {"simulated": simulated, "mean": means}))
        return
    a, b = models
    print(
        f"{simulated_label(simulated)}{args.dataset}, {args.subject}, layer {args.layer}, {args.preset}: "
        f"mean joint R2 {means['r2_joint']} = "
        f"unique to {a} {means['unique_a']} + unique to {b} {means['unique_b']} + shared {means['shared']}"
    )


def _write(path: Path, values: dict[str, np.ndarray], simulated: bool) -> None:
    import pandas as pd

    table = pd.DataFrame(values).assign(simulated=simulated)
    table.insert(0, "voxel", np.arange(len(table)))
    write_table(path, table[np.isfinite(table["r2_joint"])])
