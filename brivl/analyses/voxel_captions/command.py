"""python -m brivl voxel-captions: what drives the voxels of a subject, in words and sentences."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, progress_bar, write_table
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.analyses.voxel_captions.compute import VoxelCaptions


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `voxel-captions` to the command line."""
    p = verbs.add_parser("voxel-captions", help="words and sentences for the voxels and regions of one subject")
    p.add_argument("--dataset", required=True, help="phantom-categories, phantom-sentences, or a folder")
    p.add_argument("--subject", required=True)
    p.add_argument("--model", default="brivl-mini", help="a model of both streams (default: %(default)s)")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--corpus", default="", help="text file of sentences, one a line (default: captions of the gallery)")
    p.add_argument("--out", type=Path, help="write words and sentence of every voxel to this .csv")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_voxel_captions)


def run_voxel_captions(args: argparse.Namespace) -> None:
    """Compute and print. Raises BrivlError for anything that cannot be answered."""
    check_out(args.out, ".csv")
    from brivl.analyses.voxel_captions.compute import CaptionAsked, caption_key, caption_voxels
    from brivl.analyses.voxel_captions.tables import voxel_table

    store = Store(args.cache)
    asked = CaptionAsked(args.dataset, args.subject, args.model, args.preset, args.corpus)
    caption_key(store, asked)  # what cannot be asked is said before anything is computed
    with exit_on_sigint():
        found = caption_voxels(store, asked, progress_bar(quiet=args.json))
    if args.out:
        write_table(args.out, voxel_table(found))
    print(json.dumps(_as_json(found)) if args.json else _in_words(found))


def _as_json(found: VoxelCaptions) -> dict[str, Any]:
    from brivl.analyses.voxel_captions.tables import summary

    asked = found.asked
    return {
        "dataset": asked.dataset,
        "subject": asked.subject,
        "model": asked.model,
        "preset": asked.preset,
        **summary(found),
        "regions": found.regions,
        "simulated": bool(found.info["simulated"]),
    }


def _in_words(found: VoxelCaptions) -> str:
    from brivl.analyses.voxel_captions.tables import finding, region_table, said_of_truth

    label = "SIMULATED DATA. " if found.info["simulated"] else ""
    head = f"{label}{found.asked.dataset}, {found.asked.subject}, in the words of {found.asked.model}"
    table = region_table(found)
    more = [said for said in (said_of_truth(found),) if said]
    return "\n".join([head, finding(found), *more, table.to_string(index=False, max_colwidth=70) if len(table) else ""])
