"""python -m brivl.train vit-mini, brivl-mini, brivl and import-checkpoint.

For several ranks, `brivl` is started by Accelerate or torchrun (docs/pretraining.md).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.config import WEIGHTS
from brivl.errors import RequestError
from brivl.train.recipes import add_recipe_options, chosen

if TYPE_CHECKING:
    from brivl.models.brivl.configs import BrivlConfig

VITS = {"mini": "vit-mini", "base": "vit_base_patch16_384"}  # visual encoder to start from; paper: a ViT of ImageNet


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `vit-mini`, `brivl-mini`, `brivl` and `import-checkpoint`.

    Parameters
    ----------
    verbs
        Subparsers of the command line.
    """
    _add_shipped(verbs)
    _add_pretraining(verbs)
    _add_import(verbs)


def _add_shipped(verbs: argparse._SubParsersAction) -> None:
    """Add `vit-mini` and `brivl-mini`."""
    p = verbs.add_parser("vit-mini", help="train the visual encoder alone, by classification of drawn scenes")
    p.add_argument("--start", type=Path, help="weights file of an encoder to start from")
    p.set_defaults(run=_vit_mini)
    add_recipe_options(p, WEIGHTS / "vit-mini.safetensors")
    p = verbs.add_parser("brivl-mini", help="train vit-mini and MiniLM together by cross-modal MoCo on drawn scenes")
    p.add_argument("--vit", type=Path, default=WEIGHTS / "vit-mini.safetensors", help="visual encoder to start from")
    p.set_defaults(run=_brivl_mini)
    add_recipe_options(p, WEIGHTS / "brivl-mini.safetensors")


def _vit_mini(args: argparse.Namespace) -> dict[str, float]:
    from brivl.train.brivl.vit_mini import UnimodalRecipe, train_vit_mini

    recipe = dataclasses.replace(UnimodalRecipe(), **chosen(args))
    return train_vit_mini(args.out, args.log, recipe, start=args.start)


def _brivl_mini(args: argparse.Namespace) -> dict[str, float]:
    from brivl.train.brivl.brivl_mini import MultimodalRecipe, train_brivl_mini

    recipe = dataclasses.replace(MultimodalRecipe(), **chosen(args))
    return train_brivl_mini(args.out, args.vit, args.log, recipe)


def _add_import(verbs: argparse._SubParsersAction) -> None:
    """Add `import-checkpoint`."""
    p = verbs.add_parser("import-checkpoint", help="convert a DeepSpeed checkpoint of BriVL-Brain to a weights file")
    p.add_argument("checkpoint", type=Path, help="the checkpoint, mp_rank_00_model_states.pt")
    p.add_argument("--out", type=Path, required=True, help="weights file to write, .safetensors")
    p.add_argument("--bert", help="folder or name of its tokenizer (default: that of BERT-Base)")
    p.add_argument("--head-width", type=int, default=64, help="width of an attention head (default: %(default)s)")
    p.set_defaults(run=_import_checkpoint)


def _import_checkpoint(args: argparse.Namespace) -> dict[str, Any]:
    from brivl.models.brivl.checkpoint import save_dual
    from brivl.models.brivl.published_checkpoint import import_brivl_brain

    if args.out.suffix != ".safetensors":
        raise RequestError(f"Expected an --out that ends in .safetensors, got {args.out.name!r}. Change the name.")
    if args.head_width < 1:
        raise RequestError(f"Expected a --head-width of at least 1, got {args.head_width}. Choose a larger one.")
    model, report = import_brivl_brain(args.checkpoint, args.bert, args.head_width)
    for line in report.lines():
        print(line, file=sys.stderr)
    save_dual(args.out, model, {"imported": args.checkpoint.name})
    return {
        "out": str(args.out),
        "taken": len(report.taken),
        "left_out": dict(report.left_out),
        "unexpected": list(report.unexpected),
        "missing": list(report.missing),
    }


