"""An AMQP URL, as pika understands it."""

from __future__ import annotations

import pika

__all__ = ["amqp_parameters"]


def amqp_parameters(url: str) -> pika.URLParameters:
    """Where to connect, and how. Raises ValueError for a URL that cannot be read."""
    try:
        url.encode()
        return pika.URLParameters(url)
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from None
