"""The parts of a prediction, measured in one process without a server: ``python -m benchmarks.parts`` prints JSON.

This is a process of its own, so that the memory and threads of TensorFlow affect no other measurement.
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

from akshar.imaging.formats import FORMATS
from akshar.imaging.reader import read_glyph
from akshar.model.bundle import KERAS, ONNX, Bundle, load_bundle
from akshar.model.extractor import Extractor, Features, OnnxExtractor, TensorFlowExtractor
from akshar.model.recognizer import Recognizer
from app.main import SWITCH_SECONDS
from benchmarks import FAMILY, ROOT
from benchmarks.images import IMAGES, PICTURES
from benchmarks.timing import seconds_per_call

SIZES: Final = (1, 8, 32, 128)
CORES: Final = len(os.sched_getaffinity(0))


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Seconds per call by part, variant and number of images; and images per second from files to recognitions."""
    bundle = load_bundle(ROOT / "artifacts")
    threadpool_limits(1, "blas")  # The service does so, too.
    return {
        "imaging": _imaging(rounds, seconds),
        "in_process": _in_process(bundle, rounds, 3 * seconds),
        "head": _heads(bundle, rounds, seconds),
        "extractor": _extractors(bundle, rounds, seconds),
        "network": _networks(bundle, rounds, seconds),
    }


def _glyphs(count: int) -> np.ndarray:
    glyphs = np.stack([read_glyph(image) for image in IMAGES])
    return np.resize(glyphs, (count, *glyphs.shape[1:]))


def _by_size(
    variants: Mapping[str, Callable[[np.ndarray], object]],
    inputs: Callable[[int], np.ndarray],
    rounds: int,
    seconds: float,
) -> dict[str, dict[str, float]]:
    """Seconds per call of each variant, by the number of images."""
    results: dict[str, dict[str, float]] = {name: {} for name in variants}
    for size in SIZES:
        calls = {name: partial(variant, inputs(size)) for name, variant in variants.items()}
        for name, value in seconds_per_call(calls, rounds, seconds).items():
            results[name][str(size)] = value
    return results


def _imaging(rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """From a file to its glyph, and only decoding the file with Pillow, by the width of the image in pixels."""
    results: dict[str, dict[str, float]] = {}
    for name, file in PICTURES.items():
        calls: dict[str, Callable[[], object]] = {
            "glyph": partial(read_glyph, file),
            "pillow": partial(_decode, file),
        }
        results[name] = seconds_per_call(calls, rounds, seconds)
    return results


def _decode(file: bytes) -> None:
    Image.open(io.BytesIO(file), formats=tuple(FORMATS)).load()


def _extractors(bundle: Bundle, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    runtimes: dict[str, Extractor] = {
        "onnxruntime": OnnxExtractor(bundle.onnx),
        "tensorflow": TensorFlowExtractor(bundle.folder / KERAS),
    }
    return _by_size(runtimes, _glyphs, rounds, seconds)


def _networks(bundle: Bundle, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """The network that ships, and the first one that shipped, untrained: weights do not change its time."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from training.models.export import export_extractor
    from training.models.network import build, freeze
    from training.recipe import Recipe

    with tempfile.TemporaryDirectory(prefix="akshar-bench-") as folder:
        export_extractor(freeze(build(Recipe(network="plain", channels=(24, 48, 96)))), Path(folder), _glyphs(2))
        models = {"current": bundle.onnx, "first": (Path(folder) / ONNX).read_bytes()}
    networks = {name: OnnxExtractor(model, threads=1) for name, model in models.items()}
    return _by_size(networks, _glyphs, rounds, seconds)


def _heads(bundle: Bundle, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """From features to recognitions with probabilities, to labels by our head, and to labels by scikit-learn."""
    svc = bundle.model.families[FAMILY].svc
    extractor = OnnxExtractor(bundle.onnx)
    recognizer = Recognizer(bundle.model, extractor)
    variants: dict[str, Callable[[Features], object]] = {
        "recognition": lambda features: recognizer.classify(features, [FAMILY] * len(features)),
        "label": recognizer.heads[FAMILY].predict,
        "scikit-learn's label": svc.predict,
    }
    return _by_size(variants, lambda size: extractor(_glyphs(size)), rounds, seconds)


def _in_process(bundle: Bundle, rounds: int, seconds: float) -> dict[str, Any]:
    """From files to recognitions, 64 images at a time, in three ways to use all cores; the fastest one counts."""
    # As in the service: without it, threads that compute would wait for one that decodes.
    sys.setswitchinterval(SWITCH_SECONDS)
    families = [FAMILY] * len(IMAGES)
    wide = Recognizer(bundle.model, OnnxExtractor(bundle.onnx))
    narrow = [Recognizer(bundle.model, OnnxExtractor(bundle.onnx, threads=1)) for _ in range(CORES)]

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
            "one thread per core, each with a network": (CORES, lambda: list(pool.map(read, narrow))),
            "one thread decodes, the others compute": (CORES, pipelined),
        }
        times = seconds_per_call({name: call for name, (_, call) in ways.items()}, rounds, seconds)
    rates = {name: batches * len(IMAGES) / times[name] for name, (batches, _) in ways.items()}
    return {"images_per_second": max(rates.values()), "ways": rates}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]))))
