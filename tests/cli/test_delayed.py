"""batonmq delayed: what waits is listed, cancelled and delivered, at a broker and in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Batonmq, Served

import batonmq as api


@pytest.fixture(params=["broker", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a queue `mails` in which three messages wait."""
    url = request.getfixturevalue("served").url if request.param == "broker" else str(tmp_path / "orders.db")
    with api.connect(url) as mq:
        mq.declare("mails")
        for number in (1, 2, 3):
            mq.send("mails", f"mail {number}".encode(), delay=number * 600)
    return str(url)


def test_what_waits_is_listed_cancelled_and_delivered(batonmq: Batonmq, place: str) -> None:
    listed = batonmq("--url", place, "delayed", "mails").stdout.splitlines()
    assert listed[0].split() == ["ID", "DUE", "WHY", "MESSAGE"]
    assert [line.rpartition("delay")[2].strip() for line in listed[1:]] == ["mail 1", "mail 2", "mail 3"]
    first, second = (line.split()[0] for line in listed[1:3])
    assert batonmq("--url", place, "delayed", "mails", "--cancel", first).stdout == f"{first} is cancelled\n"
    assert batonmq("--url", place, "delayed", "mails", "--deliver", second).returncode == 0
    assert batonmq("--url", place, "receive", "mails").stdout == "mail 2\n"
    rest = json.loads(batonmq("--url", place, "delayed", "mails", "--json").stdout)
    assert ([one["body"] for one in rest["messages"]], rest["total"], rest["next"]) == (["mail 3"], 1, None)
    again = batonmq("--url", place, "delayed", "mails", "--cancel", first)
    assert (again.returncode, again.stdout) == (1, "")
    assert f"no delayed message '{first}' in queue 'mails'" in again.stderr


def test_a_long_list_goes_on_where_it_has_said(served: Served, batonmq: Batonmq) -> None:
    with api.connect(served.url) as mq:
        mq.declare("mails")
        for number in range(3):
            mq.send("mails", f"mail {number}".encode(), delay=600 + number)
    some = batonmq("--url", served.url, "delayed", "mails", "-n", "2").stdout.splitlines()
    after = some[-1].removeprefix("there is more: --after ")
    rest = batonmq("--url", served.url, "delayed", "mails", "--after", after).stdout
    assert rest.rstrip().endswith("mail 2")
    assert batonmq("--url", served.url, "delayed", "mails", "--schedules").stdout == "nothing waits in mails\n"


def test_what_cannot_be_meant_is_said_so(served: Served, batonmq: Batonmq) -> None:
    both = batonmq("--url", served.url, "delayed", "mails", "--cancel", "1", "--deliver", "2")
    assert (both.returncode, "either --cancel or --deliver" in both.stderr) == (2, True)
    missing = batonmq("--url", served.url, "delayed", "nowhere")
    assert (missing.returncode, "no queue 'nowhere'" in missing.stderr) == (1, True)
