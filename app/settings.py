"""Every setting of the service, in one place. Each is an environment variable with the prefix ``AKSHAR_``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from akshar.imaging.reader import MAX_PIXELS
from akshar.model.extractor import RuntimeName
from akshar.model.loading import ARTIFACTS


class Settings(BaseSettings):
    """Settings with their defaults; ``docs/settings.md`` lists them all, and a test holds the two together."""

    model_config = SettingsConfigDict(env_prefix="AKSHAR_", extra="ignore")

    artifacts: Path = Field(ARTIFACTS, description="Folder of the models and their manifest.")
    runtime: RuntimeName = Field(
        "auto",
        description="What runs the network: `onnxruntime`, `tensorflow`, or `auto`, which takes TensorFlow if it is "
        "installed and an NVIDIA device is present, else ONNX Runtime.",
    )
    threads: int = Field(
        1,
        ge=0,
        description="CPU threads of one call of the network; 0 is one per core. More than one shortens large batches "
        "on idle cores and costs throughput on busy ones: `akshar serve --workers` uses many cores better.",
    )
    min_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="The confidence from which predictions are accepted; by default the manifest's, which 97 % of the "
        "validation images reached. A request's `min_confidence` takes precedence.",
    )
    max_bytes: int = Field(10 * 2**20, gt=0, description="Largest request body, and largest file of a batch, in bytes.")
    max_pixels: int = Field(
        MAX_PIXELS, gt=0, description="Largest image, width times height; checked before it is decoded."
    )
    decoding_pixels: int = Field(
        32_000_000, gt=0, description="Most pixels in decoding at once, over all requests; it bounds their memory."
    )
    max_files: int = Field(64, gt=0, description="Most files in one batch request.")
    max_form_bytes: int = Field(32 * 2**20, gt=0, description="Largest body of a batch request, in bytes.")
    max_batch: int = Field(64, gt=0, description="Most images in one call of the network.")
    batch_window_ms: float = Field(
        0,
        ge=0,
        le=1000,
        description="Milliseconds that an image waits for others before its batch starts; with 0 a batch forms while "
        "the one before it runs.",
    )
    max_queue: int = Field(
        256, gt=0, description="Most images admitted and not yet answered; beyond it requests get 429."
    )
    deadline_seconds: float = Field(
        10,
        gt=0,
        description="Seconds from a request's last byte until 504; the header `X-Timeout-Ms` may shorten it.",
    )
    upload_seconds: float = Field(30, gt=0, description="Seconds that a request's body may take to arrive; then 408.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Log lines for machines or for people; `auto` is text on a terminal, else JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")

    @model_validator(mode="after")
    def _a_full_batch_request_fits_the_queue(self) -> Self:
        if self.max_files > self.max_queue:
            raise ValueError("AKSHAR_MAX_FILES is more than AKSHAR_MAX_QUEUE: such a request would always get 429")
        return self
