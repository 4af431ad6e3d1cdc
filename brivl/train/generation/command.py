"""python -m brivl.train vqgan-mini | code-prior | judge: the generator of text to image, its prior, and its judge."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from brivl.config import runs_dir
from brivl.models.generation.digests import CLASSIFIER_FILE, PRIOR_FILE, VQGAN_FILE


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `vqgan-mini`, `code-prior` and `judge`."""
    p = verbs.add_parser("vqgan-mini", help="the generator, on drawn scenes; goes on where a stopped run left off")
    p.add_argument("--start", type=Path, help="go on from this encoder and decoder, with a new codebook")
    p.set_defaults(run=_vqgan_mini)
    _add_common(p, VQGAN_FILE)
    p = verbs.add_parser("code-prior", help="which codes of vqgan-mini make scenes, given BriVL-mini's image vector")
    p.add_argument("--start", type=Path, help="go on from this prior")
    p.add_argument("--things", type=int, choices=(1, 2, 3), help="in each scene (default: 1 to 3)")
    p.add_argument("--large", action="store_true", help="leave out scenes with a small thing, about half of them")
    p.set_defaults(run=_code_prior)
    _add_common(p, PRIOR_FILE)
    p = verbs.add_parser("judge", help="an independent classifier of drawn scenes, which judges generated pictures")
    p.set_defaults(run=_judge)
    _add_common(p, CLASSIFIER_FILE)


def _add_common(p: argparse.ArgumentParser, out: Path) -> None:
    p.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    p.add_argument("--scenes", type=int, help="distinct training scenes (default: the recipe's)")
    p.add_argument("--seed", type=int, help="of the scenes and their order (default: the recipe's)")
    p.add_argument("--out", type=Path, default=out, help="(default: the shipped file)")
    p.set_defaults(log=runs_dir() / f"{out.stem}.jsonl")


def _chosen(args: argparse.Namespace) -> dict[str, int]:
    asked = {"n_steps": args.steps, "n_scenes": args.scenes, "seed": args.seed}
    return {name: value for name, value in asked.items() if value}


def _vqgan_mini(args: argparse.Namespace) -> Mapping[str, float]:
    from brivl.train.generation.train_vqgan import VqganRecipe, train_vqgan_mini

    recipe = dataclasses.replace(VqganRecipe(), **_chosen(args))
    return train_vqgan_mini(args.out, args.log, recipe, start=args.start)


def _code_prior(args: argparse.Namespace) -> Mapping[str, float]:
    from brivl.train.generation.train_prior import PriorRecipe, train_code_prior

    recipe = dataclasses.replace(PriorRecipe(n_things=args.things, large=args.large), **_chosen(args))
    return train_code_prior(args.out, args.log, recipe, start=args.start)


def _judge(args: argparse.Namespace) -> Mapping[str, float]:
    from brivl.train.generation.train_classifier import ClassifierRecipe, train_scene_classifier

    return train_scene_classifier(args.out, args.log, dataclasses.replace(ClassifierRecipe(), **_chosen(args)))
