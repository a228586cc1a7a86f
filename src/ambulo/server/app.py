"""The application: the page, the recognizer for it, live sessions, uploads, health and counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.staticfiles import StaticFiles

from ambulo.pretrained import find
from ambulo.recognizer import Recognizer
from ambulo.server.access import Access
from ambulo.server.batching import Batcher
from ambulo.server.collection import Collection
from ambulo.server.contract import Bout, Chunk, Kept, Session, answers
from ambulo.server.live import follow
from ambulo.server.metrics import Metrics
from ambulo.server.options import Options
from ambulo.server.uploads import predict
from ambulo.stream import Stream
from ambulo.stream.snapshots import fingerprint

WEB = Path(__file__).parent.parent / "web"
MANY = 20
"""Mistakes in one message that are told."""


@dataclass
class State:
    """What the routes share."""

    options: Options
    metrics: Metrics = field(default_factory=Metrics)
    recognizer: Recognizer | None = None
    batcher: Batcher | None = None
    collection: Collection | None = None
    sessions: int = 0
    predicting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))


def create_app(options: Options) -> FastAPI:
    """The application that `ambulo serve` runs.

    Raises RecognizerError for a recognizer that cannot be loaded or does not say its rate.
    """
    if options.recognizer is not None:
        options = replace(options, recognizer=find(options.recognizer))
    state = State(options)
    if options.recognizer is not None:
        state.recognizer = Recognizer.load(options.recognizer).on_one_thread()
        Stream(state.recognizer)  # says what is missing
        state.batcher = Batcher(state.recognizer, state.metrics, options.gather)
    if options.collect is not None:
        state.collection = Collection(options.collect)

    app = FastAPI(
        title="Ambulo",
        lifespan=lambda _: _running(state),
        docs_url=None,
        redoc_url=None,
        responses=answers(401, 403, 413, 429),
        exception_handlers={405: _wrong_method, RequestValidationError: _not_as_stated},
    )
    _add_recognizer(app, state)
    _add_collection(app, state)
    _add_observing(app, state)
    page = Page(directory=WEB, html=True)
    files = (path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())
    own = frozenset(f"/{name}" for name in files)
    app.router.routes += [Route(path, page, include_in_schema=False) for path in ("/", *own)]
    app.add_middleware(Access, options=options, metrics=state.metrics, files=own)
    if options.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=options.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["doubts"],
        )
    app.state.ambulo = state
    return app


async def _not_as_stated(request: Request, error: Any) -> Response:
    """What is wrong where, without what came: that is a person's, and may be no JSON at all."""
    wrong = [{key: item[key] for key in ("type", "loc", "msg")} for item in error.errors()[:MANY]]
    return Response(json.dumps({"detail": wrong}), 422, media_type="application/json")


async def _wrong_method(request: Request, error: Exception) -> Response:
    """Another method than this path's, of which `Allow` names all."""
    routes = (route for route in request.app.router.routes if isinstance(route, Route))
    here = (route for route in routes if route.matches(request.scope)[0] != Match.NONE)
    allowed = {method for route in here for method in route.methods or {"GET"}}
    headers = {"Allow": ", ".join(sorted(allowed))}
    return JSONResponse({"detail": "Method Not Allowed"}, 405, headers)


@contextlib.asynccontextmanager
async def _running(state: State) -> AsyncIterator[None]:
    """Recover what was collected, decide while the server runs, and at its end on all that came."""
    if state.collection is not None:
        for session in await asyncio.to_thread(state.collection.recover):
            logging.getLogger(__name__).info("recovered %s", session)
    work = asyncio.create_task(state.batcher.run()) if state.batcher else None
    yield
    if work is not None and state.batcher is not None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(state.batcher.idle.wait(), 5)
        work.cancel()
    if state.collection is not None:
        await asyncio.to_thread(state.collection.recover)


