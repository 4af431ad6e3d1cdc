"""Which column of the events names the stimuli: chosen by the values in it, or named by the user."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from brivl.data.bids.stimulus_files import IMAGE_ENDINGS, StimulusFiles
from brivl.data.reading import FEW_ITEMS
from brivl.errors import DataError

Table = Mapping[str, Sequence[str]]
# Usual names of columns of stimuli, the best first; they decide between columns whose values are alike.
USUAL = ("stimulus", "sentence", "text", "caption", "word", "words", "phrase", "stim_file", "trial_type")
# Other columns are taken for stimuli only where their name says so: responses and settings are words, too.
HINTS = re.compile(
    r"stim|sentence|text|caption|word|phrase|file|image|picture|item|condition|category|event_type", re.I
)
CONDITIONS = (
    "trial_type",
    "event_type",
    "condition",
)  # columns in which words such as "rest" mean that nothing is shown
REST = frozenset({"rest", "baseline", "fixation"})
MISSING = frozenset({"", "n/a", "nan"})
OTHER_FILES = re.compile(
    r"\.(wav|mp3|m4a|flac|ogg|aac|mp4|avi|mov|mkv|mpg|mpeg|webm|txt|csv|tsv|mat|json|h5|npy)$", re.I
)
CODE = re.compile(r"^(?=(?:\D*\d){3})[A-Za-z0-9]+(?:[_.-][A-Za-z0-9]+)*$")  # a word with three digits or more
MAJORITY = 0.5  # of distinct values that must be of one sort for the column to be of that sort


@dataclass(frozen=True)
class StimulusColumn:
    """A column of the events that names the stimuli.

    Attributes
    ----------
    name : str
        Its header.
    kind : {"image", "text"}
        Whether its values name image files or are texts themselves.
    codes : bool
        Whether texts look like codes ("n04572121_3262") rather than words.
    """

    name: str
    kind: Literal["image", "text"]
    codes: bool = False

    @property
    def noun(self) -> str:
        """What its values are, in the plural."""
        return "images" if self.kind == "image" else "texts"

    def shows(self, value: str) -> bool:
        """Tell whether a value names a stimulus.

        Parameters
        ----------
        value : str
            Value as written in the table.

        Returns
        -------
        bool
            False for missing values and, in columns of conditions, for rest.
        """
        return value.lower() not in MISSING and not (self.name in CONDITIONS and value.lower() in REST)

    def describe(self, items: Sequence[str]) -> str:
        """Say what was taken for the stimuli.

        Parameters
        ----------
        items : sequence of str
            Distinct values.

        Returns
        -------
        str
            A sentence such as "3 distinct texts from the column trial_type: face, house, shoe."
        """
        noun = self.noun if len(items) != 1 else self.noun.removesuffix("s")
        listed = f": {', '.join(sorted(items))}" if len(items) < FEW_ITEMS else ""
        return f"{len(items):,} distinct {noun} from the column {self.name}{listed}."


@dataclass(frozen=True)
class _Profile:
    """What the distinct values of a column are."""

    column: StimulusColumn
    rank: tuple[float, ...]  # the larger the better


def choose_column(tables: Sequence[Table], files: StimulusFiles, source: str, requested: str = "") -> StimulusColumn:
    """Choose the column of the events that names the stimuli.

    Columns that are filled in every run are compared: names of image files that are there beat names that end as image
    files do, and these beat words; words of ten or more distinct values beat fewer, and two or more beat one. Among
    equals the order of USUAL decides.

    Parameters
    ----------
    tables : sequence of mapping of str to sequence of str
        Columns of each run.
    files : StimulusFiles
        Image files of the folder.
    source : str
        Name of the subject in errors.
    requested : str
        Column that the user names; "" to choose one.

    Returns
    -------
    StimulusColumn
        The column.

    Raises
    ------
    DataError
        No column names stimuli, or the requested one is missing, not filled in every run, or names other files.
    """
    names = list(dict.fromkeys(name for table in tables for name in table))
    filled = [name for name in names if all(_is_filled(table.get(name, ())) for table in tables)]
    if requested:
        if requested not in filled:
            state = "a column that is not filled in every run" if requested in names else "no such column"
            raise DataError(
                f"Expected the column {requested!r} in the events of {source}, got {state}. Choose one of "
                f"{', '.join(name for name in filled if name not in ('onset', 'duration')) or 'none'}."
            )
        return _named(tables, files, source, requested)
    profiles = [p for name in filled if (p := _profile(tables, files, name)) is not None]
    if profiles:
        return max(profiles, key=lambda profile: profile.rank).column
    if "stim_file" in filled:
        value = next(iter(_values(tables, "stim_file")))
        raise DataError(
            f"Expected stim_file to name an image ({', '.join(IMAGE_ENDINGS)}) below "
            f"{str(files.folder / 'stimuli')!r}, got {value!r}. Add the image, or use a column of text."
        )
    raise DataError(
        f"Expected a column that names the stimuli in the events of {source}, filled in every run, such as "
        f"{', '.join(USUAL)}; got the columns {sorted(names)!r}. Add one, or name one with --column."
    )


def _is_filled(values: Sequence[str]) -> bool:
    return any(value.lower() not in MISSING for value in values)


def _values(tables: Sequence[Table], name: str) -> list[str]:
    """Distinct values that name stimuli."""
    column = StimulusColumn(name, "text")
    return list(dict.fromkeys(value for table in tables for value in table.get(name, ()) if column.shows(value)))


def _named(tables: Sequence[Table], files: StimulusFiles, source: str, name: str) -> StimulusColumn:
    values = _values(tables, name)
    others = [value for value in values if OTHER_FILES.search(value)]
    if not values or len(others) > MAJORITY * len(values):
        got = f"names of other files such as {others[0]!r}" if others else "rest only"
        raise DataError(
            f"Expected texts or names of images in the column {name!r} of {source}, got {got}. Choose another column."
        )
    return StimulusColumn(name, "image" if _names_images(values, files) else "text", _are_codes(values))


def _profile(tables: Sequence[Table], files: StimulusFiles, name: str) -> _Profile | None:
    """None for a column that names no stimuli."""
    usual = name in USUAL
    values = _values(tables, name) if usual or HINTS.search(name) else []
    if not values or name in ("onset", "duration"):
        return None
    here = sum(files.find(value) is not None for value in values)
    order = -USUAL.index(name) if usual else -len(USUAL)
    if _names_images(values, files):
        return _Profile(StimulusColumn(name, "image"), (3 if here > MAJORITY * len(values) else 2, here, order))
    others = sum(_is_number(value) or OTHER_FILES.search(value) is not None for value in values)
    if name == "stim_file" or others > MAJORITY * len(values):
        return None
    column = StimulusColumn(name, "text", _are_codes(values))
    return _Profile(column, (1, len(values) >= FEW_ITEMS, len(values) > 1, order))


def _names_images(values: Sequence[str], files: StimulusFiles) -> bool:
    named = sum(_has_image_ending(value) or files.find(value) is not None for value in values)
    return named > MAJORITY * len(values)


def _has_image_ending(value: str) -> bool:
    return os.path.splitext(value)[1].lower() in IMAGE_ENDINGS


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _are_codes(values: Sequence[str]) -> bool:
    return sum(CODE.match(value) is not None for value in values) > MAJORITY * len(values)
