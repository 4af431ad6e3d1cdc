"""python -m brivl.train vit-mini | brivl-mini: the shipped models from nothing, on drawn scenes."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from brivl.config import PROJECT, WEIGHTS


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `vit-mini` and `brivl-mini`."""
    p = verbs.add_parser("vit-mini", help="the visual encoder alone, by classification of drawn scenes")
    p.add_argument("--start", type=Path, help="go on from this encoder")
    p.set_defaults(run=_vit_mini)
    _add_common(p, "vit-mini")
    p = verbs.add_parser("brivl-mini", help="vit-mini and MiniLM joined by cross-modal MoCo on drawn scenes")
    p.add_argument(
        "--vit", type=Path, default=WEIGHTS / "vit-mini.safetensors", help="the encoder to start from"
    )
    p.set_defaults(run=_brivl_mini)
    _add_common(p, "brivl-mini")


def _add_common(p: argparse.ArgumentParser, model: str) -> None:
    p.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    p.add_argument("--scenes", type=int, help="distinct training scenes (default: the recipe's)")
    p.add_argument("--seed", type=int, help="of the scenes and their order (default: the recipe's)")
    p.add_argument("--out", type=Path, default=WEIGHTS / f"{model}.safetensors", help="(default: the shipped file)")
    p.set_defaults(log=PROJECT / "runs" / f"{model}.jsonl")


def _chosen(args: argparse.Namespace) -> dict[str, int]:
    asked = {"n_steps": args.steps, "n_scenes": args.scenes, "seed": args.seed}
    return {name: value for name, value in asked.items() if value}


def _vit_mini(args: argparse.Namespace) -> dict:
    from brivl.train.unimodal import UnimodalRecipe, train_vit_mini

    recipe = dataclasses.replace(UnimodalRecipe(), **_chosen(args))
    return train_vit_mini(args.out, args.log, recipe, start=args.start)


def _brivl_mini(args: argparse.Namespace) -> dict:
    from brivl.train.multimodal import MultimodalRecipe, train_brivl_mini

    recipe = dataclasses.replace(MultimodalRecipe(), **_chosen(args))
    return train_brivl_mini(args.out, args.vit, args.log, recipe)
