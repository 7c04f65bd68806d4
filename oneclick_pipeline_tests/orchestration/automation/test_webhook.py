"""One POST to an address that is a secret: which addresses are taken, what counts as arrived, and how long it may last."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.automation import webhook
from oneclick_pipeline.orchestration.automation.webhook import NotDeliveredError, Webhook, parse, post

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def server(talk, context=None):
    """A receiver that does `talk(connection, request)` with every request; yields its port and what it got."""
    got, ended = [], threading.Event()

    def serve(listener):
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    talking = context.wrap_socket(connection, server_side=True) if context else connection
                    with talking:
                        request = talking.recv(65536)
                        while request.startswith(b"POST") and not request.endswith(b"}"):
                            request += talking.recv(65536)
                        got.append(request)
                        talk(talking, ended)
                except OSError:
                    continue  # the other side has hung up

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1], got
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def answering(answer):
    return lambda connection, _: connection.sendall(answer)


def drip(connection, ended):
    """A byte now and then, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not ended.wait(0.05):
        connection.sendall(b"x")


def drip_status(connection, ended):
    """A status that never comes to an end."""
    while not ended.wait(0.05):
        connection.sendall(b"H")


def endless(first, again):
    """A receiver that sends as much as is taken, for ever."""

    def talk(connection, ended):
        connection.sendall(first)
        while not ended.is_set():
            connection.sendall(again * 1000)

    return talk


def hook(port, scheme="http"):
    return Webhook(scheme, "127.0.0.1", port, "/SECRET")


@pytest.mark.parametrize(
    ("address", "scheme", "host", "port", "target"),
    [
        ("https://hooks.example.org/T0/B0?key=a%2Fb", "https", "hooks.example.org", 443, "/T0/B0?key=a%2Fb"),
        ("HTTPS://Hooks.Example.org", "https", "hooks.example.org", 443, "/"),
        ("http://receiver:8080/", "http", "receiver", 8080, "/"),
        ("http://a_b.local?x", "http", "a_b.local", 80, "/?x"),
        ("http://127.0.0.1:65535/a@b:c", "http", "127.0.0.1", 65535, "/a@b:c"),
        ("http://[::1]:1/a", "http", "::1", 1, "/a"),
        ("https://xn--80ak6aa92e.com/a", "https", "xn--80ak6aa92e.com", 443, "/a"),
    ],
)
def test_address_is_taken_apart(address, scheme, host, port, target):
    assert parse(address) == Webhook(scheme, host, port, target)


@pytest.mark.parametrize(
    "address",
    [
        "SECRET",
        "ftp://a/SECRET",
        "file:///SECRET",
        "//a/SECRET",
        "http://",
        "http:///SECRET",
        "http:a/SECRET",
        "http://user:SECRET@a/",
        "http://SECRET@a/",
        "http://a\\@SECRET/",
        "http://a/SECRET#b",
        "http://a/#",
        " http://a/SECRET",
        "http://a/SECRET\n",
        "http://a/SEC RET",
        "http://a/SEC\tRET",
        "http://a/SECRET\r\nHost: b",
        "http://a/SECRET\x00",
        "http://a/SECRET\x7f",
        "http://a\u2028/SECRET",
        "http://a:0/SECRET",
        "http://a:65536/SECRET",
        "http://a:-1/SECRET",
        "http://a:/SECRET",
        "http://a:٨٠/SECRET",
        "http://a:8_0/SECRET",
        "http://a:80:80/SECRET",
        "http://ｅxample.org/SECRET",
        "http://пример.рф/SECRET",
        "http\u017f://a/SECRET",
        "http://.a/SECRET",
        "http://a..b/SECRET",
        "http://-a/SECRET",
        f"http://{'a' * 64}/SECRET",
        f"http://{'a.' * 130}a/SECRET",
        "http://127.1/SECRET",
        "http://2130706433/SECRET",
        "http://0x7f000001/SECRET",
        "http://a.0X7F/SECRET",
        "http://0177.0.0.1/SECRET",
        "http://999.1.1.1/SECRET",
        "http://[::1/SECRET",
        "http://[::g]/SECRET",
        "http://[fe80::1%25eth0]/SECRET",
        "http://a/SECRET%zz",
        "http://a/SECRET{x}",
        "http://a/SECRET<x>",
        f"http://a/SECRET{'a' * 3000}",
    ],
)
def test_what_is_no_address_is_refused_by_the_variables_name_alone(monkeypatch, address):
    if "\x00" not in address:
        monkeypatch.setenv(webhook.VARIABLE, address)
        with pytest.raises(BadInputError):
            webhook.given()
    with pytest.raises(BadInputError, match=r"^ONECLICK_WEBHOOK is not an http or https address") as caught:
        parse(address)
    assert "SECRET" not in str(caught.value)


