"""python -m brivl.train: train the shipped models, pre-train BriVL at any size, or import published weights."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module

from brivl.errors import BrivlError
from brivl.threads import set_threads, torch_on_all_cores

VERBS = (  # modules with add_verbs(verbs), each of whose parsers sets run=function(args) -> metrics
    "brivl.train.brivl.command",
    "brivl.train.captioning.command",
    "brivl.train.generation.command",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one verb and print its metrics as JSON; exit with code 2 and a message where the input is wrong.

    Parameters
    ----------
    argv
        Arguments; None for those of the process.
    """
    set_threads()  # before the verbs import torch, which reads the settings then
    args = _parser().parse_args(argv)
    try:
        with torch_on_all_cores():  # 1.5 times as fast on two cores
            metrics = args.run(args)
    except BrivlError as error:
        print(f"brivl.train: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("brivl.train: stopped; --resume continues pre-training from its last checkpoint.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:  # of the disk, where no function has described it better
        where = "" if error.filename is None else f" {str(error.filename)!r}"
        reason = error.strerror or error
        print(f"brivl.train: Cannot read or write{where} ({reason}). Check the path and the disk.", file=sys.stderr)
        sys.exit(2)
    if metrics is not None:
        print(json.dumps(metrics))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m brivl.train", description=__doc__)
    verbs = parser.add_subparsers(dest="model", required=True, metavar="VERB")
    for module in VERBS:
        import_module(module).add_verbs(verbs)
    return parser


if __name__ == "__main__":
    main()
