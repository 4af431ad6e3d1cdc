"""The matches of a query as tables and sentences."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from brivl.analyses.retrieval.compute import Matches, RetrievalResult
from brivl.analyses.retrieval.request import MAX_CHARACTERS, RetrievalRequest, clean_text, is_cut
from brivl.analysis import Options, short_name
from brivl.data.galleries.gallery import N_SEGMENTS, Gallery
from brivl.models.registry import BRIVL_MINI, SHIPPED
from brivl.scenes.captions import with_article
from brivl.scenes.naming import known_words, unknown_words

MAX_SHORT = 60  # characters of a text in a headline
OUT_OF_DOMAIN = "Out of domain: BriVL-mini was trained on drawn scenes; similarities of photographs are not meaningful."


def model_title(model: str) -> str:
    """Give the name of a model as figures have it.

    Parameters
    ----------
    model : str
        Shipped model, file, folder or name on the hub.

    Returns
    -------
    str
        Name on screen.
    """
    return SHIPPED[model].title if model in SHIPPED else Path(model).stem


def query_words(request: RetrievalRequest) -> str:
    """Write a query in words.

    Parameters
    ----------
    request : RetrievalRequest
        The request.

    Returns
    -------
    str
        For example: “a red car” + scene 12 − “red”.
    """
    plus = [f"“{_short(clean_text(request.text))}”"] if clean_text(request.text) else []
    if request.image:
        kind, _, number = request.image.partition(":")
        plus.append(f"scene {number}" if kind == "scene" else "an image")
    minus = clean_text(request.minus)
    return " + ".join(plus) + (f" \N{MINUS SIGN} “{_short(minus)}”" if minus else "")


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHORT else f"{text[: MAX_SHORT - 1].rstrip()}…"


def unknown(request: RetrievalRequest, model: str = BRIVL_MINI) -> tuple[str, ...]:
    """List the words of a query that do not occur in the captions on which a model was trained.

    Parameters
    ----------
    request : RetrievalRequest
        The request.
    model : str
        Name of the model.

    Returns
    -------
    tuple of str
        Words; none for other models than BriVL-mini, whose training captions are not known here.
    """
    return unknown_words(f"{clean_text(request.text)} {clean_text(request.minus)}") if model == BRIVL_MINI else ()


def is_arbitrary(request: RetrievalRequest, model: str = BRIVL_MINI) -> bool:
    """Tell whether a ranking rests on unknown words alone.

    Parameters
    ----------
    request : RetrievalRequest
        The request.
    model : str
        Name of the model.

    Returns
    -------
    bool
        True where there are unknown words, no known content word and no image.
    """
    text = f"{clean_text(request.text)} {clean_text(request.minus)}"
    return bool(unknown(request, model)) and not request.image and not known_words(text)


def notices(request: RetrievalRequest, gallery: Gallery, matches: Iterable[Matches] = ()) -> list[str]:
    """List what must be read before matches are believed.

    Parameters
    ----------
    request : RetrievalRequest
        The request.
    gallery : Gallery
        The gallery.
    matches : iterable of Matches
        What the models found, as far as it is there.

    Returns
    -------
    list of str
        Sentences, each once.
    """
    cut = any(is_cut(text) for text in (request.text, request.minus))
    lines = [*gallery.notes, _unknown_sentence(request)]
    lines += [f"The text is longer than {MAX_CHARACTERS:,} characters; what follows them is left out."] if cut else []
    if BRIVL_MINI in request.models and (not gallery.simulated or request.image.startswith("upload:")):
        lines.append(OUT_OF_DOMAIN)
    for one in matches:
        lines += one.notices
        if one.n_unreadable:
            names = ", ".join(one.unreadable)
            lines.append(f"{one.n_unreadable:,} files could not be read and are left out, such as {names}.")
    return [line for line in dict.fromkeys(lines) if line]


def _unknown_sentence(request: RetrievalRequest) -> str:
    """The words that BriVL-mini does not know, and what that means for its ranking; "" where it knows all."""
    words = unknown(request) if BRIVL_MINI in request.models else ()
    if not words:
        return ""
    shown = ", ".join(words[:10]) + (f" and {len(words) - 10} more" if len(words) > 10 else "")
    means = "" if is_arbitrary(request) else " as far as it depends on them"
    return (
        f"Unknown words, which are not in the captions that BriVL-mini was trained on: {shown}. The ranking is "
        f"arbitrary{means}."
    )


def precision(one: Matches, k: int) -> float:
    """Compute the fraction of the first matches that show what the text names.

    Parameters
    ----------
    one : Matches
        What a model found.
    k : int
        Number of matches.

    Returns
    -------
    float
        Precision at k; of all matches where there are fewer.
    """
    return float(one.shows[:k].mean()) if len(one.shows) else 0.0


def _precision_words(one: Matches, k: int) -> str:
    """ "precision@10 = 0.20 (12 items with a red car in the gallery)"; "" where that is not known."""
    if not one.n_showing:
        return ""
    items = "item" if one.n_showing == 1 else "items"
    return (
        f"precision@{min(k, len(one.rows))} = {precision(one, k):.2f} ({one.n_showing:,} {items} with "
        f"{with_article(one.thing)} in the gallery)"
    )


def _gallery(result: RetrievalResult) -> Gallery:
    assert result.gallery is not None  # attached when the result was read
    return result.gallery


def match_table(result: RetrievalResult) -> pd.DataFrame:
    """Tabulate the matches of each model.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.

    Returns
    -------
    DataFrame
        One row per match, best first: model, rank, item, cosine similarity, caption ("" where there is none), and where
        it is known whether the item shows what the text names.
    """
    gallery, rows = _gallery(result), []
    for model, one in result.matches.items():
        for i, row in enumerate(one.rows[: result.request.k]):
            cells: dict[str, Any] = {
                "model": short_name(model),
                "rank": i + 1,
                "item": gallery.item_name(int(row)),
                "similarity": round(float(one.scores[i]), 4),
                "caption": gallery.caption(int(row)),
            }
            rows.append(cells | ({f"shows {with_article(one.thing)}": bool(one.shows[i])} if one.n_showing else {}))
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["model", "rank", "item", "similarity", "caption"])


def tables(result: RetrievalResult) -> dict[str, pd.DataFrame]:
    """Tabulate a result.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.

    Returns
    -------
    dict
        One table.
    """
    return {"matches": match_table(result)}


def headline(result: RetrievalResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.
    options : mapping
        Not used: there is one view.

    Returns
    -------
    str
        One sentence without its period; where a model knows no word of the query, that its ranking is arbitrary.
    """
    request, query = result.request, query_words(result.request)
    several = len(result.matches) > 1
    best, arbitrary = [], []
    for model, one in result.matches.items():
        if is_arbitrary(request, model):
            arbitrary.append(model_title(model))
        elif len(one.rows):
            item = f"{_gallery(result).item_name(int(one.rows[0]))}, similarity {one.scores[0]:.2f}"
            best.append(f"{item} ({model_title(model)})" if several else item)
            best += [] if several else list(filter(None, [_precision_words(one, request.k)]))
    if arbitrary:
        words = ", ".join(unknown(request)[:5])
        sentence = f"The ranking for {query} by {arbitrary[0]} is arbitrary: unknown words ({words})"
        return f"{sentence}; best match: {'; '.join(best)}" if best else sentence
    return f"Best match for {query}: {'; '.join(best)}" if best else f"No item matches {query}"


