"""Facts in dataset_description.json."""

from __future__ import annotations

import re
from typing import Any


def one_line(value: object) -> str:
    """Put a text of the description on one line; licences are sometimes pasted whole, with blank lines.

    Parameters
    ----------
    value : object
        Value of a field.

    Returns
    -------
    str
        "" where there is none.
    """
    return " ".join(str(value or "").split())


def citation_of(description: dict[str, Any]) -> str:
    """Collect what to cite.

    Parameters
    ----------
    description : dict
        Content of dataset_description.json.

    Returns
    -------
    str
        HowToAcknowledge, ReferencesAndLinks and DatasetDOI, where they are; else "not stated".
    """
    links = description.get("ReferencesAndLinks")
    citations = [one_line(description.get("HowToAcknowledge"))]
    citations += [one_line(link) for link in links] if isinstance(links, list) else []
    doi = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)+", "", one_line(description.get("DatasetDOI")), flags=re.I)
    citations += [f"doi:{doi}"] if doi and not any(doi in citation for citation in citations) else []
    return "; ".join(citation for citation in citations if citation) or "not stated"
