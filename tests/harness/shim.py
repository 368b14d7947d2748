"""Running a program under the shim (shim/shim.h): the environment that does it.

SPDX-License-Identifier: MIT
"""

import os
import pathlib

LIBRARY = pathlib.Path(__file__).resolve().parents[2] / "build-asan/tests/harness/shim/shim.so"


def environment(base=None, **settings):
    """The variables to add to `base` (default: ours): the shim's own, by their names without SHIM_."""
    base = os.environ if base is None else base
    ours = {f"SHIM_{name.upper()}": str(value) for name, value in settings.items()}
    # the shim stands before a sanitizer's functions, too, so that it sees who called; it wants to be first
    options = [base.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]
    return {"LD_PRELOAD": str(LIBRARY), "ASAN_OPTIONS": ":".join(filter(None, options)), **ours}
