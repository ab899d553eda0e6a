"""The life of an HTTP server. In: settings and an address. Out: runs until a signal comes.

MCP's streamable HTTP at `/mcp`, behind the SDK's checks of tokens, Host, Origin and size. Without tokens or an issuer it
starts only on a loopback address, and only when that is asked for. Requests are not logged: an address line can hold what a
client should not have put there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import uvicorn
from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecuritySettings
from starlette.middleware.cors import CORSMiddleware

from pg_guard.entry.http.address import Address, bound, bracketed, parse_address
from pg_guard.entry.http.routes import observability_routes
from pg_guard.entry.loop import run
from pg_guard.entry.mcp.drain import Door
from pg_guard.entry.mcp.life import Life
from pg_guard.entry.mcp.oauth import AnyVerifier, JwtVerifier
from pg_guard.entry.mcp.server import build_server
from pg_guard.entry.mcp.tokens import TokenFile, check_mode
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from mcp.server.auth.provider import TokenVerifier
    from starlette.types import ASGIApp

    from pg_guard.entry.sources import Sources
    from pg_guard.settings import HttpSettings, Settings

__all__ = ["PATH", "Address", "parse_address", "serve_http"]

PATH: Final = "/mcp"
_ANONYMOUS: Final = {"client": "anonymous"}
_LOCAL_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_HTTP_PORT: Final = 80  # clients leave it out


def serve_http(settings: Settings, address: Address, sources: Sources | None = None) -> int:
    """Serve guarded databases over HTTP.

    Args:
        settings: The deployment's settings.
        address: Where to listen.
        sources: Where the settings come from, to read them again while the server runs.

    Returns:
        The exit code: 130 or 143 after SIGINT or SIGTERM.

    Raises:
        UsageError: Nobody, or everybody, could connect; the address or a file cannot be used; no database is configured.
        PolicyError: A policy is not valid.
        DatabaseError: A database cannot be reached.
        CatalogError: Its catalog cannot be read.
    """
    with bound(address) as listener:
        host, port = listener.getsockname()[:2]
        _check_exposure(settings.http, host)
        security = _transport_security(settings.http, address.host, host, port)
        auth = _authentication(settings.http, _url(host, port))
        return run(_serve(settings, listener, security, auth, sources))


# -- who may connect ---------------------------------------------------------------------------------------------------


def _check_exposure(http: HttpSettings, host: str) -> None:
    """Refuse what would let everybody in, or nobody."""
    verified = http.tokens is not None or http.oauth is not None
    if verified and http.allow_anonymous:
        raise UsageError(
            "http.allow_anonymous together with http.tokens or http.oauth", hint="leave out what is not meant"
        )
    if not verified and not http.allow_anonymous:
        raise UsageError(
            "no client could be told from another: neither tokens nor an issuer are configured",
            hint="set http.tokens (pg-guard token new NAME --file tokens.yaml) or http.oauth; on a loopback address"
            " http.allow_anonymous is possible, too",
        )
    if http.allow_anonymous and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        raise UsageError(
            f"http.allow_anonymous on {host}, which others can reach",
            hint="listen on 127.0.0.1, or set http.tokens or http.oauth",
        )


def _authentication(http: HttpSettings, own_url: str) -> dict[str, Any]:
    """Arguments for the SDK's server: verifiers and what clients are told of them."""
    resource = None
    if http.oauth is not None:
        resource = http.oauth.resource or http.oauth.audience
        if urlsplit(resource).scheme not in ("http", "https") or not urlsplit(resource).netloc:
            raise UsageError(
                f"http.oauth: {resource} is not the address of this server",
                hint=f"set http.oauth.resource to the address that clients use, as in https://guard.example{PATH}",
            )
    verifiers: list[TokenVerifier] = []
    if http.tokens is not None:
        if warning := check_mode(http.tokens):
            _say(f"warning: {warning}")
        verifiers.append(TokenFile(http.tokens, resource=resource))
    if http.oauth is not None:
        verifiers.append(JwtVerifier(http.oauth))
    if not verifiers:
        return {}
    described = AuthSettings.model_validate(
        {
            # The SDK wants an issuer in any case; it names one to clients only together with a resource.
            "issuer_url": http.oauth.issuer if http.oauth is not None else own_url,
            "resource_server_url": resource,
            "required_scopes": list(http.oauth.scopes) if http.oauth is not None else None,
            "validate_token_resource": resource is not None,
        }
    )
    return {"auth": described, "token_verifier": AnyVerifier(verifiers)}


