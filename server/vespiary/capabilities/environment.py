"""The environment that a command gets: the host's without its secrets.

Knows what secrets are usually called and how they look inside a value. A variable that is kept out by mistake can be given by the
request; one let in by mistake cannot be taken back, so doubt keeps it out.
"""

import os
import re
from collections.abc import Collection, Mapping

_PARTS = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE", re.IGNORECASE)
_WORDS = re.compile(
    r"(?:^|_)(?:(?:DB|FTP|MAIL|RSYNC|SMTP|SSH|USER)?PASS|PAT|AUTH|COOKIE|DSN|JWT|OTP)(?:_|$)", re.IGNORECASE
)
_PASSWORD = re.compile(r"(?!PWD$|OLDPWD$).*PWD$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
_SHORTEST = 8
"""Characters from which on a known secret is looked for inside other values."""


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable probably holds a secret, by its name or by a password in a URL."""
    named = _PARTS.search(name) or _WORDS.search(name) or _PASSWORD.match(name)
    return bool(named or _URL_PASSWORD.search(value))


def command_environment(
    host: Mapping[str, str],
    secret_names: Collection[str],
    wanted: Mapping[str, str],
    *,
    windows: bool = os.name == "nt",
) -> dict[str, str]:
    """`host` without secrets and without whatever holds the value of one that is named, plus what the request wants."""
    names = {name.upper() for name in secret_names}
    known = [value for name, value in host.items() if name.upper() in names and len(value) >= _SHORTEST]
    kept = {
        name: value
        for name, value in host.items()
        if name.upper() not in names and not is_secret(name, value) and not any(secret in value for secret in known)
    }
    if windows:  # `Path` and `PATH` are one variable there
        given = {name.upper() for name in wanted}
        kept = {name: value for name, value in kept.items() if name.upper() not in given}
    return {**kept, **wanted}
