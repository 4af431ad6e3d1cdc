"""A bundle: one zip file with a figure for print and slides, its numbers, maps, methods text and a manifest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from brivl.sharing.citations import methods_bib, methods_md, methods_tex
from brivl.sharing.figure_record import FigureRecord
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


def bundle_bytes(store: Store, record: FigureRecord) -> bytes:
    """Make the bundle of a figure; equal results, drawn alike, give equal bytes.

    Parameters
    ----------
    store : Store
        Where the results are stored.
    record : FigureRecord
        The figure.

    Returns
    -------
    bytes
        Content of the zip file.
    """
    files = {**_figure_files(record), **_text_files(record), **record.evidence.map_files(store)}
    files[README] = _readme(record, files).encode()
    files = dict(sorted(files.items()))
    return zip_bytes({MANIFEST: as_json(manifest(store, record, files)), **files})


def as_json(value: Mapping[str, Any]) -> bytes:
    """Write a mapping as JSON that people can read.

    Parameters
    ----------
    value : mapping
        Plain values.

    Returns
    -------
    bytes
        UTF-8, keys sorted.
    """
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def manifest(store: Store, record: FigureRecord, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Describe what a bundle holds and rests on, with a digest of the description itself.

    Parameters
    ----------
    store : Store
        Where the results are stored.
    record : FigureRecord
        The figure.
    files : mapping
        Content of all other files of the bundle, by name.

    Returns
    -------
    dict
        Plain values; "self_sha256" is the digest of the rest.
    """
    body = {
        "format": FORMAT,
        "kind": KIND,
        "simulated": record.evidence.simulated,
        "label": record.simulated_label or "measured data",
        "page": record.page,
        "link": record.link,
        "headline": record.label.headline,
        "caption": record.label.caption,
        **record.evidence.manifest(store),
        "versions": dict(versions()),
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
    }
    body = json.loads(json.dumps(strip_host_paths(body)))
    return {**body, "self_sha256": json_digest(body)}


def _figure_files(record: FigureRecord) -> dict[str, bytes]:
    """Matplotlib is loaded here, not where bundles are only checked."""
    from brivl.viz.export import PAPER, figure_bytes, freeze_layout
    from brivl.viz.slides import SLIDE_IMAGE, presentation_bytes

    drawn = freeze_layout(record.draw(PAPER))
    stem = record.file_stem
    image = figure_bytes(freeze_layout(record.draw(SLIDE_IMAGE)), "png", SLIDE_DPI)
    return {
        f"{stem}.png": figure_bytes(drawn, "png", DPI),
        f"{stem}.svg": figure_bytes(drawn, "svg"),
        f"{stem}.pdf": figure_bytes(drawn, "pdf"),
        f"{stem}.pptx": presentation_bytes([_slide(record, image)]),
    }


def _slide(record: FigureRecord, image: bytes) -> Any:
    from brivl.viz.slides import SlideContent

    return SlideContent(
        record.label.headline,
        image,
        f"{record.label.headline}. {record.label.caption}",
        speaker_notes(record),
        record.simulated_label,
        record.label.detail,
    )


def speaker_notes(record: FigureRecord) -> str:
    """Write what was plotted, how it was done, and where to find it again.

    Parameters
    ----------
    record : FigureRecord
        The figure.

    Returns
    -------
    str
        Three paragraphs.
    """
    return f"{record.label.caption}\n\n{record.evidence.methods()}\n\nLink within the app: {record.link}"


def _text_files(record: FigureRecord) -> dict[str, bytes]:
    text, references, label = record.evidence.methods(), record.evidence.references(), record.simulated_label
    return {name: content.encode() for name, content in record.csv_files().items()} | {
        "methods.md": methods_md(text, label).encode(),
        "methods.tex": methods_tex(text, references, label).encode(),
        "methods.bib": methods_bib(references).encode(),
    }


def _readme(record: FigureRecord, files: Mapping[str, bytes]) -> str:
    label = f"{record.simulated_label}\n\n" if record.simulated_label else ""
    return (
        f"{label}{record.label.headline}\n\n{record.label.caption}\n\n"
        f"Are the numbers still the same?  python -m brivl verify THIS.zip\n"
        f"Link within the app: {record.link}\n\nFiles:\n" + "".join(f"  {name}\n" for name in sorted(files))
    )


def bundle_name(record: FigureRecord) -> str:
    """Give the file name of a bundle, in letters that every system accepts.

    Parameters
    ----------
    record : FigureRecord
        The figure.

    Returns
    -------
    str
        The name, ending in .zip.
    """
    return re.sub(r"[^\w.-]+", "-", record.file_stem, flags=re.ASCII) + ".zip"
