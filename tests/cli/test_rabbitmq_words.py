"""The words of RabbitMQ's tools lead to the commands that do the same, and say which those are."""

from __future__ import annotations

import pytest
from proof.commands import runner
from tests.cli.conftest import Batonmq, Served

from batonmq.cli import main
from batonmq.cli.rabbitmq_words import WORDS


@pytest.mark.parametrize("word", WORDS)
def test_a_word_says_in_its_help_what_it_is_here(word: str) -> None:
    done = runner().invoke(main, [word, "--help"])
    assert done.exit_code == 0
    assert f"RabbitMQ's name for `batonmq {WORDS[word]}`" in " ".join(done.stdout.split())


def test_words_are_not_listed_among_the_commands() -> None:
    shown = runner().invoke(main, ["--help"]).stdout.split()
    assert not set(WORDS) & set(shown)


def test_a_word_does_what_the_command_does(served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", served.url, "send", "hello", "hi")
    assert batonmq("--url", served.url, "list_queues").stdout == batonmq("--url", served.url, "queues").stdout
    assert batonmq("purge_queue", "hello", "--url", served.url).stdout == "1 message dropped from hello\n"


def test_what_is_nobodys_word_is_refused() -> None:
    done = runner().invoke(main, ["list_elephants"])
    assert done.exit_code == 2
    assert "No such command" in done.stderr
