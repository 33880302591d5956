# Two variants of one image: cpu (ONNX Runtime) and gpu (TensorFlow with CUDA), chosen by the build argument VARIANT.
ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS build
ARG VARIANT=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/akshar
ENV PATH=/opt/akshar/bin:$PATH
WORKDIR /build
# Libraries first: they change less often than the code.
COPY locks/serve.txt locks/gpu.txt locks/
RUN case "$VARIANT" in cpu) lock=serve ;; gpu) lock=gpu ;; *) echo "VARIANT is cpu or gpu" >&2; exit 1 ;; esac \
    && pip install --require-hashes --requirement "locks/$lock.txt"
COPY pyproject.toml README.md LICENSE ./
COPY akshar akshar
COPY artifacts artifacts
RUN pip install --no-deps --no-build-isolation .
COPY app /srv/akshar/app
COPY training /srv/akshar/training
ENV PYTHONPATH=/srv/akshar
# Of the libraries, the tests, the tools that build, and the bytecode of what is never imported: a quarter of their size.
# TensorFlow imports too much for that.
RUN if [ "$VARIANT" = cpu ]; then \
        find /opt/akshar -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
        && pip uninstall --yes --quiet hatchling trove-classifiers pip \
        && python -c "import app.process, app.supervisor, app.serving.decoder, akshar.imaging.heif, akshar.cli, onnxruntime, sklearn.svm"; \
    fi

FROM python:${PYTHON_VERSION}-slim AS service
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin akshar
COPY --from=build /opt/akshar /opt/akshar
COPY --from=build /srv/akshar /srv/akshar
ENV PATH=/opt/akshar/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/srv/akshar \
    AKSHAR_LOG_FORMAT=json \
    AKSHAR_PROBE_PORT=8001 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /srv/akshar
USER 10001
EXPOSE 8000 8001
# TensorFlow takes up to half a minute to start; failures count only after that.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"AKSHAR_PROBE_PORT\"]}/readyz', timeout=2)"]
CMD ["akshar", "serve", "--host", "0.0.0.0", "--port", "8000"]
