"""What became of a weekly run goes to a web address and by mail, as [notify] of whobuys.toml says; what cannot be sent is said, and changes nothing.

The body is what ``run_result.json`` holds. Values of cells and mail addresses, which errors may quote, are taken out.
"""

import json
import os
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from email.message import EmailMessage
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from features.errors import WhobuysError
from features.sections import NotifySection

SECONDS = 30
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_CELL = re.compile(r"""\bgot (?P<quote>['"]).*?(?P=quote)""")


def send_notices(settings: NotifySection, result: Mapping[str, object], *, shop: str) -> Iterator[str]:
    """Tell of a run that was not done, or of any with ``always``; a sentence for each notice, sent or not. Raises nothing."""
    if result["state"] == "done" and not settings.always:
        return
    told = summary(result, shop=shop)
    body = json.loads(without_cells(json.dumps({"text": told, "shop": shop, **result}, ensure_ascii=False, default=str)))
    if settings.webhook:
        yield _tried(f"the address in {settings.webhook}", lambda: _post(settings, body))
    if settings.smtp_host:
        yield _tried(f"{len(settings.to)} mailbox{'es' * (len(settings.to) != 1)}", lambda: _mail(settings, told.splitlines()[0], body))


def summary(result: Mapping[str, object], *, shop: str) -> str:
    """A run in a line, and what was wrong below it.

    >>> print(summary({"state": "refused", "exit_code": 4, "error": "prices: half cost twice as much"}, shop="Nordic"))
    whobuys weekly, Nordic: refused (exit code 4)
    prices: half cost twice as much
    """
    return "\n".join(filter(None, [f"whobuys weekly, {shop}: {result['state']} (exit code {result['exit_code']})", str(result.get("error", ""))]))


def without_cells(text: str) -> str:
    """Text without values of cells, which errors quote, and without mail addresses.

    >>> without_cells("orders.csv, line 17: 'quantity' must be a whole number, got 'two'; ask anna@example.com")
    "orders.csv, line 17: 'quantity' must be a whole number, got (a value); ask (an address)"
    """
    return _ADDRESS.sub("(an address)", _CELL.sub("got (a value)", text))


def _tried(to: str, send: Callable[[], None]) -> str:
    try:
        send()
    except HTTPError as error:
        return f"no notice to {to}: the server answered {error.code}"
    except (OSError, HTTPException, smtplib.SMTPException, ValueError, WhobuysError) as error:
        return f"no notice to {to}: {str(error) if isinstance(error, WhobuysError) else _reason(error)}"
    return f"told {to}"


def _reason(error: Exception) -> str:
    """Why, without what may hold an address or a password."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server answered {error.smtp_code}"
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or type(inner).__name__)


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise WhobuysError(f"the environment variable {name} is not set")
    return value


def _post(settings: NotifySection, body: Mapping[str, object]) -> None:
    address = _variable(settings.webhook)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WhobuysError(f"the environment variable {settings.webhook} holds no address that begins with https:// or http://")
    content = json.dumps(body, ensure_ascii=False).encode()
    request = Request(address, content, {"Content-Type": "application/json; charset=utf-8", "User-Agent": "whobuys"})
    with urlopen(request, timeout=SECONDS) as answer:
        answer.read()


def _mail(settings: NotifySection, subject: str, body: Mapping[str, object]) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, settings.sender or settings.to[0], ", ".join(settings.to)
    message.set_content(f"{body['text']}\n\n{json.dumps(body, indent=1, ensure_ascii=False)}\n")
    secure = ssl.create_default_context()
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=SECONDS, context=secure)
    else:
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=SECONDS)
    with server:
        if settings.smtp_security == "starttls":
            server.starttls(context=secure)
        if user := os.environ.get(settings.smtp_user):
            server.login(user, _variable(settings.smtp_password))
        server.send_message(message)
