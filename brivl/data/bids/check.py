"""What of a BIDS folder is here for a task and a subject: events first, then stimuli, then BOLD, by names and sizes.

BOLD is fetched only where the events can be read and the stimuli are in the folder or can be fetched with it, since
gigabytes without them are of no use.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from brivl.data.bids.events import read_table
from brivl.data.bids.layout import Run, find_runs, tasks_with_events
from brivl.data.bids.loader import BidsDataset, open_bids
from brivl.data.bids.roots import find_roots
from brivl.data.bids.selection import Selection
from brivl.data.bids.stimulus_column import MISSING, OTHER_FILES, StimulusColumn, Table, choose_column
from brivl.data.bids.stimulus_files import IMAGE_ENDINGS
from brivl.data.folder_check import FolderCheck, describe_states
from brivl.data.formats.file_state import FileState, file_state
from brivl.data.formats.json import read_json_object
from brivl.data.reading import FEW_ITEMS, few_items_warning
from brivl.errors import BrivlError, DataError, RequestError
from brivl.store.sizes import format_size

MAX_NAMED = 4  # paths in a command; more become a pattern or a folder
LARGE_FOLDER = 100_000_000  # bytes that a command may fetch beside those that are needed
RESTING = re.compile(r"rest", re.I)  # at the start of the name of a task in which nothing is presented
MAX_README = 100_000  # characters that are read
ABOUT_STIMULI = re.compile(r"\b(stimul\w+|images?|photographs?|textgrids?|transcripts?)\b", re.I)
WORDS = re.compile(r"\b(textgrids?|transcripts?)\b", re.I)  # useful without an address, too
MAX_SENTENCE = 400  # characters of a sentence of the README
ADDRESS = re.compile(r"https?://[^\s)>\];,]+")


@dataclass(frozen=True)
class _Stimuli:
    """What the events present, and what is wanting."""

    fact: str
    files: tuple[FileState, ...] = ()
    warnings: tuple[str, ...] = ()
    wanting: str = ""  # what to do before BOLD is of use; "" where nothing


@dataclass
class _Answer:
    """Parts of a `FolderCheck`, in the order in which they are reported."""

    facts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: list[FileState] = field(default_factory=list)


def check_bids(folder: Path, part: str, options: Mapping[str, str], subject: str) -> list[FolderCheck]:
    """Check what of a BIDS folder is here.

    Parameters
    ----------
    folder : Path
        Top of the folder.
    part : str
        Name of the task; "" for every task with events, or for all where no task has any.
    options : mapping of str to str
        Options of the dataset, such as {"column": "stim_file"}.
    subject : str
        Name of the subject; "" for the first.

    Returns
    -------
    list of FolderCheck
        One for each task.

    Raises
    ------
    DataError
        The folder has no runs, or no such task.
    RequestError
        The task has no such subject.
    """
    folder = Path(os.path.abspath(folder))
    runs = find_runs(find_roots(folder, options.get("derivatives", "")), Selection.from_options(options)).by_subject
    with_events = tasks_with_events(runs)
    all_tasks = sorted({run.task for each in runs.values() for run in each})
    if not all_tasks:
        open_bids(folder)  # which says why there are none
    tasks = [part] if part else with_events or all_tasks
    checks = [_check_task(open_bids(folder, task, options), subject) for task in tasks]
    eventless = [task for task in all_tasks if task not in tasks and not RESTING.match(task)]
    if part or not with_events or not eventless:
        return checks
    # One of them in full, since the step is the same for all.
    check = _check_task(open_bids(folder, eventless[0], options), subject)
    alike = f"Further tasks without events: {', '.join(eventless[1:])}."
    return [*checks, replace(check, facts=(*check.facts, alike)) if eventless[1:] else check]


def _check_task(dataset: BidsDataset, subject: str) -> FolderCheck:
    if subject and subject not in dataset.runs:
        raise RequestError(
            f"Expected a subject with runs of {dataset.task!r} in {str(dataset.folder)!r}, got {subject!r}. Choose one "
            f"of {', '.join(dataset.subjects)}."
        )
    name = subject or dataset.subjects[0]
    runs, answer = dataset.runs[name], _Answer()
    form = runs[0].form
    others = len(dataset.subjects) - 1
    more = f"; {others} further subject{'s' if others > 1 else ''} (--subject)" if others and not subject else ""
    counted = f"{len(runs)} run{'s' if len(runs) > 1 else ''} of {dataset.task}{_by_acquisition(runs)}"
    answer.facts.append(f"{name}: {counted}{f', form {form}' if form else ''}{more}.")
    bold = _states(dataset.folder, [run.bold for run in runs])
    wanting = _check_events(dataset, name, runs, answer)
    answer.facts.append(f"BOLD: {describe_states(bold)}.")
    masks = _states(dataset.folder, sorted({run.mask for run in runs if run.mask is not None}))
    sidecars = _states(dataset.folder, sorted({path for run in runs for path in run.sidecars}))
    answer.files += [*bold, *masks, *sidecars]
    problem = next((run.problem for run in runs if run.problem), "")
    return _next(dataset, name, answer, problem or wanting, subject)


def _by_acquisition(runs: Sequence[Run]) -> str:
    """Numbers of runs by acq-, where there are several: often one run that was reconstructed twice."""
    values = [run.entities.get("acq", "none") for run in runs]
    kinds = sorted(set(values))
    return f" ({', '.join(f'acq-{kind} {values.count(kind)}' for kind in kinds)})" if len(kinds) > 1 else ""


def _check_events(dataset: BidsDataset, subject: str, runs: Sequence[Run], answer: _Answer) -> str:
    """Look at events and stimuli; returns what is wanting before BOLD is of use."""
    paths = list(dict.fromkeys(run.events for run in runs if run.events is not None))
    without = [run for run in runs if run.events is None]
    states = _states(dataset.folder, paths)
    answer.files += states
    if not paths:
        answer.facts.append("Events: none.")
        return _without_events(dataset, without)
    if any(state.state != "present" for state in states):
        answer.facts.append(f"Events: {describe_states(states)}.")
        empty = [state.name for state in states if state.state == "truncated"]
        return f"Get {empty[0]!r} again, which is empty." if empty else ""
    try:
        tables = [read_table(path) for path in paths]
        column = choose_column(tables, dataset.stimulus_files, f"{dataset.folder.name}/{subject}", dataset.column)
    except DataError as error:
        answer.facts.append(f"Events: {len(runs) - len(without)} of {len(runs)} runs have them.")
        return str(error)
    stimuli = _stimuli(dataset, tables, column)
    answer.facts += [f"Events: {len(runs) - len(without)} of {len(runs)} runs have them.", stimuli.fact]
    answer.warnings += stimuli.warnings
    answer.files += stimuli.files
    if without:
        return f"Add {without[0].label}_events.tsv: {len(without)} of {len(runs)} runs have no events."
    return stimuli.wanting


def _without_events(dataset: BidsDataset, runs: Sequence[Run]) -> str:
    where = f"beside {runs[0].bold.name!r}"
    if _is_derivative(dataset.folder):
        return (
            "This folder holds derivatives, which have no events. Get the raw BIDS folder of the study, which has the "
            "events and the stimuli, and name both: --dataset RAW --derivatives "
            f"{shlex.quote(str(dataset.folder))}. Or copy {runs[0].label.split('_space-')[0]}_events.tsv and the "
            f"others {where}."
        )
    name = re.sub(r"_(acq|rec|dir|echo|part|space|res|desc)-[^_]+", "", runs[0].label)
    return (
        f"No run of {dataset.task} has events. Write {name}_events.tsv {where}, and one for each other run: columns "
        "onset and duration in s, and stimulus (a text, or the name of an image below stimuli/). What is presented "
        f"can also be a row for each word of a story, or for each frame of a movie. {_readme(dataset)}"
    )


def _is_derivative(folder: Path) -> bool:
    try:
        return read_json_object(folder / "dataset_description.json").get("DatasetType") == "derivative"
    except (OSError, BrivlError):
        return False


def _stimuli(dataset: BidsDataset, tables: Sequence[Table], column: StimulusColumn) -> _Stimuli:
    values = sorted({value for table in tables for value in table[column.name] if column.shows(value)})
    few = few_items_warning(len(values), column.noun, column.name)
    warnings = (few,) if few else ()
    if column.kind == "image":
        return _images(dataset, column, values, warnings)
    fact = f"Stimuli: {column.describe(values)}"
    other = _other_files(tables)
    if other and len(values) < FEW_ITEMS:
        header, file = other
        return _Stimuli(
            f"{fact} The column {header} names sounds or movies, such as {file}.",
            warnings=warnings,
            wanting=(
                f"Write what is heard or seen into the events: a row for each word (onset, duration, word), from a "
                f"transcript of {file} with times, or a row for each frame with an image. {_readme(dataset)}"
            ),
        )
    if column.codes:
        return _Stimuli(
            f"{fact} They look like names of images, such as {values[0]}.",
            warnings=warnings,
            wanting=(
                f"Put the {len(values)} images that {column.name} names below {dataset.folder.name}/stimuli/, such as "
                f"{values[0]}.jpg: no model understands the names as text. {_readme(dataset)}"
            ),
        )
    return _Stimuli(fact, warnings=warnings)


def _images(dataset: BidsDataset, column: StimulusColumn, values: Sequence[str], warnings: tuple[str, ...]) -> _Stimuli:
    by_name = {value: dataset.stimulus_files.find(value) for value in values}
    files = _states(dataset.folder, [path for path in by_name.values() if path is not None])
    missing = [value for value, path in by_name.items() if path is None]
    files = (*files, *(FileState(f"stimuli/{value}", "missing") for value in missing))
    fact = f"Stimuli: {len(values):,} images named by the column {column.name}: {describe_states(files)}."
    wanting = ""
    if missing:
        wanting = (
            f"Put the {'' if len(missing) == len(values) else 'other '}{len(missing):,} images that {column.name} "
            f"names below {dataset.folder.name}/stimuli/, such as stimuli/{missing[0]}. {_readme(dataset)}"
        )
    return _Stimuli(fact, files, warnings, wanting)


def _other_files(tables: Sequence[Table]) -> tuple[str, str] | None:
    """A column that names sounds, movies or other files, and the first of them."""
    for name in dict.fromkeys(name for table in tables for name in table):
        values = [value for table in tables for value in table.get(name, ()) if value.lower() not in MISSING]
        if values and all(OTHER_FILES.search(value) for value in values):
            return name, values[0]
    return None


def _readme(dataset: BidsDataset) -> str:
    """The sentence of the README that says where the stimuli are; "" where there is none."""
    for name in ("README", "README.md", "README.txt", "README.rst"):
        try:
            text = (dataset.folder / name).read_text("utf-8", "replace")[:MAX_README]
        except OSError:
            continue
        sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z(\[-])|\n\s*\n|\n\s*[-*#\d]", text)
        of_stimuli = [s for s in sentences if ABOUT_STIMULI.search(s) and ADDRESS.search(s)]
        best = max(of_stimuli, key=lambda s: len(re.findall(r"download|available|not include|request", s)), default="")
        if best:
            return f'{name} says: "{" ".join(best.split())}"'
    return ""


def _states(folder: Path, paths: Sequence[Path]) -> tuple[FileState, ...]:
    return tuple(file_state(folder, _below(folder, path)) for path in paths)


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _next(dataset: BidsDataset, subject: str, answer: _Answer, wanting: str, requested: str) -> FolderCheck:
    states = {file.name: file for file in answer.files}
    unfetched = [file.name for file in states.values() if file.state == "not fetched"]
    cut = [file for file in states.values() if file.state in ("truncated", "unreadable")]
    annexed = [file.name for file in cut if file.published is not None]
    broken = [file for file in cut if file.published is None]
    events = [name for name in unfetched if name.endswith("_events.tsv")]
    to_fetch = tuple(events or ([] if wanting else [*unfetched, *annexed]))
    option = f"?column={dataset.column}" if dataset.column else ""
    name = f"{dataset.folder}:{dataset.task}{option}"
    step, command = wanting, ""
    if to_fetch:
        size = sum(states[one].published or 0 for one in to_fetch)
        what = "the events" if events else "what is not fetched"
        step = f"Fetch {what}, {format_size(size)}{_in_two(states, to_fetch)}."
        inside = [one for one in to_fetch if not os.path.isabs(one)]
        lines = []
        if inside:
            line, note = _command(dataset.folder, inside, size, f"{name} --subject {subject}")
            lines, step = [line], step + note
        for root in dataset.roots.derivatives:  # beside the raw folder, so a datalad dataset of its own
            below = [Path(one).relative_to(root).as_posix() for one in to_fetch if root in Path(one).parents]
            if below:
                words = " ".join(_patterns(root, below))
                lines.append(f"cd {shlex.quote(str(root))} && datalad get {words}")
        command = "\n".join(lines)
    elif broken and not wanting:
        step = f"Get {len(broken)} files again, such as {broken[0].name!r}: {broken[0].note}."
    elif not wanting:
        step = f"All is here: python -m brivl fit --dataset {shlex.quote(name)} --subject {subject}"
    if broken and wanting:
        answer.facts.append(f"{len(broken)} files must be got again, such as {broken[0].name!r}: {broken[0].note}.")
    if wanting and not events and (size := sum(states[one].published or 0 for one in unfetched)):
        step = f"{step.strip()} Before that the {format_size(size)} that are not fetched are of no use."
    return FolderCheck(
        name, dataset.title, subject, tuple(answer.facts), tuple(answer.warnings), step.strip(), command,
        tuple(states.values()), to_fetch,
    )  # fmt: skip


def _in_two(states: Mapping[str, FileState], to_fetch: Sequence[str]) -> str:
    """Sizes of images and BOLD, where both are fetched."""
    images = [name for name in to_fetch if name.lower().endswith(IMAGE_ENDINGS)]
    if not images or len(images) == len(to_fetch):
        return ""
    size = sum(states[name].published or 0 for name in images)
    return f", of which images {format_size(size)}"


def _command(folder: Path, names: Sequence[str], size: int, dataset: str) -> tuple[str, str]:
    """One line that fetches files, as patterns and folders where these fetch little else; and a note."""
    images = [name for name in names if name.lower().endswith(IMAGE_ENDINGS)]
    words = _patterns(folder, [name for name in names if name not in set(images)])
    note = ""
    if len(images) > MAX_NAMED:
        place = os.path.commonpath([os.path.dirname(name) for name in images]) or "."
        others = _unfetched_bytes(folder / place, {folder / name for name in images})
        if others > LARGE_FOLDER + size:
            listed = f"python -m brivl data {shlex.quote(dataset.rpartition(' --subject ')[0])}"
            subject = dataset.rpartition(" ")[2]
            command = f"{listed} --subject {subject} --paths | xargs -d '\\n' datalad -C {shlex.quote(str(folder))} get"
            return command, " (--paths lists the files)"
        note = f" With {place} come {format_size(others)} of other files." if others else ""
        words = [shlex.quote(place), *words]
    else:
        words = [*map(shlex.quote, images), *words]
    return f"cd {shlex.quote(str(folder))} && datalad get {' '.join(words)}", note


def _unfetched_bytes(place: Path, needed: set[Path]) -> int:
    """Bytes below a folder that are not fetched and not needed."""
    total = 0
    for at, _, files in os.walk(place):
        for name in files:
            path = Path(at, name)
            if path not in needed:
                state = file_state(path.parent, path.name)
                total += (state.published or 0) if state.state == "not fetched" else 0
    return total


def _patterns(folder: Path, names: Sequence[str]) -> list[str]:
    """Names as shell words: with * for session and run where this matches no other file that is not fetched."""
    words, left = [], list(names)
    for numbers in (r"(?<=ses-)[^_/]+|(?<=run-)\d+", r"(?<=run-)\d+"):
        for name in list(left):
            pattern = re.sub(numbers, "*", name)
            matched = set(glob.glob(pattern, root_dir=folder)) if name in left and pattern != name else set()
            others = matched - set(names)
            if len(matched & set(left)) > 1 and all(file_state(folder, other).state == "present" for other in others):
                words.append(_quoted_pattern(pattern))
                left = [other for other in left if other not in matched]
    return [*words, *map(shlex.quote, left)]


def _quoted_pattern(pattern: str) -> str:
    return "*".join(shlex.quote(piece) if piece else "" for piece in pattern.split("*"))
