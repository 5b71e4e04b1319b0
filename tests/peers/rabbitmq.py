"""RabbitMQ 4, from Debian's unstable release, which has it long before the stable one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pika
import pika.exceptions
from bench.brokers import free_ports

from tests.peers.cache import cache, is_complete
from tests.peers.debian import inside, make_root
from tests.peers.peer import Peer

__all__ = ["RabbitMQ4"]

SUITE, PACKAGE = "sid", "rabbitmq-server"
# /peer is the folder; the port mapper that the node starts ends with the namespace.
SCRIPT = (
    'mkdir -p "$0/peer"; mount --bind "$1" "$0/peer"; chroot "$0" chown -R rabbitmq:rabbitmq /peer; '
    'exec chroot --userspec=rabbitmq:rabbitmq "$0" /bin/sh -c ". /peer/environment; cd /peer; '
    'exec /usr/lib/rabbitmq/bin/rabbitmq-server"'
)


class RabbitMQ4(Peer):
    """A node: AMQP 0-9-1 and 1.0 on one port, its management on another."""

    name = "RabbitMQ 4"
    key = "rabbitmq4"
    variable = "BATONMQ_TEST_RABBITMQ4"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.management = self._distribution = self._mapper = 0

    @classmethod
    def home(cls) -> Path:
        return cache() / f"debian-{SUITE}"

    @classmethod
    def install(cls) -> None:
        make_root(SUITE, cls.home(), [PACKAGE])

    @classmethod
    def missing(cls) -> str | None:
        if not is_complete(cls.home(), f"{SUITE} {PACKAGE}"):
            return f"python -m tests.peers install {cls.key} has not been run"
        if os.geteuid() != 0:
            return "only root may start what is in a Debian of its own"
        return None if shutil.which("unshare") else "unshare is not installed"

    def _launch(self) -> None:
        self._fresh_log()
        if not self.port:
            self.port, self.management, self._distribution, self._mapper = free_ports(4)
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "management.tcp.ip = 127.0.0.1\n"
            f"management.tcp.port = {self.management}\n"
            "disk_free_limit.absolute = 100MB\n"
            "vm_memory_high_watermark.absolute = 1GB\n"
        )
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (self.folder / "environment").write_text(
            "export HOME=/peer LANG=C.UTF-8\n"
            f"export ERL_EPMD_PORT={self._mapper} ERL_EPMD_ADDRESS=127.0.0.1\n"
            f"export RABBITMQ_NODENAME=peer{self.port}@localhost RABBITMQ_DIST_PORT={self._distribution}\n"
            "export RABBITMQ_MNESIA_BASE=/peer/data RABBITMQ_LOG_BASE=/peer/log\n"
            "export RABBITMQ_CONFIG_FILE=/peer/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=/peer/enabled_plugins\n"
            "export RABBITMQ_CONF_ENV_FILE=/peer/none.conf\n"
            'export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}"\n'
        )
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("RABBITMQ_", "NOTIFY_"))}
        self._process = self._spawn(inside(self.home(), SCRIPT, str(self.folder)), environment)

    def stop(self) -> None:
        """SIGKILL: the first process of a namespace hears nothing else, and the data is not wanted any more."""
        self.kill()

    def _answers(self) -> bool:
        parameters = pika.URLParameters(self.url)
        parameters.socket_timeout = parameters.blocked_connection_timeout = 5.0
        try:
            connection = pika.BlockingConnection(parameters)
        except pika.exceptions.AMQPError:
            return False
        self.version = str((connection._impl.server_properties or {}).get("version", ""))
        connection.close()
        return True
