"""HTTP itself: connections, requests, log-ins, answers. It does not know the API's resources."""

from __future__ import annotations
