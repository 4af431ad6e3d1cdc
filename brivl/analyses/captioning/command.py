"""The verb `captioning` (`caption` in earlier versions): captions of images, and metrics where there are references."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brivl.analyses.captioning.analysis import CAPTIONING
from brivl.analyses.captioning.tables import OUT_OF_DOMAIN
from brivl.analysis import run
from brivl.data.pairs.karpathy import CaptionedImage, read_karpathy
from brivl.data.stimuli.images import REFERENCE
from brivl.errors import DataError, RequestError
from brivl.models.captioning.digests import CAPTIONERS
from brivl.store.artifacts import Store

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"})
MAX_IMAGES = 100_000


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `captioning` to the command line.

    Parameters
    ----------
    verbs : argparse subparsers
        Where verbs are added.
    """
    p = verbs.add_parser(CAPTIONING.verb, aliases=list(CAPTIONING.old_names), help=CAPTIONING.summary_line)
    p.add_argument("--images", type=Path, required=True, help="an image, a folder of images, or scene:12")
    p.add_argument("--karpathy", type=Path, help="dataset_coco.json: images and references; paths count from --images")
    p.add_argument("--split", default="test", help="split of the listing (default: %(default)s)")
    p.add_argument("--model", default=CAPTIONERS[0], help=f"{' or '.join(CAPTIONERS)} (default: %(default)s)")
    p.add_argument("--beam", type=int, default=1, help="beam width; 1 is greedy (default)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_caption)


def run_caption(args: argparse.Namespace) -> None:
    """Print a caption for each image, and what could not be read.

    Parameters
    ----------
    args : Namespace
        Arguments of the verb.

    Raises
    ------
    DataError
        Where no image could be read.
    """
    if REFERENCE.fullmatch(str(args.images)):
        _caption_reference(args)
        return
    from brivl.analyses.captioning.compute import caption_files

    listed = read_karpathy(args.karpathy, args.images, args.split) if args.karpathy else find_images(args.images)
    captions = list(caption_files([image.path for image in listed], args.model, args.beam))
    if all(one.problem for one in captions):
        raise DataError(captions[0].problem)
    out: dict[str, Any] = {
        "model": args.model,
        "warnings": [OUT_OF_DOMAIN],  # image files are no scenes of the gallery
        "stand_in": True,
        "beam": args.beam,
        "captions": [
            {"file": str(one.path), "caption": one.text, "score": round(one.score, 4)}
            for one in captions
            if not one.problem
        ],
        "skipped": [one.problem for one in captions if one.problem],
    }
    if args.karpathy:
        out["scores"] = _scores(listed, [None if one.problem else one.text for one in captions])
    print(json.dumps(out)) if args.json else _print(out)


def _caption_reference(args: argparse.Namespace) -> None:
    """Caption a scene of the gallery, or an upload, with every captioner, as the page does."""
    from brivl.analyses.captioning.request import CaptioningRequest
    from brivl.cli.analysis_verb import in_words

    result = run(CAPTIONING, Store(args.cache), CaptioningRequest(str(args.images), args.beam))
    print(json.dumps(CAPTIONING.summary(result)) if args.json else in_words(CAPTIONING, result))


def find_images(path: Path) -> list[CaptionedImage]:
    """Find an image, or all images of a folder by name.

    Parameters
    ----------
    path : Path
        A file or a folder.

    Returns
    -------
    list of CaptionedImage
        The images, without captions.

    Raises
    ------
    DataError
        Where there is no image.
    RequestError
        Where there are more than MAX_IMAGES.
    """
    if path.is_file():
        return [CaptionedImage(path, (), "")]
    if not path.is_dir():
        raise DataError(
            f"Expected an image or a folder of images, got {str(path)!r}, which does not exist. Check the path."
        )
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(
            f"Expected images ({', '.join(sorted(SUFFIXES))}), found none in {str(path)!r}. Name another folder."
        )
    if len(files) > MAX_IMAGES:
        raise RequestError(f"Expected at most {MAX_IMAGES:,} images, found {len(files):,}. Name a smaller folder.")
    return [CaptionedImage(file, (), "") for file in files]


def _scores(listed: list[CaptionedImage], texts: list[str | None]) -> dict[str, float | int]:
    """Metrics over the images that could be read."""
    from brivl.core.text.caption_metrics import caption_scores

    read = [(text, image.captions) for image, text in zip(listed, texts, strict=True) if text is not None]
    scores = asdict(caption_scores([text for text, _ in read], [captions for _, captions in read]))
    return {"n_images": len(read), **{name: round(value, 4) for name, value in scores.items()}}


def _print(out: dict[str, Any]) -> None:
    print(OUT_OF_DOMAIN)
    print(f"{out['model']} (a demo model, trained on drawn scenes), beam {out['beam']}")
    for row in out["captions"]:
        print(f"  {row['file']}: {row['caption']}")
    for name, value in out.get("scores", {}).items():
        print(f"  {name}: {value}")
    for trouble in out["skipped"]:
        print(f"brivl: {trouble}", file=sys.stderr)
