"""Ports for servers that are started later."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from local.processes import free_port


def test_a_port_that_was_given_is_kept_for_the_server_that_is_to_have_it() -> None:
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with HTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler), socket.create_connection(("127.0.0.1", port)):
        pass
    assert free_port() != port
