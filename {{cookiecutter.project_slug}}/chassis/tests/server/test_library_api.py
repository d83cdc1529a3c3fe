"""The names that the chassis uses of the private API of uvicorn and gunicorn exist in the installed versions."""

import ast
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import gunicorn.errors
import gunicorn.glogging
import pytest
import uvicorn_worker
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.zttp_h2_impl import RequestResponseCycle, ZttpH2Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server, ServerState
from websockets.server import ServerProtocol

import chassis
from chassis.connections import _http1, _websocket
from chassis.http2 import _connection, _protocol, _responses
from chassis.server import _graceful, _log, _master, _worker

SOURCES = Path(chassis.__file__).parent

# By class: what the files override, call, read or set.
USED: dict[type, str] = {
    Server: "run serve startup capture_signals started should_exit force_exit servers server_state config lifespan",
    ServerProtocol: "close_sent data_to_send debug fail handshake_exc logger",
    ServerState: "connections tasks total_requests default_headers",
    Config: "app encoded_headers",
    LifespanOn: "state",
    httptools_impl.HttpToolsProtocol: (
        "connection_made connection_lost eof_received data_received on_message_begin on_headers_complete on_body"
        " send_400_response shutdown _start_asgi_task _should_upgrade"
        " client connections cycle flow headers loop parser pipeline scheme scope transport url"
    ),
    httptools_impl.RequestResponseCycle: (
        "disconnected keep_alive message_event more_body response_complete response_started"
    ),
    FlowControl: "pause_reading read_paused resume_reading",
    WebSocketsSansIOProtocol: (
        "connection_made data_received handle_cont handle_parser_exception handle_ping send shutdown"
        " app client close_sent conn frames handshake_complete handshake_initiated logger loop read_paused transport"
        " writable"
    ),
    AutoZttpProtocol: (
        "connection_made _switch app_state config connections loop server_state timeout_task transport shutdown"
    ),
    ZttpH2Protocol: (
        "connection_made connection_lost data_received events handle_events handle_request handle_rst_stream"
        " on_response_complete pause_writing resume_writing resume_reading_if_idle shutdown flush"
        " _unset_keepalive_if_required timeout_keep_alive_handler timeout_keep_alive_task"
        " app client conn connections cycles flow logger loop shutdown_requested transport"
    ),
    RequestResponseCycle: (
        "send abort_stream body disconnected message_event more_body run_asgi stream on_response response_complete"
    ),
    uvicorn_worker.UvicornWorker: (
        "CONFIG_KWARGS init_signals _serve config wsgi sockets tmp max_requests notify age pid"
    ),
    Arbiter: (
        "signal handle_int handle_quit handle_term handle_hup stop kill_workers kill_worker manage_workers spawn_worker"
        " reap_workers setup WORKERS WORKER_BOOT_ERROR app cfg log num_workers reexec_pid worker_class"
    ),
    BaseApplication: "cfg reload",
    gunicorn.errors.HaltServer: "reason exit_status",
    gunicorn.glogging.Logger: "setup error_log",
}
OVERRIDING: dict[type, type] = {
    _graceful.GracefulServer: Server,
    _protocol.Http2Protocol: AutoZttpProtocol,
    _connection.LimitedHttp2Protocol: ZttpH2Protocol,
    _responses.Cycle: RequestResponseCycle,
    _log.Logger: gunicorn.glogging.Logger,
    _master.Master: Arbiter,
    _http1.LimitedProtocol: httptools_impl.HttpToolsProtocol,
    _http1.PipelineFlow: FlowControl,
    _websocket.LimitedWebSocketProtocol: WebSocketsSansIOProtocol,
    _worker.Worker: uvicorn_worker.UvicornWorker,
}


def missing(of: type, used: str) -> set[str]:
    return set(used.split()) - set(dir(of)).union(*(assigned(each) for each in of.__mro__))


def assigned(to: type) -> set[str]:
    """The attributes of instances: what the methods of the class assign to `self`."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(to)))
    except (OSError, TypeError):  # A class without source in Python.
        return set()
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    return {node.attr for node in stored if isinstance(node.value, ast.Name) and node.value.id == "self"}


@pytest.mark.parametrize("of", USED, ids=lambda of: of.__name__)
def test_the_library_has_the_names(of: type) -> None:
    assert missing(of, USED[of]) == set()


@pytest.mark.parametrize("of", USED, ids=lambda of: of.__name__)
def test_a_name_that_it_does_not_have_is_found(of: type) -> None:
    assert missing(of, f"{USED[of]} made_up") == {"made_up"}


@pytest.mark.parametrize("ours", OVERRIDING, ids=lambda ours: ours.__name__)
def test_each_override_is_in_the_table_and_takes_the_same_arguments(ours: type) -> None:
    overrides = {name: each for name, each in vars(ours).items() if getattr(each, "__override__", False)}

    assert overrides.keys() <= set(USED[OVERRIDING[ours]].split())
    assert {name: arguments(each) for name, each in overrides.items()} == {
        name: arguments(getattr(OVERRIDING[ours], name)) for name in overrides
    }


def arguments(method: Any) -> list[str]:
    return list(inspect.signature(method).parameters)


def test_private_api_is_used_only_in_files_that_describe_it() -> None:
    imports = re.compile(r"^\s*(from|import) (gunicorn|uvicorn)", re.MULTILINE)
    users = [path for path in SOURCES.rglob("*.py") if imports.search(path.read_text())]

    assert {path.stem for path in users} >= {"_graceful", "_master", "_http1", "_uvicorn_thread", "_worker"}
    for path in users:
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        _, described, *_ = docstring.split("\n\n")
        assert re.match(
            r"Private API: .*\nWhy: .*\nChecked by: tests/server/test_library_api.py ", described, re.DOTALL
        ), path
