"""python -m brivl data make-fixture: a simulated folder in the form of a published dataset."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from brivl.store.sizes import format_size


def add_verb(parts: argparse._SubParsersAction) -> None:
    """Add `make-fixture` to `data`."""
    p = parts.add_parser("make-fixture", help="write a SIMULATED folder in the form of a published dataset, any size")
    p.add_argument("form", metavar="FORM", help="shortclips, pereira2018 or algonauts2023")
    p.add_argument("--out", required=True, type=Path, help="a folder that does not exist yet")
    p.add_argument("--subjects", type=int, metavar="N", help="default: 5, 8, or 2")
    p.add_argument("--voxels", type=int, metavar="N", help="of each subject; default: 20,000, 50,000, or 2,000")
    p.add_argument(
        "--samples", type=int, metavar="N", help="training TRs (default 3,600), sentences (384), pictures (300)"
    )
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_make_fixture)


def run_make_fixture(args: argparse.Namespace) -> None:
    """Write the folder and say what it is."""
    from brivl.data.fixtures import fixture_size, write_fixture

    started = time.monotonic()
    size = fixture_size(args.form, args.subjects, args.voxels, args.samples)
    n_bytes = write_fixture(args.out, size, _say)
    made = {
        "form": args.form,
        "folder": str(args.out),
        "simulated": True,
        "bytes": n_bytes,
        "seconds": round(time.monotonic() - started, 3),
    }
    if args.json:
        print(json.dumps(made))
        return
    print(f"SIMULATED DATA in the form of {args.form}: {args.out}, {format_size(n_bytes)} in {made['seconds']} s")


def _say(done: float, total: float, message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{message} ({done:g} of {total:g})\033[K", end="", file=sys.stderr, flush=True)
