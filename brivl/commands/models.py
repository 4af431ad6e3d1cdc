"""The verb `models`: list the models that ship with the program."""

from __future__ import annotations

import argparse
import json

from brivl.cli.options import add_options


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `models` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("models", help="list the models that ship with the program")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    """List the models, their layers, and whether they are small proxies of published models."""
    from brivl.models.registry import SHIPPED

    if args.json:
        print(json.dumps({"models": [c.as_dict() for c in SHIPPED.values()]}))
        return
    for c in SHIPPED.values():
        layers = ", ".join(f"{n} {kind} layers" for kind, n in c.n_layers.items())
        print(f"{c.name}: {layers}{' [SMALL PROXY]' if c.is_proxy else ''}\n    {c.note}")
    print("Other timm and transformers models can be used by name, or by a folder with config.json and weights.")
