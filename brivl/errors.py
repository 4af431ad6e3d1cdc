"""Every error that a user can cause is a sentence: what was wanted, what came, what to do.

BrivlError
|-- DataError        a file or folder is missing, truncated, or does not add up
|-- RequestError     a choice that cannot be answered: unknown model, layer out of range, no voxel left
|-- StoreError       the cache cannot be read or written (disk full, no permission)
`-- Cancelled        the user stopped a computation
"""


class BrivlError(Exception):
    """Base of all errors whose message is meant for the user."""


class DataError(BrivlError):
    """A data file is missing, truncated or inconsistent."""


class RequestError(BrivlError):
    """The question cannot be answered as asked."""


class StoreError(BrivlError):
    """The result store cannot be read or written."""


class Cancelled(BrivlError):
    """The computation was stopped by the user."""
