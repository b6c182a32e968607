"""numpy, imported by what uses it first: that costs 60 ms, which QGIS must not wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Array", "np"]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:

    class _Numpy:
        def __getattr__(self, name):
            import numpy

            found = getattr(numpy, name)
            setattr(self, name, found)  # the next time it is there
            return found

    np = _Numpy()
    Array = Any