def caption(result: RetrievalResult, options: Options) -> str:
    """Say what the figure shows.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.
    options : mapping
        Not used: there is one view.

    Returns
    -------
    str
        Full sentences.
    """
    request, gallery = result.request, _gallery(result)
    first = next(iter(result.matches.values()))
    terms = " (terms are unit vectors, and their sum is scaled to unit length)" if _is_sum(request) else ""
    videos = f" A video is the mean of {N_SEGMENTS} frames, one from each equal segment." if _is_video(gallery) else ""
    mark = f" ✓: the item shows {with_article(first.thing)}." if first.n_showing else ""
    warning = f" {_unknown_sentence(request)}" if _unknown_sentence(request) else ""
    return (
        f"Items by their cosine similarity to the query {query_words(request)}{terms}, best match first, out of "
        f"{first.n_searched:,}.{videos}{mark}{warning}"
    )


def _is_sum(request: RetrievalRequest) -> bool:
    return sum(map(bool, (clean_text(request.text), request.image, clean_text(request.minus)))) > 1


def _is_video(gallery: Gallery) -> bool:
    return gallery.kind == "video"


def methods(result: RetrievalResult) -> str:
    """Describe how the gallery was searched.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.

    Returns
    -------
    str
        The methods paragraph.
    """
    request, gallery = result.request, _gallery(result)
    names = " and ".join(model_title(model) for model in result.matches)
    proxy = (
        ", a demo model of the design of BriVL (Fei et al. 2022) that was trained on drawn scenes and their captions"
        if BRIVL_MINI in result.matches
        else ""
    )
    terms = (
        " Each term of the query was embedded and scaled to unit length; terms were added or subtracted as written, "
        "and the sum was scaled to unit length."
        if _is_sum(request)
        else ""
    )
    videos = (
        f" The embedding of a video was the mean over one random frame of each of {N_SEGMENTS} equal segments."
        if _is_video(gallery)
        else ""
    )
    sentences = [_search_words(model, one, request.k) for model, one in result.matches.items()]
    return (
        f"Items of a gallery ({gallery.title}) were ranked by the cosine similarity of their embeddings to that of the "
        f"query {query_words(request)}, as in Lu et al. (2022, Fig. 2), with {names}{proxy}.{terms}{videos} "
        f"{' '.join([*sentences, *notices(request, gallery, result.matches.values())])}"
    )


