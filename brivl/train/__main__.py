"""python -m brivl.train vit-mini | brivl-mini: train a shipped model from nothing on drawn scenes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from brivl.config import PROJECT, WEIGHTS
from brivl.errors import BrivlError
from brivl.train.multimodal import MultimodalRecipe, train_brivl_mini
from brivl.train.unimodal import UnimodalRecipe, train_vit_mini


def main(argv: list[str] | None = None) -> None:
    """Train one model and print its held-out metrics as JSON."""
    args = _parser().parse_args(argv)
    out = args.out or WEIGHTS / f"{args.model}.safetensors"
    log = PROJECT / "runs" / f"{args.model}.jsonl"
    asked = {"n_steps": args.steps, "n_scenes": args.scenes, "seed": args.seed}
    chosen = {name: value for name, value in asked.items() if value}
    try:
        if args.model == "vit-mini":
            metrics = train_vit_mini(out, log, dataclasses.replace(UnimodalRecipe(), **chosen), start=args.start)
        else:
            metrics = train_brivl_mini(out, args.vit, log, dataclasses.replace(MultimodalRecipe(), **chosen))
    except BrivlError as error:
        print(f"brivl.train: {error}", file=sys.stderr)
        sys.exit(2)
    print(json.dumps(metrics))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m brivl.train", description=__doc__)
    parser.add_argument("model", choices=["vit-mini", "brivl-mini"])
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    parser.add_argument("--scenes", type=int, help="distinct training scenes (default: the recipe's)")
    parser.add_argument("--seed", type=int, help="of the scenes and their order (default: the recipe's)")
    parser.add_argument("--out", type=Path, help="weights file (default: the shipped one)")
    parser.add_argument("--start", type=Path, help="vit-mini: go on from this encoder")
    parser.add_argument(
        "--vit", type=Path, default=WEIGHTS / "vit-mini.safetensors", help="brivl-mini: the encoder to start from"
    )
    return parser


if __name__ == "__main__":
    main()
