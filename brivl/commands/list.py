"""python -m brivl datasets | models: what there is."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `datasets` and `models` to the command line."""
    for name, run, help_text in (
        ("datasets", run_datasets, "datasets by name: phantoms, and folders in BRIVL_DATA"),
        ("models", run_models, "models that ship with the project"),
    ):
        p = verbs.add_parser(name, help=help_text)
        p.add_argument("--json", action="store_true", help="print one JSON object")
        p.set_defaults(run=run)


def run_datasets(args: argparse.Namespace) -> None:
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


def run_models(args: argparse.Namespace) -> None:
    """List shipped models, what they take and whether they stand in for a published one."""
    from brivl.models.registry import SHIPPED

    if args.json:
        print(json.dumps({"models": [c.as_dict() for c in SHIPPED.values()]}))
        return
    for c in SHIPPED.values():
        layers = ", ".join(f"{n} {kind} layers" for kind, n in c.n_layers.items())
        print(f"{c.name}: {layers}{' [STAND-IN]' if c.is_proxy else ''}\n    {c.note}")
    print("Any timm or transformers model by name, or a folder with config.json and weights, works the same way.")
