"""Lets timm and transformers import torchvision beside a CPU-only torch.

The torchvision wheel registers its C++ operators only next to the torch build that it was compiled with. Beside another
one, `import torchvision` stops with "operator torchvision::nms does not exist", because it attaches shape rules to
operators that nobody declared. Declaring the two schemas is enough: this project never calls them.
"""

from __future__ import annotations

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library: torch.library.Library | None = None  # kept alive: a collected Library takes its schemas with it


def declare_torchvision_schemas() -> None:
    """Declare the torchvision operators that are missing.

    Does nothing where torchvision works, or on a second call.
    """
    global _library
    if _library is not None or _torchvision_imports():
        return
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            _library.define(schema)


def _torchvision_imports() -> bool:
    """Whether torchvision can be imported as it is.

    It is imported to find out: beside its own torch, torchvision declares the operators itself on import, and the
    import fails where they have been declared before.
    """
    try:
        import torchvision  # noqa: F401 (only whether the import works)
    except RuntimeError as error:
        if "torchvision::" in str(error):
            return False
        raise
    except ModuleNotFoundError:  # packages that need it raise an error of their own
        pass
    return True
