"""python -m brivl.train vqgan-mini, code-prior and scene-classifier: the generator, its prior, and the classifier."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from brivl.models.generation.digests import CLASSIFIER_FILE, PRIOR_FILE, VQGAN_FILE
from brivl.train.recipes import add_recipe_options, chosen


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `vqgan-mini`, `code-prior` and `scene-classifier`.

    Parameters
    ----------
    verbs
        Subparsers of the command line.
    """
    p = verbs.add_parser("vqgan-mini", help="train the generator on drawn scenes; a stopped run is continued")
    p.add_argument("--start", type=Path, help="weights file whose encoder and decoder to start from, with new codes")
    p.set_defaults(run=_vqgan_mini)
    add_recipe_options(p, VQGAN_FILE)
    p = verbs.add_parser("code-prior", help="train the prior over vqgan-mini's codes, given image embeddings")
    p.add_argument("--start", type=Path, help="weights file of a prior to start from")
    p.add_argument("--things", type=int, choices=(1, 2, 3), help="number of things in each scene (default: 1 to 3)")
    p.add_argument("--large", action="store_true", help="leave out scenes with a small thing, about half of them")
    p.set_defaults(run=_code_prior)
    add_recipe_options(p, PRIOR_FILE)
    p = verbs.add_parser(
        "scene-classifier",
        aliases=["judge"],
        help="train the independent classifier of drawn scenes that checks generated images",
    )
    p.set_defaults(run=_scene_classifier)
    add_recipe_options(p, CLASSIFIER_FILE)


def _vqgan_mini(args: argparse.Namespace) -> Mapping[str, float]:
    from brivl.train.generation.train_vqgan import VqganRecipe, train_vqgan_mini

    recipe = dataclasses.replace(VqganRecipe(), **chosen(args))
    return train_vqgan_mini(args.out, args.log, recipe, start=args.start)


def _code_prior(args: argparse.Namespace) -> Mapping[str, float]:
    from brivl.train.generation.train_prior import PriorRecipe, train_code_prior

    recipe = PriorRecipe(**chosen(args), n_things=args.things, large=args.large)
    return train_code_prior(args.out, args.log, recipe, start=args.start)


def _scene_classifier(args: argparse.Namespace) -> Mapping[str, float]:
    from brivl.train.generation.train_classifier import ClassifierRecipe, train_scene_classifier

    return train_scene_classifier(args.out, args.log, dataclasses.replace(ClassifierRecipe(), **chosen(args)))
