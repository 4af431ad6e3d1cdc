"""python -m brivl align: train a text-aligned encoder of a subject's responses to pictures, over a range of lambda."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, progress_bar, write_table
from brivl.errors import RequestError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.analyses.alignment.request import AlignedAsked
    from brivl.analyses.alignment.result import Aligned


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `align` to the command line."""
    p = verbs.add_parser("align", help="train an encoder whose image embedding is drawn towards descriptions")
    p.add_argument("--dataset", required=True, help="phantom-categories, or a folder with one response a picture")
    p.add_argument("--subject", required=True)
    p.add_argument(
        "--backbone", default="vit-mini", help="any encoder of pictures, such as a timm EVA02 (default: %(default)s)"
    )
    p.add_argument("--layers", default="", metavar="N,N", help="of the backbone (default: at thirds of its depth)")
    p.add_argument("--text", default="minilm-l6", help="any encoder of sentences (default: %(default)s)")
    p.add_argument(
        "--descriptions",
        default="captioner",
        help="captioner (default), a .jsonl or .tsv file, or an image-text-to-text model of transformers",
    )
    p.add_argument("--components", type=int, default=64, help="of the responses (default: %(default)s)")
    p.add_argument("--lambdas", default="", metavar="X,X", help="weights of the alignment (default: 0.001 to 1)")
    p.add_argument("--seeds", type=int, default=3, help="(default: %(default)s)")
    p.add_argument(
        "--blocks",
        type=int,
        default=2,
        help="of the backbone, trained in the second stage; 0: no second stage (default: %(default)s)",
    )
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--checkpoints", type=Path, help="keep checkpoints in this folder, and go on from them")
    p.add_argument("--out", type=Path, help="write the medians of regions to this .csv")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_align)


def run_align(args: argparse.Namespace) -> None:
    """Train and print. Raises BrivlError for anything that cannot be answered."""
    check_out(args.out, ".csv")
    from brivl.analyses.alignment.request import aligned_key
    from brivl.analyses.alignment.result import train_aligned
    from brivl.analyses.alignment.tables import regions_table

    store, asked = Store(args.cache), _asked(args)
    aligned_key(store, asked)  # what cannot be asked is said before anything is computed
    with exit_on_sigint():
        found = train_aligned(store, asked, progress_bar(quiet=args.json), args.checkpoints)
    if args.out:
        write_table(args.out, regions_table(found).assign(simulated=bool(found.info["simulated"])))
    print(json.dumps(_as_json(found)) if args.json else _in_words(found))


def _asked(args: argparse.Namespace) -> AlignedAsked:
    from brivl.analyses.alignment.request import WEIGHTS, AlignedAsked

    layers = tuple(int(x) for x in _numbers(args.layers, "--layers", "8,12", whole=True))
    weights = _numbers(args.lambdas, "--lambdas", "0.01,0.1") or WEIGHTS
    return AlignedAsked(
        args.dataset,
        args.subject,
        args.backbone,
        args.text,
        args.descriptions,
        layers,
        args.components,
        weights,
        args.seeds,
        args.blocks,
        args.preset,
    )


def _numbers(text: str, option: str, example: str, whole: bool = False) -> tuple[float, ...]:
    """Numbers with commas between; () for "". Raises RequestError for anything else."""
    try:
        found = tuple(float(part) for part in text.split(",")) if text else ()
        if whole and any(value != int(value) for value in found):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise RequestError(f"Wanted {option} as numbers such as {example} and got {text!r}.") from error
    return found


def _as_json(found: Aligned) -> dict[str, Any]:
    from brivl.analyses.alignment.tables import regions_table, summary

    asked = found.asked
    regions = regions_table(found)
    return {
        "dataset": asked.dataset,
        "subject": asked.subject,
        "backbone": asked.backbone,
        "text": asked.text,
        "descriptions": asked.descriptions,
        "layers": found.info["layers"],
        "preset": asked.preset,
        **summary(found),
        "regions": json.loads(regions.to_json(orient="records", double_precision=4)),
        "simulated": bool(found.info["simulated"]),
    }


def _in_words(found: Aligned) -> str:
    from brivl.analyses.alignment.tables import curve_sentence, curve_table, headline, models_table, regions_table, said

    label = "SIMULATED DATA. " if found.info["simulated"] else ""
    how = {"index": False, "float_format": "%.4g"}
    return "\n".join(
        [
            f"{label}{found.asked.dataset}, {found.asked.subject}, {found.asked.backbone}",
            f"{headline(found)}.",
            curve_table(found).to_string(**how),
            curve_sentence(found),
            said(found),
            models_table(found).to_string(**how),
            regions_table(found).to_string(**how),
        ]
    )
