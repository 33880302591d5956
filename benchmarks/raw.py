"""The parts in one process, without a server: ``python -m benchmarks.raw`` prints them as JSON.

A process of its own, so that TensorFlow's memory and threads are in no other measurement.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from app.bundle import KERAS, Bundle, load_bundle
from app.extractor import Extractor, OnnxExtractor, TensorFlowExtractor
from app.imaging import read_glyph
from app.main import SWITCH_SECONDS
from app.recognizer import Recognizer
from app.settings import REPOSITORY
from benchmarks import FAMILY
from benchmarks.images import IMAGES
from benchmarks.timing import seconds_per_call

SIZES: Final = (1, 8, 32, 128)
CORES: Final = len(os.sched_getaffinity(0))


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Seconds of a call by part, runtime and number of images; and images a second of the whole way."""
    bundle = load_bundle(REPOSITORY / "artifacts")
    # As in the service.
    threadpool_limits(1, "blas")
    return {
        "whole_way": _whole_way(bundle, rounds, 3 * seconds),
        "head": _heads(bundle, rounds, seconds),
        "extractor": _extractors(bundle, rounds, seconds),
    }


def _glyphs(count: int) -> np.ndarray:
    glyphs = np.stack([read_glyph(image) for image in IMAGES])
    return np.resize(glyphs, (count, *glyphs.shape[1:]))


def _extractors(bundle: Bundle, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    runtimes: dict[str, Extractor] = {
        "onnxruntime": OnnxExtractor(bundle.onnx),
        "tensorflow": TensorFlowExtractor(bundle.folder / KERAS),
    }
    found: dict[str, dict[str, float]] = {name: {} for name in runtimes}
    for size in SIZES:
        glyphs = _glyphs(size)
        calls = {name: partial(runtime, glyphs) for name, runtime in runtimes.items()}
        for name, value in seconds_per_call(calls, rounds, seconds).items():
            found[name][str(size)] = value
    return found


def _heads(bundle: Bundle, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """The whole answer by our head, with its probabilities, beside the mere label by scikit-learn."""
    svc = bundle.heads[FAMILY]
    extractor = OnnxExtractor(bundle.onnx)
    recognizer = Recognizer(bundle, extractor)
    found: dict[str, dict[str, float]] = {"ours": {}, "scikit-learn": {}}
    for size in SIZES:
        features = extractor(_glyphs(size))
        calls = {
            "ours": partial(recognizer.classify, features, [FAMILY] * size),
            "scikit-learn": partial(svc.predict, features),
        }
        for name, value in seconds_per_call(calls, rounds, seconds).items():
            found[name][str(size)] = value
    return found


def _whole_way(bundle: Bundle, rounds: int, seconds: float) -> dict[str, Any]:
    """From encoded bytes to answers, 64 images at a time, in three ways to use all cores; the best one counts."""
    # As in the service: without it, threads that compute would wait for one that decodes.
    sys.setswitchinterval(SWITCH_SECONDS)
    families = [FAMILY] * len(IMAGES)
    wide = Recognizer(bundle, OnnxExtractor(bundle.onnx))
    narrow = [Recognizer(bundle, OnnxExtractor(bundle.onnx, threads=1)) for _ in range(CORES)]

    def decode() -> np.ndarray:
        return np.stack([read_glyph(image) for image in IMAGES])

    def read(recognizer: Recognizer) -> None:
        recognizer.recognize(decode(), families)

    with ThreadPoolExecutor(CORES) as pool:

        def pipelined() -> None:
            for future in [pool.submit(narrow[0].recognize, decode(), families) for _ in range(CORES)]:
                future.result()

        ways: dict[str, tuple[int, Callable[[], object]]] = {
            "one thread, the network on all cores": (1, lambda: read(wide)),
            "one thread a core, each with a network": (CORES, lambda: list(pool.map(read, narrow))),
            "one thread decodes, others compute": (CORES, pipelined),
        }
        times = seconds_per_call({name: call for name, (_, call) in ways.items()}, rounds, seconds)
    rates = {name: batches * len(IMAGES) / times[name] for name, (batches, _) in ways.items()}
    return {"images_per_second": max(rates.values()), "ways": rates}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]))))
