"""The layers of ARCHITECTURE.md: an import goes only downwards, and a protocol knows no other."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "batonmq"

# What stands beside the packages: anyone may import it, and it imports no package.
BESIDE = frozenset(
    {
        "batonmq",
        "message",
        "queued",
        "properties",
        "property_list",
        "fields",
        "field_decoding",
        "field_encoding",
        "errors",
        "clock",
        "json_text",
        "points",
        "purity",
        "version",
    },
)

# A package, and what of batonmq it may import besides itself and BESIDE.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "__main__": frozenset({"cli"}),
    "cli": frozenset({"contrib", "management", "shovels", "server", "api", "engines", "protocols", "broker", "store"}),
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
    "contrib": frozenset({"aio", "api", "engines"}),
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


def statements(tree: ast.AST, *, skip_types: bool) -> Iterator[ast.AST]:
    """Every statement below, and what holds some; without those of `if TYPE_CHECKING:`, where asked."""
    for node in ast.iter_child_nodes(tree):
        # No expression holds a statement.
        if isinstance(node, ast.expr):
            continue
        if skip_types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from statements(node, skip_types=skip_types)


@cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Every module that a file imports, wherever the import stands, with its line.

    What stands beside the packages may name the types of what holds it: those imports never run, and are not counted.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    found: list[tuple[str, int]] = []
    for node in statements(tree, skip_types=package_of(path) in BESIDE):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: a relative import hides which layer it reaches"
            module = node.module or ""
            found += [(module, node.lineno), *((f"{module}.{alias.name}", node.lineno) for alias in node.names)]
    return tuple(found)


@cache
def top(module: str) -> str | None:
    """The package of batonmq that a module belongs to; None for a module of others, and for batonmq itself."""
    parts = module.split(".")
    if parts[0] != "batonmq" or len(parts) == 1:
        return None
    inside = PACKAGE / parts[1]
    return parts[1] if inside.is_dir() or inside.with_suffix(".py").exists() else None


def wrong(paths: Iterable[Path], is_wrong: Callable[[Path, str], object]) -> list[str]:
    """Where one of these files imports what it may not, and what."""
    return [
        f"{name_of(path)}:{line}: {module}"
        for path in paths
        for module, line in imports(path)
        if is_wrong(path, module)
    ]


def test_every_package_has_a_place_in_the_layers() -> None:
    assert {package_of(path) for path in sources()} - BESIDE <= MAY_IMPORT.keys()


def test_an_import_goes_only_to_a_layer_below() -> None:
    def is_above(path: Path, module: str) -> bool:
        package = package_of(path)
        there = top(module) or package
        return there != package and there not in BESIDE | MAY_IMPORT.get(package, frozenset())

    assert not wrong(sources(), is_above)


def test_below_the_server_nothing_waits_and_only_a_store_speaks_sql() -> None:
    assert not wrong(
        sources(), lambda path, module: module.split(".")[0] in FORBIDDEN.get(package_of(path), frozenset())
    )


def test_a_protocol_knows_itself_and_what_all_share_and_that_knows_none() -> None:
    def is_anothers(path: Path, module: str) -> bool:
        own = path.relative_to(PACKAGE / "protocols").parts[0]
        return module.startswith("batonmq.protocols.") and module.split(".")[2] not in {own, SHARED}

    paths = sorted((PACKAGE / "protocols").glob("*/**/*.py"))
    assert paths
    assert not wrong(paths, is_anothers)


def test_an_engine_knows_of_a_protocol_only_its_bytes() -> None:
    def is_more(_path: Path, module: str) -> bool:
        return module.startswith("batonmq.protocols") and not EITHER_ROLE.intersection(module.split(".")[3:4])

    paths = sorted((PACKAGE / "engines").glob("**/*.py"))
    assert paths
    assert not wrong(paths, is_more)


def test_every_file_defers_its_annotations() -> None:
    late = [
        name_of(path)
        for path in sources()
        if path.read_text(encoding="utf-8").strip() and "from __future__ import annotations" not in path.read_text()
    ]
    assert not late