def attempt(address):
    """The address taken apart, or how it was refused."""
    try:
        return parse(address), None
    except BadInputError as error:
        return None, error


addresses = st.from_regex(r"(?i)https?://[^\s]{0,30}", fullmatch=True) | st.text(max_size=40)


@given(addresses)
def test_any_text_is_an_address_as_everybody_reads_it_or_refused(address):
    found, error = attempt(address)
    if error is None:
        parts = urlsplit(address)
        assert (found.scheme, found.host) == (parts.scheme, parts.hostname)
        assert found.port == (parts.port or {"http": 80, "https": 443}[parts.scheme])
        assert (parts.username, parts.password, parts.fragment) == (None, None, "")
        assert found.target.isascii()
        assert found.target.isprintable()
    else:
        assert error.value is None
        assert error.remedy


@pytest.mark.parametrize(
    ("address", "warns"),
    [
        ("https://a/SECRET", False),
        ("http://a/SECRET", True),
        ("http://10.0.0.1/SECRET", True),
        ("http://localhost.example.org/SECRET", True),
        ("http://localhost/SECRET", False),
        ("http://127.9.9.9/SECRET", False),
        ("http://[::1]/SECRET", False),
    ],
)
def test_what_can_be_read_on_the_way_is_warned_of(address, warns):
    assert bool(parse(address).warning) == warns
    assert "SECRET" not in parse(address).warning
    assert "SECRET" not in repr(parse(address))


def test_unset_or_empty_variable_is_no_webhook(monkeypatch):
    monkeypatch.delenv(webhook.VARIABLE, raising=False)
    assert webhook.given() is None
    monkeypatch.setenv(webhook.VARIABLE, "")
    assert webhook.given() is None


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_answer_of_success_has_arrived(status):
    with server(answering(b"HTTP/1.1 %d x\r\n\r\n" % status)) as (port, got):
        post(hook(port), b'{"a": 1}')
    (request,) = got
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /SECRET HTTP/1.1\r\n")
    assert b"Host: 127.0.0.1:%d\r\n" % port in head
    assert body == b'{"a": 1}'


@pytest.mark.parametrize("status", [101, 199, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503, 999])
def test_any_other_answer_has_not_arrived(status):
    with (
        server(answering(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)) as (port, _),
        pytest.raises(NotDeliveredError, match=f"the webhook at 127.0.0.1 answered {status}"),
    ):
        post(hook(port), b"{}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed_and_its_location_is_not_shown(status):
    with server(answering(OK)) as (elsewhere, led):
        location = b"http://127.0.0.1:%d/TOKEN" % elsewhere
        with (
            server(answering(b"HTTP/1.1 %d x\r\nLocation: %s\r\n\r\n" % (status, location))) as (port, _),
            pytest.raises(NotDeliveredError, match=f"answered {status}, a redirect") as caught,
        ):
            post(hook(port), b"{}")
        assert led == []
    assert "TOKEN" not in str(caught.value)
    assert str(elsewhere) not in str(caught.value)


@pytest.mark.parametrize(
    "talk",
    [
        answering(b""),
        answering(b"SECRET\r\n\r\n"),
        answering(b"HTTP/1.1 abc SECRET\r\n\r\n"),
        answering(b"HTTP/1.1 20"),
        answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
        answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"),
    ],
    ids=["hangs up", "no http", "no status", "half a status", "endless header", "endless headers"],
)
def test_what_is_no_whole_answer_has_not_arrived(talk):
    with server(talk) as (port, _), pytest.raises(NotDeliveredError, match="cannot be reached") as caught:
        post(hook(port), b"{}")
    assert "SECRET" not in str(caught.value)


def test_nobody_there_has_not_arrived():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotDeliveredError, match="cannot be reached: Connection refused"):
        post(hook(port), b"{}")


