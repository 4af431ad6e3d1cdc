"""python -m brivl.train brivl: pre-train at any size. Several ranks: accelerate launch or torchrun before the same."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.errors import RequestError

if TYPE_CHECKING:
    from brivl.models.configs import BrivlConfig

VITS = {"mini": "vit-mini", "base": "vit_base_patch16_384"}  # where each size starts, paper: ViT of ImageNet


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `brivl`."""
    p = verbs.add_parser("brivl", help="pre-train BriVL on scenes or on real pairs, on one process or many")
    size = p.add_mutually_exclusive_group()
    size.add_argument("--size", choices=["mini", "base"], default="mini", help="(default: %(default)s)")
    size.add_argument("--config", type=Path, help="JSON of all settings, for any other size")
    p.add_argument("--pairs", default="scenes", help="scenes (default), a folder, a listing, or shards-{000..009}.tar")
    p.add_argument("--out", type=Path, required=True, help="folder of checkpoints, metrics and the model")
    p.add_argument("--vit", help="visual encoder to start from: vit-mini, a file, a timm name, none (by size)")
    p.add_argument("--bert", help="folder or name of the lingual encoder to start from (default: the config's)")
    p.add_argument("--steps", type=int, default=0, help="optimiser steps (default: as many as the epochs take)")
    p.add_argument("--batch-size", type=int, help="rows of a step, all ranks together (default: the config's)")
    p.add_argument("--grad-accum", type=int, default=1, help="parts that a batch is taken in, one after another")
    p.add_argument("--precision", choices=["no", "bf16", "fp16"], default="no", help="(default: %(default)s)")
    p.add_argument("--seed", type=int, default=2, help="of order, chance and scenes (default: %(default)s)")
    p.add_argument("--scenes", type=int, default=16_000, help="distinct scenes (default: %(default)s)")
    p.add_argument("--held-out", type=int, default=500, help="pairs to measure recall on (default: %(default)s)")
    p.add_argument("--log-every", type=int, default=25, help="steps (default: %(default)s)")
    p.add_argument("--evaluate-every", type=int, default=500, help="steps (default: %(default)s)")
    p.add_argument("--checkpoint-every", type=int, default=500, help="steps (default: %(default)s)")
    p.add_argument("--workers", type=int, default=0, help="processes that read images ahead (default: %(default)s)")
    p.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --out, if there is one")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> dict | None:
    for name in ("grad_accum", "log_every", "evaluate_every", "checkpoint_every", "scenes"):
        if getattr(args, name) < 1:
            raise RequestError(f"Wanted --{name.replace('_', '-')} of at least 1 and got {getattr(args, name)}.")
    for name in ("steps", "seed", "held_out", "workers"):
        if getattr(args, name) < 0:
            raise RequestError(f"Wanted --{name.replace('_', '-')} of at least 0 and got {getattr(args, name)}.")
    from brivl.train.pretrain import Pace, PretrainRecipe, pretrain

    recipe = PretrainRecipe(
        pairs=args.pairs, vit=_vit(args), n_scenes=args.scenes, n_held_out=args.held_out, n_steps=args.steps,
        n_parts=args.grad_accum, precision=args.precision, seed=args.seed,
    )  # fmt: skip
    pace = Pace(args.log_every, args.evaluate_every, args.checkpoint_every, args.workers, args.resume)
    return pretrain(_config(args), recipe, args.out, pace)


def _vit(args: argparse.Namespace) -> str:
    if args.vit is None and args.config is not None:
        raise RequestError("Wanted --vit beside --config: a file or timm name of this size, or none.")
    return args.vit or VITS[args.size]


def _config(args: argparse.Namespace) -> BrivlConfig:
    from brivl.models.configs import CONFIGS, config_from_dict

    config = CONFIGS[args.size]
    if args.config is not None:
        try:
            config = config_from_dict(json.loads(args.config.read_text("utf-8-sig")))
        except (OSError, ValueError, TypeError) as error:
            raise RequestError(f"Wanted settings as JSON in {str(args.config)!r} and found none ({error}).") from error
    if args.batch_size is not None:
        config = dataclasses.replace(config, batch_size=args.batch_size)
    if args.bert is not None:
        lingual = dataclasses.replace(config.lingual, pretrained=args.bert)
        config = dataclasses.replace(config, lingual=lingual)
    return config
