"""Errors that a user can cause; each message says what was expected, what came, and what to do.

BrivlError
|-- DataError        a file or folder is missing, truncated, or inconsistent
|-- RequestError     a request that cannot be answered: unknown model, layer out of range, no voxel left
|-- StoreError       the cache cannot be read or written (disk full, no permission)
`-- Cancelled        the user stopped a computation
"""


class BrivlError(Exception):
    """Base of all errors whose message is meant for the user."""


class DataError(BrivlError):
    """A data file is missing, truncated or inconsistent."""


class RequestError(BrivlError):
    """The request cannot be answered."""


class StoreError(BrivlError):
    """The result store cannot be read or written."""


class Cancelled(BrivlError):
    """The user stopped the computation."""