def _add_pretraining(verbs: argparse._SubParsersAction) -> None:
    """Add `brivl`."""
    p = verbs.add_parser("brivl", help="pre-train BriVL on drawn scenes or on real pairs, on one process or many")
    size = p.add_mutually_exclusive_group()
    size.add_argument(
        "--size", choices=["mini", "base"], default="mini", help="size of the model (default: %(default)s)"
    )
    size.add_argument("--config", type=Path, help="JSON file of all settings, for a model of any other size")
    p.add_argument(
        "--pairs",
        default="scenes",
        help="'scenes', a folder, a listing, or shards-{000..009}.tar (default: %(default)s)",
    )
    p.add_argument("--out", type=Path, required=True, help="folder for checkpoints, metrics and the weights file")
    p.add_argument(
        "--vit", help="visual encoder to start from: vit-mini, a file, a timm name, or none (default: by --size)"
    )
    p.add_argument("--bert", help="folder or name of the lingual encoder to start from (default: the configuration's)")
    p.add_argument("--steps", type=int, default=0, help="number of optimiser steps (default: by the number of epochs)")
    p.add_argument(
        "--batch-size", type=int, help="pairs of a step, on all ranks together (default: the configuration's)"
    )
    p.add_argument(
        "--grad-accum", type=int, default=1, help="number of micro-batches of a batch (default: %(default)s)"
    )
    p.add_argument(
        "--precision", choices=["no", "bf16", "fp16"], default="no", help="mixed precision (default: %(default)s)"
    )
    p.add_argument(
        "--seed", type=int, default=2, help="random seed of data order, dropout and scenes (default: %(default)s)"
    )
    p.add_argument("--scenes", type=int, default=16_000, help="number of distinct scenes (default: %(default)s)")
    p.add_argument("--held-out", type=int, default=500, help="number of pairs for recall (default: %(default)s)")
    p.add_argument("--log-every", type=int, default=25, help="steps between lines of metrics (default: %(default)s)")
    p.add_argument("--evaluate-every", type=int, default=500, help="steps between evaluations (default: %(default)s)")
    p.add_argument("--checkpoint-every", type=int, default=500, help="steps between checkpoints (default: %(default)s)")
    p.add_argument("--workers", type=int, default=0, help="processes that read images ahead (default: %(default)s)")
    p.add_argument(
        "--resume", action="store_true", help="continue from the newest checkpoint in --out, if there is one"
    )
    p.set_defaults(run=_pretrain)


def _pretrain(args: argparse.Namespace) -> dict[str, Any] | None:
    for least, names in (
        (1, ("grad_accum", "log_every", "evaluate_every", "checkpoint_every", "scenes")),
        (0, ("steps", "seed", "held_out", "workers")),
    ):
        for name in names:
            value = getattr(args, name)
            if value < least:
                option = f"--{name.replace('_', '-')}"
                raise RequestError(f"Expected {option} of at least {least}, got {value}. Choose a larger number.")
    from brivl.train.brivl.pretrain import LoggingConfig, PretrainRecipe, pretrain

    recipe = PretrainRecipe(
        pairs=args.pairs,
        vit=_vit(args),
        n_scenes=args.scenes,
        n_held_out=args.held_out,
        n_steps=args.steps,
        n_micro_batches=args.grad_accum,
        precision=args.precision,
        seed=args.seed,
    )
    logging = LoggingConfig(args.log_every, args.evaluate_every, args.checkpoint_every, args.workers, args.resume)
    return pretrain(_config(args), recipe, args.out, logging)


def _vit(args: argparse.Namespace) -> str:
    if args.vit is None and args.config is not None:
        raise RequestError("Expected --vit with --config, got none. Give a file or timm name of this size, or none.")
    return args.vit or VITS[args.size]


def _config(args: argparse.Namespace) -> BrivlConfig:
    from brivl.models.brivl.configs import CONFIGS, config_from_dict

    config = CONFIGS[args.size]
    if args.config is not None:
        try:
            config = config_from_dict(json.loads(args.config.read_text("utf-8-sig")))
        except (OSError, ValueError, TypeError) as error:
            raise RequestError(
                f"Expected settings as JSON in {str(args.config)!r}, which cannot be read ({error}). Correct the file."
            ) from error
    if args.batch_size is not None:
        config = dataclasses.replace(config, batch_size=args.batch_size)
    if args.bert is not None:
        lingual = dataclasses.replace(config.lingual, pretrained=args.bert)
        config = dataclasses.replace(config, lingual=lingual)
    return config
