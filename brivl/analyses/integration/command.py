"""python -m brivl integrate: where a multimodal model beats vision, language and both together."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, progress_bar, write_table
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.analyses.integration.compute import Integration


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `integrate` to the command line."""
    p = verbs.add_parser("integrate", help="regions where a multimodal model beats vision, language and both together")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--subject", required=True)
    p.add_argument("--multimodal", default="brivl-mini", help="(default: %(default)s)")
    p.add_argument("--vision", default="vit-mini", help="any encoder of pictures (default: %(default)s)")
    p.add_argument("--language", default="minilm-l6", help="any encoder of sentences (default: %(default)s)")
    p.add_argument(
        "--more", nargs="+", default=[], metavar="NAME", help="up to 3 encoders beside these, in one fit too"
    )
    p.add_argument("--layer", type=int, default=0, help="of the multimodal model (default: at two thirds)")
    p.add_argument("--level", default="", help="regions: roi, area, merged, region, aal3, hcp (default: the first)")
    p.add_argument("--block", type=float, default=20.0, help="seconds, for time series (default: %(default)s)")
    p.add_argument("--draws", type=int, default=1000, help="(default: %(default)s)")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--out", type=Path, help="write all numbers to this .csv")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_integrate)


def run_integrate(args: argparse.Namespace) -> None:
    """Test and print. Raises BrivlError for anything that cannot be answered."""
    check_out(args.out, ".csv")
    from brivl.analyses.integration.compute import IntegrationAsked, integrate, integration_key
    from brivl.analyses.integration.tables import integration_table

    store = Store(args.cache)
    asked = IntegrationAsked(
        args.dataset,
        args.subject,
        args.multimodal,
        args.vision,
        args.language,
        args.layer,
        args.preset,
        args.level,
        args.block,
        args.draws,
        tuple(args.more),
    )
    integration_key(store, asked)  # what cannot be asked is said before anything is computed
    with exit_on_sigint():
        found = integrate(store, asked, progress_bar(quiet=args.json))
    if args.out:
        write_table(args.out, integration_table(found).assign(simulated=bool(found.info["simulated"])))
    print(json.dumps(_as_json(found)) if args.json else _in_words(found))


def _as_json(found: Integration) -> dict[str, Any]:
    from brivl.analyses.integration.tables import integration_table, summary

    asked = found.asked
    rows = json.loads(integration_table(found).to_json(orient="records", double_precision=5))
    models = {
        "multimodal": asked.multimodal,
        "vision": asked.vision,
        "language": asked.language,
        "more": list(asked.more),
    }
    return {
        "dataset": asked.dataset,
        "subject": asked.subject,
        "models": models,
        "preset": asked.preset,
        **summary(found),
        "regions": rows,
        "simulated": bool(found.info["simulated"]),
    }


def _in_words(found: Integration) -> str:
    from brivl.analyses.integration.tables import headline, integration_table, said

    label = "SIMULATED DATA. " if found.info["simulated"] else ""
    table = integration_table(found)
    names = ["region", "n_voxels"]
    tested = [c for c in table if c.startswith("r2") or c in (*names, "p", "q")]
    together = [*names, *(c for c in table if c.startswith("split"))]
    shown = [table[columns].to_string(index=False, float_format="%.3f") for columns in (tested, together)]
    head = f"{label}{found.asked.dataset}, {found.asked.subject}"
    one = f"Split R2 of one fit of all {len(found.bands)}:"
    return "\n".join([head, f"{headline(found)}.", said(found), shown[0], one, shown[1]])
