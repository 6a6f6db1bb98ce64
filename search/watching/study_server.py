"""Serve optuna-dashboard on one study, read-only and on this machine alone, while the search writes."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from optuna.storages import RDBStorage

HOST = "127.0.0.1"
FIRST_PORT = 8080
PORTS_TRIED = 20
_READING = {"GET", "HEAD"}
_LOCAL_NAMES = {"127.0.0.1", "localhost", "[::1]"}


class _ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request; the terminal belongs to the search."""


class StudyServer:
    """The study page; it answers from the start on and until `close`.

    optuna-dashboard has no log-in and can delete studies, so this one only reads: other methods than
    GET are refused, the database is opened read-only, and a request must name this machine, or a web
    page elsewhere could read the study through the reader's browser.

    Args:
        database: study.db of a study.
        port: Where to listen (0: the first free one from 8080 on).

    Raises:
        OSError: If the port is taken.
    """

    def __init__(self, database: Path, port: int = 0) -> None:
        from search.study.storage import open_to_read

        self._server = _listen(_reading_only(_made_when_asked(open_to_read(database))), port)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="study-page", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Serve until the process is interrupted."""
        self._thread.join()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _made_when_asked(storage: RDBStorage) -> WSGIApplication:
    """Return optuna-dashboard on a study; it takes most of a second to load, so its first reader waits, and no trial."""
    making = threading.Lock()

    @functools.cache
    def make() -> WSGIApplication:
        import optuna_dashboard

        # of too few trials to tell importances apart; the terminal belongs to the search
        warnings.filterwarnings("ignore", module="optuna.importance")
        app: WSGIApplication = optuna_dashboard.wsgi(storage)
        return app

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with making:
            app = make()
        return app(environ, start_response)

    return answer


def _listen(app: WSGIApplication, port: int) -> WSGIServer:
    ports = [port] if port else range(FIRST_PORT, FIRST_PORT + PORTS_TRIED)
    for candidate in ports:
        try:
            return make_server(HOST, candidate, app, _ThreadedServer, _QuietHandler)
        except OSError:
            continue
    wanted = f"port {port} is" if port else f"ports {ports[0]} to {ports[-1]} are"
    raise OSError(f"{wanted} taken on {HOST}; choose another with --port")


def _reading_only(app: WSGIApplication) -> WSGIApplication:
    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "").rpartition(":")[0] or environ.get("HTTP_HOST", "")
        if host not in _LOCAL_NAMES:
            return _refuse(start_response, "403 Forbidden", "ask for 127.0.0.1 or localhost")
        if environ["REQUEST_METHOD"] not in _READING:
            return _refuse(start_response, "405 Method Not Allowed", "this page only reads the study")
        # optuna-dashboard takes it for granted, and fails without it
        return app({"HTTP_ACCEPT_ENCODING": "", **environ}, start_response)

    return guarded


def _refuse(start_response: StartResponse, status: str, reason: str) -> list[bytes]:
    # JSON, since the page shows the field `reason` of an error
    body = f'{{"reason": "{reason}"}}'.encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
