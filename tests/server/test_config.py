"""The configuration: every key is checked, and what is wrong is said with file, key and what is expected."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from batonmq.server.config import (
    AmqpConfig,
    Config,
    ListenerConfig,
    StompConfig,
    WebSocketConfig,
    configured_accounts,
)
from batonmq.server.config_file import load_config, parse_config
from batonmq.server.config_tables import must_be_free
from batonmq.server.failures import ConfigError
from batonmq.server.passwords import hash_password

EXAMPLE = Path(__file__).parents[2] / "examples" / "batonmq.toml"


def keys(value: object, prefix: str = "") -> set[str]:
    """The names of all keys in a struct or a parsed TOML text, without positions in arrays."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        return {f"{prefix}{key}" for key in value} | {
            found for key, inner in value.items() for found in keys(inner, f"{prefix}{key}.")
        }
    if isinstance(value, list | tuple):
        return {found for inner in value for found in keys(inner, prefix)}
    return set()


def test_no_file_means_the_defaults() -> None:
    assert parse_config("", "x") == Config()
    assert Config().listener == (ListenerConfig(host="127.0.0.1", port=5672),)
    assert Config().vhosts == ["/"]


def test_the_example_explains_every_key_and_is_valid() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    commented = "\n".join(line.removeprefix("#: ") for line in text.splitlines())
    complete = parse_config(commented, "complete")
    assert keys(complete) == keys(tomllib.loads(commented)), "a key of the configuration is not explained"
    assert load_config(EXAMPLE) == Config(), "what is not commented out are the defaults"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nfoo=1", "b.toml: server: unknown key 'foo'"),
        ("blah=1", "b.toml: unknown key 'blah'"),
        ("[amqp]\nheartbeat='x'", "b.toml: amqp.heartbeat: expected 'int', got 'str'"),
        ("[amqp]\nframe_max=1", "b.toml: amqp.frame_max: expected 'int' >= 4096"),
        ("[amqp]\nmax_message_size=1_000_000_000", "b.toml: amqp.max_message_size: expected 'int' <= 536870912"),
        ("[management]\nmax_body_size=1_000_000_000", "b.toml: management.max_body_size: expected 'int' <= 536870912"),
        ("[[listener]]\nport=70000", "b.toml: listener[0].port: expected 'int' <= 65535"),
        ("[amqp10]\nmax_frame_size=511", "b.toml: amqp10.max_frame_size: expected 'int' >= 512"),
        (
            "[amqp10]\ndialect='x'",
            "b.toml: amqp10: dialect: expected one of spec, rabbitmq, activemq, artemis, got 'x'",
        ),
        ("[amqp10]\ndefault_vhost='x'", "b.toml: amqp10.default_vhost: there is no [[vhost]] 'x'"),
        ("[stomp]\nport=70000", "b.toml: stomp.port: expected 'int' <= 65535"),
        ("[stomp]\ndialect='x'", "b.toml: stomp: dialect: expected one of spec, rabbitmq, activemq, artemis, got 'x'"),
        (
            "[websocket]\ndialect='x'",
            "b.toml: websocket: dialect: expected one of spec, rabbitmq, activemq, artemis, got 'x'",
        ),
        (
            "[[listener]]\ndialect='x'",
            "b.toml: listener[0]: dialect: expected one of spec, rabbitmq, activemq, artemis, got 'x'",
        ),
        ("[stomp]\ndefault_vhost='x'", "b.toml: stomp.default_vhost: there is no [[vhost]] 'x'"),
        ("[stomp]\nport='on'", "b.toml: stomp.port: expected 'int' or 'off', got 'on'"),
        ("[websocket]\npath='ws'", "b.toml: websocket: path: expected one that begins with /, as /ws, got 'ws'"),
        ("listener=[]", "b.toml: listener: expected at least one"),
        ("listener=3", "b.toml: listener: expected 'array', got 'int'"),
        ("server=3", "b.toml: server: expected 'table', got 'int'"),
        ("[server]\nguest=1", "b.toml: server.guest: expected 'bool', got 'int'"),
        (
            "[server]\nlog_level='loud'",
            "b.toml: server: log_level: expected one of debug, info, warning, error, got 'loud'",
        ),
        ("[[user]]\nname='a'", "b.toml: user[0]: user 'a': expected either password or password_hash"),
        ("[[user]]\npassword='x'", "b.toml: user[0]: missing key 'name'"),
        (
            "[[user]]\nname='a'\npassword='x'\n[[user]]\nname='a'\npassword='y'",
            "b.toml: user: 'a' is there twice",
        ),
        (
            "[[user]]\nname='a'\npassword_hash='x'",
            "b.toml: user[0]: expected a password hash, scrypt$n$r$p$salt$hash, as 'batonmq users hash' prints it",
        ),
        (
            "[[user]]\nname='a'\npassword='x'\n[[user.permission]]\nread='*'",
            "b.toml: user[0].permission[0]: read: '*' is not a regular expression: nothing to repeat at position 0",
        ),
        ("[[listener]]\nbacklog=2147483648", "b.toml: listener[0].backlog: expected 'int' <= 2147483647"),
        (f"[limits]\nconnections={2**63}", "b.toml: limits.connections: expected 'int' <= 9223372036854775807"),
        (f"[limits]\nmemory={2**63}", "b.toml: limits.memory: expected 'int' <= 9223372036854775807"),
        (
            "[[shovel]]\nname='a'\nfrom_queue='a'\nto_queue='b'\nrate=inf",
            "b.toml: shovel[0].rate: expected 'float' <= 1000000000000.0",
        ),
        (
            f"[[policy]]\nname='a'\npattern=''\ndefinition={{max-length={2**80}}}",
            f"b.toml: policy[0]: {2**80} is out of the range of type long",
        ),
        ("x=", "b.toml: not TOML: Invalid value (at end of document)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "b.toml")
    assert str(caught.value) == expected


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "{b = " * 5000])
def test_what_is_nested_without_end_is_said_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="there: not TOML of ours: nested too deep"):
        parse_config(text, "there")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read: No such file or directory"):
        load_config(tmp_path / "nothing.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.toml: not a text in UTF-8"):
        load_config(binary)


