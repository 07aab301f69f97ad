"""The guard that keeps the course offline does guard; else the tests would prove nothing."""

import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from jupyter_client.manager import start_new_kernel

ELSEWHERE = "192.0.2.1"  # reserved for documentation: nobody is there


def test_this_process_is_guarded():
    with pytest.raises(PermissionError, match=rf"no network in tests: {ELSEWHERE}"):
        socket.create_connection((ELSEWHERE, 80), timeout=1)
    with pytest.raises(PermissionError, match=r"no network in tests: example\.org"):
        socket.getaddrinfo("example.org", 80)
    with pytest.raises(urllib.error.URLError, match="no network in tests"):
        urllib.request.urlopen("https://example.org/", timeout=1)
    with socket.socket() as ours, pytest.raises(PermissionError):
        ours.connect_ex((ELSEWHERE, 80))


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=1).close()


def test_scripts_and_kernels_are_guarded():
    program = f"import socket; socket.create_connection(({ELSEWHERE!r}, 80), timeout=1)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "no network in tests" in run.stderr
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        reply = client.execute_interactive(program, timeout=60, output_hook=lambda message: None)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert reply["content"]["ename"] == "PermissionError"
