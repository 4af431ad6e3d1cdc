"""python -m brivl.train captioner and embedding-captioner: captions from a visual encoder's patches or embeddings."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from brivl.config import runs_dir
from brivl.models.captioning.digests import CAPTIONERS, EMBEDDING_CAPTIONER, captioner_file
from brivl.train.recipes import add_count_options, chosen


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `captioner` and `embedding-captioner`.

    Parameters
    ----------
    verbs
        Subparsers of the command line.
    """
    p = verbs.add_parser("captioner", help="train a caption decoder on a frozen visual encoder and drawn scenes")
    p.add_argument("--encoder", choices=CAPTIONERS, default=CAPTIONERS[0], help="visual encoder (default: %(default)s)")
    add_count_options(p, "--scenes", "number of distinct training scenes")
    p.add_argument("--rate", type=float, help="peak learning rate (default: the recipe's)")
    p.add_argument("--start", type=Path, help="weights file of a captioner to start from")
    p.add_argument("--out", type=Path, help="weights file to write (default: the shipped file)")
    p.set_defaults(run=_captioner)
    p = verbs.add_parser(
        "embedding-captioner", help="train a caption decoder on BriVL-mini's embeddings of texts, without images"
    )
    add_count_options(p, "--captions", "number of distinct training captions")
    p.add_argument("--out", type=Path, default=EMBEDDING_CAPTIONER, help="weights file (default: the shipped file)")
    p.set_defaults(run=_embedding_captioner)


def _captioner(args: argparse.Namespace) -> dict[str, float]:
    from brivl.train.captioning.train import CaptionRecipe, train_captioner

    recipe = dataclasses.replace(CaptionRecipe(), **chosen(args))
    if args.rate:
        recipe = dataclasses.replace(recipe, learning_rate=args.rate)
    log = runs_dir() / f"captioner-{args.encoder}.jsonl"
    return train_captioner(args.out or captioner_file(args.encoder), args.encoder, log, recipe, start=args.start)


def _embedding_captioner(args: argparse.Namespace) -> dict[str, float]:
    from brivl.train.captioning.train_from_embeddings import EmbeddingCaptionerRecipe, train_embedding_captioner

    values: dict[str, Any] = {"n_steps": args.steps, "n_captions": args.captions, "seed": args.seed}
    recipe = dataclasses.replace(EmbeddingCaptionerRecipe(), **{name: value for name, value in values.items() if value})
    return train_embedding_captioner(args.out, runs_dir() / "captioner-embedding.jsonl", recipe)