def _transport_security(http: HttpSettings, name: str, host: str, port: int) -> TransportSecuritySettings:
    """Which Host and Origin headers are meant for this server; others come from pages that rebind names."""
    found = ipaddress.ip_address(host.partition("%")[0])
    names = set(_LOCAL_NAMES) if found.is_loopback or found.is_unspecified else set()
    if not found.is_unspecified:
        names |= {bracketed(name), bracketed(host)}
    hosts = [f"{each}:{port}" for each in sorted(names)]
    if port == _HTTP_PORT:
        hosts += sorted(names)
    if http.oauth is not None:
        hosts.append(urlsplit(http.oauth.resource or http.oauth.audience).netloc)
    if found.is_unspecified and http.oauth is None and not http.allowed_hosts:
        raise UsageError(
            f"{host} stands for all addresses of this machine, and no name is known to be its own",
            hint="list what clients call it in http.allowed_hosts, as in guard.example, or listen on one address",
        )
    return TransportSecuritySettings(
        allowed_hosts=[*hosts, *http.allowed_hosts], allowed_origins=list(http.allowed_origins)
    )


# -- the server --------------------------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it: closing takes more than the end of connections."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    settings: Settings,
    listener: socket.socket,
    security: TransportSecuritySettings,
    auth: dict[str, Any],
    sources: Sources | None,
) -> int:
    verifier: TokenVerifier | None = auth.get("token_verifier")
    life = Life(settings, verifier, sources)
    service = await life.open()
    if service is None:
        return await life.exit_code()

    http = settings.http
    app = build_server(service, **auth).streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=http.max_request_bytes,
        session_idle_timeout=http.session_idle,
        max_sessions=http.max_sessions,
        transport_security=security,
    )
    # A proxy with TLS often stands on this machine, and its requests look like ones from here.
    app.router.routes.extend(observability_routes(life.view, verifier, trust_local=verifier is None))
    door = Door(_with_cors(app, http.allowed_origins), principal=None if auth else _ANONYMOUS)
    server = _Server(_configuration(door, http))
    # Before it is told, so that nobody who reads that comes too early.
    listener.listen()
    running = asyncio.create_task(server.serve(sockets=[listener]))
    host, port = listener.getsockname()[:2]
    _say(f"serving {_url(host, port)}")
    try:
        await life.until_stopped(running)
        await door.close(http.drain_timeout, life.hurry)
    finally:
        server.should_exit = True
        await life.close(running)
    return await life.exit_code(running)


def _configuration(app: ASGIApp, http: HttpSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        # Logging is the deployment's own affair; lines about requests could hold what clients send.
        log_config=None,
        access_log=False,
        server_header=False,
        # Nothing here depends on the client's address, so no header that claims one is believed.
        proxy_headers=False,
        limit_concurrency=http.max_connections,
        # By then the door has ended all requests.
        timeout_graceful_shutdown=1,
    )


def _with_cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """Let pages of the permitted origins read answers; the SDK refuses requests of all others."""
    if not origins:
        return app
    patterns = [
        re.escape(origin[:-2]) + r":[0-9]+" if origin.endswith(":*") else re.escape(origin) for origin in origins
    ]
    return CORSMiddleware(
        app,
        allow_origin_regex="|".join(patterns),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["mcp-session-id", "mcp-protocol-version", "www-authenticate"],
    )


def _url(host: str, port: int) -> str:
    return f"http://{bracketed(host)}:{port}{PATH}"


def _say(text: str) -> None:
    print(f"pg-guard: {text}", file=sys.stderr, flush=True)  # noqa: T201 - for whoever started the server
