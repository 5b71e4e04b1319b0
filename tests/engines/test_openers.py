"""Engines by scheme: our own, and those that other distributions bring."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import batonmq
from batonmq.engines.urls import ENGINES, parse_url

MODULE = """
from batonmq.engines.futures import Future, resolved
from batonmq.engines.interface import Engine
from batonmq.engines.values import Capabilities


class Nowhere(Engine):
    capabilities = Capabilities(engine="nowhere", durable=False)

    def __init__(self, url, ssl_context):
        self.opened = url, ssl_context

    @property
    def native(self):
        return self.opened

    def declare(self, queue, options):
        return resolved(None)

    def delete(self, queue):
        return resolved(None)

    def send(self, queue, messages):
        return resolved(None)

    def subscribe(self, queue, prefetch, lease=None):
        raise NotImplementedError

    def close(self):
        pass


def no_engine(url, ssl_context):
    return url
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs distributions with an engine each: its scheme and where it is."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "nowhere_engine.py").write_text(MODULE)
    (tmp_path / "broken_engine.py").write_text("import no_such_library_at_all")

    def install(name: str, scheme: str, value: str) -> None:
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[batonmq.engines]\n{scheme} = {value}\n")

    yield install
    sys.modules.pop("nowhere_engine", None)


def test_an_engine_of_another_distribution_is_opened_by_its_scheme(install: Install) -> None:
    install("nowhere", "nowhere", "nowhere_engine:Nowhere")
    with batonmq.connect("nowhere://host/x?y=z") as mq:
        mq.declare("orders")
        mq.send("orders", b"one")
        assert mq.capabilities.engine == "nowhere"
        assert mq.native == ("nowhere://host/x?y=z", None)


def test_it_gets_the_context_for_tls(install: Install) -> None:
    install("nowhere", "nowhere", "nowhere_engine:Nowhere")
    context = ssl.create_default_context()
    with batonmq.connect("nowhere://host", ssl_context=context) as mq:
        assert mq.native == ("nowhere://host", context)


def test_what_it_does_not_have_is_denied_by_name(install: Install) -> None:
    install("nowhere", "nowhere", "nowhere_engine:Nowhere")
    with batonmq.connect("nowhere://host") as mq:
        attempts: dict[str, Callable[[], object]] = {
            "count": lambda: mq.count("orders"),
            "peek": lambda: mq.peek("orders"),
            "purge": lambda: mq.purge("orders"),
            "replay": lambda: mq.replay("orders", "others", 1),
            "request": lambda: mq.request("orders", b""),
            "transactions": mq.transaction,
            "delay": lambda: mq.send("orders", b"", delay=1),
            "dead_letter": lambda: mq.declare("orders", dead_letter="dead"),
            "max_length": lambda: mq.declare("orders", max_length=1),
            "max_bytes": lambda: mq.declare("orders", max_bytes=1),
            "overflow": lambda: mq.declare("orders", overflow="refuse"),
            "expires": lambda: mq.declare("orders", expires=1),
            "single_consumer": lambda: mq.declare("orders", single_consumer=True),
            "lease": lambda: mq.receiver("orders", lease=1),
        }
        for feature, attempt in attempts.items():
            with pytest.raises(batonmq.UnsupportedFeature, match=f"^nowhere: {feature}"):
                attempt()


@pytest.mark.parametrize(("scheme", "engine"), [("amqp", "amqp"), ("artemis", "amqp10"), ("file", "file")])
def test_a_scheme_of_our_own_is_not_taken_over(install: Install, scheme: str, engine: str) -> None:
    install("nowhere", scheme, "nowhere_engine:Nowhere")
    assert parse_url(f"{scheme}://localhost/x").engine == engine
    if engine == "amqp":
        with pytest.raises(batonmq.ConnectionLost):
            batonmq.connect("amqp://127.0.0.1:1")


def test_two_engines_for_one_scheme_are_told_apart_by_nobody(install: Install) -> None:
    install("nowhere", "nowhere", "nowhere_engine:Nowhere")
    install("elsewhere", "nowhere", "nowhere_engine:no_engine")
    with pytest.raises(batonmq.UnsupportedFeature, match="more than one engine is installed for nowhere"):
        batonmq.connect("nowhere://host")


def test_an_engine_that_cannot_be_imported(install: Install) -> None:
    install("broken", "broken", "broken_engine:open")
    with pytest.raises(batonmq.UnsupportedFeature, match=r"broken: cannot be loaded \(broken_engine:open of broken\)"):
        batonmq.connect("broken://host")


def test_what_is_opened_must_be_an_engine(install: Install) -> None:
    install("nothing", "nothing", "nowhere_engine:no_engine")
    with pytest.raises(batonmq.UnsupportedFeature, match=r"nothing: is no Engine .* but a str"):
        batonmq.connect("nothing://host")


def test_an_unknown_scheme_lists_what_there_is(install: Install) -> None:
    install("nowhere", "nowhere", "nowhere_engine:Nowhere")
    with pytest.raises(ValueError, match="no engine for 'gopher'") as raised:
        batonmq.connect("gopher://host")
    for scheme in ("file", "memory", *ENGINES, "nowhere"):
        assert f"{scheme}:" in str(raised.value)


@pytest.mark.parametrize("url", ["memory:x", "orders.db"])
def test_a_context_for_tls_is_for_what_has_tls(url: str) -> None:
    with pytest.raises(ValueError, match="ssl_context is for brokers"):
        batonmq.connect(url, ssl_context=ssl.create_default_context())
