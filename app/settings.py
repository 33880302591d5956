"""Every setting of the service, in one place. Each is an environment variable with the prefix ``AKSHAR_``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import imaging
from app.extractor import RuntimeName

REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Settings with their defaults; ``docs/settings.md`` lists them all, and a test sees that it does."""

    model_config = SettingsConfigDict(env_prefix="AKSHAR_", extra="ignore")

    artifacts: Path = Field(REPOSITORY / "artifacts", description="Folder of the models and their manifest.")
    runtime: RuntimeName = Field(
        "auto",
        description="What runs the network: `onnxruntime`, `tensorflow`, or `auto`, which takes TensorFlow where it is "
        "installed and an NVIDIA device is present, else ONNX Runtime.",
    )
    threads: int = Field(0, ge=0, description="CPU threads of one call of the network; 0 is one a core.")
    max_bytes: int = Field(10 * 2**20, gt=0, description="Largest request body, in bytes.")
    max_pixels: int = Field(
        imaging.MAX_PIXELS, gt=0, description="Largest image, width times height; checked before it is decoded."
    )
    max_batch: int = Field(64, gt=0, description="Most images in one call of the network.")
    max_queue: int = Field(256, gt=0, description="Most images that wait for the network; beyond it requests get 429.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Log lines for machines or for people; `auto` is text on a terminal, else JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
