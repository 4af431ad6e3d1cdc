"""python -m brivl retrieve: search a gallery by text, by picture, and by sums of them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brivl.errors import DataError, RequestError
from brivl.models.registry import BRIVL_MINI
from brivl.store.artifacts import Store

MOST_K = 100


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `retrieve` to the command line."""
    p = verbs.add_parser("retrieve", help="search pictures or videos by text, by picture, by sums of them")
    p.add_argument("--text", default="", help="what to look for, in English")
    p.add_argument("--image", type=Path, help="an image file to look for the like of; added to the text if both come")
    p.add_argument("--minus", default="", help="a term that is taken away")
    p.add_argument("--gallery", default="scenes", help="scenes, clips, or a folder (default: %(default)s)")
    p.add_argument("--model", default=BRIVL_MINI, help="one or several, by commas (default: %(default)s)")
    p.add_argument("--k", type=int, default=10, help="answers of each model (default: %(default)s)")
    p.add_argument("--most", type=int, help="of a folder, search as many images (default: 20,000)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_retrieve)


def run_retrieve(args: argparse.Namespace) -> None:
    """Print the answers of each model, best first. Raises BrivlError as brivl.analyses.retrieval.compute says."""
    from brivl.analyses.retrieval.compute import Query
    from brivl.data.galleries.registry import MAX_IMAGES, open_gallery

    if not 1 <= args.k <= MOST_K:
        raise RequestError(f"Wanted 1 to {MOST_K} answers and got --k {args.k}.")
    store, most = Store(args.cache), MAX_IMAGES if args.most is None else args.most
    gallery = open_gallery(args.gallery, most)
    image = _kept(store, args.image) if args.image else ""
    models = [name.strip() for name in args.model.split(",") if name.strip()]
    queries = [Query(args.gallery, model, args.text, image, args.minus, most) for model in models]
    out = {
        "gallery": args.gallery,
        "n_items": len(gallery),
        "simulated": gallery.simulated,
        "notes": list(gallery.notes),
        "results": {query.model: _answer(store, query, args.k) for query in queries},
    }
    print(json.dumps(out)) if args.json else _print(out)


def _answer(store: Store, query: Any, k: int) -> dict[str, Any]:
    from brivl.analyses.retrieval.compute import retrieve
    from brivl.data.galleries.registry import open_gallery

    found, gallery = retrieve(store, query, _bar), open_gallery(query.gallery, query.most)
    said = gallery.captions()
    first = {} if said is None else dict(zip(said.owners[::-1].tolist(), said.texts[::-1], strict=True))
    return {
        "formula": found.formula,
        "n_searched": found.n_searched,
        "n_unreadable": found.n_bad,
        "unreadable": list(found.bad),
        "index_recall_at_10": found.index_recall,
        "notices": list(found.notices),
        "found": [
            {"item": gallery.item_name(row), "similarity": round(float(score), 4), "caption": first.get(int(row))}
            for row, score in zip(found.rows[:k], found.scores, strict=False)
        ],
    }


def measure_galleries(store: Store) -> dict[str, Any]:
    """Recall of brivl-mini on the shipped galleries: all scenes both ways, all clips both ways."""
    from brivl.data.galleries.recall import measure_recall
    from brivl.data.galleries.registry import open_gallery
    from brivl.models.encoders.embedding import open_embedder

    embedder = open_embedder(BRIVL_MINI)
    scenes = measure_recall(store, open_gallery("scenes"), embedder, _bar)
    clips = measure_recall(store, open_gallery("clips"), embedder, _bar)
    return {
        "gallery": {
            "n_pairs": scenes.n_items,
            "text_to_image": asdict(scenes.forward),
            "image_to_text": asdict(scenes.back),
        },
        "n_clips": clips.n_items,
        "text_to_video": asdict(clips.forward),
        "video_to_text": asdict(clips.back),
    }


def _kept(store: Store, path: Path) -> str:
    from brivl.data.stimuli.images import store_upload

    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"Wanted the image {str(path)!r} and could not read it ({error.strerror}).") from error
    return store_upload(store, data, path.name)


def _bar(done: float, total: float, message: str) -> None:
    """Progress on a terminal."""
    if sys.stderr.isatty() and total:
        print(f"\r{message}: {int(done):,} of {int(total):,}", end="\n" if done >= total else "", file=sys.stderr)


def _print(out: dict[str, Any]) -> None:
    print(f"{out['gallery']}, {out['n_items']:,} items{' (simulated)' if out['simulated'] else ''}")
    for note in out["notes"]:
        print(f"  {note}")
    for model, result in out["results"].items():
        print(f"{model}: {result['formula']}, {result['n_searched']:,} searched")
        for notice in result["notices"]:
            print(f"  {notice}")
        for one in result["found"]:
            print(f"  {one['similarity']:7.3f}  {one['item']}  {one['caption'] or ''}")
        if result["n_unreadable"]:
            print(f"  {result['n_unreadable']:,} could not be read, such as {', '.join(result['unreadable'])}")
        if result["index_recall_at_10"] is not None:
            print(f"  by index: recall@10 {result['index_recall_at_10']:.3f} against comparing with all")
