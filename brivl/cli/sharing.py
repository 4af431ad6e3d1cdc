"""python -m brivl bundle: a figure with its numbers, maps and methods text in one zip file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.cli.stopping import stops_at_once
from brivl.errors import RequestError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.backend.asked_plates import Asked

MOST_LAYERS = 1000


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `bundle` to the command line."""
    p = verbs.add_parser("bundle", help="figure, slide, table, maps and methods text of a result in one zip file")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--models", required=True, help="two names, A,B")
    p.add_argument("--layer", required=True, help="1-based; the page layers takes several, 4,8,12 or 1-6")
    p.add_argument("--subject", required=True, help="one, some (S01,S02), or all")
    p.add_argument("--page", default="layers", help="layers (default), flatmap or regions")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--pooling", choices=["cls", "mean"], help="token pooling")
    p.add_argument("--map", default="", help="of the page flatmap: joint (default), a, b, pair or difference")
    p.add_argument("--level", default="", help="of the page regions: roi, area, merged or region")
    p.add_argument("--out", required=True, type=Path, help="the zip file to write")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_bundle)


def run_bundle(args: argparse.Namespace) -> None:
    """Write the bundle; missing answers are fitted. Raises BrivlError for anything that cannot be answered."""
    check_out(args.out, (".zip",))
    from brivl.backend.asked_plates import make_plate
    from brivl.backend.bundle import bundle_bytes
    from brivl.backend.reproduce_files import write_bytes

    store = Store(args.cache)
    with stops_at_once():
        plate = make_plate(store, _asked(args))
    content = bundle_bytes(store, plate)
    write_bytes(args.out, content)
    if args.json:
        print(json.dumps({"out": str(args.out), "bytes": len(content), "simulated": plate.known.simulated,
                          "headline": plate.label.headline, "link": plate.link}))  # fmt: skip
        return
    label = f"{plate.simulated_label}. " if plate.simulated_label else ""
    print(f"{label}{plate.label.headline}\n{args.out}: {len(content):,} bytes")


def _asked(args: argparse.Namespace) -> Asked:
    from brivl.backend.asked_plates import Asked

    models = tuple(name.strip() for name in args.models.split(","))
    if len(models) != 2 or not all(models):
        raise RequestError(f"Wanted two model names as A,B and got {args.models!r}.")
    subjects = tuple(dict.fromkeys(name.strip() for name in args.subject.split(",") if name.strip()))
    if not subjects:
        raise RequestError(f"Wanted a subject, or all, and got {args.subject!r}.")
    settings = {"preset": args.preset, "pooling": args.pooling or "", "map": args.map, "level": args.level}
    return Asked(args.dataset, models, _layers(args.layer), subjects, args.page, settings)


def _layers(text: str) -> tuple[int, ...]:
    """Numbers and spans in order: "8", "4,8,12", "1-6"."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not all(n.isascii() and n.isdecimal() and len(n) < 5 for n in (first, last or first)):
            raise RequestError(f"Wanted a layer such as 8, or 4,8,12 or 1-6, and got {text!r}.")
        found |= set(range(int(first), int(last or first) + 1))
    if not 0 < len(found) <= MOST_LAYERS:
        raise RequestError(f"Wanted a layer such as 8, or 4,8,12 or 1-6, and got {text!r}.")
    return tuple(sorted(found))


def check_out(path: Path, endings: tuple[str, ...]) -> None:
    """Refuse an --out that cannot work before anything is computed. Raises RequestError."""
    if path.suffix.lower() not in endings or path.is_dir() or not path.resolve().parent.is_dir():
        raise RequestError(
            f"Wanted --out as a file ending in {' or '.join(endings)} in a folder that exists, and got {str(path)!r}."
        )
