"""The command line: every verb is a function that prints; bad input ends with a sentence and exit code 2."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from brivl.config import cache_dir
from brivl.errors import BrivlError, Cancelled
from brivl.store.sizes import size_limit

EXIT_BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code."""
    args = _parser().parse_args(argv)
    code = None
    try:
        size_limit()  # a setting that means nothing is said before anything is computed
        code = args.run(args)
        sys.stdout.flush()  # here, where a reader that has left can still be dealt with
    except Cancelled as error:
        print(str(error) or "Cancelled.", file=sys.stderr)
        return 130
    except BrivlError as error:
        print(f"brivl: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("brivl: stopped; answers that were ready are kept.", file=sys.stderr)
        return 130
    except MemoryError:
        print("brivl: There was not enough memory. Close other programs, or choose fewer voxels.", file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:  # the reader (head, say) left; keep Python from complaining again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # of the disk, where no one nearer had a better sentence
        where = "" if error.filename is None else f" {str(error.filename)!r}"
        print(f"brivl: Could not read or write{where} ({error.strerror}); check its path and rights.", file=sys.stderr)
        return EXIT_BAD_INPUT
    return code if isinstance(code, int) else 0  # verbs that come to a verdict give one


def _parser() -> argparse.ArgumentParser:
    from brivl.analyses.alignment import command as aligning
    from brivl.analyses.attention import command as attending
    from brivl.analyses.audit import command as auditing
    from brivl.analyses.captioning import command as captioning
    from brivl.analyses.drive import command as driving
    from brivl.analyses.generation import command as imagine
    from brivl.analyses.integration import command as integrating
    from brivl.analyses.regions import test_command
    from brivl.analyses.registry import ANALYSES
    from brivl.analyses.reproduce import command as reproducing
    from brivl.analyses.retrieval import command as retrieving
    from brivl.analyses.transfer import command as transferring
    from brivl.analyses.voxel_captions import command as voxel_words
    from brivl.cli.analysis_verb import add_verb
    from brivl.commands import bench, bundle, cache, calibrate, data, eval, fit, list, parts, regions, sweep

    parser = argparse.ArgumentParser(prog="python -m brivl", description="Which model, which layer, which region?")
    parser.add_argument(
        "--cache", type=Path, default=cache_dir(), help="folder of stored answers (default: %(default)s)"
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    modules = (
        fit,
        test_command,
        regions,
        parts,
        auditing,
        integrating,
        voxel_words,
        driving,
        aligning,
        transferring,
        sweep,
        list,
        reproducing,
        data,
        eval,
        calibrate,
        bench,
        captioning,
        imagine,
        attending,
        retrieving,
        bundle,
        cache,
    )
    for module in modules:
        module.add_verbs(verbs)
    for analysis in ANALYSES:
        add_verb(verbs, analysis)
    return parser
