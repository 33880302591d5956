"""The parts in one process, without a server: ``python -m benchmarks.raw`` prints them as JSON.

A process of its own, so that TensorFlow's memory and threads are in no other measurement.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from app.bundle import KERAS, ONNX, Bundle, load_bundle
from app.extractor import Extractor, Features, OnnxExtractor, TensorFlowExtractor
from app.imaging import FORMATS, read_glyph
from app.main import SWITCH_SECONDS
from app.recognizer import Recognizer
from app.settings import REPOSITORY
from benchmarks import FAMILY
from benchmarks.images import IMAGES, photo
from benchmarks.timing import seconds_per_call

SIZES: Final = (1, 8, 32, 128)
CORES: Final = len(os.sched_getaffinity(0))


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Seconds of a call by part, runtime and number of images; and images a second of the whole way."""
    bundle = load_bundle(REPOSITORY / "artifacts")
    # As in the service.
    threadpool_limits(1, "blas")
    return {
        "imaging": _imaging(rounds, seconds),
        "whole_way": _whole_way(bundle, rounds, 3 * seconds),
        "head": _heads(bundle, rounds, seconds),
        "extractor": _extractors(bundle, rounds, seconds),
        "network": _networks(bundle, rounds, seconds),
    }


def _glyphs(count: int) -> np.ndarray:
    glyphs = np.stack([read_glyph(image) for image in IMAGES])
    return np.resize(glyphs, (count, *glyphs.shape[1:]))


def _by_size(
    parts: Mapping[str, Callable[[np.ndarray], object]],
    inputs: Callable[[int], np.ndarray],
    rounds: int,
    seconds: float,
) -> dict[str, dict[str, float]]:
    """Seconds of a call of each part, by the number of images."""
    found: dict[str, dict[str, float]] = {name: {} for name in parts}
    for size in SIZES:
        calls = {name: partial(part, inputs(size)) for name, part in parts.items()}
        for name, value in seconds_per_call(calls, rounds, seconds).items():
            found[name][str(size)] = value
    return found


def _imaging(rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """From a file to its glyph, beside Pillow's mere decoding of the file, by the image's side in pixels."""
    found: dict[str, dict[str, float]] = {}
    for name, file in {"32": IMAGES[0], "1000": photo()}.items():
        calls: dict[str, Callable[[], object]] = {
            "ours": partial(read_glyph, file),
            "pillow": lambda file=file: Image.open(io.BytesIO(file), formats=FORMATS).load(),  # type: ignore[misc]
        }
        found[name] = seconds_per_call(calls, rounds, seconds)
    return found


def _extractors(bundle: Bundle, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    runtimes: dict[str, Extractor] = {
        "onnxruntime": OnnxExtractor(bundle.onnx),
        "tensorflow": TensorFlowExtractor(bundle.folder / KERAS),
    }
    return _by_size(runtimes, _glyphs, rounds, seconds)


def _networks(bundle: Bundle, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """The network that ships beside the first that did, whose time its weights do not change."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from training.export import export_extractor
    from training.extractor import build, freeze
    from training.recipe import Recipe

    with tempfile.TemporaryDirectory(prefix="akshar-bench-") as folder:
        export_extractor(freeze(build(Recipe(network="plain", channels=(24, 48, 96)))), Path(folder), _glyphs(2))
        models = {"ours": bundle.onnx, "first": (Path(folder) / ONNX).read_bytes()}
    networks = {name: OnnxExtractor(model, threads=1) for name, model in models.items()}
    return _by_size(networks, _glyphs, rounds, seconds)


def _heads(bundle: Bundle, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """The whole answer with its probabilities, the mere label by our head, and by scikit-learn."""
    svc = bundle.heads[FAMILY]
    extractor = OnnxExtractor(bundle.onnx)
    recognizer = Recognizer(bundle, extractor)
    calls: dict[str, Callable[[Features], object]] = {
        "the whole answer": lambda features: recognizer.classify(features, [FAMILY] * len(features)),
        "the label alone": recognizer.heads[FAMILY].predict,
        "scikit-learn, the label alone": svc.predict,
    }
    return _by_size(calls, lambda size: extractor(_glyphs(size)), rounds, seconds)


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
