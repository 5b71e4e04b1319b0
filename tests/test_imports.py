"""The layers of ARCHITECTURE.md: an import goes only downwards, and a protocol knows no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "batonmq"

# What stands beside the packages: anyone may import it, and it imports no package.
BESIDE = frozenset({"batonmq", "message", "queued", "properties", "fields", "errors", "clock", "headers", "version"})

# A package, and what of batonmq it may import besides itself and BESIDE.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "__main__": frozenset({"cli"}),
    "cli": frozenset({"management", "shovels", "server", "api", "engines", "protocols", "broker", "store"}),
    "management": frozenset({"shovels", "server", "broker"}),
    "shovels": frozenset({"server", "api", "engines", "broker"}),
    "server": frozenset({"protocols", "broker", "store"}),
    "aio": frozenset({"api", "engines"}),
    "api": frozenset({"engines"}),
    "engines": frozenset({"protocols", "broker", "store"}),
    "protocols": frozenset({"broker"}),
    "broker": frozenset({"store"}),
    "store": frozenset(),
    "testing": frozenset(
        {"cli", "management", "shovels", "server", "aio", "api", "engines", "protocols", "broker", "store"},
    ),
    "contrib": frozenset({"api"}),
}

# Of the protocols: what all of them may know.
SHARED = "sessions"

# What of a protocol serves either role, so that an engine may speak it as a client.
EITHER_ROLE = frozenset({"codec", "messages", "conditions"})

# Nothing below the server waits, opens a socket, or asks the machine for the time; only a store speaks SQL.
WAITING = frozenset({"asyncio", "uvloop", "socket", "selectors", "ssl", "time", "threading"})
SQL = frozenset({"apsw", "sqlite3"})
FORBIDDEN: dict[str, frozenset[str]] = {
    "protocols": WAITING | SQL,
    "broker": WAITING | SQL,
    "server": SQL,
    "cli": SQL,
    "api": SQL,
    "management": SQL,
    "store": frozenset({"asyncio", "uvloop", "socket"}),
}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def package_of(path: Path) -> str:
    """The package below batonmq that a file belongs to: its folder, or its own name when it stands beside them."""
    first = path.relative_to(PACKAGE).parts[0]
    if first == "__init__.py":
        return "batonmq"
    return first.removesuffix(".py")


def nodes(tree: ast.AST, *, skip_types: bool) -> Iterator[ast.AST]:
    """Every node below; without those of `if TYPE_CHECKING:`, where asked."""
    for node in ast.iter_child_nodes(tree):
        if skip_types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from nodes(node, skip_types=skip_types)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, wherever the import stands, with its line.

    What stands beside the packages may name the types of what holds it: those imports never run, and are not counted.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in nodes(tree, skip_types=package_of(path) in BESIDE):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: a relative import hides which layer it reaches"
            module = node.module or ""
            yield module, node.lineno
            for alias in node.names:
                yield f"{module}.{alias.name}", node.lineno


def top(module: str) -> str | None:
    """The package of batonmq that a module belongs to; None for a module of others, and for batonmq itself."""
    parts = module.split(".")
    if parts[0] != "batonmq" or len(parts) == 1:
        return None
    inside = PACKAGE / parts[1]
    return parts[1] if inside.is_dir() or inside.with_suffix(".py").exists() else None


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_an_import_goes_only_to_a_layer_below(path: Path) -> None:
    package = package_of(path)
    allowed = BESIDE | MAY_IMPORT.get(package, frozenset()) | {package}
    assert package in BESIDE or package in MAY_IMPORT, f"{package} has no place in the layers yet: give it one here"
    wrong = [f"line {line}: {module}" for module, line in imports(path) if (top(module) or package) not in allowed]
    assert not wrong


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_below_the_server_nothing_waits_and_only_a_store_speaks_sql(path: Path) -> None:
    forbidden = FORBIDDEN.get(package_of(path), frozenset())
    wrong = [f"line {line}: {module}" for module, line in imports(path) if module.split(".")[0] in forbidden]
    assert not wrong


@pytest.mark.parametrize("path", sorted((PACKAGE / "protocols").glob("*/**/*.py")), ids=name_of)
def test_a_protocol_knows_itself_and_what_all_share_and_that_knows_none(path: Path) -> None:
    own = path.relative_to(PACKAGE / "protocols").parts[0]
    wrong = [
        f"line {line}: {module}"
        for module, line in imports(path)
        if module.startswith("batonmq.protocols.") and module.split(".")[2] not in {own, SHARED}
    ]
    assert not wrong


@pytest.mark.parametrize("path", sorted((PACKAGE / "engines").glob("**/*.py")), ids=name_of)
def test_an_engine_knows_of_a_protocol_only_its_bytes(path: Path) -> None:
    wrong = [
        f"line {line}: {module}"
        for module, line in imports(path)
        if module.startswith("batonmq.protocols") and not EITHER_ROLE.intersection(module.split(".")[3:4])
    ]
    assert not wrong


def test_every_file_defers_its_annotations() -> None:
    late = [
        name_of(path)
        for path in sources()
        if path.read_text(encoding="utf-8").strip() and "from __future__ import annotations" not in path.read_text()
    ]
    assert not late
