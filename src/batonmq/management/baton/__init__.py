"""BatonMQ's own HTTP API, below ``/api/baton/``."""
