"""The blocking face, made from ``_async`` by ``tools/sync_face.py``, but for the connection."""
