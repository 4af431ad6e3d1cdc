"""python -m brivl eval: how well the shipped models do on held-out scenes; recovery: is what was planted found?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `eval` to the command line."""
    p = verbs.add_parser("eval", help="measure a shipped model on held-out scenes")
    p.add_argument("what", choices=list(EVALS))
    p.add_argument("--n", type=int, help="held-out scenes, pairs or prompts (default: the measure's own)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_eval)
    p = verbs.add_parser("recovery", help="fit every layer of a simulated subject and compare with what was planted")
    p.add_argument("--dataset", default="phantom-movie", help="a phantom (default: %(default)s)")
    p.add_argument("--subject", help="default: the first")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_recovery)


def run_recovery(args: argparse.Namespace) -> None:
    """Print how much of the planted truth the fits find."""
    from brivl.data.registry import open_dataset
    from brivl.encoding.recovery_report import recovery_report

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
    """Print one measure; everything is measured on drawn scenes or simulated subjects."""
    out = {"simulated": True} | EVALS[args.what](args)
    if args.json:
        print(json.dumps(out))
        return
    print(f"{args.what}, measured on simulated data")
    _print_nested(out, "  ")


def _print_nested(values: Mapping[str, Any], indent: str) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            print(f"{indent}{name}:")
            _print_nested(value, indent + "  ")
        else:
            print(f"{indent}{name}: {value:.3f}" if isinstance(value, float) else f"{indent}{name}: {value}")


def _retrieval(args: argparse.Namespace) -> dict[str, Any]:
    """Recall of brivl-mini both ways on held-out scenes with distinct captions, and on the galleries that ship."""
    from brivl.analyses.retrieval.command import measure_galleries
    from brivl.train.brivl.brivl_mini import evaluate_retrieval

    n = 1000 if args.n is None else args.n
    text_to_image, image_to_text = evaluate_retrieval(n)
    return {
        "model": "brivl-mini",
        "n_pairs": n,
        "text_to_image": asdict(text_to_image),
        "image_to_text": asdict(image_to_text),
        **measure_galleries(Store(args.cache)),
    }


def _attention(args: argparse.Namespace) -> dict[str, Any]:
    """Pointing game of word maps, and deletion of the most relevant word, on held-out scenes; the result is kept."""
    from brivl.analyses.attention.compute import evaluation

    return evaluation(Store(args.cache), 200 if args.n is None else args.n)


def _captioning(args: argparse.Namespace) -> dict[str, Any]:
    """Both captioners on held-out scenes, greedy and with a beam of 4."""
    from brivl.train.captioning.train import evaluate_captioning

    n = 500 if args.n is None else args.n
    searches = {"greedy": 1, "beam_of_4": 4}
    return {"n_scenes": n, **{search: evaluate_captioning(n, beam) for search, beam in searches.items()}}


def _generation(args: argparse.Namespace) -> dict[str, Any]:
    """What an independent classifier sees in pictures made of prompts."""
    from brivl.analyses.generation.evaluate import evaluate_generation

    return evaluate_generation(100 if args.n is None else args.n)


def _decode(args: argparse.Namespace) -> dict[str, Any]:
    """Identification of held-out stimuli from the first simulated subject's responses, and under null controls."""
    from brivl.analyses.decoding.analysis import DECODING
    from brivl.analyses.decoding.request import DecodingRequest
    from brivl.analyses.decoding.tables import accuracies
    from brivl.analysis import run
    from brivl.data.registry import open_dataset

    store, found = Store(args.cache), {}
    for name in ("phantom-movie", "phantom-movie@shuffled", "phantom-sentences"):
        subject = open_dataset(name, store).subjects[0]
        found[name] = {"subject": subject, **accuracies(run(DECODING, store, DecodingRequest(name, subject)))}
    return found


def _voxel_captions(args: argparse.Namespace) -> dict[str, Any]:
    """Share of selective voxels of a simulated subject whose planted category is among their five words; bar 0.7."""
    from brivl.analyses.voxel_captions.compute import CaptionAsked, caption_voxels
    from brivl.analyses.voxel_captions.tables import summary

    asked = CaptionAsked("phantom-categories", "C01")
    return {"dataset": asked.dataset, "subject": asked.subject, **summary(caption_voxels(Store(args.cache), asked))}


DRIVEN = {"face": "FFA", "body": "EBA", "place": "PPA", "object": "PMvh", "word": "Broca"}


def _roi_images(args: argparse.Namespace) -> dict[str, Any]:
    """Share of images made for five regions of a simulated subject in which the judge sees the planted category."""
    from brivl.analyses.drive.compute import DriveAsked, drive_region, shares

    store, n = Store(args.cache), 6 if args.n is None else args.n
    by_region = {}
    for what, region in DRIVEN.items():
        driven = drive_region(store, DriveAsked("phantom-categories", "C01", region, n))
        by_region[what] = {
            "region": region,
            "predicted_sd": round(float(driven.predicted.mean()), 3),
            "natural_predicted_sd": round(float(driven.natural_predicted.mean()), 3),
            **(shares(driven) or {}),
        }
    return {"dataset": "phantom-categories", "subject": "C01", "n_images": n, **by_region}


def _integration(args: argparse.Namespace) -> dict[str, Any]:
    """The integration test on the first subject of both phantoms, against the planted share of the multimodal model."""
    from brivl.analyses.integration.compute import IntegrationAsked, integrate
    from brivl.analyses.integration.tables import summary

    store = Store(args.cache)
    asked = (IntegrationAsked("phantom-movie", "S01", layer=10), IntegrationAsked("phantom-sentences", "P01"))
    return {one.dataset: {"subject": one.subject, **summary(integrate(store, one))} for one in asked}


def _transfer(args: argparse.Namespace) -> dict[str, Any]:
    """Transfer between stories and film in simulated subjects, and where nothing is shared; bars: 0.7, and null."""
    from brivl.analyses.transfer.tables import evaluate_transfer

    return evaluate_transfer(Store(args.cache), 1 if args.n is None else args.n)


def _aligned(args: argparse.Namespace) -> dict[str, Any]:
    """Curve over lambda, and the text-aligned encoder against banded ridge; bar: 0.9 of its median r."""
    from brivl.analyses.alignment.result import AlignedAsked, train_aligned
    from brivl.analyses.alignment.tables import summary

    asked = AlignedAsked("phantom-categories", "C01")
    return {"dataset": asked.dataset, "subject": asked.subject, **summary(train_aligned(Store(args.cache), asked))}


EVALS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "retrieval": _retrieval,
    "captioning": _captioning,
    "attention": _attention,
    "generation": _generation,
    "decode": _decode,
    "voxel-captions": _voxel_captions,
    "roi-images": _roi_images,
    "integration": _integration,
    "aligned": _aligned,
    "transfer": _transfer,
}
