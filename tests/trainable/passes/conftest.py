"""Where Triton's kernels are tested: in its interpreter, or with `-m gpu` on a GPU."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

ON_GPU = pytest.mark.gpu


@pytest.fixture(params=[pytest.param("cpu", id="interpreted"), pytest.param("cuda", marks=ON_GPU)])
def device(request: Any) -> str:
    if request.param == "cpu":
        if "triton" in sys.modules and os.environ.get("TRITON_INTERPRET") != "1":
            pytest.skip("Triton was imported without its interpreter: run this file in a process of its own")
        os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported
    pytest.importorskip("triton", reason="Triton is not installed: pip install triton")
    return str(request.param)
