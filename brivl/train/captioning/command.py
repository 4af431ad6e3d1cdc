"""python -m brivl.train captioner | embedding-captioner: sentences from a visual encoder's patches, or from points."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from brivl.config import runs_dir
from brivl.models.captioning.digests import CAPTIONERS, EMBEDDING_CAPTIONER, captioner_file


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `captioner` and `embedding-captioner`."""
    p = verbs.add_parser("captioner", help="a caption decoder on a frozen visual encoder, on drawn scenes")
    p.add_argument("--encoder", choices=CAPTIONERS, default=CAPTIONERS[0], help="(default: %(default)s)")
    p.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    p.add_argument("--scenes", type=int, help="distinct training scenes (default: the recipe's)")
    p.add_argument("--seed", type=int, help="of the scenes and their order (default: the recipe's)")
    p.add_argument("--rate", type=float, help="highest learning rate (default: the recipe's)")
    p.add_argument("--start", type=Path, help="go on from this captioner")
    p.add_argument("--out", type=Path, help="(default: the shipped file)")
    p.set_defaults(run=_captioner)
    p = verbs.add_parser("embedding-captioner", help="a caption decoder on points of BriVL-mini's space, from texts")
    p.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    p.add_argument("--captions", type=int, help="distinct training captions (default: the recipe's)")
    p.add_argument("--seed", type=int, help="of the captions and their order (default: the recipe's)")
    p.add_argument("--out", type=Path, default=EMBEDDING_CAPTIONER, help="(default: the shipped file)")
    p.set_defaults(run=_embedding_captioner)


def _captioner(args: argparse.Namespace) -> dict[str, float]:
    from brivl.train.captioning.train import CaptionRecipe, train_captioner

    asked = {"n_steps": args.steps, "n_scenes": args.scenes, "seed": args.seed, "learning_rate": args.rate}
    recipe = dataclasses.replace(CaptionRecipe(), **{name: value for name, value in asked.items() if value})
    log = runs_dir() / f"captioner-{args.encoder}.jsonl"
    return train_captioner(args.out or captioner_file(args.encoder), args.encoder, log, recipe, start=args.start)


def _embedding_captioner(args: argparse.Namespace) -> dict[str, float]:
    from brivl.train.captioning.train_from_embeddings import EmbeddingCaptionerRecipe, train_embedding_captioner

    asked = {"n_steps": args.steps, "n_captions": args.captions, "seed": args.seed}
    recipe = dataclasses.replace(EmbeddingCaptionerRecipe(), **{name: value for name, value in asked.items() if value})
    return train_embedding_captioner(args.out, runs_dir() / "captioner-embedding.jsonl", recipe)
