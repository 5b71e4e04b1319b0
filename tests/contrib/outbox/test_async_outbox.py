"""An asynchronous application's messages are sent if, and only if, the rows that they were written with are."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

import batonmq
from batonmq import aio
from batonmq.contrib.outbox import TABLE, aio as by_hand, create_table

aiosqlite = pytest.importorskip("aiosqlite")
asyncpg = pytest.importorskip("asyncpg")


class Shop(ABC):
    """An application with a table of orders. `connection` is what it has from its library."""

    relays = True

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self.connection = connection

    async def set_up(self) -> None:
        for table in ("orders", TABLE):
            await self.write(f"DROP TABLE IF EXISTS {table}")
        await self.write("CREATE TABLE orders (number INTEGER)")
        await self.commit()
        await by_hand.create_table(self.connection)

    @abstractmethod
    async def write(self, statement: str) -> list[Any]:
        """In the transaction that is open, or begins one as its library does."""

    @abstractmethod
    def begin(self) -> AbstractAsyncContextManager[object]:
        """A transaction of the application's own."""

    async def commit(self) -> None:
        await self.connection.commit()

    async def order(self, number: int) -> None:
        await self.write(f"INSERT INTO orders (number) VALUES ({number})")

    async def numbers(self, table: str = "orders", column: str = "number") -> list[object]:
        found = [row[0] for row in await self.write(f"SELECT {column} FROM {table} ORDER BY 1")]
        await self.commit()
        return found


class AlchemyShop(Shop):
    async def write(self, statement: str) -> list[Any]:
        result = await self.connection.execute(text(statement))
        return list(result) if result.returns_rows else []

    def begin(self) -> AbstractAsyncContextManager[object]:
        made: AbstractAsyncContextManager[object] = self.connection.begin()
        return made


class PsycopgShop(Shop):
    async def write(self, statement: str) -> list[Any]:
        cursor = await self.connection.execute(statement.encode())
        return list(await cursor.fetchall()) if cursor.description else []

    def begin(self) -> AbstractAsyncContextManager[object]:
        made: AbstractAsyncContextManager[object] = self.connection.transaction()
        return made


class AiosqliteShop(Shop):
    async def write(self, statement: str) -> list[Any]:
        return list(await self.connection.execute_fetchall(statement))

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[object]:
        await self.connection.execute("BEGIN")
        try:
            yield self.connection
        except BaseException:
            await self.connection.rollback()
            raise
        await self.connection.commit()


class AsyncpgShop(Shop):
    relays = False

    async def write(self, statement: str) -> list[Any]:
        return list(await self.connection.fetch(statement))

    def begin(self) -> AbstractAsyncContextManager[object]:
        made: AbstractAsyncContextManager[object] = self.connection.transaction()
        return made

    async def commit(self) -> None:
        """Each statement was committed by itself."""


KINDS = (
    *("aiosqlite", "session-aiosqlite", "connection-aiosqlite"),
    *("asyncpg", "session-asyncpg", "psycopg", "session-psycopg", "connection-psycopg"),
)


@contextlib.asynccontextmanager
async def shop_of(kind: str, url: str, file: Path) -> AsyncIterator[Shop]:
    owner, _, driver = kind.partition("-")
    async with contextlib.AsyncExitStack() as stack:
        shop: Shop
        if driver:
            at = f"sqlite+aiosqlite:///{file}" if driver == "aiosqlite" else url.replace(":", f"+{driver}:", 1)
            engine = create_async_engine(at)
            stack.push_async_callback(engine.dispose)
            kept = AsyncSession(engine) if owner == "session" else AsyncConnection(engine)
            shop = AlchemyShop(await stack.enter_async_context(kept))
        elif kind == "aiosqlite":
            shop = AiosqliteShop(await stack.enter_async_context(aiosqlite.connect(file)))
        elif kind == "psycopg":
            shop = PsycopgShop(await psycopg.AsyncConnection.connect(url))
            stack.push_async_callback(shop.connection.close)
        else:
            shop = AsyncpgShop(await asyncpg.connect(url))
            stack.push_async_callback(shop.connection.close)
        await shop.set_up()
        yield shop


