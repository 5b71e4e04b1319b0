"""Another process, seen from the owner: commands come in, answers go out.

One thread serves all of them (``Host``): it does what has come from each, then answers what waits for nothing, then
makes the commit that the rest waits for. What comes during a commit shares the next one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable

import msgspec

from batonmq.engines.embedded.core import Core
from batonmq.engines.forks import when_forked
from batonmq.engines.futures import Future
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.claims import Claims
from batonmq.engines.shared.frame_stream import FrameStream
from batonmq.engines.shared.guest_answers import GuestAnswers, say_done
from batonmq.engines.shared.guest_commands import GuestCommands
from batonmq.engines.shared.guest_engine import GuestEngine
from batonmq.errors import BatonError
from batonmq.points import reached

__all__ = ["Guest"]

log = logging.getLogger("batonmq.embedded")

# What a guest asks for is not read while it leaves so many bytes of answers unread.
UNSENT_MOST = 1 << 20


class Guest:
    """Serves one process over one socket, until it is gone or dismissed. Only the thread of ``Host`` calls it."""

    def __init__(self, core: Core, peer: socket.socket, claims: Claims, wake: Callable[[Guest], None]) -> None:
        """``peer`` does not block. ``wake``: an answer is due; called from any thread."""
        self.peer = peer
        """The socket, which the host waits for."""
        self._core = core
        self._claims = claims
        self._stream = FrameStream(peer)
        self._engine = GuestEngine(core, claims)
        self.says = GuestAnswers(peer, lambda: wake(self))
        """What it is told."""
        self._commands = GuestCommands(core, self._engine, self.says)
        # The number of the last command that was begun.
        self._last = 0
        # Does nothing more come from it?
        self._is_silent = False
        # Has it said what it holds, and must wait until others have?
        self._is_held = False
        self._is_dismissed = False
        self._has_closed = False
        self._has_ended = False
        when_forked(self)
        self.says.say(answers.Hello(0, wire.VERSION, os.getpid(), claims.opening))

    @property
    def is_over(self) -> bool:
        """Is it gone, and told all that was due?"""
        return self._has_ended and not self.says.is_owing and not self.says.unsent

    @property
    def is_heard(self) -> bool:
        """Is what it asks for next to be read?"""
        return not (self._is_silent or self.has_work or self.says.unsent > UNSENT_MOST)

    @property
    def has_work(self) -> bool:
        """Has it asked for what is not done yet?"""
        return not self._has_ended and (self._is_silent or self._stream.has_frame)

    @property
    def may_work(self) -> bool:
        """Can that be done now?"""
        return self.has_work and not (self._is_held and self._claims.is_waiting) and self.says.unsent <= UNSENT_MOST

    def hear(self) -> None:
        """Read what has come."""
        try:
            self._is_silent = not self._stream.receive()
        except BlockingIOError:
            pass
        except OSError:
            self._is_silent = True

    def work(self, until: float) -> None:
        """Do what has come, until that moment of ``time.monotonic`` at most."""
        try:
            while self.may_work:
                command = wire.next_command(self._stream)
                if command is None:
                    # It has said all.
                    self._end()
                    return
                self._is_held = False
                self._begin(command)
                if time.monotonic() >= until:
                    return
        except (OSError, msgspec.DecodeError, ValueError, BatonError) as error:
            # A peer that cannot be understood must not be trusted with anything else.
            log.warning("a process that shares the file is not served any more: %s", error)
            self._end()
        except Exception:  # a bug of ours must not take the others with it
            log.exception("a process that shares the file is not served any more")
            self._end()

    def dismiss(self) -> None:
        """The owner ends: commands that have begun are still answered, and no other begins."""
        self._is_dismissed = self._is_silent = True
        if not self._has_ended:
            self._end()

    def say_goodbye(self) -> None:
        """Answer what is due, and then that the owner ends."""
        self.says.send_all()
        self.says.send_last(answers.Bye(self._last))
        reached("hand_over.dismissed")

    def close(self) -> None:
        """Close the socket. A guest that is not over is cut off."""
        with contextlib.suppress(OSError):
            self.peer.shutdown(socket.SHUT_RDWR)
        self.peer.close()

    def hand_on(self) -> None:
        """Leave what a dismissed guest holds to the next owner, once no guest is served any more."""
        with contextlib.suppress(BatonError):
            self._core.run(self._hand_on)

    def forked(self) -> None:
        """Close the copy of the socket in a forked child: the parent goes on using its own."""
        with contextlib.suppress(OSError):
            os.close(self.peer.detach())

    # ------------------------------------------------------------------ commands

    def _begin(self, command: commands.Command) -> None:
        if not self._engine.guest:
            if not isinstance(command, commands.Resume):
                raise ValueError("a process that shares the file does not say who it is")
            self._resume(command)
            return
        if isinstance(command, commands.Resume):
            raise ValueError("a process that shares the file says twice who it is")  # noqa: TRY004
        self._last = command.number or self._last
        reached("guest.begun")
        self._do(command)
        reached("guest.done")

    def _do(self, command: commands.Command) -> None:
        self._engine.begin(command)
        try:
            if isinstance(command, commands.Close):
                self._close(command)
            else:
                self._commands.do(command)
        except Exception as error:  # an answer in any case: a bug of ours must not keep another process waiting
            if not isinstance(error, (BatonError, ValueError, TypeError)):
                log.exception("a command of another process failed in an unexpected way")
            failed: Future[None] = Future()
            failed.fail(error)
            self.says.promise(command.number, failed, say_done)

    def _resume(self, command: commands.Resume) -> None:
        """The first command: who the guest is, and what it holds."""
        self._engine.serve(command.guest)
        resumed = self._core.run_reading(self._resume_now, command)
        reached("take_over.claimed")
        if resumed.done:
            # If only the connection was lost, these are of this opening: none counts as done until it is on the disk.
            self._core.flush()
        reached("take_over.answered")
        self.says.say(resumed)
        self._is_held = True
        self._claims.resumed(command.guest, command.process)

    def _resume_now(self, command: commands.Resume) -> answers.Resumed:
        claims, engine = self._claims, self._engine
        resumed = answers.Resumed(0, [], sorted(claims.done.get(command.guest, {}).items()), [], [])
        for subscribed in command.subscriptions:
            try:
                self._commands.adopt(subscribed[0], engine.resume(subscribed))
            except BatonError as error:
                failed = wire.error_to(0, error)
                resumed.ended.append((subscribed[0], failed.error, failed.text))
        for number, tag, row, count, seconds in command.holds:
            subscription = self._commands.subscriptions.get(number)
            if subscription is None or not claims.is_good(subscription.consumer.source, row, command.openings):
                continue
            if subscription.consumer.adopt(tag, row, count, seconds):
                resumed.kept.append((number, tag))
        for settlement in command.settlements:
            number = settlement[0]
            if engine.settle_for(settlement, command.openings):
                self._commands.settled.note(number)
            else:
                resumed.passed.append((number, not claims.is_waiting or engine.has_ready(settlement)))
        return resumed

    def _close(self, command: commands.Close) -> None:
        self._has_closed = True
        self._leave()
        # Its settlements outlive this process by the time it gets the answer.
        written = self._core.run(lambda: self._core.future(None, sync=False))
        self.says.promise(command.number, written, say_done)

    def _end(self) -> None:
        self._has_ended = self._is_silent = True
        # In this order: the next owner answers waiting receives, rather than this one with an empty list.
        self.says.end()
        self._leave()

    def _leave(self) -> None:
        """Give everything back to the queues; what a dismissed guest holds stays, to be handed on."""
        with contextlib.suppress(BatonError):
            self._commands.forget_requests()
            if self._has_closed or not self._is_dismissed:
                self._engine.close()
                if self._engine.guest:
                    self._claims.gone(self._engine.guest, for_good=self._has_closed)

    def _hand_on(self) -> None:
        for subscription in self._commands.subscriptions.values():
            subscription.consumer.hand_on()
