"""Write what each engine can into docs/engines.md, from the capabilities that each states of itself.

python scripts/engines_table.py           write the table
python scripts/engines_table.py --check   exit status 1 when it is out of date
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from batonmq.engines import values
from batonmq.engines.amqp.engine import capabilities_of
from batonmq.engines.amqp.product import Product
from batonmq.engines.amqp10.products.artemis import ArtemisProduct
from batonmq.engines.amqp10.products.batonmq import BatonmqProduct
from batonmq.engines.amqp10.products.classic import ClassicProduct
from batonmq.engines.amqp10.products.desk import Announced, Desk, Terms
from batonmq.engines.amqp10.products.plain import PlainProduct
from batonmq.engines.amqp10.products.qpid import QpidProduct
from batonmq.engines.amqp10.products.rabbitmq import RabbitmqProduct
from batonmq.engines.embedded.capabilities import CAPABILITIES as EMBEDDED, IN_MEMORY
from batonmq.engines.kafka.engine import CAPABILITIES as KAFKA
from batonmq.engines.values import Capabilities

PAGE = Path(__file__).resolve().parent.parent / "docs" / "engines.md"
BEGIN, END = "<!-- made by scripts/engines_table.py -->\n", "<!-- end -->\n"


def desk(version: str = "", **options: str) -> Desk:
    """What a product is told of a broker before it asks."""
    told = SimpleNamespace(
        announced=Announced(version=version), terms=Terms(options=options), has_coordinator=True, call=None
    )
    return cast("Desk", told)


def known() -> Mapping[str, Capabilities]:
    """Each engine with its own words about itself, with all that a broker may offer."""
    jolokia = "http://localhost:8161/api/jolokia"
    classic = ClassicProduct(desk(jolokia=jolokia, offers="delay,priority"))
    found = {
        "file": EMBEDDED,
        "memory": IN_MEMORY,
        "BatonMQ `amqp:`": capabilities_of(Product("BatonMQ")),
        "BatonMQ `amqp10:`": BatonmqProduct(desk()).capabilities,
        "RabbitMQ 3.10 `amqp:`": capabilities_of(Product("RabbitMQ", (3, 10))),
        "RabbitMQ 4.3 `amqp:`": capabilities_of(Product("RabbitMQ", (4, 3))),
        "RabbitMQ 4.3 `amqp10:`": RabbitmqProduct(desk("4.3")).capabilities,
        "Artemis": ArtemisProduct(desk()).capabilities,
        "ActiveMQ Classic": classic.capabilities,
        "Qpid Broker-J `amqp10:`": QpidProduct(desk()).capabilities,
        "Kafka": KAFKA,
        "another broker `amqp10:`": PlainProduct(desk()).capabilities,
    }
    classic.close()
    return found


def words() -> dict[str, str]:
    """What each feature is, as the class says it."""
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(values)).body
        if isinstance(node, ast.ClassDef) and node.name == Capabilities.__name__
    )
    found: dict[str, str] = {}
    for name, said in pairwise(body):
        if isinstance(name, ast.AnnAssign) and isinstance(name.target, ast.Name) and isinstance(said, ast.Expr):
            found[name.target.id] = inspect.cleandoc(ast.literal_eval(said.value)).replace("``", "`")
    return found


def table() -> str:
    """A row for each feature, a column for each engine."""
    said, engines = words(), known()
    rows: list[Sequence[str]] = [("`capabilities`", "", *engines)]
    for field in fields(Capabilities):
        if field.type == "bool":
            marks = ["yes" if getattr(can, field.name) else "-" for can in engines.values()]
            rows.append((f"`{field.name}`", " ".join(said[field.name].split()), *marks))
    head, *lines = (f"| {' | '.join(row)} |\n" for row in rows)
    return f"{head}{'|---' * len(rows[0])}|\n{''.join(lines)}"


def page(text: str) -> str:
    """The page with the table of today."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> int:
    """Write, or compare."""
    text = PAGE.read_text(encoding="utf-8")
    wanted = page(text)
    if "--check" in sys.argv[1:]:
        if text != wanted:
            print(f"{PAGE.name} is out of date: run python scripts/engines_table.py", file=sys.stderr)
        return int(text != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
