"""The service: the reader of `akshar` behind an HTTP API."""
