"""python -m brivl calibrate: how often each test finds something where there is nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from brivl.cli.cancellation import exit_on_sigint

if TYPE_CHECKING:
    from brivl.core.inference.calibration import Rate


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `calibrate` to the command line."""
    p = verbs.add_parser("calibrate", help="false-positive rate of every test offered, on simulated studies")
    p.add_argument("--n-studies", type=int, default=500, help="of each kind (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    form = p.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--markdown", action="store_true", help="print the table of docs/statistics.md")
    p.set_defaults(run=run_calibrate)


def run_calibrate(args: argparse.Namespace) -> None:
    """Simulate and print."""
    from brivl.core.inference.calibration import calibrate

    def tell(share: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{share:4.0%} of the studies ", end="", file=sys.stderr, flush=True)

    with exit_on_sigint():
        rates = calibrate(args.n_studies, args.seed, tell)
    if args.json:
        print(json.dumps({"n_studies": args.n_studies, "seed": args.seed, "simulated": True, "rates": _rows(rates)}))
        return
    said = f"{args.n_studies} simulated studies of each kind, seed {args.seed}, alpha .05"
    print("\n".join(_markdown(rates) if args.markdown else _text(rates)))
    print(f"\n{said}: {_summary(rates)}")


def _rows(rates: Sequence[Rate]) -> list[dict]:
    return [
        {
            "name": rate.name,
            "test": rate.row.title,
            "null": rate.row.null,
            "kind": rate.row.kind,
            "rate": round(rate.rate, 4),
            "low": round(rate.low, 4),
            "high": round(rate.high, 4),
            "verdict": rate.verdict,
            "as_expected": rate.as_expected,
        }
        for rate in rates
    ]


def _text(rates: Sequence[Rate]) -> list[str]:
    wide = max(len(rate.row.title) for rate in rates)
    return [
        f"{rate.row.title:{wide}}  {rate.rate:.3f} [{rate.low:.3f}, {rate.high:.3f}]  {rate.verdict:13} {rate.row.null}"
        for rate in rates
    ]


def _markdown(rates: Sequence[Rate]) -> list[str]:
    head = ["| test | simulated | rate [95 % interval] | |", "|---|---|---|---|"]
    return head + [
        f"| {r.row.title} | {r.row.null} | {r.rate:.3f} [{r.low:.3f}, {r.high:.3f}] | {r.verdict} |" for r in rates
    ]


def _summary(rates: Sequence[Rate]) -> str:
    """How many do as they should, and which do not."""
    judged = [rate for rate in rates if rate.verdict]
    odd = [rate.row.title for rate in judged if not rate.as_expected]
    said = f"{len(judged) - len(odd)} of {len(judged)} as expected"
    return f"{said}; not: {'; '.join(odd)}" if odd else said
