"""The verb `fit`: one encoding fit, from the cache or computed."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import (
    add_options,
    check_out,
    model_pair,
    progress_bar,
    simulated_label,
    warn_of_leakage,
    write_output,
)
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.core.regions.variance_partitioning import VariancePartition
    from brivl.encoding.fit import FitResult


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `fit` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("fit", help="fit one layer of two models to a subject, and score the predictions")
    add_options(p, "dataset", "models", "layer", "subject", "preset", "pooling")
    p.add_argument("--out", type=Path, help="write scores and voxel coordinates to this .npz file")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    models = model_pair(args.models)
    check_out(args.out, ".npz")
    from brivl.data.registry import open_dataset
    from brivl.data.subject_facts import final_reading
    from brivl.encoding.fit import FitRequest, fit, fit_key
    from brivl.encoding.identical_features import identical_features
    from brivl.encoding.single_model import stored_partition
    from brivl.sharing.fit_evidence import npz_bytes

    store, started = Store(args.cache), time.monotonic()
    request = FitRequest(args.dataset, models, args.layer, args.subject, args.preset, args.pooling)
    dataset = open_dataset(args.dataset, store)
    fit_key(store, request, dataset)  # refuses impossible requests before the warning is printed
    warning = warn_of_leakage(dataset, args.subject, args.preset)
    with exit_on_sigint():
        result = fit(store, request, progress_bar(quiet=args.json))
        identical = identical_features(store, request)
    partition = stored_partition(store, request, result.result.r2_joint, dataset)
    if args.out:
        write_output(args.out, npz_bytes(result, dataset.responses(args.subject).voxels, partition))
    reading = final_reading(store, dataset, args.subject)
    summary = _summary(result, partition, time.monotonic() - started)
    summary |= {"identical_features": identical, "warning": warning, "reading": reading.to_json()}
    print(json.dumps(summary) if args.json else "\n".join([_as_text(summary), *reading.notes]))


def _summary(fitted: FitResult, partition: VariancePartition | None, seconds: float) -> dict[str, Any]:
    """Numbers of voxels, means over the fitted voxels, and whether the fit came from the cache."""
    request, scores = fitted.request, fitted.result
    return {
        "dataset": request.dataset,
        "models": list(request.models),
        "layer": request.layer,
        "subject": request.subject,
        "preset": request.preset,
        "n_voxels": len(scores.selected),
        "n_voxels_selected": int(scores.selected.sum()),
        "mean_r2_joint": _mean(scores.r2_joint),
        "mean_r2_split": [_mean(r2) for r2 in scores.r2_split],
        "mean_r2_unique": None if partition is None else [_mean(partition.unique_a), _mean(partition.unique_b)],
        "mean_r2_shared": None if partition is None else _mean(partition.shared),
        **({} if scores.r2_nuisance is None else {"mean_r2_on_off": _mean(scores.r2_nuisance)}),
        "n_voxels_r2_above_0.05": int((np.nan_to_num(scores.r2_joint) > 0.05).sum()),
        "excluded": dict(scores.excluded),
        "seconds": round(seconds, 3),
        "cache": fitted.cache,
        "simulated": bool(fitted.info["simulated"]),
    }


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return round(float(finite.mean(dtype=np.float64)), 6) if len(finite) else None


def _as_text(s: dict[str, Any]) -> str:
    a, b = s["models"]
    unique = s["mean_r2_unique"]
    parts = (
        "unique parts not computed (python -m brivl variance-partitioning computes them)"
        if unique is None
        else f"unique {a} {unique[0]}, {b} {unique[1]}, shared {s['mean_r2_shared']}"
    )
    return (
        f"{simulated_label(s['simulated'])}{s['dataset']}, {s['subject']}, layer {s['layer']}, {s['preset']}: "
        f"{s['n_voxels_selected']} of {s['n_voxels']} voxels, mean joint R2 {s['mean_r2_joint']}, "
        f"split {a} {s['mean_r2_split'][0]}, {b} {s['mean_r2_split'][1]}, {parts} "
        f"({s['cache']}, {s['seconds']} s)"
        + ("\nThe two models have identical features at this layer." if s["identical_features"] else "")
        + (f"\nStimulus on/off, regressed out before: R2 {s['mean_r2_on_off']}" if "mean_r2_on_off" in s else "")
    )
