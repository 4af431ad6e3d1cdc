"""The verb `recovery`: compare fits of every layer with the ground truth of a simulated subject."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from brivl.cli.options import add_options
from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `recovery` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("recovery", help="fit every layer of a simulated subject, and compare with the ground truth")
    p.add_argument("--dataset", default="phantom-movie", help="a simulated dataset (default: %(default)s)")
    p.add_argument("--subject", help="name of a subject (default: the first)")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from brivl.data.registry import open_dataset
    from brivl.encoding.recovery_report import recovery_report

    store = Store(args.cache)
    report = recovery_report(store, args.dataset, args.subject or open_dataset(args.dataset, store).subjects[0])
    if args.json:
        numbers = asdict(report)  # JSON has no NaN
        print(json.dumps({name: None if value != value else value for name, value in numbers.items()}))
        return
    print(f"SIMULATED DATA. {report.dataset}, {report.subject}: {report.n_voxels} fitted voxels with a signal")
    print(f"  difference of split R2, estimate and noise-free prediction: r = {report.difference_r}")
    print(f"  mean difference of each region: Spearman rho = {report.region_rho}")
    print(f"  mean joint R2 over mean noise ceiling: {report.ceiling_share}")
    print(f"  best layer within 2 of the true layer: {report.layer_within_2} of voxels")
    print(f"  mean R2 of voxels without signal: {report.silent_mean_r2}")
