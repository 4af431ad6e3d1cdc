"""python -m brivl reproduce: figures of the paper from any data that can give them, and a table of its statements."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import model_pair, sweep_progress
from brivl.errors import RequestError
from brivl.store.artifacts import Store

OUT = Path("reproduced")


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `reproduce` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("reproduce", help="figures and statements of the paper, from movie and sentence data")
    p.add_argument("figures", nargs="+", metavar="FIGURE", help="fig4b, fig6c, figS4, ...; fig4 (all panels); all")
    p.add_argument("--data", required=True, nargs="+", metavar="DATA", help="phantoms, or folders (docs/own_data.md)")
    p.add_argument("--out", type=Path, default=OUT, help="folder for PDF, PNG and CSV (default: %(default)s)")
    p.add_argument("--models", help="multimodal,unimodal (default: the pair that fits the stimuli)")
    p.add_argument("--subjects", help="some of them, S01,S02 (default: all)")
    p.add_argument("--layers", help="some of them, 4,8,12 or 1-6 (default: all)")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_reproduce)


def run_reproduce(args: argparse.Namespace) -> None:
    """Write the files and print the table of checks.

    Parameters
    ----------
    args : Namespace
        Arguments of the verb.

    Raises
    ------
    BrivlError
        For a request that cannot be answered.
    """
    from brivl.analyses.reproduce.compute import reproduce
    from brivl.analyses.reproduce.source import ReproductionRequest

    request = ReproductionRequest(
        tuple(args.data), _models(args.models), _names(args.subjects), _layers(args.layers), args.preset
    )
    with exit_on_sigint():
        done = reproduce(Store(args.cache), args.figures, request, args.out, sweep_progress(quiet=args.json))
    if args.json:
        rows = done.checks.astype(object).where(done.checks.notna(), None).to_dict("records")
        print(
            json.dumps(
                {
                    "out": str(args.out),
                    "files": [path.name for path in done.files],
                    "made": list(done.made),
                    "not_made": dict(done.not_made),
                    "checks": rows,
                }
            )
        )
        return
    print(done.text)
    print(f"{len(done.files)} files in {args.out}: {', '.join(done.made)}")


def _models(text: str | None) -> tuple[str, str] | None:
    return None if text is None else model_pair(text, "multimodal,unimodal")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def _layers(text: str | None) -> tuple[int, ...]:
    """Numbers and spans: "4,8,12", "1-6"."""
    layers: list[int] = []
    for part in _names(text):
        first, _, last = part.partition("-")
        if not (first.isascii() and first.isdecimal()) or (last and not (last.isascii() and last.isdecimal())):
            raise RequestError(f"Expected layers such as 4,8,12 or 1-6, got {text!r}. Correct --layers.")
        if len(part) > 8:
            raise RequestError(f"Expected layers such as 4,8,12 or 1-6, got {text!r}. Correct --layers.")
        layers += range(int(first), int(last or first) + 1)
    return tuple(layers)
