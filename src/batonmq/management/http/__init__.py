"""HTTP itself: connections, requests, log-ins, answers. It knows no resource of the API."""

from __future__ import annotations
