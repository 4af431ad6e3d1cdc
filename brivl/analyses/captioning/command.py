"""python -m brivl caption: sentences about image files, and their scores where there are references."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brivl.data.pairs.karpathy import CaptionedImage, read_karpathy
from brivl.errors import DataError, RequestError
from brivl.models.captioning.digests import CAPTIONERS

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"})
MOST_IMAGES = 100_000


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `caption` to the command line."""
    p = verbs.add_parser("caption", help="say in a sentence what images show")
    p.add_argument("--images", type=Path, required=True, help="an image, or a folder of images")
    p.add_argument("--karpathy", type=Path, help="dataset_coco.json: images and references; paths count from --images")
    p.add_argument("--split", default="test", help="of the listing (default: %(default)s)")
    p.add_argument("--model", default=CAPTIONERS[0], help=f"{' or '.join(CAPTIONERS)} (default: %(default)s)")
    p.add_argument("--beam", type=int, default=1, help="sentences followed at once; 1 is greedy (default)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_caption)


def run_caption(args: argparse.Namespace) -> None:
    """Print a caption for each image, and what could not be read. Raises DataError where no image could."""
    from brivl.analyses.captioning.compute import caption_files

    listed = read_karpathy(args.karpathy, args.images, args.split) if args.karpathy else find_images(args.images)
    told = list(caption_files([image.path for image in listed], args.model, args.beam))
    if all(one.trouble for one in told):
        raise DataError(told[0].trouble)
    out: dict[str, Any] = {
        "model": args.model,
        "stand_in": True,
        "beam": args.beam,
        "captions": [
            {"file": str(one.path), "caption": one.text, "score": round(one.score, 4)}
            for one in told
            if not one.trouble
        ],
        "skipped": [one.trouble for one in told if one.trouble],
    }
    if args.karpathy:
        out["scores"] = _scores(listed, [None if one.trouble else one.text for one in told])
    print(json.dumps(out)) if args.json else _print(out)


def find_images(path: Path) -> list[CaptionedImage]:
    """The image, or all images of a folder by name, without captions.

    Raises DataError where there is none, RequestError where there are more than MOST_IMAGES.
    """
    if path.is_file():
        return [CaptionedImage(path, (), "")]
    if not path.is_dir():
        raise DataError(f"Wanted an image or a folder of images, and {str(path)!r} does not exist; check the path.")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"Wanted images in {str(path)!r} and found none that ends in {', '.join(sorted(SUFFIXES))}.")
    if len(files) > MOST_IMAGES:
        raise RequestError(f"Wanted at most {MOST_IMAGES:,} images and found {len(files):,}; name a smaller folder.")
    return [CaptionedImage(file, (), "") for file in files]


def _scores(listed: list[CaptionedImage], texts: list[str | None]) -> dict[str, float | int]:
    """Metrics over the images that could be read."""
    from brivl.core.text.caption_metrics import caption_scores

    read = [(text, image.captions) for image, text in zip(listed, texts, strict=True) if text is not None]
    scores = asdict(caption_scores([text for text, _ in read], [captions for _, captions in read]))
    return {"n_images": len(read), **{name: round(value, 4) for name, value in scores.items()}}


def _print(out: dict[str, Any]) -> None:
    print(f"{out['model']} (a stand-in, trained on drawn scenes), beam {out['beam']}")
    for row in out["captions"]:
        print(f"  {row['file']}: {row['caption']}")
    for name, value in out.get("scores", {}).items():
        print(f"  {name}: {value}")
    for trouble in out["skipped"]:
        print(f"brivl: {trouble}", file=sys.stderr)
