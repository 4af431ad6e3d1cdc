"""The verb `calibrate`: false-positive rate of every test, on simulated studies without an effect."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import progress_bar

if TYPE_CHECKING:
    from brivl.core.inference.calibration import Rate


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `calibrate` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("calibrate", help="false-positive rate of every statistical test, on simulated studies")
    p.add_argument("--n-studies", type=int, default=500, help="number of studies of each kind (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    form = p.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--markdown", action="store_true", help="print the table of docs/statistics.md")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from brivl.core.inference.calibration import calibrate

    report = progress_bar(quiet=False)
    with exit_on_sigint():
        rates = calibrate(args.n_studies, args.seed, lambda share: report(share, 1, "Simulating studies"))
    if args.json:
        print(json.dumps({"n_studies": args.n_studies, "seed": args.seed, "simulated": True, "rates": _rows(rates)}))
        return
    print("\n".join(_markdown(rates) if args.markdown else _text(rates)))
    print(f"\n{args.n_studies} simulated studies of each kind, seed {args.seed}, alpha .05: {_summary(rates)}")


def _rows(rates: Sequence[Rate]) -> list[dict[str, Any]]:
    return [
        {
            "name": rate.name,
            "test": rate.test.title,
            "null": rate.test.null,
            "kind": rate.test.kind,
            "rate": round(rate.rate, 4),
            "low": round(rate.low, 4),
            "high": round(rate.high, 4),
            "verdict": rate.verdict,
            "as_expected": rate.as_expected,
        }
        for rate in rates
    ]


def _text(rates: Sequence[Rate]) -> list[str]:
    width = max(len(rate.test.title) for rate in rates)
    return [
        f"{r.test.title:{width}}  {r.rate:.3f} [{r.low:.3f}, {r.high:.3f}]  {r.verdict:13} {r.test.null}" for r in rates
    ]


def _markdown(rates: Sequence[Rate]) -> list[str]:
    head = ["| test | simulated | rate [95 % interval] | |", "|---|---|---|---|"]
    return head + [
        f"| {r.test.title} | {r.test.null} | {r.rate:.3f} [{r.low:.3f}, {r.high:.3f}] | {r.verdict} |" for r in rates
    ]


def _summary(rates: Sequence[Rate]) -> str:
    """How many tests have the expected rate, and which have not."""
    rated = [rate for rate in rates if rate.verdict]
    unexpected = [rate.test.title for rate in rated if not rate.as_expected]
    count = f"{len(rated) - len(unexpected)} of {len(rated)} as expected"
    return f"{count}; not: {'; '.join(unexpected)}" if unexpected else count
