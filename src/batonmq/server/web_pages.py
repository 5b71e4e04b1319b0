"""Recognizes requests that a browser sends for a web page, by the headers Origin and Host."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["host_of", "is_address", "is_own_page", "is_this_machine"]


def is_own_page(origin: str, host: str, *, is_loopback: bool) -> bool:
    """Does the page come from this machine, or from the host that it sends to? ``host`` is the header Host.

    Anybody can make a name of theirs resolve to this machine. A client of this machine (``is_loopback``) that calls us
    by a name other than localhost is therefore not taken for a page of the same host.
    """
    page = host_of(origin)
    if not page:
        return False
    return is_this_machine(page) or (page == host_of(f"//{host}") and (not is_loopback or is_address(page)))


def is_this_machine(host: str) -> bool:
    """Is the host localhost, or a loopback address?"""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_address(host: str) -> bool:
    """Is the host an IP address, not a name?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def host_of(url: str) -> str:
    """The host of a URL in lower case, without the port; "": it has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
