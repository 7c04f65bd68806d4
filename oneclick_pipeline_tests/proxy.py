"""A proxy between a program and its server: it passes everything on, until it is slow, silent, or cuts the connection."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oneclick_pipeline_tests.servers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Proxy:
    """What passes from clients to a server and back.

    Attributes:
        target: Port of the server.
        port: Port of the proxy.
        delay: Seconds by which each piece of an answer is late.
        word: Once a client says this, `fault` begins; empty: never.
        fault: silent: nothing is passed on any more, and all connections stay; cut: all are closed, and new ones at once.
        begun: Whether the fault has begun; cleared to end it.
    """

    target: int
    port: int = 0
    delay: float = 0.0
    word: bytes = b""
    fault: str = "cut"
    begun: threading.Event = field(default_factory=threading.Event)

    def _serve(self, listener: socket.socket, open_: list[socket.socket]) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # the end of the test
            server = socket.create_connection((LOOPBACK, self.target))
            open_ += [client, server]
            for source, sink, is_client in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=(source, sink, is_client), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_client: bool) -> None:
        with suppress(OSError):  # one side has hung up
            while piece := source.recv(1 << 16):
                if is_client and self.word and self.word in piece:
                    self.begun.set()
                if self.begun.is_set():
                    if self.fault == "cut":
                        break
                    continue
                if not is_client and self.delay:
                    time.sleep(self.delay)
                sink.sendall(piece)
        for side in (source, sink):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """A proxy of a server on this machine, while the block runs."""
    open_: list[socket.socket] = []
    with socket.create_server((LOOPBACK, 0)) as listener:
        between = Proxy(target, listener.getsockname()[1])
        thread = threading.Thread(target=between._serve, args=(listener, open_))
        thread.start()
        try:
            yield between
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for side in open_:
                side.close()
