"""The asyncio face. ``_sync`` is made from it by ``tools/sync_face.py``, but for the connection."""
