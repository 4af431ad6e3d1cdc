"""The verb `verify`: compare a bundle with its own manifest, and with the result computed here."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import add_options
from brivl.store.artifacts import Store

EXIT_CODES = {"match": 0, "differs": 1, "unknown": 2}
MARKS = {"match": "ok", "differs": "DIFFERS", "unknown": "not known"}
VERDICTS = {"match": "Match.", "differs": "Does not match.", "unknown": "Cannot be recomputed here."}


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `verify` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("verify", help="check that a bundle is unchanged, and that its result is the same here")
    p.add_argument("bundle", type=Path, metavar="BUNDLE", help="the zip file")
    p.add_argument("--recompute", action="store_true", help="fit again, also where the fit is in the cache")
    p.add_argument("--dataset", default="", help="folder of the data, where it cannot be found by its name")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    """Print the findings; the exit code is 0 for a match, 1 for a difference, 2 where nothing can be recomputed."""
    from brivl.analyses.verify import CheckSettings, check_bundle, refuse_no_file

    refuse_no_file(args.bundle)
    with exit_on_sigint():
        checked = check_bundle(args.bundle, CheckSettings(Store(args.cache), args.recompute, args.dataset))
    if args.json:
        summary = {
            "bundle": args.bundle.name,
            "verdict": checked.verdict,
            "simulated": checked.simulated,
            "findings": [asdict(finding) for finding in checked.findings],
        }
        print(json.dumps(summary))
    else:
        lines = [f"{MARKS[f.verdict]} {f.what}: {f.sentence}" for f in checked.findings]
        print("\n".join([*(["SIMULATED DATA."] if checked.simulated else []), *lines, VERDICTS[checked.verdict]]))
    return EXIT_CODES[checked.verdict]
