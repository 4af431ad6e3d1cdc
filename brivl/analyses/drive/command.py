"""python -m brivl drive: images that an encoding model expects to drive a region."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import progress_bar
from brivl.errors import RequestError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.analyses.drive.compute import Driven


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `drive` to the command line."""
    p = verbs.add_parser("drive", help="make images that should drive a region, and rank what was shown")
    p.add_argument("--dataset", required=True, help="phantom-categories, phantom-movie, or a folder with pictures")
    p.add_argument("--subject", required=True)
    p.add_argument("--region", "--roi", required=True)
    p.add_argument("--n", type=int, default=3, help="images (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, help="where chance starts (default: %(default)s)")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--out", type=Path, help="folder that exists, for the images as PNG")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_drive)


def run_drive(args: argparse.Namespace) -> None:
    """Make and print. Raises BrivlError for anything that cannot be answered."""
    if args.out is not None and not (args.out.is_dir() and os.access(args.out, os.W_OK)):
        raise RequestError(f"Wanted --out as a folder that exists and can be written to, and got {str(args.out)!r}.")
    from brivl.analyses.drive.compute import DriveAsked, drive_key, drive_region

    store = Store(args.cache)
    asked = DriveAsked(args.dataset, args.subject, args.region, args.n, args.seed, args.preset)
    drive_key(store, asked)  # what cannot be asked is said before anything is computed
    with exit_on_sigint():
        found = drive_region(store, asked, progress_bar(quiet=args.json))
    files = _write(found, args.out) if args.out else []
    print(json.dumps(_as_json(found, files)) if args.json else _in_words(found, files))


def _write(found: Driven, folder: Path) -> list[str]:
    from brivl.data.formats.images import write_png

    files = []
    for i, image in enumerate(found.images, 1):
        path = folder / f"simulated-{found.asked.region}-{found.asked.subject}-{i}.png"
        write_png(path, image)
        files.append(str(path))
    return files


def _as_json(found: Driven, files: list[str]) -> dict[str, Any]:
    from brivl.analyses.drive.compute import shares

    asked = found.asked
    return {
        "dataset": asked.dataset,
        "subject": asked.subject,
        "region": asked.region,
        "n": asked.n,
        "seed": asked.seed,
        "predicted": [round(float(v), 4) for v in found.predicted],
        "natural_predicted": [round(float(v), 4) for v in found.natural_predicted],
        "by_region": {name: round(value, 4) for name, value in found.by_region.items()},
        "judge": shares(found),
        "wanted": found.info["wanted"],
        "files": files,
        "stand_in": True,
        "simulated": bool(found.info["simulated"]),
    }


def _in_words(found: Driven, files: list[str]) -> str:
    from brivl.analyses.drive.compute import headline

    label = "SIMULATED DATA. " if found.info["simulated"] else ""
    regions = sorted(found.by_region.items(), key=lambda item: -item[1])
    return "\n".join(
        [
            f"{label}{found.asked.dataset}, {found.asked.subject} (stand-in models)",
            headline(found) + ".",
            "Mean predicted response to the images made, in SD: "
            + ", ".join(f"{name} {value:+.1f}" for name, value in regions),
            *files,
        ]
    )
