"""An attention map as tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from brivl.analyses.attention.compute import Attention, check_query, compute_arrays, read_attention
from brivl.analyses.attention.maps import AttentionFigure, peak
from brivl.analyses.attention.request import AttentionImages, AttentionRequest
from brivl.analysis import Context, Options, Stored
from brivl.core.numbers import number
from brivl.data.stimuli.images import ReferencedImage
from brivl.models.attention.start_layers import IMAGE_START, TEXT_START
from brivl.scenes.naming import named_thing, unknown_words
from brivl.scenes.scene import render
from brivl.store.artifacts import Artifact

MAX_SHORT = 60  # characters of a phrase in a headline
OUT_OF_DOMAIN = "Out of domain: BriVL-mini was trained on drawn scenes only; maps on photographs are not meaningful."
# Cosine of image and query below which nothing matches. 99 % of queries such as "a red car" lie above the first where
# the thing is there, and 99 % of single words such as "car" above the second (614 things of the first 300 scenes).
NO_MATCH, NO_MATCH_ONE_WORD = 0.1, -0.2


@dataclass(frozen=True)
class AttentionResult:
    """The relevance of patches and words, with the image."""

    request: AttentionRequest
    attention: Attention
    image: ReferencedImage | None = None  # attached when the result is read

    @property
    def phrase(self) -> str:
        """The phrase whose map is drawn; the whole query where none was requested."""
        return check_query(self.request.text, self.request.phrase)[1]

    @property
    def named(self) -> int | None:
        """Index of the thing of a scene that the phrase names, None where there is none."""
        scene = None if self.image is None else self.image.scene
        return None if scene is None else named_thing(scene, self.phrase)


def compute(context: Context, request: AttentionRequest) -> Stored:
    """Compute the relevance of patches and words.

    Parameters
    ----------
    context : Context
        The image as data.
    request : AttentionRequest
        The request.

    Returns
    -------
    tuple
        Arrays and info of the stored result.
    """
    images: AttentionImages = context.data
    return compute_arrays(images.model.image, *check_query(request.text, request.phrase))


def read(artifacts: Sequence[Artifact], request: AttentionRequest) -> AttentionResult:
    """Read a stored attention map.

    Parameters
    ----------
    artifacts : sequence of Artifact
        The one stored part.
    request : AttentionRequest
        The request.

    Returns
    -------
    AttentionResult
        The result.
    """
    query, _ = check_query(request.text, request.phrase)
    return AttentionResult(request, read_attention(artifacts[0], query))


def attach(result: AttentionResult, images: AttentionImages) -> AttentionResult:
    """Add the image to a result.

    Parameters
    ----------
    result : AttentionResult
        The result.
    images : AttentionImages
        The image.

    Returns
    -------
    AttentionResult
        Both.
    """
    return replace(result, image=images.page)


def start_layers(options: Options) -> tuple[int, int]:
    """Give the layers from which relevance is accumulated.

    Parameters
    ----------
    options : mapping
        What the page chose; "start" and "text_start" are used.

    Returns
    -------
    tuple of int
        Start layer of the image stream and of the text stream.
    """
    return int(options.get("start", IMAGE_START)), int(options.get("text_start", TEXT_START))


def figure_of(result: AttentionResult, options: Options) -> AttentionFigure:
    """Give the map over the image, with the mask of the thing that the phrase names.

    Parameters
    ----------
    result : AttentionResult
        The result with its image.
    options : mapping
        What the page chose; "start" and "opacity" (per cent) are used.

    Returns
    -------
    AttentionFigure
        For the page and for print.
    """
    assert result.image is not None  # attached when the result was read
    image, scene, named = result.image.image, result.image.scene, result.named
    values = result.attention.map_from(start_layers(options)[0])
    opacity = int(options.get("opacity", "60")) / 100
    if scene is None or named is None:
        return AttentionFigure(image, values, opacity=opacity)
    mask = render(scene, image.shape[0]).masks[named]
    return AttentionFigure(image, values, mask, scene.things[named].kind, opacity)


def short(text: str) -> str:
    """Shorten a phrase for a headline.

    Parameters
    ----------
    text : str
        The phrase.

    Returns
    -------
    str
        At most 60 characters.
    """
    return text if len(text) <= MAX_SHORT else f"{text[: MAX_SHORT - 3].rstrip()}..."


def word_table(result: AttentionResult, options: Options) -> pd.DataFrame:
    """Tabulate the relevance of the words of the query.

    Parameters
    ----------
    result : AttentionResult
        The result.
    options : mapping
        What the page chose; "text_start" is used.

    Returns
    -------
    DataFrame
        One row per word that the model read, with its fraction of the relevance.
    """
    shares = result.attention.words_from(start_layers(options)[1])
    words = [word.text for word in result.attention.words[: result.attention.n_words_read]]
    return pd.DataFrame({"word": words, "relevance": [round(float(v), 4) for v in shares[: len(words)]]})


def patch_table(result: AttentionResult) -> pd.DataFrame:
    """Tabulate the relevance of the patches from the default start layer on.

    Parameters
    ----------
    result : AttentionResult
        The result.

    Returns
    -------
    DataFrame
        One row per patch, counted from the top left.
    """
    values = result.attention.map_from(IMAGE_START)
    rows, columns = values.shape
    cells = [(r, c, round(float(values[r, c]), 6)) for r in range(rows) for c in range(columns)]
    return pd.DataFrame(cells, columns=["row", "column", "relevance"])


def tables(result: AttentionResult) -> dict[str, pd.DataFrame]:
    """Tabulate words and patches.

    Parameters
    ----------
    result : AttentionResult
        The result.

    Returns
    -------
    dict
        Tables by name.
    """
    return {"words": word_table(result, {}), "patches": patch_table(result)}


def is_match(attention: Attention) -> bool:
    """Tell whether the image matches the query.

    Parameters
    ----------
    attention : Attention
        Similarity and words of the query.

    Returns
    -------
    bool
        False where the similarity is lower than for nearly all things that are there.
    """
    return attention.query_similarity >= (NO_MATCH_ONE_WORD if len(attention.words) == 1 else NO_MATCH)


def warnings(result: AttentionResult) -> tuple[str, ...]:
    """Say what a map cannot mean.

    Parameters
    ----------
    result : AttentionResult
        The result.

    Returns
    -------
    tuple of str
        Sentences; none for a drawn scene that matches the query.
    """
    is_scene = result.image is None or result.image.scene is not None
    return domain_warnings(result.attention, result.request.text, is_scene)


def domain_warnings(attention: Attention, query: str, is_scene: bool) -> tuple[str, ...]:
    """Say what a map cannot mean, given the image and the similarity.

    Parameters
    ----------
    attention : Attention
        Similarity and words of the query.
    query : str
        The query.
    is_scene : bool
        Whether the image is a drawn scene.

    Returns
    -------
    tuple of str
        Sentences; none for a drawn scene that matches the query.
    """
    lines = [] if is_scene else [OUT_OF_DOMAIN]
    if not is_match(attention):
        lines.append(
            f"No match: the similarity of the image and “{short(query)}” is {number(attention.query_similarity, 2)}, "
            "lower than for 99 % of the things that are in a drawn scene. The map does not show where it is."
        )
    if unknown := unknown_words(query):
        lines.append(
            f"Unknown words, which are not in the captions that BriVL-mini was trained on: {', '.join(unknown[:10])}. "
            "The map is arbitrary as far as it depends on them."
        )
    return tuple(lines)


def headline(result: AttentionResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : AttentionResult
        The result.
    options : mapping
        What the page chose.

    Returns
    -------
    str
        One sentence without its period.
    """
    phrase = short(result.phrase)
    if not is_match(result.attention):
        return f"No match for “{phrase}” (similarity {number(result.attention.query_similarity, 2)})"
    if result.image is not None and result.image.scene is None:
        return f"Out of domain: attention of BriVL-mini for “{phrase}”"
    hit = None if result.image is None else figure_of(result, options).hit
    scene, named = (None if result.image is None else result.image.scene), result.named
    if hit is None or scene is None or named is None:
        return f"Attention of BriVL-mini for “{phrase}”"
    thing = scene.things[named]
    where, outcome = ("on", "a hit") if hit else ("away from", "a miss")
    return f"For “{phrase}” the map peaks {where} the {thing.colour} {thing.kind}: {outcome}"


