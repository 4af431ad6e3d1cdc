"""The verb `within-subject` (also `infer`): permutation and sign-flip tests within one subject."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import add_options, check_out, model_pair, progress_bar, simulated_label, write_table
from brivl.errors import RequestError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    import pandas as pd

    from brivl.encoding.within_subject import WithinSubjectResult


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `within-subject` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser(
        "within-subject",
        aliases=["infer"],
        help="p values of voxels and regions within one subject, by permuting blocks of held-out samples",
    )
    add_options(p, "dataset", "models", "layer", "subject", "preset")
    p.add_argument("--region", "--roi", default="all", help="test only voxels of this region (default: %(default)s)")
    p.add_argument("--block", type=float, default=20.0, help="block length of time series in s (default: %(default)s)")
    p.add_argument(
        "--permutations",
        "--draws",
        dest="n_permutations",
        metavar="N",
        type=int,
        default=1000,
        help="number of permutations, and of sign flips (default: %(default)s)",
    )
    p.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    p.add_argument("--by", choices=["voxel", "region"], default="region", help="rows of --out (default: %(default)s)")
    p.add_argument("--out", type=Path, help="write all numbers to this .csv file")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    models = model_pair(args.models)
    check_out(args.out, ".csv")
    from brivl.encoding.fit import FitRequest, fit
    from brivl.encoding.within_subject import WithinSubjectRequest, within_subject_key, within_subject_tests

    store = Store(args.cache)
    fit_request = FitRequest(args.dataset, models, args.layer, args.subject, args.preset)
    request = WithinSubjectRequest(fit_request, args.region, args.block, args.n_permutations, args.seed)
    within_subject_key(store, request)  # refuses impossible requests before anything is computed
    with exit_on_sigint():
        fit(store, fit_request, progress_bar(quiet=args.json))
        result = within_subject_tests(store, request, progress_bar(quiet=args.json))
    tables = _tables(result)
    if args.out:
        _write(args.out, result, tables, args.by)
    print(json.dumps(_as_json(result, tables)) if args.json else _as_text(result, tables))


def _tables(result: WithinSubjectResult) -> dict[str, pd.DataFrame]:
    from brivl.encoding.within_subject_tables import region_table

    return {parcellation: region_table(result, parcellation) for parcellation in result.regions}


def _as_json(result: WithinSubjectResult, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    from brivl.encoding.within_subject_tables import summary

    request, fit_request = result.request, result.request.fit
    rows = {name: json.loads(table.to_json(orient="records", double_precision=6)) for name, table in tables.items()}
    return {
        "dataset": fit_request.dataset,
        "models": list(fit_request.models),
        "layer": fit_request.layer,
        "subject": fit_request.subject,
        "preset": fit_request.preset,
        "region": request.region,
        "block_s": request.block_s,
        "seed": request.seed,
        **summary(result, fit_request.models),
        "largest_gap_to_stored_r2": round(result.info["largest_gap"], 6),
        "regions": rows,
        "simulated": bool(result.info["simulated"]),
    }


def _as_text(result: WithinSubjectResult, tables: dict[str, pd.DataFrame]) -> str:
    from brivl.encoding.within_subject_tables import method_note, summary

    fit_request = result.request.fit
    a, b = fit_request.models
    s = summary(result, (a, b))
    label = simulated_label(bool(result.info["simulated"]))
    lines = [
        f"{label}{fit_request.dataset}, {fit_request.subject}, layer {fit_request.layer}: {a} against {b}",
        method_note(result),
        f"{s['n_joint_q']} of {s['n_voxels']} voxels are predicted better than chance at q < .05, "
        f"{s['n_joint_max_t']} by max-T.",
        f"Among these, {a} predicts better in {s[f'n_better_{a}']} voxels, {b} in {s[f'n_better_{b}']} (q < .05).",
    ]
    columns = ["region", "r2_joint", "p_joint", "difference", "ci_low", "ci_high", "p_difference", "q_difference"]
    lines += [table[columns].to_string(index=False, float_format="%.4f") for table in list(tables.values())[:1]]
    return "\n".join(lines)


def _write(path: Path, result: WithinSubjectResult, tables: dict[str, pd.DataFrame], by: str) -> None:
    import pandas as pd

    from brivl.encoding.within_subject_tables import voxel_table

    if by == "region" and not tables:
        raise RequestError("Expected regions for the rows of --out, got a dataset without regions. Use --by voxel.")
    by_parcellation = [table.assign(level=parcellation) for parcellation, table in tables.items()]
    table = pd.concat(by_parcellation) if by == "region" else voxel_table(result)
    write_table(path, table.assign(simulated=bool(result.info["simulated"])))
