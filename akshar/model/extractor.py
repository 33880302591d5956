"""The frozen network on a runtime: canonical glyphs in, 512 features out."""

from __future__ import annotations

import importlib.util
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import Glyphs
from akshar.model.bundle import KERAS, Bundle
from akshar.model.manifest import BundleError
from akshar.model.runtime import RuntimeName

Features = npt.NDArray[np.float32]
"""Frozen features, shape (n, 512)."""

_GPU_NODES: Final = (Path("/proc/driver/nvidia/gpus"), Path("/dev/nvidia0"), Path("/dev/dxg"))
"""What an NVIDIA driver creates on Linux, in a container, and under WSL."""


def padded_size(size: int) -> int:
    """The next power of two: a GPU prepares for each size once, so a few sizes are cheaper than many."""
    return 1 << (size - 1).bit_length()


def padded_sizes(max_size: int) -> list[int]:
    """All values of `padded_size` for 1 to ``max_size``."""
    return [1 << power for power in range((max_size - 1).bit_length() + 1)]


class Extractor(Protocol):
    """A runtime that holds the network."""

    name: str
    device: str

    def __call__(self, glyphs: Glyphs) -> Features:
        """Features of glyphs, shapes (n, 32, 32) to (n, 512). May be called from one thread at a time."""


class OnnxExtractor:
    """ONNX Runtime on the CPU."""

    name = "onnxruntime"
    device = "cpu"

    def __init__(self, model: bytes, threads: int = 0) -> None:
        """``threads`` is for one call; 0 leaves it to ONNX Runtime: one per core."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Idle threads that spin take the cores from the event loop: with it, throughput halves on two cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, glyphs: Glyphs) -> Features:
        (features,) = self._session.run(None, {self._input: glyphs[..., None]})
        return np.asarray(features, np.float32)


class TensorFlowExtractor:
    """TensorFlow, on the first GPU it sees, else on the CPU: the ``.keras`` file as one compiled function."""

    name = "tensorflow"

    def __init__(self, model: Path, threads: int = 0) -> None:
        """``threads`` is for one call on the CPU; 0 leaves it to TensorFlow."""
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            # The service shares its GPU; by default TensorFlow would take all of the memory.
            tf.config.experimental.set_memory_growth(gpu, True)
        if threads:
            # Threads belong to the process: one that has used TensorFlow before keeps those it had.
            with suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)
        self.device = "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
        # A GPU searches for the best kernels for every new batch size; on a CPU padding only adds work.
        self.pads = self.device == "gpu"
        network = keras.models.load_model(model, compile=False)
        # One graph for every batch size, without the per-call set-up of model.predict.
        signature = tf.TensorSpec([None, *network.input_shape[1:]], tf.float32)
        self._call: Any = tf.function(
            lambda glyphs: network(glyphs, training=False), input_signature=[signature]
        ).get_concrete_function()
        self._tensor = tf.constant

    def __call__(self, glyphs: Glyphs) -> Features:
        size = len(glyphs)
        if self.pads and size:
            glyphs = np.concatenate([glyphs, np.zeros((padded_size(size) - size, *glyphs.shape[1:]), np.float32)])
        return np.asarray(self._call(self._tensor(glyphs[..., None]))[:size], np.float32)


def load_extractor(bundle: Bundle, runtime: RuntimeName = "auto", threads: int = 0) -> Extractor:
    """Put the bundle's network on a runtime.

    ``auto`` takes TensorFlow where it is installed and an NVIDIA device is present, else ONNX Runtime.

    Raises:
        BundleError: the requested runtime is not installed.
    """
    chosen = choose_runtime(runtime)
    try:
        if chosen == "tensorflow":
            return TensorFlowExtractor(bundle.folder / KERAS, threads)
        return OnnxExtractor(bundle.onnx, threads)
    except ModuleNotFoundError as error:
        raise BundleError(
            f"AKSHAR_RUNTIME={runtime}: {error.name} is not installed; install the extra (`make serve "
            "RUNTIME=tensorflow`, or `pip install akshar[tensorflow]`), or set AKSHAR_RUNTIME=onnxruntime."
        ) from None


def choose_runtime(runtime: RuntimeName = "auto") -> Literal["onnxruntime", "tensorflow"]:
    """What ``auto`` means here, without importing TensorFlow, which takes ten seconds."""
    if runtime != "auto":
        return runtime
    has_tensorflow = importlib.util.find_spec("tensorflow") is not None
    return "tensorflow" if has_tensorflow and any(node.exists() for node in _GPU_NODES) else "onnxruntime"
