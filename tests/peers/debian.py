"""A Debian of another release in a folder: for packages that the system's own release has in an older version."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.peers.cache import Unavailable, complete, installing, is_complete, step

__all__ = ["inside", "make_root"]

BOOTSTRAP = 240.0
INSTALL = 240.0
UPDATE = 60.0
# Nothing is started by being installed.
POLICY = "#!/bin/sh\nexit 101\n"
# A mirror may lag behind for longer than the date in its list of packages allows.
LATE = 'Acquire::Check-Valid-Until "false";\n'
# Erlang looks for localhost.
HOSTS = "127.0.0.1 localhost\n127.0.0.1 {host}\n"


def inside(root: Path, script: str, *arguments: str) -> list[str]:
    """The command that runs a script with `root` as $0, mounts and processes of its own; they end with it.

    What is sent to the group of its process reaches all that the script has started but daemons; SIGKILL takes those
    with it, for they lose the first process of their namespace.
    """
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    return [*namespaces, "bash", "-c", f'set -e; mount -t proc proc "$0/proc"; {script}', str(root), *arguments]


def make_root(suite: str, root: Path, packages: Sequence[str]) -> None:
    """Make one with these packages; Unavailable where it cannot be had."""
    version = " ".join([suite, *packages])
    with installing(root):
        if is_complete(root, version):
            return
        if os.geteuid() != 0:
            raise Unavailable("only root may make a Debian in a folder")
        if shutil.which("apt-get") is None:
            raise Unavailable("this system is no Debian")
        _needs_debootstrap()
        # A half of an earlier try is no use to debootstrap.
        step("remove", ["rm", "-rf", "--one-file-system", str(root)], within=60.0)
        root.mkdir(parents=True)
        mirror = _mirror()
        command = ["debootstrap", "--variant=minbase", suite, str(root), *([mirror] if mirror else [])]
        step(f"debootstrap {suite}", command, within=BOOTSTRAP)
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text(POLICY)
        policy.chmod(0o755)
        (root / "etc" / "apt" / "apt.conf.d" / "99late").write_text(LATE)
        (root / "etc" / "hosts").write_text(HOSTS.format(host=os.uname().nodename))
        environment = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        updating = inside(root, 'exec chroot "$0" apt-get update -q')
        step("apt-get update", updating, within=UPDATE, environment=environment)
        script = 'exec chroot "$0" apt-get install -yq --no-install-recommends "$@"'
        step(" ".join(packages), inside(root, script, *packages), within=INSTALL, environment=environment)
        complete(root, version)


def _needs_debootstrap() -> None:
    if shutil.which("debootstrap") is None:
        step("apt-get update", ["apt-get", "update", "-q"], within=UPDATE)
        install = ["apt-get", "install", "-yq", "--no-install-recommends", "debootstrap"]
        step("debootstrap", install, within=UPDATE, environment={"DEBIAN_FRONTEND": "noninteractive"})


def _mirror() -> str | None:
    """The one that the system itself uses, in either form of its lists; None: let debootstrap choose."""
    sources = Path("/etc/apt")
    lists = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]
    for path in lists:
        if path.is_file():
            found = re.search(r"^(?:URIs: *|deb (?:\[[^]]*\] *)?)(\S+)", path.read_text(), re.MULTILINE)
            if found:
                return found[1]
    return None