def test_flags_count_more_than_the_file() -> None:
    config = parse_config("[server]\ndata='a'\n[[listener]]\nhost='::1'\nport=1\n[[listener]]\nport=2", "x")
    assert config.with_flags() == config
    changed = config.with_flags(data="b", port=7, log_level="debug")
    assert (changed.server.data, changed.server.log_level) == ("b", "debug")
    assert changed.listener == (ListenerConfig(host="::1", port=7),)
    assert changed.amqp == AmqpConfig()
    assert changed.stomp == StompConfig()
    assert changed.websocket == WebSocketConfig()


def test_a_port_of_a_flag_is_one_that_the_broker_must_have() -> None:
    config = parse_config("[stomp]\nport='off'\n[websocket]\npath='/mq'", "x")
    changed = config.with_flags(stomp_port=61613, websocket_port="off")
    assert changed.stomp == StompConfig(port=61613)
    assert must_be_free(changed.stomp.port, 61613, required=False)
    # The one with TLS is not what was asked for.
    assert not must_be_free(changed.stomp.tls_port, 61614, required=False)
    assert changed.websocket == WebSocketConfig(port="off", tls_port="off", path="/mq")
    # The address is meant for all that listens, and asks for no port.
    everywhere = Config().with_flags(host="*")
    assert everywhere.listener == (ListenerConfig(host="*"),)
    assert everywhere.stomp == StompConfig(host="*")
    assert everywhere.websocket == WebSocketConfig(host="*")


def test_off_as_a_flag_is_off_with_tls_too() -> None:
    config = parse_config("[stomp]\ntls_port=7\n[tls]\ncertificate='broker.pem'", "x")
    changed = config.with_flags(stomp_port="off", websocket_port="off", management_port="off")
    for table in (changed.stomp, changed.websocket, changed.management):
        assert (table.port, table.tls_port) == ("off", "off")
    # In a file each key is for itself: this is how a broker listens with TLS only.
    assert parse_config("[stomp]\nport='off'", "x").stomp.tls_port == 61614


def test_users_and_virtual_hosts_are_taken_over() -> None:
    stored = hash_password("secret")
    text = f"""
        [[vhost]]
        name = "shop"
        [[user]]
        name = "ann"
        password_hash = "{stored}"
        tags = ["administrator"]
        [[user.permission]]
        vhost = "shop"
        read = "^orders$"
    """
    config = parse_config(text, "x")
    assert config.vhosts == ["/", "shop"]
    ann = configured_accounts(config)["ann"]
    assert ann.password_hash == stored
    assert ann.user.tags == {"administrator"}
    assert ann.user.permissions["shop"].read == "^orders$"
    assert ann.user.permissions["shop"].write == ""


def test_policies_are_checked_when_they_are_read() -> None:
    text = '[[policy]]\nname = "p"\npattern = "^a"\npriority = 3\ndefinition = { max-length = 5 }\n'
    (policy,) = parse_config(text, "x").policy
    assert (policy.vhost, policy.apply_to, policy.policy.fixed) == ("/", "all", True)
    for wrong, expected in (
        ('pattern = "("', "no regular expression"),
        ('pattern = "a"\nvhost = "shop"', "there is no [[vhost]] 'shop'"),
        ('pattern = "a"\napply_to = "topics"', "apply-to is one of"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse_config(f'[[policy]]\nname = "p"\ndefinition = {{ max-length = 5 }}\n{wrong}\n', "x")
        assert expected in str(caught.value)
