"""A bundle: one zip file with a figure for print and slides, its numbers, maps, methods text and a manifest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from brivl.encoding.fit import FitResult, fit_key
from brivl.sharing.citations import methods_bib, methods_md, methods_tex
from brivl.sharing.figure_record import Plate
from brivl.sharing.fingerprints import result_digest, scores_digest, summary
from brivl.sharing.maps import map_files, why_no_maps
from brivl.sharing.methods import methods_paragraph
from brivl.store.archives import zip_bytes
from brivl.store.artifacts import Store
from brivl.store.digests import json_digest
from brivl.store.manifests import strip_host_paths, versions

FORMAT = 1
KIND = "brivl-bundle"
MANIFEST = "manifest.json"
README = "README.txt"
DPI = 300
SLIDE_DPI = 160


def bundle_bytes(store: Store, plate: Plate) -> bytes:
    """Content of the bundle; equal answers, drawn alike, give equal bytes."""
    files = {**_figure_files(plate), **_text_files(plate), **map_files(store, plate)}
    files[README] = _readme(plate, files).encode()
    files = dict(sorted(files.items()))
    return zip_bytes({MANIFEST: as_json(manifest(store, plate, files)), **files})


def as_json(value: Mapping[str, Any]) -> bytes:
    """JSON for people and machines."""
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def manifest(store: Store, plate: Plate, files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the bundle holds and rests on; with its own digest, so that a change of it is seen."""
    known = plate.known
    body = {
        "format": FORMAT,
        "kind": KIND,
        "simulated": known.simulated,
        "label": plate.simulated_label or "measured data",
        "page": plate.page,
        "link": plate.link,
        "headline": plate.label.headline,
        "caption": plate.label.caption,
        "dataset": {
            "name": known.short_name,
            "title": known.title,
            "licence": known.licence,
            "citation": known.citation,
        },
        "models": {
            side: _model(plate, name) for side, name in zip("ab", plate.done.answers[0].request.models, strict=True)
        },
        "fits": [_fit(store, plate, answer) for _, answer in sorted(plate.answers.items())],
        "result": result_digest(plate.answers),
        "map_layer": plate.map_layer,
        "maps_missing": why_no_maps(plate),
        "versions": dict(versions()),
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
    }
    body = json.loads(json.dumps(strip_host_paths(body)))
    return {**body, "self_sha256": json_digest(body)}


def _model(plate: Plate, name: str) -> dict[str, Any]:
    offer = plate.known.offers.get(name)
    return {"name": name, "title": offer.title if offer else name, "stand_in": bool(offer and offer.stand_in)}


def _fit(store: Store, plate: Plate, answer: FitResult) -> dict[str, Any]:
    request = answer.request
    key = fit_key(store, request, plate.known.dataset)
    return {
        "subject": request.subject,
        "layer": request.layer,
        "models": list(request.models),
        "preset": request.preset,
        "pooling": request.pooling,
        "key": key.digest,
        "ingredients": dict(key.ingredients),
        "scores_sha256": scores_digest(answer.result),
        **summary(answer.result),
    }


def _figure_files(plate: Plate) -> dict[str, bytes]:
    """Matplotlib is loaded here, not where bundles are only checked."""
    from brivl.viz.export import PAPER, figure_bytes, settled
    from brivl.viz.slides import PICTURE, presentation_bytes

    drawn = settled(plate.draw(PAPER))
    stem = plate.file_stem
    picture = figure_bytes(settled(plate.draw(PICTURE)), "png", SLIDE_DPI)
    return {
        f"{stem}.png": figure_bytes(drawn, "png", DPI),
        f"{stem}.svg": figure_bytes(drawn, "svg"),
        f"{stem}.pdf": figure_bytes(drawn, "pdf"),
        f"{stem}.pptx": presentation_bytes([_slide(plate, picture)]),
    }


def _slide(plate: Plate, picture: bytes) -> Any:
    from brivl.viz.slides import SlideContent

    return SlideContent(
        plate.label.headline,
        picture,
        f"{plate.label.headline}. {plate.label.caption}",
        speaker_notes(plate),
        plate.simulated_label,
        plate.label.detail,
    )


def speaker_notes(plate: Plate) -> str:
    """What was plotted, how it was done, and where to find it again."""
    return f"{plate.label.caption}\n\n{methods_paragraph(plate.done)}\n\nLink within the app: {plate.link}"


def _text_files(plate: Plate) -> dict[str, bytes]:
    voxels = [facts.voxels for facts in plate.facts.values()]
    return {
        f"{plate.file_stem}.csv": plate.tidy_csv().encode(),
        "methods.md": methods_md(plate.done).encode(),
        "methods.tex": methods_tex(plate.done, voxels).encode(),
        "methods.bib": methods_bib(plate.done, voxels).encode(),
    }


def _readme(plate: Plate, files: Mapping[str, bytes]) -> str:
    label = f"{plate.simulated_label}\n\n" if plate.simulated_label else ""
    return (
        f"{label}{plate.label.headline}\n\n{plate.label.caption}\n\n"
        f"Is this still what the numbers say?  python -m brivl verify THIS.zip\n"
        f"Link within the app: {plate.link}\n\nFiles:\n" + "".join(f"  {name}\n" for name in sorted(files))
    )


def bundle_name(plate: Plate) -> str:
    """File name of the bundle, with letters that every system takes."""
    return re.sub(r"[^\w.-]+", "-", plate.file_stem, flags=re.ASCII) + ".zip"
