"""Variables that a platform sets in every container and that look like settings.

Kubernetes (for each Service of the namespace) and Docker's legacy links (for each linked container) set
variables that begin with the service's name. A Service `postgate` gives POSTGATE_PORT, and `postgate-admin`
POSTGATE_ADMIN_PORT. Their values have a fixed format, which settings do not have:
https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
https://docs.docker.com/engine/network/links/#environment-variables
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

_ADDRESS: Final = r"(?:tcp|udp|sctp)://(?:\[[0-9a-fA-F:.]+\]|[0-9.]+|[a-z0-9.-]+):\d{1,5}"
_OF_ONE_PORT: Final = r"_PORT_\d{1,5}_(?:TCP|UDP|SCTP)"
_NAMES: Final = tuple(
    (re.compile(rf"POSTGATE(?:_[A-Z0-9_]+)??{ending}").fullmatch, re.compile(shape, re.ASCII).fullmatch)
    for ending, shape in (
        (r"(?:_SERVICE)?_PORT", _ADDRESS),  # a Service may be called postgate-service
        (_OF_ONE_PORT + r"(?:_START|_END)?", _ADDRESS),
        (_OF_ONE_PORT + r"_PROTO", r"tcp|udp|sctp"),
        (_OF_ONE_PORT + r"_PORT(?:_START|_END)?", r"\d{1,5}"),
        (r"_SERVICE_PORT(?:_[A-Z0-9_]+)?", r"\d{1,5}"),
        (r"_NAME", r"(?:/[A-Za-z0-9_.-]+)+"),
    )
)
_HOST_NAME = re.compile(rf"POSTGATE(?:_[A-Z0-9_]+)??(?:_SERVICE_HOST|{_OF_ONE_PORT}_ADDR)").fullmatch
_OF_A_LINK = re.compile(r"(POSTGATE(?:_[A-Z0-9_]+)??)_ENV_\w+", re.ASCII).fullmatch


def injected(environ: Mapping[str, str]) -> frozenset[str]:
    """The names of those variables, without variables of such a name but another format."""
    found = {name for name, value in environ.items() if name.startswith("POSTGATE_") and _is_one(name, value)}
    linked = {name.removesuffix("_NAME") for name in found if name.endswith("_NAME")}
    for name in environ:  # the environment of a linked container: any value
        alias = _OF_A_LINK(name)
        if alias is not None and alias[1] in linked:
            found.add(name)
    return frozenset(found)


def _is_one(name: str, value: str) -> bool:
    if _HOST_NAME(name):
        return _is_address(value)
    return any(is_name(name) and has_shape(value) for is_name, has_shape in _NAMES)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
