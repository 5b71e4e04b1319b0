"""Queues carried by Apache Kafka: a topic, and a share group of the same name (KIP-932).

Messages travel through confluent-kafka. What that client has no call for is asked over a socket of our own, in
`protocol` and `conversation`.
"""

from __future__ import annotations
