"""What may be searched for, in which gallery and with which models; checks and keys. Imports no model code."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from brivl.analysis import option
from brivl.core.progress import ProgressCallback
from brivl.data.galleries.gallery import Gallery
from brivl.data.galleries.registry import MAX_IMAGES, open_gallery
from brivl.data.stimuli.images import REFERENCE, store_upload
from brivl.errors import DataError, RequestError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.models.registry import BRIVL_MINI, SHIPPED
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "retrieval", 2
MAX_MATCHES = 100  # stored for each query
MAX_CHARACTERS = 2_000  # of a text; far more than any model here reads
EXAMPLE = "a red car"


@dataclass(frozen=True)
class RetrievalRequest:
    """What is searched for, where, and with which models.

    Attributes
    ----------
    text : str
        English text; "" for none.
    image : str
        Reference of an image ("scene:12", or that of an upload), whose embedding is added to that of the text; "" for
        none.
    minus : str
        Term whose embedding is subtracted; "" for none.
    gallery : str
        "scenes", "clips", or a folder.
    models : tuple of str
        Models with two streams.
    k : int
        Matches of each model that are shown, up to 100.
    max_images : int
        Largest number of images that are taken of a folder.
    """

    text: str = field(default="", metadata=option("--text", help="what to search for, in English"))
    image: str = field(
        default="",
        metadata=option("--image", help="an image file, or scene:12; added to the text where both are given"),
    )
    minus: str = field(default="", metadata=option("--minus", help="a term that is subtracted"))
    gallery: str = field(default="scenes", metadata=option("--gallery", help="scenes, clips, or a folder"))
    models: tuple[str, ...] = field(
        default=(BRIVL_MINI,),
        metadata=option(
            "--model",
            help=f"one model with two streams, or several, comma-separated (default: {BRIVL_MINI})",
            separator=",",
            metavar="NAME,NAME",
            url="other",
        ),
    )
    k: int = field(default=10, metadata=option("--k", help=f"matches of each model, up to {MAX_MATCHES}"))
    max_images: int = field(
        default=MAX_IMAGES, metadata=option("--most", help="largest number of images taken of a folder", url="most")
    )


@dataclass(frozen=True)
class RetrievalPart:
    """The query of one model, its texts cleaned."""

    model: str
    text: str
    image: str
    minus: str


def parts(request: RetrievalRequest) -> list[RetrievalPart]:
    """List the queries that are stored one by one.

    Parameters
    ----------
    request : RetrievalRequest
        The request.

    Returns
    -------
    list of RetrievalPart
        One for each model.

    Raises
    ------
    RequestError
        Without a text or an image to search by, without a model, or for a number of matches out of range.
    """
    text, minus = clean_text(request.text), clean_text(request.minus)
    if not text and not request.image:
        got, also = ("only a term to subtract", " as well") if minus else ("neither", "")
        raise RequestError(
            f"Expected a text or an image to search by, got {got}. Enter a positive query{also}, such as '{EXAMPLE}'."
        )
    if not 1 <= request.k <= MAX_MATCHES:
        raise RequestError(f"Expected 1 to {MAX_MATCHES} matches, got {request.k!r}. Choose a number in this range.")
    models = dict.fromkeys(name for name in map(str.strip, request.models) if name)
    if not models:
        raise RequestError(f"Expected the name of a model, got none. Use {BRIVL_MINI!r}, or a CLIP by name or folder.")
    return [RetrievalPart(model, text, request.image, minus) for model in models]


def clean_text(text: str) -> str:
    """Replace line breaks and what cannot be printed by single spaces, and cut a text that is too long.

    Parameters
    ----------
    text : str
        What was typed.

    Returns
    -------
    str
        At most `MAX_CHARACTERS` characters.
    """
    return _printable(text)[:MAX_CHARACTERS]


def is_cut(text: str) -> bool:
    """Tell whether `clean_text` leaves something out.

    Parameters
    ----------
    text : str
        What was typed.

    Returns
    -------
    bool
        True for a text of more than `MAX_CHARACTERS` characters.
    """
    return len(_printable(text)) > MAX_CHARACTERS


def _printable(text: str) -> str:
    """At most ten times as many characters as are read, so that a very long address costs nothing."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 10 * MAX_CHARACTERS]).split())


def open_gallery_of(store: Store, request: RetrievalRequest, progress: ProgressCallback) -> Gallery:
    """Open the gallery, after models of the hub are on this machine, since their digests follow their files.

    Parameters
    ----------
    store : Store
        Not used.
    request : RetrievalRequest
        The request.
    progress : callable
        Not used.

    Returns
    -------
    Gallery
        The gallery; no image is read yet.

    Raises
    ------
    DataError
        Where the folder is missing, or holds no image.
    RequestError
        For a model that cannot be had.
    """
    for model in map(str.strip, request.models):
        if model and model not in SHIPPED and not Path(model).exists():
            from brivl.models.encoders.embedding import open_embedder  # imports torch, only where it must

            open_embedder(model)
    return open_gallery(request.gallery, request.max_images)


def retrieval_key(store: Store, part: RetrievalPart, gallery: Gallery) -> ArtifactKey:
    """Make the key of the matches of one model.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    part : RetrievalPart
        The query.
    gallery : Gallery
        Where it searches.

    Returns
    -------
    ArtifactKey
        Made of the query, the items of the gallery and the weights.

    Raises
    ------
    RequestError
        For a shipped model of one stream.
    """
    return ArtifactKey(
        KIND,
        {
            "items": gallery.digest(range(len(gallery))),
            "model": embedder_digest(part.model),
            "text": part.text,
            "image": part.image,
            "minus": part.minus,
            "version": VERSION,
        },
    )


def link_fields(request: RetrievalRequest) -> dict[str, str]:
    """Give the query parameters with which the page answers a request.

    Parameters
    ----------
    request : RetrievalRequest
        The request; the page shows BriVL-mini and the first other model.

    Returns
    -------
    dict
        Query, gallery, second model and number of matches. The text is among them even where it is "", since the page
        has an example as its default.
    """
    folder = "" if request.gallery in ("scenes", "clips") else request.gallery
    others = [model for model in request.models if model != BRIVL_MINI]
    fields = {
        "minus": request.minus,
        "pic": "True" if request.image else "",
        "image": request.image,
        "gallery": "folder" if folder else request.gallery,
        "folder": folder,
        "other": others[0] if others else "",
        "k": str(request.k),
        "most": str(request.max_images) if folder else "",
    }
    return {"text": request.text} | {name: value for name, value in fields.items() if value}


def resolve_image(store: Store, request: RetrievalRequest) -> RetrievalRequest:
    """Replace the path of an image file by the reference of an upload, under which results are stored.

    Parameters
    ----------
    store : Store
        Receives the image.
    request : RetrievalRequest
        As the command line has it.

    Returns
    -------
    RetrievalRequest
        With a reference as its image.

    Raises
    ------
    DataError
        For a file that cannot be read.
    """
    if not request.image or REFERENCE.fullmatch(request.image):
        return request
    path = Path(request.image)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"Expected an image file, got {str(path)!r}, which cannot be read ({error.strerror}). Check the path."
        ) from error
    return replace(request, image=store_upload(store, content, path.name))