def caption(result: AttentionResult, options: Options) -> str:
    """Say what the figure shows.

    Parameters
    ----------
    result : AttentionResult
        The result.
    options : mapping
        What the page chose.

    Returns
    -------
    str
        Full sentences.
    """
    outline = (
        " White outline: the visible pixels of the thing that the phrase names." if result.named is not None else ""
    )
    return (
        f"Relevance of each image patch for the similarity of the image and “{short(result.phrase)}” alone: attention "
        f"times its gradient, positive part, mean of heads, accumulated from layer {start_layers(options)[0]} on and "
        f"scaled bilinearly to the image. Cross: its peak.{outline}"
    )


def methods(result: AttentionResult) -> str:
    """Describe how the map was computed.

    Parameters
    ----------
    result : AttentionResult
        The result.

    Returns
    -------
    str
        The methods paragraph.
    """
    return (
        "Relevance was computed by Generic Attention Explainability (Chefer et al. 2021) in both streams of "
        "BriVL-mini, a demo model trained on drawn scenes: attention times the gradient of the similarity of "
        f"the image ({result.request.image}) and the text, positive part, mean over heads, accumulated over layers "
        f"{IMAGE_START} and above of the image stream and {TEXT_START} and above of the text stream. The similarity "
        f"was {result.attention.phrase_similarity:.3f} for “{short(result.phrase)}” and "
        f"{result.attention.query_similarity:.3f} for the whole query."
    )


def detail(result: AttentionResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : AttentionResult
        The result.

    Returns
    -------
    str
        Image and model.
    """
    return f"{result.request.image}, BriVL-mini (demo model, trained on cartoons), Generic Attention Explainability"


def summary(result: AttentionResult) -> dict[str, Any]:
    """Give the numbers of the map.

    Parameters
    ----------
    result : AttentionResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    row, column = peak(result.attention.map_from(IMAGE_START))
    return {
        "image": result.request.image,
        "phrase": result.phrase,
        "phrase_similarity": round(result.attention.phrase_similarity, 4),
        "query_similarity": round(result.attention.query_similarity, 4),
        "peak_patch": [int(row), int(column)],
        "words": word_table(result, {}).to_dict(orient="records"),
        "warnings": list(warnings(result)),
        "stand_in": True,
    }


def is_simulated(result: AttentionResult) -> bool:
    """Tell whether the image is a drawn scene.

    Parameters
    ----------
    result : AttentionResult
        The result.

    Returns
    -------
    bool
        False for an upload.
    """
    return result.image is not None and result.image.scene is not None
