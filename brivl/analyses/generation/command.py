"""The verb `generation` (`imagine` in earlier versions): generate an image from text."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from brivl.analyses.generation.analysis import GENERATION
from brivl.analyses.generation.compute import GeneratedImage, generate_with
from brivl.analyses.generation.request import DEFAULT_STEPS, STARTS, GenerationPart, GenerationRequest
from brivl.analyses.generation.tables import recognised
from brivl.analysis import run
from brivl.data.formats.images import write_png
from brivl.errors import RequestError
from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `generation` to the command line.

    Parameters
    ----------
    verbs : argparse subparsers
        Where verbs are added.
    """
    p = verbs.add_parser(GENERATION.verb, aliases=list(GENERATION.old_names), help=GENERATION.summary_line)
    p.add_argument("prompt", nargs="+", help="English words in quotes, such as 'a red car'; one image for each")
    p.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    p.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="optimisation steps (default: %(default)s)")
    starts = "; ".join(f"{name}: {what}" for name, what in STARTS.items())
    p.add_argument("--start", help=f"{starts} (default: drawn; places with --taming)")
    p.add_argument("--out", type=Path, help="PNG file of one image (default: named after the prompt, in this folder)")
    p.add_argument(
        "--taming",
        nargs=2,
        type=Path,
        metavar=("YAML", "CKPT"),
        help="config and checkpoint of a VQGAN of taming-transformers, in place of the shipped one",
    )
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_generation)


def run_generation(args: argparse.Namespace) -> None:
    """Generate images, write them, and print what the classifier recognises.

    Parameters
    ----------
    args : Namespace
        Arguments of the verb.

    Raises
    ------
    RequestError
        For a prompt without words, or one file for several images.
    """
    start = args.start or ("places" if args.taming else next(iter(STARTS)))
    if args.out is not None and len(args.prompt) > 1:
        raise RequestError(f"Expected one prompt with --out, got {len(args.prompt)}. Leave --out away.")
    if args.taming:
        images = [
            _with_taming(GenerationPart(prompt, args.seed, args.steps, start), *args.taming) for prompt in args.prompt
        ]
    else:
        request = GenerationRequest(tuple(args.prompt), args.seed, args.steps, start)
        images = list(run(GENERATION, Store(args.cache), request).images)
    printed = []
    for one in images:
        name = re.sub("[^a-z0-9]+", "-", one.prompt.text.lower()).strip("-")[:40] or "image"
        out = args.out or Path(f"{name}.png")
        write_png(out, one.image)
        printed.append(_described(one, out))
    if args.json:
        print(json.dumps(printed[0] if len(printed) == 1 else {"images": printed, "simulated": True}))
        return
    for one, about in zip(images, printed, strict=True):
        for notice in one.prompt.notices:
            print(f"brivl: {notice}", file=sys.stderr)
        print(f"{about['file']}: cosine to {one.prompt.text!r} {one.similarity:.3f}, {one.seconds:.0f} s (demo models)")
        print(f"  an independent classifier recognises: {recognised(one)}")


def _with_taming(part: GenerationPart, config: Path, checkpoint: Path) -> GeneratedImage:
    from brivl.models.generation.taming_checkpoint import load_taming
    from brivl.models.shipped import load_brivl_mini

    generator, report = load_taming(config, checkpoint)
    left_out = f"{len(report.left_out)} of loss.* left out, which generation does not need"
    print(f"{report.n_loaded} tensors loaded, {left_out}.", file=sys.stderr)
    return generate_with(generator, load_brivl_mini(), part)


def _described(one: GeneratedImage, out: Path) -> dict[str, Any]:
    kinds, colours = one.recognised
    return {
        "simulated": True,
        "prompt": one.prompt.text,
        "file": str(out),
        "similarity": round(one.similarity, 4),
        "judge": {"kinds": list(kinds), "colours": list(colours)},
        "seconds": one.seconds,
        "notices": list(one.prompt.notices),
    }
