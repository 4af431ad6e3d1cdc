"""The verb `attention` (`attend` in earlier versions): which patches and words a similarity rests on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from brivl.analyses.attention.analysis import ATTENTION
from brivl.analyses.attention.compute import Attention, check_query, explain
from brivl.analyses.attention.maps import peak, scale_map
from brivl.analyses.attention.tables import domain_warnings
from brivl.errors import RequestError
from brivl.models.attention.start_layers import IMAGE_START, TEXT_START
from brivl.store.artifacts import Store

SUFFIXES = (".png", ".npz")


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `attention` to the command line.

    Parameters
    ----------
    verbs : argparse subparsers
        Where verbs are added.
    """
    p = verbs.add_parser(ATTENTION.verb, aliases=list(ATTENTION.old_names), help=ATTENTION.summary_line)
    p.add_argument("--image", required=True, help="an image file, or scene:12 of the shipped gallery")
    p.add_argument("--text", required=True, help="the query")
    p.add_argument("--phrase", default="", help="word or phrase whose map is drawn (default: the whole query)")
    p.add_argument("--start-layer", type=int, default=IMAGE_START, help="of the image stream (default: %(default)s)")
    p.add_argument("--text-start-layer", type=int, default=TEXT_START, help="of the text stream (default: %(default)s)")
    p.add_argument("--out", type=Path, help="a .png of the map over the image, or an .npz of the numbers")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_attend)


def run_attend(args: argparse.Namespace) -> None:
    """Explain one image and print the peak and the words.

    Parameters
    ----------
    args : Namespace
        Arguments of the verb.

    Raises
    ------
    RequestError
        For an ending of --out that is not written.
    """
    if args.out is not None and args.out.suffix.lower() not in SUFFIXES:
        raise RequestError(f"Expected --out to end in .png or .npz, got {args.out.name!r}. Rename it.")
    store = Store(args.cache)
    image, pixels = _images(store, args.image)
    query, phrase = check_query(args.text, args.phrase)
    attention = explain(store, image, query, phrase)
    values, shares = attention.map_from(args.start_layer), attention.words_from(args.text_start_layer)
    height, width = pixels.shape[:2]
    row, column = peak(scale_map(values, height, width))
    out: dict[str, Any] = {
        "model": "brivl-mini",
        "stand_in": True,
        "query": query,
        "phrase": phrase,
        "start_layer": {"image": args.start_layer, "text": args.text_start_layer},
        "phrase_similarity": round(attention.phrase_similarity, 4),
        "query_similarity": round(attention.query_similarity, 4),
        "peak": {"x": round((column + 0.5) / width, 4), "y": round((row + 0.5) / height, 4)},
        "words": [{"word": w.text, "share": round(float(v), 4)} for w, v in zip(attention.words, shares, strict=True)],
        "n_words_read": attention.n_words_read,
        "warnings": list(domain_warnings(attention, query, args.image.startswith("scene:"))),
    }
    if args.out is not None:
        _write(args.out, pixels, values, attention, out)
    print(json.dumps(out)) if args.json else _print(out)


def _images(store: Store, source: str) -> tuple[str | np.ndarray, np.ndarray]:
    """What `explain` takes, and the image to draw."""
    from brivl.data.formats.images import read_image
    from brivl.data.stimuli.images import referenced_image

    if source.startswith("scene:"):
        return source, referenced_image(store, source).image
    image = read_image(Path(source), Path(source).name)
    return image, image


def _write(path: Path, image: np.ndarray, values: np.ndarray, attention: Attention, out: dict[str, Any]) -> None:
    if path.suffix.lower() == ".npz":
        np.savez(
            path,
            map=values,
            words=np.array([w.text for w in attention.words]),
            image_maps=attention.maps,
            word_relevance=attention.word_relevance,
        )
        return
    from brivl.analyses.attention.figures import attention_page
    from brivl.analyses.attention.maps import AttentionFigure
    from brivl.viz.export import SLIDE, figure_bytes
    from brivl.viz.style import FigureLabel

    label = FigureLabel(
        f"Attention of BriVL-mini for “{out['phrase']}”",
        f"{' '.join(out['warnings'])} Generic Attention Explainability from layer {out['start_layer']['image']} on. "
        "A demo model.",
    )
    path.write_bytes(figure_bytes(attention_page(AttentionFigure(image, values), label, SLIDE), "png", 120))


def _print(out: dict[str, Any]) -> None:
    x, y = out["peak"]["x"], out["peak"]["y"]
    for warning in out["warnings"]:
        print(warning)
    print(f"brivl-mini (a demo model, trained on drawn scenes): {out['phrase']!r} in {out['query']!r}")
    print(f"  similarity {out['phrase_similarity']:.3f} (query: {out['query_similarity']:.3f})")
    print(f"  the map peaks at {x:.0%} from the left and {y:.0%} from the top")
    for row in sorted(out["words"], key=lambda r: -r["share"]):
        print(f"  {row['share']:6.1%}  {row['word']}")
