"""python -m brivl transfer: do encoding models carry across language and vision?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, progress_bar, write_table
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.analyses.transfer.result import Transfer


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `transfer` to the command line."""
    p = verbs.add_parser("transfer", help="predict responses to a film from those to stories, and the reverse")
    p.add_argument("--dataset", default="phantom-stories", help="responses to stories (default: %(default)s)")
    p.add_argument("--other", default="", help="responses of the same subjects to a film (default: the dataset's twin)")
    p.add_argument("--subject", required=True)
    p.add_argument("--model", default="brivl-mini", help="a model of both streams (default: %(default)s)")
    p.add_argument("--vision", default="vit-mini", help="the unimodal model that sees (default: %(default)s)")
    p.add_argument("--language", default="minilm-l6", help="the unimodal model that reads (default: %(default)s)")
    p.add_argument("--depth", type=float, default=1.0, help="of layers, relative to the last (default: %(default)s)")
    p.add_argument("--pairs", default="", help="images with captions for the maps (default: drawn scenes)")
    p.add_argument("--n-pairs", type=int, default=600, help="how many of them (default: %(default)s)")
    p.add_argument("--level", default="", help="regions: roi, area, merged, region (default: the first there is)")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--out", type=Path, help="write all numbers of regions to this .csv")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_transfer)


def run_transfer(args: argparse.Namespace) -> None:
    """Carry across and print. Raises BrivlError for anything that cannot be answered."""
    check_out(args.out, ".csv")
    from brivl.analyses.transfer.request import TransferAsked
    from brivl.analyses.transfer.result import transfer, transfer_key
    from brivl.analyses.transfer.tables import transfer_table

    store = Store(args.cache)
    asked = TransferAsked(
        args.dataset,
        args.subject,
        args.other,
        args.model,
        args.vision,
        args.language,
        args.depth,
        args.pairs,
        args.n_pairs,
        args.preset,
        args.level,
    )
    transfer_key(store, asked)  # what cannot be asked is said before anything is computed
    with exit_on_sigint():
        found = transfer(store, asked, progress_bar(quiet=args.json))
    if args.out:
        write_table(args.out, transfer_table(found).assign(simulated=bool(found.info["simulated"])))
    print(json.dumps(_as_json(found)) if args.json else _in_words(found))


def _as_json(found: Transfer) -> dict[str, Any]:
    from brivl.analyses.transfer.tables import component_table, summary, transfer_table

    asked = found.asked
    rows = transfer_table(found).to_json(orient="records", double_precision=4)
    components = component_table(found).to_json(orient="records", double_precision=4)
    return {
        "datasets": found.info["names"],
        "subject": asked.subject,
        "models": found.info["streams"],
        "preset": asked.preset,
        **summary(found),
        "rows": json.loads(rows),
        "components": json.loads(components),
        "simulated": bool(found.info["simulated"]),
    }


def _in_words(found: Transfer) -> str:
    from brivl.analyses.transfer.tables import better_said, component_table, headline, said, transfer_table

    label = "SIMULATED DATA. " if found.info["simulated"] else ""
    columns = ["predicted", "region", "n_voxels", "within", "raw", "across", "p", "q", "turned", "across unimodal"]
    table = transfer_table(found)[columns].to_string(index=False, float_format="%.3f")
    components = component_table(found)
    shown = [components.to_string(index=False, float_format="%.3f")] if len(components) else []
    first = f"{label}{' and '.join(found.info['names'])}, {found.asked.subject}"
    return "\n".join([first, f"{headline(found)}.", said(found), better_said(found), table, *shown])