def drip_body(connection, ended):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not ended.wait(0.05):
        connection.sendall(b"x")


@pytest.mark.parametrize(
    "talk", [endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), drip_body], ids=["as fast as can be", "a byte now and then"]
)
def test_body_that_never_ends_is_not_read(talk):
    begin = time.monotonic()
    with server(talk) as (port, _):
        post(hook(port), b"{}")
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "talk",
    [
        lambda _, ended: ended.wait(),
        drip,
        drip_status,
        endless(b"", b"H"),
        endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        endless(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        endless(b"HTTP/1.1 200 OK\r\nX: y\r\n", b" z\r\n"),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "drips", "drips its status", "status", "headers", "header", "folded header", "goes on and on"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_whole_exchange_has_one_deadline(talk, scheme):
    begin = time.monotonic()
    with server(talk) as (port, _):  # for https these bytes are a broken handshake
        with pytest.raises(NotDeliveredError):
            post(hook(port, scheme), b"{}", 0.5)
        assert time.monotonic() - begin < 3


def test_receiver_that_never_reads_holds_nobody():
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the system accepts, and keeps what it has room for
        begin = time.monotonic()
        with pytest.raises(NotDeliveredError, match="did not answer in time"):
            post(hook(listener.getsockname()[1]), b"x" * (64 << 20), 0.5)
        assert time.monotonic() - begin < 3


def test_exchange_that_was_given_up_leaves_no_thread():
    before = set(threading.enumerate())
    with server(drip) as (port, _):
        with pytest.raises(NotDeliveredError):
            post(hook(port), b"{}", 0.2)
        for thread in set(threading.enumerate()) - before:
            if type(thread) is webhook._Exchange:
                thread.join(5)
                assert not thread.is_alive()


def test_deadline_that_has_passed_sends_nothing():
    with server(answering(OK)) as (port, got):
        with pytest.raises(NotDeliveredError, match="did not answer in time"):
            post(hook(port), b"{}", -1)
        assert got == []


def test_resolver_that_hangs_holds_nobody_and_nothing_is_sent_afterwards(monkeypatch):
    resolved, known = threading.Event(), socket.getaddrinfo

    def hangs(*arguments, **options):
        resolved.wait()
        return known(*arguments, **options)

    with server(answering(OK)) as (port, got):
        monkeypatch.setattr(socket, "getaddrinfo", hangs)
        before = set(threading.enumerate())
        with pytest.raises(NotDeliveredError, match="did not answer in time"):
            post(hook(port), b"{}", 0.2)
        (left,) = set(threading.enumerate()) - before
        resolved.set()
        left.join()
    assert not any(got)


def test_proxy_of_the_environment_is_not_used(monkeypatch):
    with server(answering(OK)) as (proxy, asked), server(answering(OK)) as (port, got):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        post(hook(port), b"{}")
    assert (len(asked), len(got)) == (0, 1)


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1, and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(host, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


def test_certificate_is_checked(certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with server(answering(OK), context) as (port, got):
        with pytest.raises(NotDeliveredError, match="cannot be reached"):
            post(hook(port, "https"), b"{}")
        assert got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        post(hook(port, "https"), b"{}")
        assert got[0].startswith(b"POST /SECRET HTTP/1.1\r\n")
        with pytest.raises(NotDeliveredError, match="cannot be reached"):
            post(Webhook("https", "localhost", port, "/"), b"{}")
