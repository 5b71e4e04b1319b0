"""What fits BatonMQ into frameworks, a package or module for each. ``import batonmq`` reads none of it.

Each needs its framework, and says how to install it when it is not there.
"""

from __future__ import annotations