def _add_recognizer(app: FastAPI, state: State) -> None:
    @app.get("/recognizer.json")
    def recognizer() -> Response:
        """What the page needs to know: windowing, activities, temperature, context, card."""
        head: dict[str, Any] = {"collect": state.collection is not None, "recognizer": None}
        if state.recognizer is not None:
            head["recognizer"] = state.recognizer.head()
            head["recognizer"]["network"]["id"] = fingerprint(state.recognizer)
        return Response(json.dumps(head), media_type="application/json")

    @app.get("/network.onnx", response_class=Response, responses=answers(404))
    def network() -> Response:
        """The network as ONNX."""
        graph = _recognizer(state).graph
        return Response(graph, media_type="application/octet-stream")

    @app.post(
        "/predict",
        response_model=list[Bout],
        openapi_extra=_BODY,
        responses=answers(404, 408, 422),
    )
    async def timeline(request: Request, response: Response, name: str = "recording.csv") -> Any:
        """The timeline of an uploaded recording, sent as the body; `name` tells its kind.

        The header `doubts` is a JSON list of why it may not suit the recognizer.
        """
        path = state.options.recognizer
        if path is None:
            raise HTTPException(404, "this server has no recognizer")
        async with state.predicting:
            rows, doubts = await predict(path, request.stream(), name, state.options)
        response.headers["doubts"] = json.dumps(doubts)
        return rows

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        if state.batcher is None or state.sessions >= state.options.sessions:
            state.metrics.count("ambulo_refused_total", 1, 'reason="full"')
            await websocket.close(1013)
            return
        state.sessions += 1
        try:
            await follow(websocket, state.batcher, state.metrics, state.options)
        finally:
            state.sessions -= 1


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _recognizer(state: State) -> Recognizer:
    if state.recognizer is None:
        raise HTTPException(404, "this server has no recognizer")
    return state.recognizer


def _add_collection(app: FastAPI, state: State) -> None:
    def collection() -> Collection:
        if state.collection is None:
            raise HTTPException(404, "this server does not collect: start it with --collect")
        return state.collection

    @app.post("/collect/{session}", responses=answers(400, 404, 408, 409, 507))
    def keep(session: Session, chunk: Chunk) -> Kept:
        """Keep a part of a recording; once this is answered it is on the disk."""
        try:
            kept, new = collection().keep(session, chunk.model_dump())
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        except OSError as error:
            raise HTTPException(507, f"cannot be kept ({error.strerror})") from error
        state.metrics.count("ambulo_chunks_total", int(new))
        return Kept(kept=kept)

    @app.get("/collect/{session}", responses=answers(404))
    def numbers(session: Session) -> list[int]:
        """Numbers of the parts of a recording that are kept."""
        return collection().numbers(session)


def _add_observing(app: FastAPI, state: State) -> None:
    @app.get("/health")
    def health() -> dict[str, str]:
        """Whether the server works."""
        return {"status": "ok"}

    @app.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """Counts for Prometheus."""
        return Response(state.metrics.text(state.sessions), media_type="text/plain; version=0.0.4")

    @app.get("/certificate", response_class=Response, responses=answers(404))
    def certificate() -> Response:
        """The server's certificate, for a phone to trust."""
        if state.options.certificate is None:
            raise HTTPException(404, "this server has no certificate of its own")
        return Response(
            state.options.certificate.read_bytes(), media_type="application/x-x509-ca-cert"
        )


class Page(StaticFiles):
    """The page's files; the large one packed, where the browser takes that."""

    async def get_response(self, path: str, scope: Any) -> Response:
        """One file, to be asked for anew each time: the page keeps its own copy."""
        headers = dict(scope["headers"])
        packed = path.endswith(".wasm") and b"gzip" in headers.get(b"accept-encoding", b"")
        if packed and (WEB / f"{path}.gz").is_file() and ".." not in path:
            found: Response = FileResponse(WEB / f"{path}.gz", media_type="application/wasm")
            found.headers["content-encoding"] = "gzip"
        else:
            found = await super().get_response(path, scope)
        found.headers["cache-control"] = "no-cache"
        return found
