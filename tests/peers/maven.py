"""Brokers in Java: packages of Maven, fetched by Maven itself, which checks them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.peers.cache import Unavailable, complete, installing, is_complete, step

__all__ = ["fetch_jars", "java", "needs_java", "unpack"]

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
MAVEN = ("mvn", "-q", "-B", "--strict-checksums")
# The brokers here are compiled for this.
LEAST = 17
FETCH = 240.0
PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>peers</groupId><artifactId>peer</artifactId><version>1</version>
<dependencies>
{dependencies}
</dependencies>
</project>
"""


def needs_java() -> None:
    """Unavailable where there is no Java that is young enough."""
    said = step("Java", ["java", "-version"], within=20.0)
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None or int(version[1]) < LEAST:
        raise Unavailable(f"Java {LEAST} is needed: {said.splitlines()[0] if said else 'java says nothing'}")


def missing(key: str, *, is_installed: bool) -> str | None:
    """Why a peer that runs on Java cannot be started; None: it can."""
    if not is_installed:
        return f"python -m tests.peers install {key} has not been run"
    try:
        needs_java()
    except Unavailable as reason:
        return str(reason)
    return None


def java() -> str:
    """The program; Unavailable where there is none."""
    found = shutil.which("java")
    if found is None:
        raise Unavailable("Java: java is not installed")
    return found


def unpack(package: str, folder: Path) -> None:
    """Unpack an archive, `group:name:version:type:classifier`, there."""
    with installing(folder):
        if is_complete(folder, package):
            return
        needs_java()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        options = ["-f", str(_project(folder)), f"-Dartifact={package}", f"-DoutputDirectory={folder}"]
        step(package, [*MAVEN, f"{PLUGIN}:unpack", *options], within=FETCH)
        complete(folder, package)


def fetch_jars(packages: Sequence[str], folder: Path) -> None:
    """Put the jars of `group:name:version[:classifier]` there, with all that they need."""
    version = " ".join(packages)
    with installing(folder):
        if is_complete(folder, version):
            return
        needs_java()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        options = ["-f", str(_project(folder, packages)), "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        step(packages[0], [*MAVEN, f"{PLUGIN}:copy-dependencies", *options], within=FETCH)
        complete(folder, version)


def _project(folder: Path, packages: Sequence[str] = ()) -> Path:
    """A project of nothing but these. Without one the plugin keeps its notes in a folder named `${project.basedir}`."""
    project = folder / "pom.xml"
    project.write_text(PROJECT.format(dependencies="\n".join(map(_dependency, packages))))
    return project


def _dependency(package: str) -> str:
    parts = zip(("groupId", "artifactId", "version", "classifier"), package.split(":"), strict=False)
    return "<dependency>" + "".join(f"<{name}>{value}</{name}>" for name, value in parts) + "</dependency>"
