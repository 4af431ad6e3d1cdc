"""python -m brivl imagine: make a picture of a text."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from brivl.analyses.generation.compute import DEFAULT_STEPS, STARTS, Asked, Imagining, generate, imagine_with
from brivl.data.formats.images import write_png
from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `imagine` to the command line."""
    p = verbs.add_parser("imagine", help="make a picture of a text by inversion")
    p.add_argument("prompt", help="English words, such as 'a red car'")
    p.add_argument("--seed", type=int, default=0, help="where chance starts (default: %(default)s)")
    p.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="steps of the inversion (default: %(default)s)")
    starts = "; ".join(f"{name}: {what}" for name, what in STARTS.items())
    p.add_argument("--start", help=f"{starts} (default: drawn; places with --taming)")
    p.add_argument("--out", type=Path, help="PNG file (default: named after the prompt, in this folder)")
    p.add_argument(
        "--taming",
        nargs=2,
        type=Path,
        metavar=("YAML", "CKPT"),
        help="config and checkpoint of a VQGAN of taming-transformers, in place of the shipped one",
    )
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_imagine)


def run_imagine(args: argparse.Namespace) -> None:
    """Make one picture, write it, and print what the guide and the judge make of it."""
    start = args.start or ("places" if args.taming else next(iter(STARTS)))
    asked = Asked(args.prompt, args.seed, args.steps, start)
    out = args.out or Path(f"{re.sub('[^a-z0-9]+', '-', args.prompt.lower()).strip('-')[:40] or 'picture'}.png")
    made = _with_taming(asked, *args.taming) if args.taming else generate(Store(args.cache), asked)
    write_png(out, made.image)
    _say(made, out, args.json)


def _with_taming(asked: Asked, config: Path, checkpoint: Path) -> Imagining:
    from brivl.models.generation.taming_checkpoint import load_taming
    from brivl.models.shipped import load_brivl_mini

    generator, report = load_taming(config, checkpoint)
    print(
        f"{report.n_loaded} tensors loaded, {len(report.left_out)} of loss.* left out: generation does not need them.",
        file=sys.stderr,
    )
    return imagine_with(generator, load_brivl_mini(), asked)


def _say(made: Imagining, out: Path, as_json: bool) -> None:
    kinds, colours = made.verdict
    found: dict[str, Any] = {
        "simulated": True,
        "prompt": made.prompt.text,
        "file": str(out),
        "similarity": round(made.similarity, 4),
        "judge": {"kinds": list(kinds), "colours": list(colours)},
        "seconds": made.seconds,
        "notices": list(made.prompt.notices),
    }
    if as_json:
        print(json.dumps(found))
        return
    for notice in made.prompt.notices:
        print(f"brivl: {notice}", file=sys.stderr)
    print(f"{out}: cosine to {made.prompt.text!r} {made.similarity:.3f}, {made.seconds:.0f} s (stand-in models)")
    print(f"  an independent classifier sees: {', '.join((*colours, *kinds)) or 'nothing it knows'}")
