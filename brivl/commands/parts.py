"""python -m brivl parts: what only one model explains, and what both can."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, model_pair, progress_bar
from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `parts` to the command line."""
    p = verbs.add_parser("parts", help="R2 that only A, only B, and either can explain: fits of both and of each alone")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--models", required=True, help="two names, A,B")
    p.add_argument("--layer", required=True, type=int, help="1-based")
    p.add_argument("--subject", required=True)
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--pooling", choices=["cls", "mean"], help="token pooling")
    p.add_argument("--out", type=Path, help="write the parts of every voxel to this .csv")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_parts)


def run_parts(args: argparse.Namespace) -> None:
    """Fit what is missing and print. Raises BrivlError for anything that cannot be answered."""
    models = model_pair(args.models)
    check_out(args.out, ".csv")
    from brivl.encoding.fit import FitRequest, stored_fit
    from brivl.encoding.single_model import variance_partition

    store = Store(args.cache)
    request = FitRequest(args.dataset, models, args.layer, args.subject, args.preset, args.pooling)
    with exit_on_sigint():
        parts = variance_partition(store, request, progress_bar(quiet=args.json)).by_name()
    answer = stored_fit(store, request)
    assert answer is not None  # variance_partition has stored it
    columns = {"r2_joint": answer.result.r2_joint} | parts
    simulated = bool(answer.info["simulated"])
    if args.out:
        _write(args.out, columns, simulated)
    means = {name: round(float(np.nanmean(values, dtype=float)), 6) for name, values in columns.items()}
    if args.json:
        asked = {"dataset": args.dataset, "models": list(models), "layer": args.layer, "subject": args.subject}
        n_voxels = int(answer.result.selected.sum())
        print(json.dumps(asked | {"preset": args.preset, "n_voxels": n_voxels, "simulated": simulated, "mean": means}))
        return
    label = "SIMULATED DATA. " if simulated else ""
    a, b = models
    who = f"{args.dataset}, {args.subject}, layer {args.layer}, {args.preset}"
    print(
        f"{label}{who}: mean joint R2 {means['r2_joint']} = "
        f"only {a} {means['unique_a']} + only {b} {means['unique_b']} + shared {means['shared']}"
    )


def _write(path: Path, columns: dict[str, np.ndarray], simulated: bool) -> None:
    import pandas as pd

    from brivl.store.writing import write_bytes

    table = pd.DataFrame(columns).assign(simulated=simulated)
    table.insert(0, "voxel", np.arange(len(table)))
    write_bytes(path, table[np.isfinite(table["r2_joint"])].to_csv(index=False).encode())
