"""The verb `datasets`: list datasets by name."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from brivl.cli.options import add_options
from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `datasets` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("datasets", help="list datasets by name: simulated ones, and folders in BRIVL_DATA")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    """List datasets; one that cannot be opened is listed with the reason."""
    from brivl.data.registry import list_datasets

    cards = list_datasets(Store(args.cache))
    if args.json:
        print(json.dumps({"datasets": [asdict(c) for c in cards]}))
        return
    for c in cards:
        print(f"{c.name}: {c.problem or c.title}" + (" [SIMULATED]" if c.simulated else ""))
        if not c.problem:
            print(f"    subjects {', '.join(c.subjects)}; licence: {c.licence}")
