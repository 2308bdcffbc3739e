"""The HTTP edge for applications: bytes to and from the pipeline, errors to statuses."""
