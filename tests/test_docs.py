"""The documentation says what is so: its links lead somewhere, its code compiles and runs, its tables are complete."""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import click
import msgspec
import pytest

import batonmq
from batonmq.broker.model.arguments import ARGUMENTS, IN_POLICIES, STREAM_CONSUMERS
from batonmq.broker.model.counters import Counters
from batonmq.broker.routing.exchanges import EXCHANGE_TYPES
from batonmq.cli import main
from batonmq.protocols.amqp091.constants import REPLY_NAMES
from batonmq.protocols.amqp091.failures import HARD
from batonmq.protocols.sessions.counts import MessageCounts
from batonmq.server import config
from batonmq.server.config_file import parse_config
from batonmq.testing import RunningServer
from tests.support.commands import run
from tests.support.markdown import ROOT, Block, anchors, blocks, links, pages, prose, spans

DOCS = ROOT / "docs"
PYTHON = [block for page in pages() for block in blocks(page, "python")]
# The broker's address, as URLs, C and Python have it; its port of AMQP takes STOMP too.
ADDRESS = re.compile(r"(127\.0\.0\.1(?::|\", ))(?:5672|61613)\b")
NODE = ROOT / "tests" / "interop" / "node" / "node_modules"


# ---------------------------------------------------------------------- pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), f"{link}: neither within the project nor https"
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), f"{link} leads out of the project"
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link}: {target.name} has no such heading"


