"""python -m brivl eval retrieval: how well the shipped model matches scenes and captions."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `eval` to the command line."""
    p = verbs.add_parser("eval", help="measure a shipped model on held-out scenes")
    p.add_argument("what", choices=["retrieval"])
    p.add_argument("--n", type=int, default=1000, help="held-out pairs, captions all distinct (default: %(default)s)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_eval)
    p = verbs.add_parser("recovery", help="fit every layer of a simulated subject and compare with what was planted")
    p.add_argument("--dataset", default="phantom-movie", help="a phantom (default: %(default)s)")
    p.add_argument("--subject", help="default: the first")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_recovery)


def run_recovery(args: argparse.Namespace) -> None:
    """Print how much of the planted truth the fits find."""
    from brivl.backend.datasets import open_dataset
    from brivl.backend.recovery_report import recovery_report

    store = Store(args.cache)
    report = recovery_report(store, args.dataset, args.subject or open_dataset(args.dataset, store).subjects[0])
    if args.json:
        numbers = asdict(report)  # JSON has no NaN
        print(json.dumps({name: None if value != value else value for name, value in numbers.items()}))
        return
    print(f"SIMULATED DATA. {report.dataset}, {report.subject}: {report.n_voxels} voxels with a planted signal fitted")
    print(f"  difference of split R2, estimate against oracle: r = {report.difference_r}")
    print(f"  order of regions by that difference: Spearman rho = {report.region_rho}")
    print(f"  mean joint R2 over mean noise ceiling: {report.ceiling_share}")
    print(f"  best layer within 2 of the planted one: {report.layer_within_2} of voxels")
    print(f"  mean R2 of voxels without signal: {report.silent_mean_r2}")


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
