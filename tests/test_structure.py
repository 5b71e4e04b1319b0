"""The structure that ARCHITECTURE.md promises: no circle of imports, no field written by strangers, layers."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent / "src"
PACKAGE = SOURCES / "batonmq"

# In `broker/`, an import goes only to what stands before.
LAYERS = (
    "patterns",
    "selectors",
    "model",
    "routing",
    "lanes",
    "features",
    "queues",
    "vhosts",
    "operations",
    "management",
)

Graph = dict[str, set[str]]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, ast.Module]:
    return {module_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def packages() -> frozenset[str]:
    return frozenset(module_of(path) for path in PACKAGE.rglob("__init__.py"))


@cache
def imports() -> Graph:
    """What each module imports of ours, wherever the import stands, for types alone as well."""
    known = modules()
    graph: Graph = {}
    for module, tree in known.items():
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                # Of a package either a module in it, or what its own file offers.
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in known else str(node.module) for name in names}
        graph[module] = {name for name in found if name in known and name != module}
    return graph


def circles(graph: Graph) -> list[list[str]]:
    """The groups in which each reaches each other (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            start = stack.index(node)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_no_circle_of_imports_among_files() -> None:
    assert not circles(imports())


@pytest.mark.parametrize("package", sorted(packages()))
def test_no_circle_of_imports_among_what_stands_in_a_package(package: str) -> None:
    """Each file and each package in it taken as one; the package's own file is one, too."""

    def place(module: str) -> str | None:
        if module == package:
            return "__init__"
        return module[len(package) + 1 :].split(".", maxsplit=1)[0] if module.startswith(f"{package}.") else None

    graph: Graph = defaultdict(set)
    for module, others in imports().items():
        here = place(module)
        if here is not None:
            graph[here] |= {there for other in others if (there := place(other)) not in (None, here)}
    assert not circles(graph)


def test_the_broker_has_layers() -> None:
    rank = {name: number for number, name in enumerate(LAYERS)}
    assert {path.parent.name for path in (PACKAGE / "broker").glob("*/__init__.py")} == set(LAYERS)
    wrong = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if module.startswith("batonmq.broker.") and other.startswith("batonmq.broker.")
        if rank[other.split(".")[2]] > rank[module.split(".")[2]]
    ]
    assert not wrong


# ---------------------------------------------------------------------- fields


def targets(node: ast.AST) -> list[ast.expr]:
    """What a statement assigns to, or deletes."""
    if isinstance(node, ast.Assign | ast.Delete):
        found = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        found = [node.target]
    else:
        return []
    return [part for target in found for part in (target.elts if isinstance(target, ast.Tuple) else [target])]


def is_own(target: ast.Attribute) -> bool:
    return isinstance(target.value, ast.Name) and target.value.id in ("self", "cls")


def fields(tree: ast.Module) -> set[str]:
    """The fields that the classes of a file have."""
    found: set[str] = set()
    for made in ast.walk(tree):
        if not isinstance(made, ast.ClassDef):
            continue
        for node in ast.walk(made):
            for target in targets(node):
                if isinstance(target, ast.Attribute) and is_own(target):
                    found.add(target.attr)
                elif isinstance(node, ast.AnnAssign) and isinstance(target, ast.Name):
                    found.add(target.id)
    return found


def foreign_writes() -> Iterator[str]:
    own = {module: fields(tree) for module, tree in modules().items()}
    # What no class of ours has belongs to somebody else's object, such as the parameters of a library.
    ours = set().union(*own.values())
    for module, tree in modules().items():
        for node in ast.walk(tree):
            for target in targets(node):
                if (
                    isinstance(target, ast.Attribute)
                    and not is_own(target)
                    and target.attr in ours
                    and target.attr not in own[module]
                ):
                    yield f"{module}:{target.lineno} writes {ast.unparse(target)}"


# Fields of other libraries' objects that have names as fields of ours.
OF_OTHERS = frozenset({"record.message", "parameters.heartbeat", "protocol.max_message_size"})


def test_a_field_is_written_only_where_its_class_stands() -> None:
    assert not [line for line in foreign_writes() if line.split()[-1] not in OF_OTHERS]


# ---------------------------------------------------------------------- what fields hold

CONTAINERS = ("list", "dict", "set", "deque", "defaultdict", "OrderedDict")
CHANGING = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popleft", "remove", "setdefault"}
)


def is_record(made: ast.ClassDef) -> bool:
    """A dataclass is filled by whoever makes it."""
    return any(ast.unparse(mark).startswith("dataclass") for mark in made.decorator_list)


def containers(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The fields of a file's classes that hold a list, a dict or the like; and those that hold anything else."""
    found: set[str] = set()
    others: set[str] = set()
    for made in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for node in ast.walk(made):
            for target in targets(node):
                if isinstance(target, ast.Attribute) and is_own(target):
                    held = ast.unparse(node.annotation).partition("[")[0] if isinstance(node, ast.AnnAssign) else ""
                    (found if held in CONTAINERS and not is_record(made) else others).add(target.attr)
    return found, others - found


def changed_by(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement or a call changes in place."""
    yield from (part.value for part in targets(node) if isinstance(part, ast.Subscript))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
        yield node.func.value


def foreign_changes() -> Iterator[str]:
    own = {module: containers(tree) for module, tree in modules().items()}
    # What is a list in one class, and something with verbs of its own in another, tells nothing.
    ours = set().union(*(found for found, _ in own.values())) - set().union(*(others for _, others in own.values()))

    def is_foreign(module: str, value: ast.expr) -> bool:
        return isinstance(value, ast.Attribute) and not is_own(value) and value.attr in ours - own[module][0]

    for module, tree in modules().items():
        for node in ast.walk(tree):
            for value in changed_by(node):
                if is_foreign(module, value):
                    yield f"{module} changes {ast.unparse(value)}"


def changes_of_parameters() -> Iterator[str]:
    """Here the annotation says whose field it is, so the same name may be something else in another class."""
    homes: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for module, tree in modules().items():
        for made in ast.walk(tree):
            if isinstance(made, ast.ClassDef):
                homes[made.name][module] = containers(ast.Module([made], []))[0]
    for module, tree in modules().items():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            kinds = {each.arg: each.annotation.id for each in given if isinstance(each.annotation, ast.Name)}
            for value in (value for node in ast.walk(function) for value in changed_by(node)):
                if not (isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name)):
                    continue
                homes_of_kind = homes.get(kinds.get(value.value.id, ""), {})
                imported = [home for home in homes_of_kind if home in imports()[module]]
                if module not in homes_of_kind and any(value.attr in homes_of_kind[home] for home in imported):
                    yield f"{module} changes {ast.unparse(value)}"


# Whoever fills what it alone has: the batch, at each message; and definitions, which are a record.
FILLING = (
    "batonmq.store.collecting changes collected.",
    "batonmq.store.collecting changes self._collected.",
    "batonmq.management.definitions.reading changes self._found.",
    "batonmq.management.definitions.checking changes self._found.",
)


def test_what_a_field_holds_is_changed_only_where_its_class_stands() -> None:
    found = [*foreign_changes(), *changes_of_parameters()]
    assert not [line for line in found if not line.startswith(FILLING)]
