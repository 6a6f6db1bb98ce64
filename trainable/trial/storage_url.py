"""The URL of `--storage`: what it means, and how it is shown without its credentials."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

URL_VARIABLE = "PII_TUNER_STORAGE"
"""Environment variable: the whole URL where `--storage` is given without its credentials."""
HIDDEN = "***"
_PLAIN = frozenset(
    {"region", "scheme", "endpoint_override", "allow_bucket_creation", "force_virtual_addressing"}
)
"""Parameters of a URL that are never secret."""
_LOCAL = re.compile(r"^\[Errno \d+\] .*Detail: \[errno \d+\] ")
"""What pyarrow writes before the reason of a local error: the file, whose name says nothing to people."""
SCHEMES = "file://, s3://, gs://, abfs://, hdfs:// or fsspec+NAME://"


def masked(url: str) -> str:
    """Return a URL as it may be shown: without user, password, keys and tokens.

    Example:
        >>> masked("s3://KEY:SECRET@bucket/runs?region=eu-west-1&token=abc")
        's3://***@bucket/runs?region=eu-west-1&token=***'
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    if "@" in rest:
        rest = f"{HIDDEN}@{rest.rpartition('@')[2]}"
    place, question, query = rest.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if question else []
    shown = "&".join(
        f"{name}={value}" if name in _PLAIN else f"{name if equals else HIDDEN}={HIDDEN}"
        for name, equals, value in pairs
    )
    return f"{scheme}{mark}{place}{question}{shown}"


def remembered(url: str) -> str:
    """Keep a URL's credentials in the environment of this process, where no file has them; return it as it may be shown."""
    if masked(url) != url:
        os.environ[URL_VARIABLE] = url
    return masked(url)


def hide_credentials(url: str) -> None:
    """Start this process anew if its command holds credentials, which `ps` and Ray's dashboard would show."""
    if remembered(url) != url:
        words = [word.replace(url, masked(url)) for word in sys.orig_argv[1:]]
        os.execv(sys.executable, [sys.executable, *words])


def whole_url(given: str) -> str:
    """Return the URL with its credentials, which a shown one gets from the environment.

    Raises:
        ValueError: If they are missing there.
    """
    if HIDDEN not in given:
        return given
    found = os.environ.get(URL_VARIABLE, "")
    if masked(found) != given:
        raise ValueError(
            f"`--storage` {given} needs its credentials, which a study does not keep: give the whole URL again, or put "
            f"it into the environment variable {URL_VARIABLE}"
        )
    return found


def opened(url: str) -> tuple[FileSystem, str]:
    """Return the file system of a whole URL and the path there.

    Raises:
        ValueError: If it is none that pyarrow knows.
    """
    from pyarrow.fs import FileSystem

    try:
        system, path = FileSystem.from_uri(url)
    except (ValueError, ImportError, OSError) as error:  # ImportError: a package that fsspec needs
        raise ValueError(
            f"`--storage` is {masked(url)}, but must be a URL with {SCHEMES}: {without_secrets(str(error))}"
        ) from None
    return system, path.rstrip("/")


def without_secrets(text: str) -> str:
    """Return an error's first line without the credentials that this process keeps."""
    line = _LOCAL.sub("", (text.strip().splitlines() or [""])[0])
    url = os.environ.get(URL_VARIABLE, "")
    user = url.partition("://")[2].rpartition("@")[0]
    for secret in (url, user, *user.split(":", 1)):
        line = line.replace(secret, masked(secret) if secret == url else HIDDEN) if len(secret) > 2 else line
    return line
