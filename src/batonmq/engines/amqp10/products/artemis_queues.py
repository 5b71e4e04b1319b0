"""Queues of Artemis: created, looked up and changed by requests to its management address.

A request names a resource and an operation in application-properties, with the arguments as JSON in its body; the
answer's body has the result. The user needs the permission ``manage`` for ``activemq.management``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from batonmq.engines.amqp10.products.artemis_answers import (
    figures,
    no_permission,
    number_in,
    read_answer,
    rows_in,
    table_in,
)
from batonmq.engines.amqp10.products.desk import Desk
from batonmq.engines.figures import QueueStats
from batonmq.engines.steps import Steps, wait_for
from batonmq.engines.values import QueueOptions
from batonmq.errors import AccessRefused, BatonError, BrokerError, NotFound, PreconditionFailed, UnsupportedFeature
from batonmq.protocols.amqp10.codec.performatives import Target

__all__ = ["ArtemisQueues", "Found", "Rules", "check_declare"]

_MANAGEMENT: Final = Target(address="activemq.management")
_RESERVED: Final = ("amq.", "activemq.management", "activemq.notifications", "$")
# Artemis' wildcards stand for one word, or any number of words, between dots, in settings and addresses.
_WILD: Final = ("*", "#")
_ATTEMPTS: Final = 10
# Queues that one answer lists.
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Rules:
    """The dead letter rules of a queue."""

    max_deliveries: int | None = None
    dead_letter: str | None = None
    """An existing queue."""


@dataclass(frozen=True, slots=True)
class Found:
    """An existing queue with its settings."""

    ready: int
    is_durable: bool
    is_exclusive: bool
    ring_size: int
    """How many messages are kept; -1: all."""
    stats: QueueStats


class ArtemisQueues:
    """The queues of one broker."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rules: dict[str, Rules] = {}

    def known(self, queue: str) -> Rules | None:
        """The queue's rules when it was last looked up or declared."""
        return self._rules.get(queue)

    # ------------------------------------------------------------------ looking

    def find(self, queue: str) -> Steps[Found | None]:
        """Look up a queue; None: there is none of that name. PreconditionFailed for a topic's queue."""
        wanted = json.dumps({"field": "name", "operation": "EQUALS", "value": queue})
        answer = yield from self._operate("broker", "listQueues", wanted, 1, 10, for_what=f"queue '{queue}' is there")
        rows = rows_in(answer)
        row = next((row for row in rows if row.get("name") == queue), None)
        if row is None:
            return None
        if row.get("routingType") != "ANYCAST" or row.get("address") != queue:
            text = f"'{queue}' is there as a {row.get('routingType')} queue of address '{row.get('address')}'"
            raise PreconditionFailed(f"{text}: what is sent to that name does not go there")
        stats = figures(row)
        return Found(
            ready=stats.ready,
            stats=stats,
            is_durable=row.get("durable") == "true",
            is_exclusive=row.get("exclusive") == "true",
            ring_size=number_in(row, "ringSize", -1),
        )

    def names(self) -> Steps[list[str]]:
        """List all anycast queues whose address has the same name, except the broker's own."""
        names: set[str] = set()
        seen: set[str] = set()
        page = 1
        # All three fields are required; this filter matches every queue.
        wanted = json.dumps({"field": "name", "operation": "CONTAINS", "value": ""})
        while True:
            answer = yield from self._operate("broker", "listQueues", wanted, page, PAGE, for_what="queues are there")
            rows = rows_in(answer)
            new = {str(row.get("name")) for row in rows} - seen
            seen |= new
            names.update(
                name
                for row in rows
                if isinstance(name := row.get("name"), str)
                and row.get("routingType") == "ANYCAST"
                and row.get("address") == name
                and row.get("temporary") != "true"
                and not name.startswith(_RESERVED)
            )
            # A broker that ignores pages would return the first one for ever.
            if len(rows) < PAGE or not new:
                return sorted(names)
            page += 1

    def require(self, queue: str) -> Steps[None]:
        """Check that a queue exists, and read its rules. NotFound, AccessRefused."""
        if (yield from self.find(queue)) is None:
            self._rules.pop(queue, None)
            raise NotFound(f"no queue '{queue}'")
        settings = yield from self._settings(queue)
        dead = settings.get("deadLetterAddress")
        if not isinstance(dead, str) or not dead or (yield from self.find(dead)) is None:
            dead = None
        self._rules[queue] = Rules(_attempts(settings), dead)

    def _settings(self, queue: str) -> Steps[dict[str, object]]:
        """The settings of its address, inherited ones included."""
        answer = yield from self._operate("broker", "getAddressSettingsAsJSON", queue)
        return table_in(answer)

    # ------------------------------------------------------------------ declaring

    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        """Create a queue and its dead letter queue. PreconditionFailed, AccessRefused, UnsupportedFeature."""
        settings = check_declare(queue, options)
        dead = options.dead_letter
        found = yield from self.find(queue)
        if found is not None:
            self._compare(queue, options, found, settings, (yield from self._settings(queue)))
        is_new = dead is not None and (yield from self.find(dead)) is None
        if dead is not None and is_new:
            yield from self._make(dead, QueueOptions(durable=options.durable), {})
        if found is None:
            try:
                yield from self._make(queue, options, settings)
            except BatonError:
                if dead is not None and is_new:
                    yield from self.delete(dead)
                raise
        yield from self.require(queue)

    def _compare(
        self,
        queue: str,
        options: QueueOptions,
        found: Found,
        settings: Mapping[str, object],
        there: Mapping[str, object],
    ) -> None:
        """Raises PreconditionFailed for the first option that differs from the existing queue."""
        differences: list[tuple[str, object, object]] = [
            ("durable", found.is_durable, options.durable),
            ("single_consumer", found.is_exclusive, options.single_consumer),
            ("max_length", _length(found, there), options.max_length),
        ]
        for setting, option in _OPTIONS.items():
            if setting in settings:
                differences.append((option, _shown(setting, there.get(setting)), _shown(setting, settings[setting])))
        for option, now, asked in differences:
            if now != asked:
                text = f"{option} is {now} there, and {asked} was asked for"
                raise PreconditionFailed(f"queue '{queue}' is there, declared otherwise: {text}")

    def _make(self, queue: str, options: QueueOptions, settings: Mapping[str, object]) -> Steps[None]:
        """Create a missing queue. Its settings come first, so that no message meets it without them."""
        # Sending to a missing queue must not create it.
        strict = {"autoCreateQueues": False, "autoCreateAddresses": False, **settings}
        yield from self._operate("broker", "addAddressSettings", queue, json.dumps(strict))
        config: dict[str, object] = {"name": queue, "address": queue, "routing-type": "ANYCAST"}
        config |= {"durable": options.durable, "exclusive": options.single_consumer, "auto-delete": False}
        if options.max_length is not None and options.overflow == "drop-oldest":
            config["ring-size"] = options.max_length
        try:
            yield from self._create("createAddress", queue, "ANYCAST")
            yield from self._create("createQueue", json.dumps(config), False)
        except BatonError:
            yield from self._operate("broker", "removeAddressSettings", queue)
            raise

    def _create(self, operation: str, *arguments: object) -> Steps[None]:
        """Create it; somebody else may have done so meanwhile."""
        try:
            yield from self._operate("broker", operation, *arguments)
        except BrokerError as error:
            if "already exists" not in str(error):
                raise

    def delete(self, queue: str) -> Steps[None]:
        """Delete a queue with its messages and settings. A missing queue counts as deleted."""
        self._rules.pop(queue, None)
        try:
            yield from self._operate("broker", "destroyQueue", queue, True, True)
        except NotFound:
            return
        try:
            # An explicitly created address outlives its queues.
            yield from self._operate("broker", "deleteAddress", queue)
        except AccessRefused:
            raise
        except BrokerError:
            pass
        yield from self._operate("broker", "removeAddressSettings", queue)

    # ------------------------------------------------------------------ requests

    def _operate(self, resource: str, operation: str, *arguments: object, for_what: str = "") -> Steps[object]:
        """The result of an operation. NotFound, AccessRefused, BrokerError with Artemis' text."""
        application = {"_AMQ_ResourceName": resource, "_AMQ_OperationName": operation}
        asked = self._desk.ask(_MANAGEMENT, json.dumps(arguments), application=application)
        try:
            sections = yield from wait_for(asked)
        except AccessRefused as error:
            raise no_permission(str(error), for_what) from None
        values = sections.body_values()
        said = values[0] if values else None
        found = read_answer(said) if isinstance(said, str) and said else [None]
        result = found[0] if isinstance(found, list) and found else found
        if sections.application_properties().get("_AMQ_OperationSucceeded") is not True:
            text = str(result)
            if "does not exist" in text and operation == "destroyQueue":
                raise NotFound(text)
            if "permission" in text:
                raise no_permission(text, for_what)
            raise BrokerError(f"artemis: {operation}: {text}")
        return result


