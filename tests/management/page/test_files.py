"""The files of the web page: how they are served, what is in them, and that they are installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from tests.support.managed import Http, ManagedServer
from tests.support.markdown import ROOT

from batonmq.management.page.files import FOLDER, POLICY, page_routes

FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]


def relative(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


@pytest.fixture
def nobody(managed: ManagedServer) -> Http:
    return managed.http(user=None)


def links(page: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', page)


# ---------------------------------------------------------------------- how they are served


def test_the_page_needs_no_log_in_and_is_asked_for_again_each_time(nobody: Http) -> None:
    answer = nobody("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    known = nobody("GET", "/", headers={"if-none-match": answer.headers["etag"]})
    assert (known.status, known.body) == (304, b"")
    assert nobody("GET", "/", headers={"if-none-match": f'"other", W/{answer.headers["etag"]}'}).status == 304
    assert nobody("GET", "/", headers={"if-none-match": '"other"'}).status == 200


def test_every_file_that_the_page_names_is_there_and_may_be_kept(nobody: Http) -> None:
    page = nobody("GET", "/").body.decode()
    named = links(page)
    assert len(named) > len(SCRIPTS)
    for link in named:
        assert re.match(r"static/[0-9a-f]+/", link), link
        answer = nobody("GET", f"/{link}")
        assert answer.status == 200, link
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].startswith(("text/css", "text/javascript", "image/svg+xml"))


def test_every_answer_says_what_a_browser_may_do_with_it(nobody: Http) -> None:
    page = nobody("GET", "/")
    for answer in (page, nobody("GET", f"/{links(page.body.decode())[0]}")):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
    assert "unsafe" not in POLICY


@pytest.mark.parametrize(
    "path",
    ["/static", "/static/", "/static/x/js/main.js", "/static/../files.py", "/static/%2e%2e/files.py", "/js/main.js"],
)
def test_nothing_else_is_served(nobody: Http, path: str) -> None:
    assert nobody("GET", path).status == 404


def test_a_file_of_another_version_is_not_there(nobody: Http) -> None:
    link = next(link for link in links(nobody("GET", "/").body.decode()) if link.endswith("main.js"))
    version = link.split("/")[1]
    assert nobody("GET", f"/{link}").status == 200
    assert nobody("GET", "/" + link.replace(version, version[::-1])).status == 404


def test_the_page_is_changed_by_nobody(nobody: Http) -> None:
    answer = nobody("POST", "/", b"{}")
    assert answer.status == 405
    assert nobody("HEAD", "/").status == 200


def test_the_routes_are_the_same_below_a_prefix() -> None:
    assert [route.path for route in page_routes("/broker")] == [route.path for route in page_routes("")]


# ---------------------------------------------------------------------- what is in them


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_no_script_reads_data_as_html_or_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    dangerous = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setHTML|srcdoc"
    assert not re.findall(dangerous, text)
    assert "globalThis." not in text
    assert "window." not in text


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_file_names_another_host_or_has_more_than_300_lines(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"']*", text)) <= {"http://www.w3.org/2000/svg"}
    assert len(text.splitlines()) <= 300
    assert max(map(len, text.splitlines())) <= 200


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_every_import_leads_to_a_file_and_a_name_in_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for names, source in re.findall(r'import \{([^}]*)\} from "([^"]+)"', text):
        there = (path.parent / source).resolve()
        assert there in FILES, source
        exported = re.findall(r"export (?:async )?(?:function|const|class) (\w+)", there.read_text(encoding="utf-8"))
        wanted = {name.strip() for name in names.split(",") if name.strip()}
        assert wanted <= set(exported), f"{source} has no {wanted - set(exported)}"
        for name in wanted:
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is not used"


# ---------------------------------------------------------------------- that they are installed


def test_the_wheel_holds_every_file() -> None:
    builder = WheelBuilder(str(ROOT))
    packed = {file.distribution_path for file in builder.recurse_included_files()}
    assert {f"batonmq/management/page/{FOLDER.name}/{relative(path)}" for path in FILES} <= packed
