"""python -m brivl.train import-checkpoint: published weights of BriVL as a file that any command takes as a model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `import-checkpoint`."""
    p = verbs.add_parser("import-checkpoint", help="BriVL-Brain's DeepSpeed checkpoint as a weights file")
    p.add_argument("checkpoint", type=Path, help="mp_rank_00_model_states.pt")
    p.add_argument("--out", type=Path, required=True, help="weights file to write, .safetensors")
    p.add_argument("--bert", help="folder or name of its word pieces (default: BERT-Base's)")
    p.add_argument("--head-width", type=int, default=64, help="width of an attention head (default: %(default)s)")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from brivl.errors import RequestError
    from brivl.models.brivl_checkpoints import import_brivl_brain
    from brivl.models.dual_files import save_dual

    if args.out.suffix != ".safetensors":
        raise RequestError(f"Wanted a file to write that ends in .safetensors and got {args.out.name!r}.")
    if args.head_width < 1:
        raise RequestError(f"Wanted a head width of at least 1 and got {args.head_width}.")
    model, report = import_brivl_brain(args.checkpoint, args.bert, args.head_width)
    for line in report.lines():
        print(line, file=sys.stderr)
    save_dual(args.out, model, {"imported": args.checkpoint.name})
    return {
        "out": str(args.out), "taken": len(report.taken), "left_out": dict(report.left_out),
        "unexpected": list(report.unexpected), "missing": list(report.missing),
    }  # fmt: skip
