"""On PYTHONPATH during the tests (see conftest.py): nothing may talk to another machine.

Python imports a module of this name at its start, so this holds in kernels and scripts as well.
"""

import ipaddress
import socket

_connect, _connect_ex, _getaddrinfo = (
    socket.socket.connect,
    socket.socket.connect_ex,
    socket.getaddrinfo,
)


def _is_here(host: object) -> bool:
    """Whether this names this very machine."""
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _check(address: object) -> None:
    if isinstance(address, tuple) and not _is_here(address[0]):
        raise PermissionError(f"no network in tests: {address[0]}")


def connect(self, address):
    """As ever, but to this machine only."""
    _check(address)
    return _connect(self, address)


def connect_ex(self, address):
    """As ever, but to this machine only."""
    _check(address)
    return _connect_ex(self, address)


def getaddrinfo(host, *arguments, **options):
    """As ever, but no name of another machine is looked up."""
    _check((host,))
    return _getaddrinfo(host, *arguments, **options)


socket.socket.connect = connect
socket.socket.connect_ex = connect_ex
socket.getaddrinfo = getaddrinfo
