"""One process under load: admission, decoding, batching, drift and shutdown."""