def test_the_index_names_every_page_of_the_documentation() -> None:
    there = {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    linked = {link for link in links(DOCS / "README.md") if "/" not in link}
    assert linked == there


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_no_page_names_a_folder_of_somebodys_machine(page: Path) -> None:
    assert not re.findall(r"(?<![\w.])/(?:home|root|tmp|work|Users)/\S*", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_has_one_title(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert text.startswith("# ")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_rows_of_a_table_have_the_cells_of_its_head(page: Path) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", prose(page), re.MULTILINE):
        cells = [len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()]
        assert len(set(cells)) == 1, table
        assert re.fullmatch(r"[|:-]+", table.splitlines()[1]), "the second row of a table is the line below its head"


def test_the_page_for_contributors_has_every_task() -> None:
    tasks = re.findall(r"^([\w-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    rows = re.findall(r"^\| `make ([\w-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(set(tasks) - {"help"})


# ---------------------------------------------------------------------- code


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_every_block_of_python_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


# What a distribution of somebody else's says of itself is no configuration of the broker.
CONFIGURATIONS = [b for page in pages() for b in blocks(page, "toml") if not b.text.startswith("[project")]


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=str)
def test_every_block_of_toml_is_a_configuration(block: Block) -> None:
    parse_config(block.text, str(block))


@pytest.mark.parametrize("block", [b for page in pages() for b in blocks(page) if b.mark.startswith("run")], ids=str)
def test_a_block_that_is_marked_so_runs_and_prints_what_is_said(block: Block, tmp_path: Path) -> None:
    program = tmp_path / f"example.{block.language}"
    with contextlib.ExitStack() as running:
        text = block.text
        if ADDRESS.search(text):
            port = running.enter_context(RunningServer(tmp_path / "broker")).port
            text = ADDRESS.sub(rf"\g<1>{port}", text)
        program.write_text(text, encoding="utf-8")
        done = run(*HOW_TO_RUN[block.language](program), folder=tmp_path, NODE_PATH=str(NODE))
    said = re.fullmatch(r"run(?:: prints (.*))?", block.mark)
    assert said is not None, f"expected `run` or `run: prints ...`, got {block.mark!r}"
    assert done == f"{said[1]}\n" if said[1] else done == ""


def as_python(program: Path) -> list[str]:
    if "from proton" in program.read_text(encoding="utf-8"):
        pytest.importorskip("proton", reason="python-qpid-proton is not installed: `make clients` builds it")
    return [sys.executable, str(program)]


def as_node(program: Path) -> list[str]:
    node = shutil.which("node")
    if node is None or not NODE.exists():
        pytest.skip("node is missing, or `npm ci` was not run in tests/interop/node")
    return [node, str(program)]


def as_c(program: Path) -> list[str]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    known = subprocess.run([compiler, "-E", "-"], input=b"#include <amqp.h>\n", capture_output=True, check=False)
    if known.returncode:
        pytest.skip("rabbitmq-c's headers are not installed")
    built = program.with_suffix("")
    run(compiler, "-Wall", "-Werror", "-o", str(built), str(program), "-lrabbitmq", folder=program.parent)
    return [str(built)]


HOW_TO_RUN: dict[str, Callable[[Path], list[str]]] = {"python": as_python, "js": as_node, "c": as_c}


def typed(word: str, folder: Path) -> None:
    """Type the block of `running.md` that has this in it, but for the broker that runs until it is stopped."""
    (text,) = [block.text for block in blocks(DOCS / "running.md", "sh") if word in block.text]
    commands = text.replace("batonmq serve --data data\n", "").replace(
        "batonmq ", f"{shlex.quote(sys.executable)} -m batonmq "
    )
    run("sh", "-e", "-c", commands, folder=folder)


def test_a_backup_of_a_running_broker_has_what_was_confirmed(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, batonmq.connect(server.url) as mq:
        mq.declare("orders")
        mq.send_many("orders", [b"17"] * 100)
        typed("batonmq backup data", tmp_path)
        mq.send("orders", b"too late for the backup")
    typed("cp -a backup-monday data", tmp_path)
    with RunningServer(tmp_path / "data") as server, batonmq.connect(server.url) as mq:
        assert mq.count("orders") == 100


def test_a_damaged_broker_serves_what_was_saved(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, batonmq.connect(server.url) as mq:
        mq.declare("orders")
        mq.send_many("orders", [b"17"] * 100)
    with (tmp_path / "data" / "batonmq.db").open("r+b") as file:
        file.write(bytes(8192))
    typed("batonmq repair data", tmp_path)
    with RunningServer(tmp_path / "data") as server, batonmq.connect(server.url) as mq:
        assert mq.count("orders") == 100


@pytest.mark.parametrize("block", [b for page in pages() for b in blocks(page, "sh")], ids=str)
def test_every_command_of_ours_has_the_options_that_are_said(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.json").touch()
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        # A # within a word begins no comment, as in a shell.
        words = shlex.split(re.sub(r"^.* \| | [<>] .*$|(^|\s)#.*$", "", line))
        if words and words[0] == "batonmq":
            parse(main, words[1:])


def parse(command: click.Command, words: list[str]) -> None:
    """Read a command line without doing anything. Raises click.UsageError."""
    words = list(words)
    while isinstance(command, click.Group):
        options = {name for option in command.params for name in option.opts if isinstance(option, click.Option)}
        while words and words[0].split("=")[0] in options:
            flag = words.pop(0)
            option = next(one for one in command.params if flag.split("=")[0] in one.opts)
            if "=" not in flag and not getattr(option, "is_flag", False):
                words.pop(0)
        if not words or words[0].startswith("-"):
            assert command.invoke_without_command or not words or words[0] in ("--version", "--help", "-h"), words
            return
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        assert not found.hidden, f"{words[0]!r} is a word of RabbitMQ's"
        command = found
        words.pop(0)
    with click.Context(command, resilient_parsing=False) as context:
        command.parse_args(context, words)


# ---------------------------------------------------------------------- tables

STRUCTS: dict[str, type[msgspec.Struct]] = {
    "[server]": config.ServerConfig,
    "[[listener]]": config.ListenerConfig,
    "[tls]": config.TlsConfig,
    "[amqp]": config.AmqpConfig,
    "[amqp10]": config.Amqp10Config,
    "[stomp]": config.StompConfig,
    "[websocket]": config.WebSocketConfig,
    "[management]": config.ManagementConfig,
    "[prometheus]": config.PrometheusConfig,
    "[limits]": config.LimitsConfig,
    "[[vhost]]": config.VhostConfig,
    "[[policy]]": config.PolicyConfig,
    "[[user]]": config.UserConfig,
    "[[user.permission]]": config.PermissionConfig,
    "[[shovel]]": config.ShovelConfig,
}


def documented_keys() -> dict[str, dict[str, str]]:
    """Section: key: default, as docs/configuration.md has them."""
    found: dict[str, dict[str, str]] = {}
    for part in (DOCS / "configuration.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        title = part.partition("\n")[0].strip("`")
        if title.startswith("["):
            rows = re.findall(r"^\| `(\w+)` \|(.*?)\|", part, re.MULTILINE)
            found[title] = {key: default.strip("` ") for key, default in rows}
    return found


def test_the_configuration_page_has_every_section() -> None:
    fields = {field.name for field in msgspec.structs.fields(config.Config)}
    assert {re.sub(r"\W*(\w+).*", r"\1", title) for title in documented_keys()} == fields
    assert set(documented_keys()) == set(STRUCTS)


@pytest.mark.parametrize("section", STRUCTS)
def test_the_configuration_page_has_every_key_with_its_default(section: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(STRUCTS[section])}
    nested = {"permission"} if section == "[[user]]" else set()
    documented = documented_keys()[section]
    assert set(documented) == set(fields) - nested
    for key, said in documented.items():
        default = fields[key].default
        if default is msgspec.NODEFAULT:
            assert said == "", f"{section} {key}: it has no default"
        else:
            read = tomllib.loads(f"value = {said}")["value"]
            assert (type(read), read) == (type(default), default) or (read, default) == ([], ()), f"{section} {key}"


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """The full names of a command and all below it."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            below = command.get_command(context, part)
            assert below is not None
            yield from commands(below, f"{name} {part}")


def test_the_command_line_page_has_every_command_and_option() -> None:
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    said = set(spans(text))
    for name, command in commands(main, "batonmq"):
        if name != "batonmq":
            short = name.removeprefix("batonmq ")
            assert any(span.split(" [")[0].split(" <")[0].startswith(short) for span in said), f"{name} is not there"
        for option in command.params:
            if isinstance(option, click.Option):
                assert any(flag in text for flag in option.opts), f"{name} {option.opts} is not there"


def test_no_command_of_the_command_line_page_is_made_up() -> None:
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    known = {flag for _, command in commands(main, "batonmq") for option in command.params for flag in option.opts}
    assert {flag for span in spans(text) for flag in re.findall(r"(?<!\S)--[a-z][a-z-]+", span)} <= known | {"--help"}


def test_the_page_of_amqp_has_every_argument_of_a_queue_and_every_type_of_exchange() -> None:
    said = set(spans((DOCS / "amqp-0-9-1.md").read_text(encoding="utf-8")))
    assert {*ARGUMENTS, *EXCHANGE_TYPES} <= said
    assert {argument for argument in said if argument.startswith("x-")} <= {
        *ARGUMENTS,
        *EXCHANGE_TYPES,
        *STREAM_CONSUMERS,
        *("x-match", "x-death", "x-delay", "x-priority", "x-delivery-count", "x-cancel-on-ha-failover"),
        # Types of exchanges that RabbitMQ has and we have not.
        *("x-random", "x-recent-history", "x-jms-topic"),
    }


def test_the_page_of_policies_has_every_argument_that_a_policy_may_set() -> None:
    text = (DOCS / "policies.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| queues \|(.*)\|$", text, re.MULTILINE)
    assert set(spans(row)) == {name.removeprefix("x-") for name in IN_POLICIES}
    (lower,) = re.findall(r"in RabbitMQ: of (.*?) the lower value counts", text, re.DOTALL)
    assert set(spans(lower)) == {name.removeprefix("x-") for name, of in ARGUMENTS.items() if of.lower_counts}


def test_the_page_of_queue_operations_has_every_counter() -> None:
    text = (DOCS / "queue-operations.md").read_text(encoding="utf-8")
    of_queues, of_connections = (
        set(re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], re.MULTILINE))
        for table in text.split("| counter | messages |")[1:]
    )
    assert of_queues == {field.name for field in fields(Counters)}
    assert of_connections == set(MessageCounts().listed())


def test_the_page_of_amqp_has_every_error() -> None:
    text = (DOCS / "amqp-0-9-1.md").read_text(encoding="utf-8")
    table: dict[int, str] = {}
    for codes, ends in re.findall(r"^\| (\d{3} [A-Z][^|]*) \|[^|]*\| the (\w+) \|$", text, re.MULTILINE):
        for code, name in re.findall(r"(\d{3}) ([A-Z_]+)", codes):
            table[int(code)] = ends
            assert REPLY_NAMES[int(code)] == name
    assert {code for code, ends in table.items() if ends == "connection"} <= HARD
    assert {code for code, ends in table.items() if ends == "channel"} == {403, 404, 405, 406, 506}
