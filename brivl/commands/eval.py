"""The verb `eval`: accuracy of shipped models on held-out scenes, and of analyses on simulated subjects."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from brivl.analyses.registry import ANALYSES
from brivl.analysis import Analysis
from brivl.cli.options import add_options
from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `eval` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("eval", help="measure the accuracy of a shipped model or an analysis on simulated data")
    p.add_argument("what", choices=list(EVALS), type=lambda name: OLD_EVALS.get(name, name), help="what is evaluated")
    p.add_argument("--n", type=int, help="number of held-out scenes, pairs or prompts (default: that of the measure)")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    """Print one measure; all are taken on synthetic scenes or simulated subjects."""
    measures = {"simulated": True} | EVALS[args.what](args)
    if args.json:
        print(json.dumps(measures))
        return
    print(f"{args.what}, measured on simulated data")
    _print_nested(measures, "  ")


def _print_nested(values: Mapping[str, Any], indent: str) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            print(f"{indent}{name}:")
            _print_nested(value, indent + "  ")
        else:
            print(f"{indent}{name}: {value:.3f}" if isinstance(value, float) else f"{indent}{name}: {value}")


def _retrieval(args: argparse.Namespace) -> dict[str, Any]:
    """Recall of brivl-mini in both directions, for held-out scenes with distinct captions and the shipped galleries."""
    from brivl.analyses.retrieval.compute import measure_galleries
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
    """Pointing game of word maps, and deletion of the most relevant word, on held-out scenes; the result is stored."""
    from brivl.analyses.attention.compute import evaluation

    return evaluation(Store(args.cache), 200 if args.n is None else args.n)


def _captioning(args: argparse.Namespace) -> dict[str, Any]:
    """Both captioners on held-out scenes, with greedy search and a beam of 4."""
    from brivl.train.captioning.train import evaluate_captioning

    n = 500 if args.n is None else args.n
    searches = {"greedy": 1, "beam_of_4": 4}
    return {"n_scenes": n, **{search: evaluate_captioning(n, beam) for search, beam in searches.items()}}


def _generation(args: argparse.Namespace) -> dict[str, Any]:
    """Agreement of an independent classifier with the prompts of generated images."""
    from brivl.analyses.generation.evaluate import evaluate_generation

    return evaluate_generation(100 if args.n is None else args.n)


def _decoding(args: argparse.Namespace) -> dict[str, Any]:
    """Identification of held-out stimuli from the first simulated subject's responses, and under null controls."""
    from brivl.analyses.decoding.analysis import DECODING
    from brivl.analyses.decoding.request import DecodingRequest
    from brivl.analyses.decoding.tables import accuracies
    from brivl.analysis import run
    from brivl.data.registry import open_dataset

    store, results = Store(args.cache), {}
    for name in ("phantom-movie", "phantom-movie@shuffled", "phantom-sentences"):
        subject = open_dataset(name, store).subjects[0]
        results[name] = {"subject": subject, **accuracies(run(DECODING, store, DecodingRequest(name, subject)))}
    return results


def _voxel_captions(args: argparse.Namespace) -> dict[str, Any]:
    """Fraction of selective voxels of a simulated subject whose true category is among their five words; bar 0.7."""
    from brivl.analyses.voxel_captions.analysis import VOXEL_CAPTIONS
    from brivl.analyses.voxel_captions.request import VoxelCaptionsRequest
    from brivl.analyses.voxel_captions.tables import numbers
    from brivl.analysis import run

    request = VoxelCaptionsRequest("phantom-categories", "C01")
    result = run(VOXEL_CAPTIONS, Store(args.cache), request)
    return {"dataset": request.dataset, "subject": request.subject, **numbers(result)}


REGIONS_BY_CATEGORY = {"face": "FFA", "body": "EBA", "place": "PPA", "object": "PMvh", "word": "Broca"}


def _drive(args: argparse.Namespace) -> dict[str, Any]:
    """Fraction of images for five regions of a simulated subject that the classifier assigns to the true category."""
    from brivl.analyses.drive.analysis import DRIVE
    from brivl.analyses.drive.request import DriveRequest
    from brivl.analyses.drive.tables import category_fractions
    from brivl.analysis import run

    store, n = Store(args.cache), 6 if args.n is None else args.n
    by_category = {}
    for category, region in REGIONS_BY_CATEGORY.items():
        driven = run(DRIVE, store, DriveRequest("phantom-categories", "C01", region, n))
        by_category[category] = {
            "region": region,
            "predicted_sd": round(float(driven.predicted.mean()), 3),
            "natural_predicted_sd": round(float(driven.natural_predicted.mean()), 3),
            **(category_fractions(driven) or {}),
        }
    return {"dataset": "phantom-categories", "subject": "C01", "n_images": n, **by_category}


def _of_record(analysis: Analysis[Any, Any], args: argparse.Namespace) -> dict[str, Any]:
    """The evaluation that the record of an analysis declares."""
    assert analysis.evaluate is not None
    return analysis.evaluate(Store(args.cache), args.n)


def _alignment(args: argparse.Namespace) -> dict[str, Any]:
    """Scores by alignment weight, and the text-aligned encoder against banded ridge; bar: 0.9 of its median r."""
    from brivl.analyses.alignment.analysis import ALIGNMENT
    from brivl.analyses.alignment.request import AlignmentRequest
    from brivl.analyses.alignment.tables import scores_summary
    from brivl.analysis import run

    request = AlignmentRequest("phantom-categories", "C01")
    result = run(ALIGNMENT, Store(args.cache), request)
    return {"dataset": request.dataset, "subject": request.subject, **scores_summary(result)}


def _cleaning(args: argparse.Namespace) -> dict[str, Any]:
    """Default cleaning of fMRIPrep data against an expert's, on three simulated studies; bar: 0.95 of its R2."""
    from brivl.encoding.cleaning_report import evaluate_cleaning

    return evaluate_cleaning(Store(args.cache))


OLD_EVALS = {"decode": "decoding", "roi-images": "drive", "aligned": "alignment"}  # names in earlier versions
EVALS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "retrieval": _retrieval,
    "captioning": _captioning,
    "attention": _attention,
    "generation": _generation,
    "decoding": _decoding,
    "voxel-captions": _voxel_captions,
    "drive": _drive,
    "alignment": _alignment,
    "cleaning": _cleaning,
    **{analysis.verb: partial(_of_record, analysis) for analysis in ANALYSES if analysis.evaluate is not None},
}
