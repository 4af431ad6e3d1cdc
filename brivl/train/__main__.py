"""python -m brivl.train vit-mini | brivl-mini [--steps N] [--scenes N] [--out FILE]"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from brivl.config import PROJECT, WEIGHTS
from brivl.train.multimodal import MultimodalRecipe, train_brivl_mini
from brivl.train.unimodal import UnimodalRecipe, train_vit_mini


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m brivl.train", description="Train a shipped model from nothing on drawn scenes."
    )
    parser.add_argument("model", choices=["vit-mini", "brivl-mini"])
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    parser.add_argument("--scenes", type=int, help="distinct training scenes (default: the recipe's)")
    parser.add_argument("--out", type=Path, help="weights file (default: the shipped one)")
    parser.add_argument(
        "--vit", type=Path, default=WEIGHTS / "vit-mini.safetensors", help="where brivl-mini starts from"
    )
    args = parser.parse_args(argv)
    out = args.out or WEIGHTS / f"{args.model}.safetensors"
    log = PROJECT / "runs" / f"{args.model}.jsonl"
    chosen = {name: value for name, value in (("n_steps", args.steps), ("n_scenes", args.scenes), ("seed", args.seed)) if value}
    if args.model == "vit-mini":
        metrics = train_vit_mini(out, log, dataclasses.replace(UnimodalRecipe(), **chosen), start=args.start)
    else:
        metrics = train_brivl_mini(out, args.vit, log, dataclasses.replace(MultimodalRecipe(), **chosen))
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
