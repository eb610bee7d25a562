"""A source that is one TCP server."""

from __future__ import annotations

from logflume.agent.components import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.sources.tcp_server import Guarded

__all__ = ["ListeningSource"]


class ListeningSource(Source):
    """A subclass makes the server, which hands it what arrives."""

    _server: Guarded | None = None

    def make_server(self) -> Guarded:
        """The server, listening."""
        raise NotImplementedError

    @property
    def _listening(self) -> Guarded:
        assert self._server is not None
        return self._server

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.port

    def open(self) -> None:
        self._server = self.make_server()

    def run(self) -> None:
        self._listening.serve(self.draining)

    def close(self) -> None:
        if self._server is not None:
            self._server.end()