def _search_words(model: str, one: Matches, k: int) -> str:
    searched = (
        "compared with the query one by one"
        if one.index_recall is None
        else f"searched by an inverted-file index (recall@10 of {one.index_recall:.3f} against an exhaustive search)"
    )
    measured = _precision_words(one, k)
    precision = (
        f" {measured[0].upper()}{measured[1:]}; what an item shows is known, since it was drawn." if measured else ""
    )
    return f"{model_title(model)}: {one.n_searched:,} items were {searched}.{precision}"


def detail(result: RetrievalResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.

    Returns
    -------
    str
        Gallery and models.
    """
    names = [f"{model_title(m)}{' (demo model)' if m == BRIVL_MINI else ''}" for m in result.matches]
    return ", ".join([_gallery(result).title, *names])


def summary(result: RetrievalResult) -> dict[str, Any]:
    """Give all that `--json` prints.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.

    Returns
    -------
    dict
        Plain values.
    """
    gallery, request = _gallery(result), result.request
    return {
        "gallery": request.gallery,
        "n_items": len(gallery),
        "simulated": gallery.simulated,
        "notes": notices(request, gallery),
        "results": {model: _as_json(result, one) for model, one in result.matches.items()},
    }


def _as_json(result: RetrievalResult, one: Matches) -> dict[str, Any]:
    gallery, k = _gallery(result), result.request.k
    measured = {f"precision_at_{k}": round(precision(one, k), 4), "n_showing": one.n_showing} if one.n_showing else {}
    return {
        "formula": one.formula,
        "n_searched": one.n_searched,
        "n_unreadable": one.n_unreadable,
        "unreadable": list(one.unreadable),
        "index_recall_at_10": one.index_recall,
        "notices": list(one.notices),
        **measured,
        "found": [
            {
                "item": gallery.item_name(int(row)),
                "similarity": round(float(score), 4),
                "caption": gallery.caption(int(row)) or None,
            }
            for row, score in zip(one.rows[:k], one.scores, strict=False)
        ],
    }


def is_simulated(result: RetrievalResult) -> bool:
    """Tell whether the gallery is drawn by this project.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.

    Returns
    -------
    bool
        False for a folder.
    """
    return _gallery(result).simulated