Test = Callable[[Shop, aio.Connection], Awaitable[None]]


@pytest.fixture(params=KINDS)
def with_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Test], None]:
    kind: str = request.param
    url = "" if "sqlite" in kind else request.getfixturevalue("shop_url")

    async def done(test: Test) -> None:
        async with shop_of(kind, url, tmp_path / "shop.db") as shop, aio.connect("memory:") as mq:
            await mq.declare("orders", deduplication=3600)
            await test(shop, mq)

    return lambda test: asyncio.run(done(test))


async def received(mq: aio.Connection, shop: Shop) -> bytes:
    if not shop.relays:
        assert await by_hand.relay_now(mq, shop.connection) == 1
    async with mq.receiver("orders") as receiver:
        (delivery,) = await receiver.receive(wait=30)
        await delivery.accept()
    return delivery.body


def test_the_block_commits_rows_and_messages_together_and_they_are_relayed(
    with_shop: Callable[[Test], None],
) -> None:
    async def test(shop: Shop, mq: aio.Connection) -> None:
        async with mq.outbox(shop.connection, relay=shop.relays) as outbox:
            await shop.order(17)
            assert outbox.send("orders", b"17", id="order-17") == "order-17"
        assert await shop.numbers() == [17]
        assert await received(mq, shop) == b"17"
        while await shop.numbers(TABLE, "id"):
            await asyncio.sleep(0.01)

    with_shop(test)


def test_what_is_rolled_back_is_never_sent(with_shop: Callable[[Test], None]) -> None:
    async def test(shop: Shop, mq: aio.Connection) -> None:
        async def fail() -> None:
            async with mq.outbox(shop.connection, relay=shop.relays) as outbox:
                await shop.order(17)
                outbox.send("orders", b"17")
                raise LookupError("no such customer")

        with pytest.raises(LookupError):
            await fail()
        async with mq.outbox(shop.connection, relay=shop.relays) as outbox:
            outbox.send("orders", b"18")
        assert await received(mq, shop) == b"18"
        assert await shop.numbers() == []
        assert await mq.count("orders") == 0

    with_shop(test)


def test_a_block_within_a_transaction_leaves_the_commit_to_the_application(with_shop: Callable[[Test], None]) -> None:
    async def test(shop: Shop, mq: aio.Connection) -> None:
        async with shop.begin():
            await shop.order(17)
            async with mq.outbox(shop.connection, relay=shop.relays) as outbox:
                outbox.send_json("orders", 17)
            await shop.order(18)
        assert await received(mq, shop) == b"17"

        async def fail() -> None:
            async with shop.begin():
                async with mq.outbox(shop.connection, relay=shop.relays) as outbox:
                    outbox.send("orders", b"19")
                raise LookupError("no such customer")

        with pytest.raises(LookupError):
            await fail()
        async with mq.outbox(shop.connection, relay=shop.relays) as outbox:
            outbox.send("orders", b"20")
        assert await received(mq, shop) == b"20"
        assert await shop.numbers() == [17, 18]

    with_shop(test)


def test_a_database_without_the_table_says_what_makes_it_and_rolls_back(with_shop: Callable[[Test], None]) -> None:
    async def test(shop: Shop, mq: aio.Connection) -> None:
        await shop.write(f"DROP TABLE {TABLE}")
        await shop.commit()

        async def fail() -> None:
            async with mq.outbox(shop.connection, relay=False) as outbox:
                await shop.order(17)
                outbox.send("orders", b"17")

        with pytest.raises(Exception, match=TABLE) as caught:
            await fail()
        assert "batonmq outbox create" in caught.value.__notes__[0]
        assert await shop.numbers() == []

    with_shop(test)


