"""Shovels from the configuration: tables [[shovel]]."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from batonmq.engines.openers import check_target
from batonmq.engines.urls import parse_url
from batonmq.server.config_tables import ShovelConfig
from batonmq.shovels.rules import Rules
from batonmq.shovels.settings import End, ShovelSettings
from batonmq.shovels.uris import is_local, without_credentials

__all__ = ["read_configured"]


def read_configured(config: ShovelConfig) -> ShovelSettings:
    """The settings in a table. Raises ValueError, which names the unusable key, and no password."""
    source = _url(config, "from_url", config.from_url, config.from_url_file)
    target = _url(config, "to_url", config.to_url, config.to_url_file)
    if (source, config.from_queue) == (target, config.to_queue):
        raise ValueError("from_queue and to_queue are the same queue")
    rules = Rules(
        rate=config.rate or None,
        byte_rate=config.byte_rate or None,
        dead_letters=config.dead_letters or None,
        lossy=config.lossy,
        rounds=config.rounds,
    )
    return ShovelSettings(
        _end(source, config.from_queue, declare=config.declare),
        _end(target, config.to_queue, declare=config.declare),
        prefetch=config.prefetch,
        reconnect_delay=config.reconnect_delay,
        rules=rules,
    )


def _url(config: ShovelConfig, key: str, said: str, file: str) -> str:
    if file:
        try:
            said = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise ValueError(f"{key}_file: {file} cannot be read: {error}") from None
        if not said:
            raise ValueError(f"{key}_file: {file} is empty")
    if not said:
        return f"amqp:///{quote(config.vhost, safe='')}"
    if is_local(said):
        raise ValueError(f"{key} names no host; without {key} it is this broker")
    try:
        target = parse_url(said)
        if target.engine == "memory":
            raise ValueError("queues in memory are those of one program")
        check_target(target)
    except ValueError as error:
        raise ValueError(f"{key}: {str(error).replace(said, without_credentials(said))}") from None
    return said


def _end(url: str, queue: str, *, declare: bool) -> End:
    return End("local" if is_local(url) else "", (url,), queue, is_predeclared=not declare)
