"""What can run the network; apart from the code that does, so that naming one imports nothing."""

from __future__ import annotations

from typing import Literal

RuntimeName = Literal["auto", "onnxruntime", "tensorflow"]
