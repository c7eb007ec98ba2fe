"""Who is told of a run that failed: against a real web server and a real mail server on this machine."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import ClassVar

import pytest

from features.files import RESULT, read_json
from features.sections import NotifySection
from whobuys.notice import send_notices

Weekly = Callable[..., tuple[int, str]]
FAILED: dict[str, object] = {"state": "failed", "exit_code": 1, "error": "orders.csv, line 2: got 'anna@example.com'", "steps": []}
DONE: dict[str, object] = {"state": "done", "exit_code": 0, "error": "", "steps": []}


class Posts(BaseHTTPRequestHandler):
    """Keeps what is posted; answers 500 below /broken."""

    kept: ClassVar[list[dict[str, object]]] = []

    def do_POST(self) -> None:  # the name that http.server asks for
        self.kept.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()

    def log_message(self, format: str, *words: object) -> None:
        pass


class Mails(StreamRequestHandler):
    """As much of SMTP as a mail needs: keeps users, and mails as they came; refuses the user "nobody"."""

    kept: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "EHLO":
                self.wfile.write(b"250-here\r\n250 AUTH PLAIN\r\n")
            elif verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                self.kept.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                self.wfile.write(b"250 kept\r\n")
            elif verb == "AUTH":
                self.wfile.write(b"235 in\r\n" if line.endswith("AHNob3AAc2VjcmV0") else b"535 no\r\n")  # shop, secret
            else:
                self.wfile.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")


@pytest.fixture
def web() -> Iterator[str]:
    Posts.kept.clear()
    with HTTPServer(("127.0.0.1", 0), Posts) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def mail() -> Iterator[int]:
    Mails.kept.clear()
    with ThreadingTCPServer(("127.0.0.1", 0), Mails) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_failed_run_is_posted_without_what_may_be_personal(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", f"{web}/key-in-the-address")
    assert list(send_notices(NotifySection(webhook="HOOK"), FAILED, shop="Nordic")) == ["told the address in HOOK"]
    [body] = Posts.kept
    assert body["state"] == "failed" and body["shop"] == "Nordic" and body["error"] == "orders.csv, line 2: got (a value)"
    assert str(body["text"]).startswith("whobuys weekly, Nordic: failed (exit code 1)\norders.csv") and "anna" not in json.dumps(body)


@pytest.mark.parametrize("settings, result, told", [({}, DONE, 0), ({"always": True}, DONE, 1), ({}, FAILED, 1), ({"webhook": ""}, FAILED, 0)])
def test_only_what_was_not_done_is_told_unless_always(
    settings: dict[str, object], result: dict[str, object], told: int, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", web)
    list(send_notices(NotifySection.model_validate({"webhook": "HOOK"} | settings), result, shop="Nordic"))
    assert len(Posts.kept) == told


def test_a_failed_run_is_mailed(mail: int, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = NotifySection(smtp_host="127.0.0.1", smtp_port=mail, smtp_security="none", to=("shop@example.com", "it@example.com"))
    monkeypatch.setenv("WHOBUYS_SMTP_USER", "shop")
    monkeypatch.setenv("WHOBUYS_SMTP_PASSWORD", "secret")
    assert list(send_notices(settings, FAILED, shop="Nordic")) == ["told 2 mailboxes"]
    [sent] = Mails.kept
    assert "Subject: whobuys weekly, Nordic: failed (exit code 1)" in sent and "To: shop@example.com, it@example.com" in sent
    assert "From: shop@example.com" in sent and '"state": "failed"' in sent and "anna" not in sent


TROUBLES = {
    "a server that fails": ("{web}/broken", "no notice to the address in HOOK: the server answered 500"),
    "nobody listens": ("http://127.0.0.1:{closed}/key", "no notice to the address in HOOK: Connection refused"),
    "no such host": ("http://no-such-host.invalid/key", "no notice to the address in HOOK: "),
    "a file": ("file:///etc/hostname", "holds no address that begins with https://"),
    "no address": ("key", "holds no address that begins with https://"),
    "a wrong port": ("http://localhost:port/key", "no notice to the address in HOOK: "),
    "not set": ("", "the environment variable HOOK is not set"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_notice_that_fails_is_said_without_its_address(trouble: str, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address, text = TROUBLES[trouble]
    monkeypatch.setenv("HOOK", address.format(web=web, closed=closed_port()))
    [said] = send_notices(NotifySection(webhook="HOOK"), FAILED, shop="Nordic")
    assert text in said and "key" not in said and "127.0.0.1" not in said


@pytest.mark.parametrize("user, text", [("nobody", "the server answered 535"), (None, "Connection refused")])
def test_a_mail_that_fails_is_said(user: str | None, text: str, mail: int, monkeypatch: pytest.MonkeyPatch) -> None:
    port = mail if user else closed_port()
    monkeypatch.setenv("WHOBUYS_SMTP_USER", user or "")
    monkeypatch.setenv("WHOBUYS_SMTP_PASSWORD", "secret")
    settings = NotifySection(smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", to=("shop@example.com",))
    assert [text in said and "secret" not in said for said in send_notices(settings, FAILED, shop="Nordic")] == [True]


@pytest.mark.parametrize("place, ending", [("/ok", "told the address in HOOK"), ("/broken", "the server answered 500")])
def test_a_notice_never_changes_how_a_run_ends(
    place: str, ending: str, web: str, new_shop: Callable[[Path], Path], weekly: Weekly, tmp_path: Path
) -> None:
    shop = new_shop(tmp_path / "shop")
    settings = (shop / "whobuys.toml").read_text(encoding="utf-8")
    (shop / "whobuys.toml").write_text(settings.replace('webhook = ""', 'webhook = "HOOK"'), encoding="utf-8")
    code, told = weekly(shop, [], HOOK=web + place)
    assert code == 1 and f"{ending}" in told
    [body] = Posts.kept
    assert {name: body[name] for name in read_json(shop / RESULT)} == read_json(shop / RESULT) and body["state"] == "failed"
