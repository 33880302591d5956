#!/bin/sh
# Recompiles the locks from pyproject.toml: `make lock`. One resolution (all extras, Python 3.11 to 3.13)
# constrains every file, so that serving, training and tests run the same versions of what they share.
set -eu
cd "$(dirname "$0")/.."
# CUDA's wheels follow TensorFlow's own pins; everything else is resolved to the newest release.
compile() {
    output=$1
    shift
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate --output-file "$output" "$@"
}
all=$(mktemp)
trap 'rm -f "$all"' EXIT
cat locks/dev.txt > "$all"  # What is locked stays, unless --upgrade says otherwise.
compile "$all" --all-extras "$@"
compile locks/serve.txt --extra build --extra serve --constraint "$all"
compile locks/tensorflow.txt --extra build --extra serve --extra tensorflow --constraint "$all"
compile locks/gpu.txt --extra build --extra serve --extra gpu --constraint "$all"
compile locks/dev.txt --extra build --extra serve --extra training --extra test --extra lint --extra bench --extra report --extra cluster --constraint "$all"
