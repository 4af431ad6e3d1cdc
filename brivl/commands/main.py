"""The command line: every verb prints its result; an error ends with one sentence and exit code 2."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import brivl
from brivl.cli.cancellation import EXIT_STOPPED, STOPPED_MESSAGE
from brivl.config import cache_dir
from brivl.data.bids.options import STRATEGIES
from brivl.data.bids.selection import CHOSEN
from brivl.errors import BrivlError, Cancelled
from brivl.store.sizes import size_limit

EXIT_BAD_INPUT = 2
WITHOUT_READING = ("bench", "recovery", "verify")  # of simulated data, or of a bundle
READING = {  # options of the name of a BIDS dataset
    "column": "column of BIDS events that names the stimuli (default: by its values)",
    "derivatives": "folder with preprocessed BOLD of a raw BIDS folder, or none (default: those found beside it)",
    **{name: f"BOLD files with {name}-VALUE in their names" for name in CHOSEN},
    "space": "BOLD files with space-VALUE in their names (default: the only space, else MNI152NLin2009cAsym)",
    "hemi": "one hemisphere of a surface, L or R (default: both)",
    "clean": f"confounds regressed out: none, {', '.join(STRATEGIES)} (default: auto where fMRIPrep's tables are)",
    "highpass": "cut-off in seconds, savgol:SECONDS, or linear (default: 128 with confounds, else linear)",
    "dummies": "drop or keep volumes before the steady state, by the confounds (default: drop where these are used)",
    "smooth": "full width at half maximum of a Gaussian in mm (default: none)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Parameters
    ----------
    argv : Sequence[str] | None
        Words after the name of the program; None for those of this process.

    Returns
    -------
    int
        The exit code: 0, that of a verb with a verdict, 2 for an error, 130 for an interrupt.
    """
    args = command_parser().parse_args(argv)
    code = None
    try:
        _take_reading(args)
        _take_delays(args)
        size_limit()  # an invalid BRIVL_CACHE_MAX is reported before anything is computed
        code = args.run(args)
        sys.stdout.flush()  # here, where a broken pipe can still be handled
    except Cancelled as error:
        print(str(error) or "Cancelled.", file=sys.stderr)
        return EXIT_STOPPED
    except BrivlError as error:
        print(f"brivl: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(STOPPED_MESSAGE, file=sys.stderr)
        return EXIT_STOPPED
    except MemoryError:
        print("brivl: There was not enough memory. Close other programs, or choose fewer voxels.", file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:  # the reader of the output (such as head) has ended; Python must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # of the disk, where the verb itself has no better sentence
        file = "" if error.filename is None else f" {str(error.filename)!r}"
        print(
            f"brivl: Could not read or write{file} ({error.strerror}). Check its path and permissions.", file=sys.stderr
        )
        return EXIT_BAD_INPUT
    return code if isinstance(code, int) else 0


def _take_reading(args: argparse.Namespace) -> None:
    """Put the options of reading into the name of the dataset, by which all verbs and pages open it."""
    chosen = {name: value for name in READING if (value := getattr(args, name, None))}
    if not chosen:
        return
    from brivl.data.registry import name_with_options

    if "derivatives" in chosen and Path(chosen["derivatives"]).is_dir():  # the name is valid in any working folder
        chosen["derivatives"] = os.path.abspath(chosen["derivatives"])
    args.dataset = name_with_options(args.dataset, **chosen)


def _take_delays(args: argparse.Namespace) -> None:
    """Put --delays into the name of the preset, which is part of every request and key."""
    if getattr(args, "delays", None):
        from brivl.core.encoding.presets import preset_with_delays

        args.preset = preset_with_delays(args.preset, args.delays)


def command_parser() -> argparse.ArgumentParser:
    """Make the parser of all verbs.

    Returns
    -------
    ArgumentParser
        The parser.
    """
    from brivl.analyses.attention import command as attention
    from brivl.analyses.captioning import command as captioning
    from brivl.analyses.generation import command as generation
    from brivl.analyses.registry import ANALYSES
    from brivl.analyses.reproduce import command as reproduce
    from brivl.cli.analysis_verb import add_verb
    from brivl.commands import (
        app,
        bench,
        bundle,
        cache,
        calibrate,
        data,
        datasets,
        eval,
        fit,
        models,
        recovery,
        regions,
        report,
        sweep,
        variance_partitioning,
        verify,
        within_subject,
    )

    parser = argparse.ArgumentParser(prog="brivl", description="Which model, which layer, which region?")
    parser.add_argument("--version", action="version", version=brivl.__version__)
    parser.add_argument(
        "--cache", type=Path, default=cache_dir(), help="folder of stored results (default: %(default)s)"
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    modules = (
        app,
        fit,
        within_subject,
        regions,
        variance_partitioning,
        sweep,
        datasets,
        models,
        reproduce,
        data,
        eval,
        recovery,
        calibrate,
        bench,
        captioning,
        generation,
        attention,
        bundle,
        verify,
        report,
        cache,
    )
    for module in modules:
        module.add_verbs(verbs)
    for analysis in ANALYSES:
        if analysis.has_verb:
            add_verb(verbs, analysis)
    for name, verb in verbs.choices.items():
        options = {action.dest for action in verb._actions}
        if "dataset" in options and name not in WITHOUT_READING:
            for option, about in READING.items():
                if option not in options:
                    verb.add_argument(f"--{option}", metavar="VALUE", help=about)
        if "preset" in options and "delays" not in options:
            verb.add_argument(
                "--delays", help="seconds, such as 0,2,4,6,8, or hrf (default: 0,4,6,8; more at TR < 2 s)"
            )
    return parser