def check_declare(queue: str, options: QueueOptions) -> dict[str, object]:
    """The settings of its address. Raises AccessRefused, UnsupportedFeature."""
    settings = _settings_of(options)
    for name in filter(None, (queue, options.dead_letter)):
        _check_name(name)
    return settings


def _check_name(queue: str) -> None:
    """Raises AccessRefused, UnsupportedFeature."""
    if queue.startswith(_RESERVED):
        raise AccessRefused(f"queue name '{queue}' is reserved")
    if any(character in queue for character in _WILD) or "::" in queue:
        raise UnsupportedFeature(f"artemis: '*', '#' and '::' in the name of a queue: '{queue}'")


# The option for each setting of an address.
_OPTIONS: Final = {
    "maxDeliveryAttempts": "max_deliveries",
    "deadLetterAddress": "dead_letter",
    "expiryDelay": "ttl",
}


def _settings_of(options: QueueOptions) -> dict[str, object]:
    """Raises UnsupportedFeature."""
    settings: dict[str, object] = {}
    if options.max_bytes is not None:
        raise UnsupportedFeature("artemis: declare(max_bytes=): it counts memory, not bodies")
    if options.max_priority > 9:
        raise UnsupportedFeature(f"artemis: declare(max_priority={options.max_priority}): its highest is 9")
    if options.max_deliveries is not None:
        settings["maxDeliveryAttempts"] = options.max_deliveries
    if options.dead_letter is not None:
        settings["deadLetterAddress"] = settings["expiryAddress"] = options.dead_letter
    if options.ttl is not None:
        settings["expiryDelay"] = settings["maxExpiryDelay"] = max(1, round(options.ttl * 1000))
    if options.max_length is not None:
        if options.max_length == 0:
            raise UnsupportedFeature("artemis: declare(max_length=0)")
        if options.overflow == "refuse":
            settings |= {"maxSizeMessages": options.max_length, "addressFullMessagePolicy": "FAIL"}
        elif options.dead_letter is not None:
            text = "what a full queue pushes out is no dead letter there; overflow='refuse' does with dead_letter"
            raise UnsupportedFeature(f"artemis: declare(max_length=, dead_letter=): {text}")
    return settings


def _attempts(settings: Mapping[str, object]) -> int | None:
    found = settings.get("maxDeliveryAttempts", _ATTEMPTS)
    return found if isinstance(found, int) and found > 0 else None


def _length(found: Found, there: Mapping[str, object]) -> int | None:
    if found.ring_size >= 0:
        return found.ring_size
    most = there.get("maxSizeMessages")
    return most if isinstance(most, int) and most >= 0 and there.get("addressFullMessagePolicy") == "FAIL" else None


def _shown(setting: str, value: object) -> object:
    """The setting in the option's terms."""
    if setting == "maxDeliveryAttempts" and value is None:
        return _ATTEMPTS
    return f"{value / 1000:g}" if setting == "expiryDelay" and isinstance(value, int) else value
