"""Every setting of the service, in one place. Each is an environment variable with the prefix ``AKSHAR_``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from akshar.imaging.formats import MAX_PIXELS
from akshar.model.loading import ARTIFACTS
from akshar.model.runtime import RuntimeName


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
        MAX_PIXELS,
        gt=0,
        description="Most pixels of an image that are decoded, checked before they are. JPEG and HEIC are decoded at a "
        "fraction of their size.",
    )
    decoders: int = Field(
        0,
        ge=0,
        description="Processes that decode images other than small, simple ones; 0 is one per core, shared out among "
        "the workers.",
    )
    decoding_pixels: int = Field(
        16_000_000, gt=0, description="Most pixels in decoding at once, over all requests; it bounds their memory."
    )
    decoding_seconds: float = Field(5, gt=0, description="CPU seconds that decoding one image may take.")
    decoder_bytes: int = Field(
        512 * 2**20, gt=0, description="Memory that decoding one image may take, in bytes of address space."
    )
    receiving_bytes: int = Field(
        72 * 2**20,
        gt=0,
        description="Most bytes of uploads held at once, over all requests, from the first byte to the prediction.",
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
        512,
        gt=0,
        description="Most images admitted and not yet answered; beyond it requests get 429. One client gets at most "
        "half of it, two get a third each, and so on.",
    )
    deadline_seconds: float = Field(
        10,
        gt=0,
        description="Seconds from a request's last byte until 504; the header `X-Timeout-Ms` may shorten it.",
    )
    upload_seconds: float = Field(30, gt=0, description="Seconds that a request's body may take to arrive; then 408.")
    max_connections: int = Field(
        1024, gt=0, description="Most open connections; beyond it idle ones are closed, and new ones get 503."
    )
    max_connections_per_client: int = Field(
        512, gt=0, description="Most open connections of one client address; trusted proxies are exempt."
    )
    max_request_line: int = Field(8192, gt=0, description="Longest request line, in bytes; then 414.")
    max_header_bytes: int = Field(8192, gt=0, description="Longest header, name and value, in bytes; then 431.")
    max_headers_bytes: int = Field(
        32768, gt=0, description="Most bytes of all headers of a request, or of its trailers; then 431."
    )
    max_headers: int = Field(100, gt=0, description="Most headers of a request; then 431.")
    header_seconds: float = Field(
        10, gt=0, description="Seconds from the first byte of a request to the end of its headers; then 408."
    )
    keep_alive_seconds: float = Field(
        75, gt=0, description="Seconds that an idle connection stays open: more than the proxy in front keeps it."
    )
    probe_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Another port, which serves /livez, /readyz and /metrics alone, from a thread of its own.",
    )
    drain_seconds: float = Field(
        0,
        ge=0,
        description="Seconds between a signal to end and the refusal of requests; /readyz is 503 from the signal on.",
    )
    grace_seconds: float = Field(
        15, gt=0, description="Seconds that admitted requests have to end after that; then they are cancelled."
    )
    trusted_hosts: str = Field(
        "*", description="Host names that requests may name, separated by commas; `*.example.org` covers subdomains."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, separated by commas, of proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed; `*` is all.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Log lines for machines or for people; `auto` is text on a terminal, else JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")

    @model_validator(mode="after")
    def _a_full_batch_request_fits_the_queue(self) -> Self:
        if 2 * self.max_files > self.max_queue:
            raise ValueError(
                "AKSHAR_MAX_FILES is more than half of AKSHAR_MAX_QUEUE: such a request would always get 429"
            )
        return self
