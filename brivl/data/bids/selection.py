"""Which of the forms in which runs were written is read: the only one, fMRIPrep's default, or the one that is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from brivl.errors import DataError

# Entities that users choose by: `acq`, `rec` and `dir` select among runs, the others among forms of each run.
CHOSEN = ("space", "res", "den", "desc", "acq", "rec", "dir", "echo", "hemi")
# Entities of the form in which a run was written; all others, such as acq and dir, tell runs apart.
FORM_ENTITIES = ("space", "res", "den", "desc", "echo", "part", "hemi", "atlas", "label")
DEFAULT_SPACE = "MNI152NLin2009cAsym"  # of several, fMRIPrep's default
ABSENT = "none"  # in the place of a value: files whose names do not have the entity


@dataclass(frozen=True)
class Selection:
    """Requested entities of bold files; "" leaves an entity to the default, ABSENT asks for files without it.

    Attributes
    ----------
    space, res, den, desc, acq, rec, dir, echo, hemi, part, atlas, label : str
        Value of the entity, as file names have it.
    """

    space: str = ""
    res: str = ""
    den: str = ""
    desc: str = ""
    acq: str = ""
    rec: str = ""
    dir: str = ""
    echo: str = ""
    hemi: str = ""
    part: str = ""
    atlas: str = ""
    label: str = ""

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Selection:
        """Take the entities out of the options in the name of a dataset.

        Parameters
        ----------
        options : mapping of str to str
            Options; those that are no entities are left out.

        Returns
        -------
        Selection
            The requested entities.

        Raises
        ------
        DataError
            A hemisphere other than L and R is requested.
        """
        chosen = {name: options[name] for name in SELECTABLE if options.get(name)}
        if chosen.get("hemi", "L") not in ("L", "R"):
            raise DataError(f"Expected hemi=L or hemi=R, got {chosen['hemi']!r}. Choose one, or leave it out for both.")
        return cls(**chosen)

    @property
    def requested(self) -> dict[str, str]:
        """Entities that are requested, with their values."""
        return {name: value for name in SELECTABLE if (value := getattr(self, name))}

    def admits(self, entities: Mapping[str, str]) -> bool:
        """Tell whether a file is one of those that are requested.

        Parameters
        ----------
        entities : mapping of str to str
            Entities of the file.

        Returns
        -------
        bool
            True where no entity contradicts the request.
        """
        return all(entities.get(name, ABSENT) == value for name, value in self.requested.items())


SELECTABLE = tuple(field.name for field in fields(Selection))


def choices(candidates: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """List the values of each entity by which users choose, where there is more than one.

    Parameters
    ----------
    candidates : sequence of mapping of str to str
        Entities of each bold file.

    Returns
    -------
    dict of str to tuple of str
        Entity -> values, sorted; ABSENT among them where some files do not have the entity.
    """
    values = {name: sorted({one.get(name, ABSENT) for one in candidates}) for name in CHOSEN}
    return {name: tuple(each) for name, each in values.items() if len(each) > 1}
