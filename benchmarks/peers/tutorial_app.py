"""The app that tutorials write: FastAPI, Keras' ``predict`` and scikit-learn's, one image at a time.

It has a plain ``def`` endpoint, which FastAPI runs in a thread (its page "Concurrency and async / await"), models at
module level, and ``model.predict``, which Keras' own page advises against for single inputs, but which nearly every
tutorial calls.
"""

from __future__ import annotations

import json
import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import joblib
import keras
from fastapi import FastAPI, UploadFile

from akshar.imaging.reader import read_glyph
from benchmarks import FAMILY
from benchmarks.peers.common import ARTIFACTS

app = FastAPI()
network = keras.models.load_model(ARTIFACTS / "extractor.keras", compile=False)
svc = joblib.load(ARTIFACTS / "heads" / f"{FAMILY}.joblib")
classes = json.loads((ARTIFACTS / "manifest.json").read_text())["families"][FAMILY]["classes"]
characters = {entry["class_id"]: entry["character"] for entry in classes}


@app.get("/health")
def health() -> dict[str, str]:
    """Responds once the module, and with it the models, is loaded."""
    return {"status": "ok"}


@app.post("/predict")
def predict(file: UploadFile) -> dict[str, Any]:
    """Read one image."""
    glyph = read_glyph(file.file.read())
    features = network.predict(glyph[None, ..., None], verbose=0)
    class_id = int(svc.predict(features)[0])
    return {"family": FAMILY, "class_id": class_id, "character": characters[class_id]}
