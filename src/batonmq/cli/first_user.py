"""The first user of a broker that is new, from the environment: for containers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batonmq.cli.environment import given_user
from batonmq.cli.failure import Failure
from batonmq.server.failures import ConfigError, StartError
from batonmq.server.passwords import hash_password
from batonmq.server.users import EVERYTHING, GUEST, UserEntry, UserFile

if TYPE_CHECKING:
    from batonmq.server.config import Config

__all__ = ["add_first_user"]


def add_first_user(config: Config) -> None:
    """Where the data directory has no users yet, add the user of the environment, with all rights.

    The built-in guest is removed, as somebody else can log in now. Failure when the environment sets only a name or
    only a password.
    """
    found = given_user()
    if found is None:
        return
    name, password = found
    file = UserFile(Path(config.server.data))
    try:
        if file.path.exists():
            return
        with file.change() as users:
            if users or any(user.name == name for user in config.user):
                return
            if name != GUEST:
                users.remove(GUEST)
            users[name] = UserEntry(
                password_hash=hash_password(password),
                tags=("administrator",),
                permissions=dict.fromkeys(config.vhosts, EVERYTHING),
            )
    except (ConfigError, StartError) as error:
        raise Failure(str(error), error.exit_code) from None
    except ValueError as error:
        raise Failure(f"the user of the environment: {error}", 2) from None
    except OSError as error:
        raise Failure(f"{file.path}: cannot be written: {error.strerror}") from None
