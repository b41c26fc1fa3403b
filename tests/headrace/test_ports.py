"""Ports that are given out are free, different, and not among those the kernel gives to clients."""

import socket
from pathlib import Path

from headrace.ports import LOOPBACK, PortClaims, free_ports, is_free


def test_a_port_with_a_listener_is_not_free_until_it_closes() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_free_ports_are_different_and_a_client_is_never_given_one_of_them() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)
    with socket.create_server((LOOPBACK, 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert max(ports) < client.getsockname()[1]


def test_two_systems_that_start_together_take_different_ports(tmp_path: Path) -> None:
    [usual] = free_ports(1)
    one, two = PortClaims(tmp_path), PortClaims(tmp_path)
    assert one.take(usual) == usual
    other = two.take(usual)
    assert other != usual
    one.release()
    assert one.take(usual) == usual
    for claims in (one, two):
        claims.release()