def test_what_waits_is_counted_and_relayed_by_hand(with_shop: Callable[[Test], None]) -> None:
    async def test(shop: Shop, mq: aio.Connection) -> None:
        await by_hand.create_table(shop.connection)
        async with mq.outbox(shop.connection, relay=False) as outbox:
            outbox.send_many("orders", [b"%d" % number for number in range(150)])
            outbox.send("missing", b"17")
        found = await by_hand.waiting(shop.connection)
        await shop.commit()
        assert [(one.queue, one.count) for one in found] == [("missing", 1), ("orders", 150)]
        async with shop.begin():
            await shop.order(17)
            with pytest.raises(ValueError, match="the connection is in a transaction"):
                await by_hand.relay_now(mq, shop.connection)
        assert await by_hand.relay_now(mq, shop.connection) == 150
        assert await mq.count("orders") == 150
        assert await shop.numbers(TABLE, "queue") == ["missing"]

    with_shop(test)


def test_a_database_in_memory_is_relayed_by_hand_through_the_one_connection_that_sees_it() -> None:
    async def test() -> None:
        async with aiosqlite.connect(":memory:") as memory, aio.connect("memory:") as mq:
            await by_hand.create_table(memory)
            await mq.declare("orders")
            async with mq.outbox(memory, relay=False) as outbox:
                outbox.send("orders", b"17")
            assert await by_hand.relay_now(mq, memory) == 1
            assert await by_hand.waiting(memory) == []
            assert await mq.count("orders") == 1

    asyncio.run(test())


def test_relaying_that_is_cancelled_gives_the_connection_back_when_nobody_uses_it() -> None:
    async def test() -> None:
        async with aiosqlite.connect(":memory:") as memory, aio.connect("memory:") as mq:
            await by_hand.create_table(memory)
            await mq.declare("orders")
            async with mq.outbox(memory, relay=False) as outbox:
                outbox.send_many("orders", [b"17"] * 1_000)
            relaying = asyncio.create_task(by_hand.relay_now(mq, memory))
            while not await mq.count("orders"):
                await asyncio.sleep(0)
            relaying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await relaying
            assert not memory.in_transaction
            moved = await mq.count("orders")
            assert moved + await by_hand.relay_now(mq, memory) == 1_000

    asyncio.run(test())


def test_what_is_not_asynchronous_is_refused_with_what_takes_it() -> None:
    text = r"not sqlite3\.Connection; batonmq\.contrib\.outbox has the same for others"
    with contextlib.closing(sqlite3.connect(":memory:")) as connection, pytest.raises(TypeError, match=text):
        asyncio.run(by_hand.create_table(connection))


def test_both_faces_take_an_asynchronous_connection(tmp_path: Path) -> None:
    async def test() -> None:
        async with shop_of("aiosqlite", "", tmp_path / "shop.db") as shop:
            with batonmq.connect("memory:") as mq:
                mq.declare("orders")
                async with mq.outbox(shop.connection) as outbox:
                    outbox.send("orders", b"17")
                with mq.receiver("orders") as receiver:
                    assert [delivery.body for delivery in await asyncio.to_thread(receiver.receive, 1, 30)] == [b"17"]

    asyncio.run(test())


def test_wrong_use_is_told_before_anything_is_written() -> None:
    async def test() -> None:
        async with aiosqlite.connect(":memory:") as memory, aio.connect("memory:") as mq:
            with pytest.raises(ValueError, match="in memory, where no relay can see what waits"):
                async with mq.outbox(memory):
                    pass
            with pytest.raises(TypeError, match=r"async with mq\.outbox"), mq.outbox(memory):
                pass
            with pytest.raises(TypeError, match=r"it is asynchronous, and batonmq\.contrib\.outbox\.aio has"):
                create_table(memory)
            outbox = mq.outbox(memory, relay=False)
            with pytest.raises(RuntimeError, match="in its block"):
                outbox.send("orders", b"17")
            assert not memory.in_transaction

    asyncio.run(test())


def test_asyncpg_says_who_can_relay(shop_url: str) -> None:
    async def test() -> None:
        async with shop_of("asyncpg", shop_url, Path()) as shop, aio.connect("memory:") as mq:
            with pytest.raises(ValueError, match="give relay=False and run `batonmq outbox relay`"):
                async with mq.outbox(shop.connection):
                    pass
            assert not shop.connection.is_in_transaction()

    asyncio.run(test())
