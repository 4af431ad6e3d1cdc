"""The thing of a scene that a phrase names, and the vocabulary of captions."""

from __future__ import annotations

import re

from brivl.scenes.backgrounds import BACKGROUND_PHRASE
from brivl.scenes.captions import SYNONYMS
from brivl.scenes.scene import SIZES, Scene
from brivl.scenes.things import ACTIONS, COLOURS, KINDS, WORDS

_FUNCTION_WORDS = frozenset(
    "or but not no some any one two three from for by as was were be been has have my your his her our their he she we "
    "they i you who which what where over under between beside near among into onto than then very".split()
)
_KIND_OF = {word: kind for kind in KINDS for word in (kind, *SYNONYMS.get(kind, ()))}

_GRAMMAR = (
    "a an the of to in on at and is are that there this with without it its near next left right above below behind "
    "front picture scene photo showing pair word standing waiting resting"
)
_CAPTION_WORDS = (*KINDS, *COLOURS, *SIZES, *WORDS, *SYNONYMS, *BACKGROUND_PHRASE.values(), _GRAMMAR)
_OTHER_WORDS = [word for words in (*SYNONYMS.values(), *ACTIONS.values()) for word in words]
VOCABULARY = frozenset(re.findall(r"[a-z]+", " ".join((*_CAPTION_WORDS, *_OTHER_WORDS)).lower()))


def kind_of(word: str) -> str:
    """Return the kind of things that a word names.

    Parameters
    ----------
    word : str
        Word.

    Returns
    -------
    str
        Kind, "" for none.
    """
    return _KIND_OF.get(word.lower(), "")


def is_kind(word: str) -> bool:
    """Tell whether a word names a kind of things.

    Parameters
    ----------
    word : str
        Word.

    Returns
    -------
    bool
        False for colours and all other words.
    """
    return bool(kind_of(word))


def vocabulary_share(text: str) -> float:
    """Return the fraction of a text's words that occur in captions of scenes.

    Parameters
    ----------
    text : str
        Text.

    Returns
    -------
    float
        Fraction of the words, in singular or plural; 1 for a text without words.
    """
    words = _words_of(text)
    return sum(map(_is_in_captions, words)) / len(words) if words else 1.0


def unknown_words(text: str) -> tuple[str, ...]:
    """List the words of a text that do not occur in captions of scenes, on which BriVL-mini was trained.

    Parameters
    ----------
    text : str
        Text.

    Returns
    -------
    tuple of str
        Content words in lower case, each once, in the order of the text.
    """
    words = dict.fromkeys(_words_of(text))
    return tuple(word for word in words if not _is_in_captions(word) and word not in _FUNCTION_WORDS)


def known_words(text: str) -> tuple[str, ...]:
    """List the content words of a text that occur in captions of scenes.

    Parameters
    ----------
    text : str
        Text.

    Returns
    -------
    tuple of str
        Words in lower case, each once, in the order of the text; no function words.
    """
    function_words = {*_GRAMMAR.split(), *_FUNCTION_WORDS}
    return tuple(
        word for word in dict.fromkeys(_words_of(text)) if _is_in_captions(word) and word not in function_words
    )


def _words_of(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def _is_in_captions(word: str) -> bool:
    """Whether a word, or its singular, occurs in captions."""
    return bool({word, word.removesuffix("s"), word.removesuffix("es")} & VOCABULARY)


def named_thing(scene: Scene, phrase: str) -> int | None:
    """Find the thing that a phrase names.

    Parameters
    ----------
    scene : Scene
        Scene.
    phrase : str
        "car" and "a red automobile" name the red car; "red" does if nothing else in the scene is red.

    Returns
    -------
    int or None
        Number of the one thing that fits every kind and colour in the phrase; None for none or more than one.
    """
    words = re.findall(r"[a-z]+", phrase.lower())
    kinds = {_KIND_OF[w] for w in words if w in _KIND_OF}
    colours = {w for w in words if w in COLOURS}
    if not kinds and not colours:
        return None
    fits = [i for i, thing in enumerate(scene.things) if kinds <= {thing.kind} and colours <= {thing.colour}]
    return fits[0] if len(fits) == 1 else None
