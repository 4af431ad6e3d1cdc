"""python -m brivl fit: one encoding fit, from the cache or computed."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, model_pair, progress_bar, warn_of_leakage
from brivl.errors import StoreError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.core.records import Voxels
    from brivl.encoding.fit import FitResult


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `fit` to the command line."""
    p = verbs.add_parser("fit", help="fit two models' layers to a subject and score them")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--models", required=True, help="two names, A,B")
    p.add_argument("--layer", required=True, type=int, help="1-based")
    p.add_argument("--subject", required=True)
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument(
        "--pooling", choices=["cls", "mean"], help="token pooling (default: what the stream's embedding uses)"
    )
    p.add_argument("--out", type=Path, help="write scores and voxel places to this .npz")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_fit)


def run_fit(args: argparse.Namespace) -> None:
    """Fit and print. Raises BrivlError for anything that cannot be answered."""
    models = model_pair(args.models)
    check_out(args.out, ".npz")
    from brivl.data.registry import open_dataset
    from brivl.encoding.fit import FitRequest, fit, fit_key

    store, started = Store(args.cache), time.monotonic()
    request = FitRequest(args.dataset, models, args.layer, args.subject, args.preset, args.pooling)
    dataset = open_dataset(args.dataset, store)
    fit_key(store, request, dataset)  # what cannot be asked is said first
    warning = warn_of_leakage(dataset, args.subject, args.preset)
    with exit_on_sigint():
        answer = fit(store, request, progress_bar(quiet=args.json))
    if args.out:
        write_npz(args.out, answer, dataset.responses(args.subject).voxels)
    summary = summarise(answer, time.monotonic() - started) | {"warning": warning}
    print(json.dumps(summary) if args.json else _in_words(summary))


def summarise(answer: FitResult, seconds: float) -> dict:
    """What --json prints: counts, means over the fitted voxels, how it was come by."""
    result = answer.result
    return {
        "dataset": answer.request.dataset,
        "models": list(answer.request.models),
        "layer": answer.request.layer,
        "subject": answer.request.subject,
        "preset": answer.request.preset,
        "n_voxels": len(result.selected),
        "n_voxels_selected": int(result.selected.sum()),
        "mean_r2_joint": _mean(result.r2_joint),
        "mean_r2_split": [_mean(r) for r in result.r2_split],
        "n_voxels_r2_above_0.05": int((np.nan_to_num(result.r2_joint) > 0.05).sum()),
        "excluded": dict(result.excluded),
        "seconds": round(seconds, 3),
        "cache": answer.cache,
        "simulated": bool(answer.info["simulated"]),
    }


def write_npz(path: Path, answer: FitResult, voxels: Voxels) -> None:
    """Scores and all that is needed to place the voxels; written aside and renamed.

    Raises StoreError if it cannot be written; nothing half-written stays.
    """
    from brivl.sharing.fit_evidence import npz_arrays

    aside = path.with_name(f".{path.name}.{os.getpid()}.npz")
    try:
        np.savez_compressed(aside, **npz_arrays(answer, voxels))
        os.replace(aside, path)
    except OSError as error:
        raise StoreError(
            f"Wanted to write {str(path)!r} and could not ({error.strerror}); free space or choose another place."
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return round(float(finite.mean(dtype=np.float64)), 6) if len(finite) else None


def _in_words(s: dict) -> str:
    a, b = s["models"]
    label = "SIMULATED DATA. " if s["simulated"] else ""
    return (
        f"{label}{s['dataset']}, {s['subject']}, layer {s['layer']}, {s['preset']}: "
        f"{s['n_voxels_selected']} of {s['n_voxels']} voxels, mean joint R2 {s['mean_r2_joint']}, "
        f"split {a} {s['mean_r2_split'][0]}, {b} {s['mean_r2_split'][1]} "
        f"({s['cache']}, {s['seconds']} s)"
    )
