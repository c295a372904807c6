"""How a Redis or Valkey server is reached: its URL, its client, and what its errors mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._optional import require
from langchain_costguard.exceptions import StoreError

if TYPE_CHECKING:
    from redis import Redis

SCHEMES: Final = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
"""The schemes that mean such a server, and what the client calls them."""

_PURPOSE: Final = "A budget store on Redis"


def connect(url: str, timeout_seconds: float) -> Redis:
    """A client for a URL; nothing is sent yet.

    It repeats nothing by itself: a step that may have been done is not sent again.

    Args:
        url: `redis://`, `rediss://` (TLS), `valkey://`, `valkeys://` or `unix://`.
        timeout_seconds: how long to wait for a connection, and for each answer.

    Raises:
        StoreError: the URL is not understood.
        OptionalDependencyError: the package redis is not installed.
    """
    redis = require("redis", extra="redis", purpose=_PURPOSE)
    backoff, retry = (
        require("redis.backoff", extra="redis", purpose=_PURPOSE),
        require("redis.retry", extra="redis", purpose=_PURPOSE),
    )
    scheme, separator, rest = url.partition("://")
    known = SCHEMES.get(scheme.lower())
    if not separator or known is None:
        msg = "The URL names no Redis server: give one such as 'redis://host:6379/0' or 'rediss://user:password@host/0'"
        raise StoreError(msg)
    try:
        client: Redis = redis.Redis.from_url(
            f"{known}://{rest}",
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=retry.Retry(backoff.NoBackoff(), 0),
        )
    except (ValueError, TypeError):  # the text of these may hold the password, so they are no cause either
        msg = (
            "The URL of the Redis server cannot be understood: give one such as 'rediss://user:password@host:6379/0', "
            "with '%2F' for '/' and '%40' for '@' in the password"
        )
        raise StoreError(msg) from None
    return client


def place(client: Any) -> str:  # noqa: ANN401 - `Redis` or `RedisCluster`, which share no class
    """Where a client leads, without user name and password."""
    pool = getattr(client, "connection_pool", None)
    options: dict[str, Any] = getattr(pool, "connection_kwargs", {})
    database = options.get("db") or 0
    if "path" in options:
        return f"unix://{options['path']}?db={database}"
    scheme = "rediss" if "SSL" in getattr(getattr(pool, "connection_class", None), "__name__", "") else "redis"
    if "host" in options:
        return f"{scheme}://{options['host']}:{options.get('port', 6379)}/{database}"
    return f"{scheme}://cluster"


def failure(error: Exception, where: str) -> StoreError:
    """What an error of the client means, in words that name the remedy.

    Args:
        error: a `redis.exceptions.RedisError`.
        where: the server, as `place` names it.
    """
    from redis import exceptions

    text = str(error)
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError) or "NOAUTH" in text:
        return StoreError(
            f"{where} refuses this user: give name and password in the URL (rediss://user:password@host/0), and allow "
            "the user EVALSHA, SCRIPT and the commands of hashes, sets and sorted sets"
        )
    if isinstance(error, exceptions.TimeoutError):
        return StoreError(
            f"{where} did not answer in time: check the server, or wait longer with "
            "RedisBudgetStore(..., timeout_seconds=)"
        )
    if isinstance(error, exceptions.ConnectionError):
        return StoreError(f"{where} cannot be reached: start the server, or give its address with budget_store=")
    if isinstance(error, exceptions.ReadOnlyError):
        return StoreError(
            f"{where} is a replica, which cannot be written: give the address of the primary with budget_store="
        )
    if isinstance(error, exceptions.OutOfMemoryError):
        return StoreError(f"{where} has no memory left: raise `maxmemory` in its configuration")
    if "TOO LARGE" in text:
        return StoreError(f"A counter in {where} has no room for this amount: claim less")
    return StoreError(
        f"{where} could not do a step ({type(error).__name__}): it must be Redis 5 or Valkey 7, or later, and the keys "
        "under RedisBudgetStore(..., prefix=) must belong to budgets alone"
    )
