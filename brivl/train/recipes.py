"""Command-line options that all trainings of the demo models share."""

from __future__ import annotations

import argparse
from pathlib import Path

from brivl.config import runs_dir


def add_recipe_options(parser: argparse.ArgumentParser, out: Path) -> None:
    """Add the options that change a recipe, and where the weights go.

    Parameters
    ----------
    parser
        Parser of a verb.
    out
        The shipped weights file, which is the default of --out.
    """
    add_count_options(parser, "--scenes", "number of distinct training scenes")
    parser.add_argument("--out", type=Path, default=out, help="weights file to write (default: the shipped file)")
    parser.set_defaults(log=runs_dir() / f"{out.stem}.jsonl")


def add_count_options(parser: argparse.ArgumentParser, examples: str, help_text: str) -> None:
    """Add --steps, --seed and the option that sets the number of training examples.

    Parameters
    ----------
    parser
        Parser of a verb.
    examples
        Name of the option for the number of examples.
    help_text
        What it sets.
    """
    parser.add_argument("--steps", type=int, help="number of optimiser steps (default: the recipe's)")
    parser.add_argument(examples, type=int, help=f"{help_text} (default: the recipe's)")
    parser.add_argument(
        "--seed", type=int, help="random seed of the training data and their order (default: the recipe's)"
    )


def chosen(args: argparse.Namespace) -> dict[str, int]:
    """Collect the fields of a recipe that options set.

    Parameters
    ----------
    args
        Parsed options of `add_recipe_options`.

    Returns
    -------
    dict
        Field of the recipe -> value; options that were not given are left out.
    """
    values = {"n_steps": args.steps, "n_scenes": args.scenes, "seed": args.seed}
    return {name: value for name, value in values.items() if value}
