"""Messages over a pair of sockets: whole, in order, with their descriptors, and an end that is noticed."""

from __future__ import annotations

import os
import resource
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tidegate.models.processes.channel import MESSAGE_BYTES, Channel, Ended

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = socket.socketpair()
    for end in (one, other):
        end.settimeout(10)
    with one, other:
        yield Channel(one), Channel(other)


@pytest.mark.parametrize("size", [0, 1, 65_531, 65_532, 65_533, 1_000_000, MESSAGE_BYTES])
def test_messages_of_all_sizes(ends: tuple[Channel, Channel], size: int) -> None:
    """A message arrives whole, with its descriptor, and the next one after it."""
    sender, receiver = ends
    message = os.urandom(size)
    read, write = os.pipe()
    thread = threading.Thread(target=sender.send, args=(message, write))
    thread.start()
    data, descriptor = receiver.receive()
    thread.join(10)
    assert bytes(data) == message
    assert descriptor is not None
    os.write(descriptor, b"x")
    assert os.read(read, 1) == b"x"
    assert not os.get_inheritable(descriptor)
    sender.send(b"next")
    assert bytes(receiver.receive()[0]) == b"next"
    for each in (read, write, descriptor):
        os.close(each)


def test_a_message_without_a_descriptor(ends: tuple[Channel, Channel]) -> None:
    """Most messages bring none."""
    sender, receiver = ends
    sender.send(b"plain")
    data, descriptor = receiver.receive()
    assert (bytes(data), descriptor) == (b"plain", None)


def test_a_message_in_pieces(ends: tuple[Channel, Channel]) -> None:
    """A message may come byte by byte."""
    sender, receiver = ends
    for byte in (3).to_bytes(4, "little") + b"abc":
        sender.socket.send(bytes([byte]))
    assert bytes(receiver.receive()[0]) == b"abc"


def test_too_large_a_message(ends: tuple[Channel, Channel]) -> None:
    """What is beyond the bound is neither sent nor read."""
    sender, receiver = ends
    with pytest.raises(ValueError, match="larger"):
        sender.send(bytes(MESSAGE_BYTES + 1))
    sender.socket.sendall((MESSAGE_BYTES + 1).to_bytes(4, "little"))
    with pytest.raises(ValueError, match="a message of"):
        receiver.receive()


def test_a_descriptor_that_is_lost(ends: tuple[Channel, Channel]) -> None:
    """If too many files are open to take a descriptor, the message is refused: it would be read in the wrong memory."""
    sender, receiver = ends
    sender.send(b"with one", sender.socket.fileno())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(ValueError, match="lost"):
            receiver.receive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("data", [b"", b"\x05\0", b"\x05\0\0\0", b"\x05\0\0\0abc"])
def test_the_end_is_noticed(ends: tuple[Channel, Channel], data: bytes) -> None:
    """When the other side is gone, between messages or within one, receiving and sending say so."""
    sender, receiver = ends
    sender.socket.sendall(data)
    sender.socket.close()
    with pytest.raises(Ended):
        receiver.receive()
    with pytest.raises(Ended):
        receiver.send(b"hello")


def test_the_end_with_something_unread(ends: tuple[Channel, Channel]) -> None:
    """A side that goes away without having read what was sent to it is gone as well."""
    sender, receiver = ends
    receiver.send(b"unread")
    sender.socket.close()
    with pytest.raises(Ended):
        receiver.receive()
