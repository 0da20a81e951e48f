"""The native kernels: finding the library, loading it, and its functions as torch operators.

Nothing imported here needs torch. :mod:`unrolled.kernels.recurrent` and the other modules of operators do.
"""

from __future__ import annotations

from unrolled.kernels.library import describe, load

__all__ = ["describe", "load"]
