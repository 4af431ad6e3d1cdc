"""The 384 sentences of the simulated reading experiment: 24 topics, 4 passages each, 4 sentences a passage.

The texts in `passages.tsv` were written for this project; no sentence is taken from a published corpus.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brivl.errors import DataError

N_TOPICS = 24
PASSAGES_PER_TOPIC = 4
SENTENCES_PER_PASSAGE = 4
N_PASSAGES = N_TOPICS * PASSAGES_PER_TOPIC
N_SENTENCES = N_PASSAGES * SENTENCES_PER_PASSAGE
COLUMNS = ("topic", "passage", "title", "sentence_number", "sentence")
PASSAGES_FILE = Path(__file__).parent / "passages.tsv"


@dataclass(frozen=True)
class Passages:
    """The sentences in reading order, the passage of each sentence, and the topic of each passage.

    Attributes
    ----------
    sentences : tuple of str
        384 sentences.
    passage : (384,) array of int
        Passage of each sentence, counted from 0; read-only.
    topic : (96,) array of int
        Topic of each passage, counted from 0; read-only.
    topic_names : tuple of str
        24 names.
    passage_titles : tuple of str
        96 titles.
    """

    sentences: tuple[str, ...]
    passage: NDArray[np.intp]
    topic: NDArray[np.intp]
    topic_names: tuple[str, ...]
    passage_titles: tuple[str, ...]


def load_passages(path: Path = PASSAGES_FILE) -> Passages:
    """Read the sentence corpus and check its layout.

    Parameters
    ----------
    path : Path
        Tab-separated UTF-8 file with the columns topic, passage (1 to 96), title, sentence_number (1 to 4) and
        sentence, in reading order.

    Returns
    -------
    Passages
        The sentences.

    Raises
    ------
    DataError
        If the file is missing, is not UTF-8 text, or does not have that layout.
    """
    rows = _read_rows(path)
    _check_numbers(rows, path)
    first_rows = rows[::SENTENCES_PER_PASSAGE]
    topic_names = tuple(row["topic"] for row in first_rows[::PASSAGES_PER_TOPIC])
    titles = tuple(row["title"] for row in first_rows)
    sentences = tuple(row["sentence"] for row in rows)
    for label, names in (("topics", topic_names), ("titles", titles), ("sentences", sentences)):
        _check_distinct(label, names, path)
    _check_topics_and_titles(rows, topic_names, titles, path)
    return Passages(
        sentences=sentences,
        passage=_block_index(N_PASSAGES, SENTENCES_PER_PASSAGE),
        topic=_block_index(N_TOPICS, PASSAGES_PER_TOPIC),
        topic_names=topic_names,
        passage_titles=titles,
    )


def _block_index(n_blocks: int, block_size: int) -> NDArray[np.intp]:
    index = np.repeat(np.arange(n_blocks, dtype=np.intp), block_size)
    index.setflags(write=False)
    return index


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            # QUOTE_NONE: a quotation mark in a sentence is text, not CSV syntax.
            table = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _error(f"a readable text file at {str(path)!r}", error) from error
    header = tuple(table[0]) if table else ()
    if header != COLUMNS:
        raise _error(f"the columns {COLUMNS!r} in {path.name!r}", header)
    for line, cells in enumerate(table[1:], start=2):
        if len(cells) != len(COLUMNS) or not all(cell.strip() for cell in cells):
            raise _error(f"{len(COLUMNS)} filled cells in line {line} of {path.name!r}", cells)
    return [dict(zip(COLUMNS, cells, strict=True)) for cells in table[1:]]


def _check_numbers(rows: list[dict[str, str]], path: Path) -> None:
    if len(rows) != N_SENTENCES:
        raise _error(f"{N_SENTENCES} sentences in {path.name!r}", len(rows))
    for index, row in enumerate(rows):
        expected = (str(index // SENTENCES_PER_PASSAGE + 1), str(index % SENTENCES_PER_PASSAGE + 1))
        got = (row["passage"], row["sentence_number"])
        if got != expected:
            raise _error(f"(passage, sentence_number) {expected!r} in line {index + 2} of {path.name!r}", got)


def _check_distinct(label: str, names: tuple[str, ...], path: Path) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise _error(f"{len(names)} different {label} in {path.name!r}", f"{repeated[0]} more than once")


def _check_topics_and_titles(
    rows: list[dict[str, str]], topic_names: tuple[str, ...], titles: tuple[str, ...], path: Path
) -> None:
    for index, row in enumerate(rows):
        passage = index // SENTENCES_PER_PASSAGE
        expected = (topic_names[passage // PASSAGES_PER_TOPIC], titles[passage])
        got = (row["topic"], row["title"])
        if got != expected:
            raise _error(f"(topic, title) {expected!r} in line {index + 2} of {path.name!r}", got)


def _error(expected: str, got: object) -> DataError:
    return DataError(
        f"Expected {expected} in the sentence corpus, got {got!r}. The file is damaged: restore it from the repository "
        "(git checkout -- brivl/data/pereira2018/passages.tsv)."
    )
