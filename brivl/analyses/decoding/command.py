"""python -m brivl decode: which of N stimuli was it? From a subject's responses into a model's space."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, progress_bar, write_table
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    import pandas as pd

    from brivl.analyses.decoding.compute import Decoded


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `decode` to the command line."""
    p = verbs.add_parser("decode", help="identify held-out stimuli from the responses of one subject")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--subject", required=True)
    p.add_argument("--model", default="brivl-mini", help="a model of both streams (default: %(default)s)")
    p.add_argument("--level", default="", help="regions: roi, area, merged, region (default: the first there is)")
    p.add_argument("--window", type=float, default=6.0, help="s of a film that are one stimulus (default: %(default)s)")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--out", type=Path, help="write all numbers to this .csv")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_decode)


def run_decode(args: argparse.Namespace) -> None:
    """Decode and print. Raises BrivlError for anything that cannot be answered."""
    check_out(args.out, ".csv")
    from brivl.analyses.decoding.compute import DecodeRequest, decode_key, decode_stimuli

    store = Store(args.cache)
    asked = DecodeRequest(args.dataset, args.subject, args.model, args.level, args.preset, args.window)
    decode_key(store, asked)  # what cannot be asked is said before anything is computed
    with exit_on_sigint():
        found = decode_stimuli(store, asked, progress_bar(quiet=args.json))
    table = _table(found)
    if args.out:
        write_table(args.out, table.assign(simulated=bool(found.info["simulated"])))
    print(json.dumps(_as_json(found, table)) if args.json else _in_words(found, table))


def _table(found: Decoded) -> pd.DataFrame:
    import pandas as pd

    from brivl.analyses.decoding.tables import decode_table

    return pd.concat([decode_table(found, space).assign(space=space) for space in found.ranks])


def _as_json(found: Decoded, table: pd.DataFrame) -> dict[str, Any]:
    from brivl.analyses.decoding.tables import summary

    asked = found.asked
    return {
        "dataset": asked.dataset,
        "subject": asked.subject,
        "model": asked.model,
        "preset": asked.preset,
        "n_stimuli": len(found.pool),
        "n_divisions": found.info["n_pools"],
        "n_voxels": found.info["n_voxels"],
        "smallest_p": round(found.info["smallest_p"], 6),
        **summary(found),
        "rows": json.loads(table.to_json(orient="records", double_precision=4)),
        "simulated": bool(found.info["simulated"]),
    }


def _in_words(found: Decoded, table: pd.DataFrame) -> str:
    from brivl.analyses.decoding.tables import SPACES, headline, said

    label = "SIMULATED DATA. " if found.info["simulated"] else ""
    lines = [f"{label}{found.asked.dataset}, {found.asked.subject}, space of {found.asked.model}"]
    for space in found.ranks:
        lines += [f"{SPACES[space]}: {headline(found, space)}."]
    columns = ["space", "kind", "voxels", "n_voxels", "pairwise", "top1", "top5", "median_rank", "p", "q"]
    return "\n".join([*lines, said(found), table[columns].to_string(index=False, float_format="%.3f")])
