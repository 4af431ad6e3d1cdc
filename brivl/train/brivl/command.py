"""python -m brivl.train brivl: pre-train at any size. Several ranks: accelerate launch or torchrun before the same."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.errors import RequestError

if TYPE_CHECKING:
    from brivl.models.brivl.configs import BrivlConfig
import sys
from typing import Any

from brivl.config import WEIGHTS, runs_dir


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `vit-mini`, `brivl-mini`, `brivl` and `import-checkpoint`."""
    _add_shipped(verbs)
    _add_pretraining(verbs)
    _add_import(verbs)


def _add_shipped(verbs: argparse._SubParsersAction) -> None:
    """Add `vit-mini` and `brivl-mini`."""
    p = verbs.add_parser("vit-mini", help="the visual encoder alone, by classification of drawn scenes")
    p.add_argument("--start", type=Path, help="go on from this encoder")
    p.set_defaults(run=_vit_mini)
    _add_common(p, "vit-mini")
    p = verbs.add_parser("brivl-mini", help="vit-mini and MiniLM joined by cross-modal MoCo on drawn scenes")
    p.add_argument("--vit", type=Path, default=WEIGHTS / "vit-mini.safetensors", help="the encoder to start from")
    p.set_defaults(run=_brivl_mini)
    _add_common(p, "brivl-mini")


def _add_common(p: argparse.ArgumentParser, model: str) -> None:
    p.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    p.add_argument("--scenes", type=int, help="distinct training scenes (default: the recipe's)")
    p.add_argument("--seed", type=int, help="of the scenes and their order (default: the recipe's)")
    p.add_argument("--out", type=Path, default=WEIGHTS / f"{model}.safetensors", help="(default: the shipped file)")
    p.set_defaults(log=runs_dir() / f"{model}.jsonl")


def _chosen(args: argparse.Namespace) -> dict[str, int]:
    asked = {"n_steps": args.steps, "n_scenes": args.scenes, "seed": args.seed}
    return {name: value for name, value in asked.items() if value}


def _vit_mini(args: argparse.Namespace) -> dict:
    from brivl.train.brivl.vit_mini import UnimodalRecipe, train_vit_mini

    recipe = dataclasses.replace(UnimodalRecipe(), **_chosen(args))
    return train_vit_mini(args.out, args.log, recipe, start=args.start)


def _brivl_mini(args: argparse.Namespace) -> dict:
    from brivl.train.brivl.brivl_mini import MultimodalRecipe, train_brivl_mini

    recipe = dataclasses.replace(MultimodalRecipe(), **_chosen(args))
    return train_brivl_mini(args.out, args.vit, args.log, recipe)


def _add_import(verbs: argparse._SubParsersAction) -> None:
    """Add `import-checkpoint`."""
    p = verbs.add_parser("import-checkpoint", help="BriVL-Brain's DeepSpeed checkpoint as a weights file")
    p.add_argument("checkpoint", type=Path, help="mp_rank_00_model_states.pt")
    p.add_argument("--out", type=Path, required=True, help="weights file to write, .safetensors")
    p.add_argument("--bert", help="folder or name of its word pieces (default: BERT-Base's)")
    p.add_argument("--head-width", type=int, default=64, help="width of an attention head (default: %(default)s)")
    p.set_defaults(run=_import_checkpoint)


def _import_checkpoint(args: argparse.Namespace) -> dict[str, Any]:
    from brivl.errors import RequestError
    from brivl.models.brivl.checkpoint import save_dual
    from brivl.models.brivl.published_checkpoint import import_brivl_brain

    if args.out.suffix != ".safetensors":
        raise RequestError(f"Wanted a file to write that ends in .safetensors and got {args.out.name!r}.")
    if args.head_width < 1:
        raise RequestError(f"Wanted a head width of at least 1 and got {args.head_width}.")
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


VITS = {"mini": "vit-mini", "base": "vit_base_patch16_384"}  # where each size starts, paper: ViT of ImageNet


def _add_pretraining(verbs: argparse._SubParsersAction) -> None:
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
    p.set_defaults(run=_pretrain)


def _pretrain(args: argparse.Namespace) -> dict | None:
    for name in ("grad_accum", "log_every", "evaluate_every", "checkpoint_every", "scenes"):
        if getattr(args, name) < 1:
            raise RequestError(f"Wanted --{name.replace('_', '-')} of at least 1 and got {getattr(args, name)}.")
    for name in ("steps", "seed", "held_out", "workers"):
        if getattr(args, name) < 0:
            raise RequestError(f"Wanted --{name.replace('_', '-')} of at least 0 and got {getattr(args, name)}.")
    from brivl.train.brivl.pretrain import LoggingConfig, PretrainRecipe, pretrain

    recipe = PretrainRecipe(
        pairs=args.pairs,
        vit=_vit(args),
        n_scenes=args.scenes,
        n_held_out=args.held_out,
        n_steps=args.steps,
        n_parts=args.grad_accum,
        precision=args.precision,
        seed=args.seed,
    )
    pace = LoggingConfig(args.log_every, args.evaluate_every, args.checkpoint_every, args.workers, args.resume)
    return pretrain(_config(args), recipe, args.out, pace)


def _vit(args: argparse.Namespace) -> str:
    if args.vit is None and args.config is not None:
        raise RequestError("Wanted --vit beside --config: a file or timm name of this size, or none.")
    return args.vit or VITS[args.size]


def _config(args: argparse.Namespace) -> BrivlConfig:
    from brivl.models.brivl.configs import CONFIGS, config_from_dict

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
