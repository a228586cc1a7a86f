"""`ambulo serve`: the page for phones."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from ambulo.cli.saying import say


def serve(
    recognizer: Annotated[
        Path | None,
        typer.Argument(
            help="What decides: a file, or waist, pocket, wrist; without it the page only collects."
        ),
    ] = None,
    collect: Annotated[
        Path | None,
        typer.Option(help="Folder for what phones record and label; train on it afterwards."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "0.0.0.0",
    name: Annotated[
        list[str] | None,
        typer.Option(help="Name or address by which phones reach this machine; repeatable."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8443,
    certificate: Annotated[
        Path | None, typer.Option(help="Your certificate (PEM); default: one is made.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The key of your certificate (PEM).")] = None,
    http: Annotated[
        bool,
        typer.Option("--http", help="No TLS: for this machine alone, or behind a proxy that has."),
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(envvar="AMBULO_TOKEN", help="What phones must show; default: a new one."),
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Another site whose page may ask; repeatable.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let phones recognise and collect: scan the QR code, the page does the rest.

    The network runs in the phone's browser. Recordings from --collect are a data set:
    ambulo train FOLDER. Ctrl-C ends it; nothing that was acknowledged is lost.

    Example: ambulo serve waist.ambulo --collect recordings
    """

    from ambulo.server import Options, listen, new_token, qr_code, server
    from ambulo.server.certificate import addresses
    from ambulo.server.certificate import certificate as make

    _check(recognizer, collect, certificate, key, token, http)
    names = [*(name or []), *([host] if host not in ("0.0.0.0", "::") else addresses())]
    own = None
    if not http and certificate is None:
        certificate, key = make(_place(), list(dict.fromkeys([*names, "localhost"])))
        own = certificate
    options = Options(
        token=token or new_token(),
        recognizer=recognizer,
        collect=collect,
        certificate=own,
        origins=tuple(map(_origin, origin or ())),
    )
    serving = server(options, host=host, port=port, certificate=certificate, key=key)
    listening = listen(host, port)
    place = f"[{names[0]}]" if ":" in names[0] else names[0]
    port = listening.getsockname()[1]
    url = f"{'http' if http else 'https'}://{place}:{port}/#token={options.token}"
    if json_:
        say({"url": url, "token": options.token})
    else:
        say(f"{qr_code(url)}\n{url}\n")
        _explain(own is not None, http)
    serving.run(sockets=[listening])


def _check(
    recognizer: Path | None,
    collect: Path | None,
    certificate: Path | None,
    key: Path | None,
    token: str | None,
    http: bool,
) -> None:
    from ambulo.errors import StreamError

    if http and certificate is not None:
        raise StreamError("--http serves without a certificate: leave one of them out")
    if recognizer is None and collect is None:
        raise StreamError("nothing to serve: give a recognizer, or --collect FOLDER, or both")
    if (certificate is None) != (key is None):
        raise StreamError("--certificate and --key belong together: give both")
    if token is not None and len(token) < 12:
        raise StreamError("--token: too short to keep anybody out: give 12 characters or more")
    if token is not None and not re.fullmatch(r"[A-Za-z0-9._~-]+", token):
        raise StreamError(
            "--token: it goes into an address and headers: give letters, digits, - . _ and ~ only"
        )


def _origin(text: str) -> str:
    """An origin as browsers write it."""
    from ambulo.errors import StreamError

    origin = text.lower().rstrip("/")
    if not re.fullmatch(r"https?://[^/?#@\s]+", origin):
        raise StreamError(f"--origin {text}: write scheme and host, as https://example.org")
    return origin


def _place() -> Path:
    """Where the certificate lies that was made for this machine."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "ambulo"


def _explain(own: bool, http: bool) -> None:
    if own:
        say(
            "The certificate was made here, so phones warn once: go on, or, to use the page\n"
            "offline too, open /certificate on the phone and trust it in its settings."
        )
    if http:
        say("Without TLS, phones give this page no motion: for this machine only.")
    from ambulo.server.app import WEB

    if not (WEB / "vendor" / "ort.wasm.min.mjs").is_file():
        say(
            "note: the browser's runtime is not installed (in a checkout: "
            "scripts/install-browser-runtime, then pip install .): "
            "phones can collect, and let this machine decide",
            err=True,
        )
