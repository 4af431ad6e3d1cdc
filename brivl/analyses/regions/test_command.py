"""python -m brivl infer: tests within one subject, by blocks of the held-out samples."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, model_pair, progress_bar, write_table
from brivl.errors import RequestError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    import pandas as pd

    from brivl.encoding.within_subject import WithinSubjectResult


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `infer` to the command line."""
    p = verbs.add_parser("infer", help="p of each voxel and region of one subject, by blocks of held-out samples")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--models", required=True, help="two names, A,B")
    p.add_argument("--layer", required=True, type=int, help="1-based")
    p.add_argument("--subject", required=True)
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--region", "--roi", default="all", help="test only voxels of this region (default: %(default)s)")
    p.add_argument("--block", type=float, default=20.0, help="seconds, for time series (default: %(default)s)")
    p.add_argument("--draws", type=int, default=1000, help="rearrangements, signs (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    p.add_argument("--by", choices=["voxel", "region"], default="region", help="rows of --out (default: %(default)s)")
    p.add_argument("--out", type=Path, help="write all numbers to this .csv")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_infer)


def run_infer(args: argparse.Namespace) -> None:
    """Fit if need be, test and print. Raises BrivlError for anything that cannot be answered."""
    models = model_pair(args.models)
    check_out(args.out, ".csv")
    from brivl.encoding.fit import FitRequest, fit
    from brivl.encoding.within_subject import WithinSubjectRequest, within_subject_key, within_subject_tests

    store = Store(args.cache)
    request = FitRequest(args.dataset, models, args.layer, args.subject, args.preset)
    asked = WithinSubjectRequest(request, args.region, args.block, args.draws, args.seed)
    within_subject_key(store, asked)  # what cannot be asked is said before anything is computed
    with exit_on_sigint():
        fit(store, request, progress_bar(quiet=args.json))
        found = within_subject_tests(store, asked, progress_bar(quiet=args.json))
    tables = _tables(found)
    if args.out:
        _write(args.out, found, tables, args.by)
    print(json.dumps(_as_json(found, tables)) if args.json else _in_words(found, tables))


def _tables(found: WithinSubjectResult) -> dict[str, pd.DataFrame]:
    from brivl.encoding.within_subject_tables import region_table

    return {level: region_table(found, level) for level in found.regions}


def _as_json(found: WithinSubjectResult, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    from brivl.encoding.within_subject_tables import summary

    request = found.asked.fit
    rows = {level: json.loads(table.to_json(orient="records", double_precision=6)) for level, table in tables.items()}
    return {
        "dataset": request.dataset,
        "models": list(request.models),
        "layer": request.layer,
        "subject": request.subject,
        "preset": request.preset,
        "region": found.asked.region,
        "block_s": found.asked.block_s,
        "seed": found.asked.seed,
        **summary(found, request.models),
        "largest_gap_to_stored_r2": round(found.info["largest_gap"], 6),
        "regions": rows,
        "simulated": bool(found.info["simulated"]),
    }


def _in_words(found: WithinSubjectResult, tables: dict[str, pd.DataFrame]) -> str:
    from brivl.encoding.within_subject_tables import method_note, summary

    a, b = found.asked.fit.models
    s = summary(found, (a, b))
    label = "SIMULATED DATA. " if found.info["simulated"] else ""
    lines = [
        f"{label}{found.asked.fit.dataset}, {found.asked.fit.subject}, layer {found.asked.fit.layer}: {a} against {b}",
        method_note(found),
        f"{s['n_joint_q']} of {s['n_voxels']} voxels are predicted better than chance at q < .05, "
        f"{s['n_joint_max_t']} by max-T.",
        f"Where that is so, {a} is better in {s[f'n_better_{a}']} voxels, {b} in {s[f'n_better_{b}']} (q < .05).",
    ]
    columns = ["region", "r2_joint", "p_joint", "difference", "ci_low", "ci_high", "p_difference", "q_difference"]
    lines += [table[columns].to_string(index=False, float_format="%.4f") for table in list(tables.values())[:1]]
    return "\n".join(lines)


def _write(path: Path, found: WithinSubjectResult, tables: dict[str, pd.DataFrame], by: str) -> None:
    """Raises StoreError if it cannot be written, RequestError where there are no regions."""
    import pandas as pd

    from brivl.encoding.within_subject_tables import voxel_table

    if by == "region" and not tables:
        raise RequestError("Wanted one row per region, and nothing is known of regions here. Use --by voxel.")
    parts = [table.assign(level=level) for level, table in tables.items()]
    table = pd.concat(parts) if by == "region" else voxel_table(found)
    write_table(path, table.assign(simulated=bool(found.info["simulated"])))
