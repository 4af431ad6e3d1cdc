"""python -m brivl eval retrieval: how well the shipped model matches scenes and captions."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `eval` to the command line."""
    p = verbs.add_parser("eval", help="measure a shipped model on held-out scenes")
    p.add_argument("what", choices=["retrieval"])
    p.add_argument("--n", type=int, default=1000, help="held-out pairs, captions all distinct (default: %(default)s)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_eval)


def run_eval(args: argparse.Namespace) -> None:
    """Recall of brivl-mini both ways on held-out scenes with distinct captions (simulated pictures)."""
    from brivl.train.evaluation import evaluate_retrieval

    text_to_image, image_to_text = evaluate_retrieval(args.n)
    out = {"model": "brivl-mini", "n_pairs": args.n, "simulated": True,
           "text_to_image": asdict(text_to_image), "image_to_text": asdict(image_to_text)}  # fmt: skip
    if args.json:
        print(json.dumps(out))
        return
    print(f"brivl-mini on {args.n} held-out drawn scenes (simulated), captions all distinct")
    for way, r in (("text to image", text_to_image), ("image to text", image_to_text)):
        print(f"  {way}: R@1 {r.r1:.3f}, R@5 {r.r5:.3f}, R@10 {r.r10:.3f}, median rank {r.median_rank:g}")
