"""Messages of bounded size over a pair of sockets, with a descriptor now and then; it knows nothing of what they say.

A message lies behind its length. Both ends take turns, so at most one message is under way in each direction. The socket is
also what wakes whoever waits: measured, that takes as long as an eventfd, with a system call less, and its end tells at
once that the process at the other side is gone.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGE_BYTES = 16 * 1024 * 1024
_AT_ONCE = 64 * 1024
_LENGTH_BYTES = 4
_DESCRIPTOR_BYTES = 4
_DESCRIPTOR = socket.CMSG_SPACE(_DESCRIPTOR_BYTES)
_CLOSE_ON_EXEC = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))
_CUT = int(socket.MSG_CTRUNC)


class Ended(Exception):
    """Raised when the other side is gone."""


class Channel:
    """One end. Not for several threads at once.

    Attributes:
        socket: to be closed by whoever made the channel.
    """

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._memory = memoryview(bytearray(_AT_ONCE))

    def send(self, message: bytes, descriptor: int | None = None) -> None:
        """Send one message; the descriptor stays the caller's.

        Raises:
            Ended: the other side is gone.
            ValueError: the message is too large.
        """
        if len(message) > MESSAGE_BYTES:
            raise ValueError(f"a message of {len(message)} bytes is larger than {MESSAGE_BYTES}")
        data = len(message).to_bytes(_LENGTH_BYTES, "little") + message
        try:
            if descriptor is None:
                self.socket.sendall(data)
            else:
                sent = socket.send_fds(self.socket, [data], [descriptor])
                self.socket.sendall(data[sent:])
        except ConnectionError as error:
            raise Ended from error

    def receive(self) -> tuple[memoryview, int | None]:
        """Wait for the next message; returns it, valid until the next call, and the descriptor that came with it.

        Raises:
            Ended: the other side is gone.
            TimeoutError: nothing came within the socket's time limit.
            ValueError: this is no message.
        """
        try:
            return self._receive()
        except ConnectionError as error:  # it died while something was under way to it
            raise Ended from error

    def _receive(self) -> tuple[memoryview, int | None]:
        count, ancillary, flags, _ = self.socket.recvmsg_into([self._memory], _DESCRIPTOR, _CLOSE_ON_EXEC)
        if not count:
            raise Ended
        if flags & _CUT:
            raise ValueError("a descriptor was lost: too many files are open")
        descriptor = _descriptor(ancillary)
        while count < _LENGTH_BYTES:
            count += self._more(self._memory[count:])
        size = _LENGTH_BYTES + int.from_bytes(self._memory[:_LENGTH_BYTES], "little")
        if size > _LENGTH_BYTES + MESSAGE_BYTES:
            raise ValueError(f"a message of {size} bytes")
        memory = self._memory
        if size > _AT_ONCE:
            memory = memoryview(bytearray(size))
            memory[:count] = self._memory[:count]
        while count < size:
            count += self._more(memory[count:size])
        return memory[_LENGTH_BYTES:size], descriptor

    def _more(self, memory: memoryview) -> int:
        count = self.socket.recv_into(memory)
        if not count:
            raise Ended
        return count


def _descriptor(ancillary: Iterable[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and len(data) >= _DESCRIPTOR_BYTES:
            return int.from_bytes(data[:_DESCRIPTOR_BYTES], "little")
    return None
