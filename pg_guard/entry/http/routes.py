"""Health, readiness and metrics over HTTP. In: requests. Out: a status for everybody; all else for those who may read it.

Those are who brings `observability.token` or a token of a client with the scope ``observe``, and who asks from this machine: from a
loopback address, for a loopback name, not through a proxy and not from a page in a browser. To reload takes a token in any case:
`reload.token`, or a client's with the scope ``admin``.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.auth.provider import TokenVerifier
    from pydantic import SecretStr
    from starlette.requests import Request

    from pg_guard.entry.http.health import ServerView

__all__ = ["ENDPOINTS", "SCOPE", "observability_routes"]

SCOPE: Final = "observe"
"""Scope of clients' tokens that opens these endpoints."""

ADMIN_SCOPE: Final = "admin"
"""Scope of clients' tokens that may reload."""

ENDPOINTS: Final = {
    "/health": "Status: `ok` or `degraded` (200); `unavailable`, `starting` or `stopping` (503).",
    "/health/live": "200 while the process answers.",
    "/health/ready": "200 when all databases answer, their catalogs are loaded and their policies compiled; 503 otherwise.",
    "/health/detailed": "Each component with its latency and last error. Not for strangers.",
    "/health/queue": "What runs and what waits. Not for strangers.",
    "/metrics": "Metrics for Prometheus. Not for strangers, unless `observability.public_metrics` says so.",
    "/admin/reload": "`POST`: reads policies, packs and settings again and tells what came of it: 200 when all is in force, 422 when "
    "something is wrong, 503 when a database or the server itself is not ready. Only with `reload.token` or the scope `admin`.",
}
"""Every endpoint, and what it answers."""

_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
# Headers of proxies: exactly these, and any that begin so.
_PROXIED: Final = frozenset({"forwarded", "via", "true-client-ip", "client-ip"})
_PROXIED_LIKE: Final = (
    "x-forwarded",
    "x-real",
    "x-client",
    "x-cluster",
    "x-original",
    "x-envoy",
    "x-proxy",
    "cf-",
    "fastly-",
)
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]{1,5})?")
_LONGEST_TOKEN: Final = 16_384


def observability_routes(
    view: ServerView, verifier: TokenVerifier | None = None, *, trust_local: bool = True
) -> list[Route]:
    """Routes for an application of Starlette.

    Args:
        view: The server.
        verifier: Whose tokens are accepted beside `observability.token` and `reload.token`.
        trust_local: Programs of this machine need no token. Not where a proxy of this machine passes on requests of others.
    """

    async def health(_: Request) -> Response:
        report = await view.report()
        return _json({"status": report.status}, 200 if report.status in ("ok", "degraded") else 503)

    async def live(_: Request) -> Response:
        return _json({"status": "alive"})

    async def ready(request: Request) -> Response:
        report = await view.report()
        answer: dict[str, Any] = {"status": "ready" if report.ready else "not ready"}
        if not report.ready and await is_trusted(request):
            answer["reasons"] = list(report.reasons)
        return _json(answer, 200 if report.ready else 503)

    async def detailed(_: Request) -> Response:
        report = await view.report()
        return _json(view.detailed(report), 200 if report.status in ("ok", "degraded") else 503)

    async def queue(_: Request) -> Response:
        return _json(view.queue())

    async def metrics(request: Request) -> Response:
        service = view.service
        if service is None or service.observer.metrics is None:
            return _json({"error": "there are no metrics"}, 404 if service is not None else 503)
        body, content_type = service.observer.metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={**_HEADERS, "content-type": content_type})

    async def reload(request: Request) -> Response:
        if not await is_known(request, ADMIN_SCOPE, view.settings.reload.token):
            return _unknown("only with a bearer token that may reload")
        reloader = view.service.reloader if view.service is not None else None
        if reloader is None or view.stopping:
            return _json({"error": "the server is not ready"}, 503)
        # It goes on when the client does not wait for it.
        task = reloader.ask("request")
        await asyncio.wait({task})
        if task.cancelled():
            return _json({"error": "the server is ending"}, 503)
        report = task.result()
        status = 200 if report.successful else 503 if report.transient else 422
        return _json(view.redactor.value(report.to_dict()), status)

    async def is_trusted(request: Request) -> bool:
        if not request.headers.get("authorization"):
            return trust_local and _is_local(request)
        # A wrong token is not made good by where it comes from.
        return await is_known(request, SCOPE, view.settings.observability.token)

    async def is_known(request: Request, scope: str, own: SecretStr | None) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and await _is_known(token.strip(), scope, own, verifier)

    async def public_or_guarded_metrics(request: Request) -> Response:
        public = view.settings.observability.public_metrics
        return await metrics(request) if public or await is_trusted(request) else _unknown()

    def guarded(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await answer(request) if await is_trusted(request) else _unknown()

        return endpoint

    endpoints = {
        "/health": health,
        "/health/live": live,
        "/health/ready": ready,
        "/health/detailed": guarded(detailed),
        "/health/queue": guarded(queue),
        "/metrics": public_or_guarded_metrics,
    }
    routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in endpoints.items()]
    return [*routes, Route("/admin/reload", reload, methods=["POST"])]


async def _is_known(token: str, scope: str, own: SecretStr | None, verifier: TokenVerifier | None) -> bool:
    if not token or len(token) > _LONGEST_TOKEN:
        return False
    if own is not None and hmac.compare_digest(token.encode(), own.get_secret_value().encode()):
        return True
    found = await verifier.verify_token(token) if verifier is not None else None
    if found is None or (found.expires_at is not None and found.expires_at < time.time()):
        return False
    return scope in found.scopes


def _is_local(request: Request) -> bool:
    """Asked on this machine, by a program. A page in a browser could come in by a name that it lets point here."""
    if request.client is None or not _is_loopback(request.client.host):
        return False
    # A proxy may add no header at all; those that do not are still apt to speak the oldest version.
    if request.scope["http_version"] in ("0.9", "1.0") or "origin" in request.headers:
        return False
    if any(name in _PROXIED or name.startswith(_PROXIED_LIKE) for name in request.headers):
        return False
    # Not the request's URL: of a Host that it cannot read the library makes the server's own address.
    hosts = request.headers.getlist("host")
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    name = (match[1] or match[2]) if match is not None else ""
    return name.lower() == "localhost" or _is_loopback(name)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(content, status, headers=_HEADERS)


def _unknown(reason: str = "only from this machine, or with a bearer token") -> Response:
    return JSONResponse({"error": reason}, 401, headers={**_HEADERS, "www-authenticate": "Bearer"})
