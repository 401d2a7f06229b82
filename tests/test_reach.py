"""Which hosts a connector with a limited reach calls, decided by the address that is dialled."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, Reach
from tests.conftest import FakeClock
from tests.support.fault_server import FaultServer, ca_file
from tests.support.front import KEY, connection, inputs_of
from tests.support.name_only_network import NameOnlyNetwork
from tests.test_second_connector import FOLDER

NAME = "gateway.example"
BLOCKED = ("blocked_target", "no")
DIALLED = ("connect_failed", "no")

PUBLIC = """8.8.8.8 1.1.1.1 172.32.0.1 100.63.255.255 100.128.0.1 2606:4700:4700::1111 2a00::1
::ffff:8.8.8.8 64:ff9b::8.8.8.8""".split()
NOT_PUBLIC = """127.0.0.1 127.255.0.1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 0.0.0.0 0.0.0.1
100.64.0.1 100.127.255.255 192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 240.0.0.1
::1 :: fc00::1 fd12::1 2001:db8::1 100::1
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:100.64.0.1 64:ff9b::10.0.0.1 64:ff9b::127.0.0.1
2002:a00:1::1 ::10.0.0.1 ::ffff:0:10.0.0.1""".split()
NEVER = """169.254.169.254 169.254.1.1 fe80::1 fec0::1 fd00:ec2::254 100.100.100.200 168.63.129.16
192.0.0.192 224.0.0.1 255.255.255.255 ff02::1 64:ff9b:1::1 ::ffff:169.254.169.254
64:ff9b::169.254.169.254 2002:a9fe:a9fe::1""".split()

SPECIAL = """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
192.0.0.8/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
::1/128 ::/128 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:2::/48 2001:10::/28 2001:db8::/32
2002::/16 3fff::/20 5f00::/16 fc00::/7""".split()
"""The rows of IANA's special-purpose registries that are not globally reachable, but for
those that are never dialled."""
SPECIAL_BUT_GLOBAL = """192.0.0.9/32 192.0.0.10/32 192.31.196.0/24 192.52.193.0/24 192.175.48.0/24
2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:3::/32 2001:4:112::/48 2001:20::/28 2001:30::/28
2620:4f:8000::/48""".split()
BESIDE_SPECIAL = """1.0.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0
198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 2000:ffff::1
2001:200:: 2001:db7:ffff::1 2001:db9:: 2001:ffff::1 2003:: 3ffe:ffff::1 3fff:1000:: 5eff:ffff::1
5f01:: fbff:ffff::1""".split()


class Front:
    """Calls through the front, in a network where nothing answers."""

    def __init__(self, network: NameOnlyNetwork, authority: str, clock: FakeClock) -> None:
        self.network = network
        self._authority = authority
        self._clock = clock

    def try_address(self, reach: Reach | None, address: str, host: str = NAME) -> tuple[str, str]:
        """Return code and `sent` of a call to a name that leads to the address."""
        self.network.names = {host: [address]}
        self.network.dialled = []
        found = self.call(reach, f"https://{host}")
        assert set(self.network.dialled) == ({address} if found == DIALLED else set())
        return found

    def call(self, reach: Reach | None, endpoint: str) -> tuple[str, str]:
        # One authority in place of the public ones, which take long to load; from the operator.
        configured = {"own": connection(endpoint, caFile=self._authority)}
        with Connector.load(
            connections=configured, reach=reach, clock=self._clock.clock()
        ) as connector:
            result = connector.invoke("rawRequest", inputs_of("rawRequest"), "own")
        assert result.error is not None
        return result.error.code, result.error.sent


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(ca_file(tmp_path_factory.mktemp("authority")))


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch, authority: str, fake_clock: FakeClock) -> Front:
    return Front(NameOnlyNetwork(monkeypatch), authority, fake_clock)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(front: Front, address: str) -> None:
    assert front.try_address(None, address) == DIALLED
    assert front.try_address(Reach(), address) == DIALLED
    assert front.try_address(Reach(public=False), address) == BLOCKED


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public(front: Front, address: str) -> None:
    assert front.try_address(None, address) == DIALLED
    assert front.try_address(Reach(), address) == BLOCKED
    assert front.try_address(Reach(allow=[NAME]), address) == DIALLED


SAMPLES = {  # where an end of the network is never dialled: addresses that stand for a public one
    "240.0.0.0/4": ["240.0.0.0", "255.255.255.254"],
    "2001::/23": ["2001:0:808:808:8000:63bf:f7f7:f7f7", "2001:1ff:ffff::1"],
    "2001::/32": ["2001:0:808:808:8000:63bf:f7f7:f7f7"],
    "2002::/16": ["2002:808:808::1"],
}


def _ends(network: str) -> list[str]:
    """The first and the last address of a network, or others that may be dialled."""
    found = ip_network(network)
    return SAMPLES.get(network) or [str(found[0]), str(found[-1])]


@pytest.mark.parametrize("network", SPECIAL)
def test_a_special_network_that_is_not_globally_reachable(front: Front, network: str) -> None:
    for address in _ends(network):
        assert front.try_address(None, address) == DIALLED
        assert front.try_address(Reach(), address) == BLOCKED
        assert front.try_address(Reach(allow=[network]), address) == DIALLED


@pytest.mark.parametrize("network", SPECIAL_BUT_GLOBAL)
def test_a_special_network_that_is_globally_reachable(front: Front, network: str) -> None:
    for address in _ends(network):
        assert front.try_address(Reach(), address) == DIALLED


@pytest.mark.parametrize("address", BESIDE_SPECIAL)
def test_an_address_beside_a_special_network_is_public(front: Front, address: str) -> None:
    assert front.try_address(Reach(), address) == DIALLED


@pytest.mark.parametrize("address", NEVER)
def test_an_address_that_is_refused_although_it_is_listed(front: Front, address: str) -> None:
    for reach in (None, Reach(), Reach(allow=[NAME, address, "0.0.0.0/0", "::/0"])):
        assert front.try_address(reach, address) == BLOCKED


@pytest.mark.parametrize(
    ("allow", "address", "expected"),
    [
        (["10.1.0.0/16"], "10.1.2.3", DIALLED),
        (["10.1.0.0/16"], "10.2.0.1", BLOCKED),
        (["10.1.0.0/16"], "::ffff:10.1.2.3", DIALLED),
        (["10.1.2.3"], "10.1.2.3", DIALLED),
        (["10.1.2.3"], "10.1.2.4", BLOCKED),
        (["fd12::/16"], "fd12::5", DIALLED),
        (["fd12::/16"], "fd13::5", BLOCKED),
        (["::1"], "::1", DIALLED),
        (["10.0.0.0/8"], "fd12::5", BLOCKED),
        (["10.9.0.0/16", "10.1.0.0/16"], "10.1.2.3", DIALLED),
        ([NAME], "10.1.2.3", DIALLED),
        ([NAME.upper() + "."], "10.1.2.3", DIALLED),
        ([f" {NAME} "], "10.1.2.3", DIALLED),
        (["example"], "10.1.2.3", BLOCKED),
        ([f"a.{NAME}"], "10.1.2.3", BLOCKED),
        ([f"x{NAME}"], "10.1.2.3", BLOCKED),
        ([], "10.1.2.3", BLOCKED),
    ],
)
@pytest.mark.parametrize("public", [True, False])
def test_a_list_of_networks_addresses_and_names(
    front: Front, public: bool, allow: list[str], address: str, expected: tuple[str, str]
) -> None:
    reach = Reach(public=public, allow=allow)
    assert front.try_address(reach, address) == expected
    assert front.try_address(reach, "8.8.8.8", "other.example") == (DIALLED if public else BLOCKED)


@pytest.mark.parametrize("host", ["10.1.2.3", "[fd12::5]", "127.0.0.1", "0x7f.1", "2130706433"])
def test_an_address_in_the_endpoint_itself(front: Front, host: str) -> None:
    front.network.names = {"0x7f.1": ["127.0.0.1"], "2130706433": ["127.0.0.1"]}
    assert front.call(Reach(), f"https://{host}") == BLOCKED
    assert front.network.dialled == []


def test_a_name_must_lead_to_nothing_else(front: Front) -> None:
    """One good address among those of a name does not excuse the others."""
    front.network.names = {NAME: ["8.8.8.8", "10.0.0.1"]}
    assert front.call(Reach(), f"https://{NAME}") == BLOCKED
    assert front.network.dialled == []


def test_loopback_is_reached_only_where_it_is_listed() -> None:
    allowed, closed = Reach(allow=["127.0.0.0/8"]), Reach()
    with FaultServer({"json": 1}) as server:
        for reach, ok in ((None, True), (allowed, True), (closed, False)):
            with Connector.load(reach=reach) as connector:
                given = connection(server.url)
                result = connector.invoke("rawRequest", inputs_of("rawRequest"), given)
                assert result.ok == ok
        assert len(server.requests) == 2


def test_a_tokens_host_is_limited_too() -> None:
    tokens = FaultServer({"json": {"access_token": "t0k3n-t0k3n"}})
    provider = FaultServer({"json": {"data": [{"index": 0, "embedding": [0.5]}]}})
    for reach, codes in ((Reach(), "blocked_target"), (Reach(allow=["127.0.0.1"]), None)):
        with (
            tokens,
            provider,
            Connector.load(
                FOLDER / "connector.yaml", handlers="tests.second.handlers", reach=reach
            ) as made,
        ):
            fields = {"clientId": "me", "clientSecret": KEY, "tokenUrl": tokens.url}
            given = {"key": "client", "fields": {**fields, "endpoint": provider.url}}
            result = made.invoke("embed", {"texts": ["a"]}, given)
        assert (result.error and result.error.code) == codes
        assert (tokens.connections, provider.connections) == ((1, 1) if result.ok else (0, 0))


@pytest.mark.parametrize(
    "entry",
    ["", " ", ".", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "999.1.1.1", "1.2.3", "fd00::/129",
     "[::1]", "https://gateway.example", "gateway.example:443", "gateway.example/x", "*.example",
     "a b", "münchen.example", "fe80::1%eth0/64", 5, 2130706433, None, b"\x7f\x00\x00\x01", 1.5,
     ("10.0.0.0", 8)],
)  # fmt: skip
def test_an_entry_that_is_no_host_is_refused(entry: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Reach(allow=[entry])


@pytest.mark.parametrize("allow", ["10.0.0.0/8", "gateway.example"])
def test_a_list_is_no_text(allow: str) -> None:
    with pytest.raises(ValueError, match="list"):
        Reach(allow=allow)


def test_a_reach_shows_what_it_allows() -> None:
    assert repr(Reach(allow=["10.1.0.0/16"])) == "Reach(public=True, allow=('10.1.0.0/16',))"


# Fields of the operator


OPERATORS = {"proxy": "http://proxy.example:3128", "caFile": "/etc/ssl/own.pem"}


def test_the_manifest_marks_the_operators_fields() -> None:
    (kind, *_) = Connector.load().describe()["connections"]
    assert [row["key"] for row in kind["fields"] if row.get("operatorOnly")] == list(OPERATORS)


@pytest.mark.parametrize("fields", [{"proxy": OPERATORS["proxy"]}, {"caFile": "x"}, OPERATORS])
def test_an_inline_connection_may_not_set_them_where_the_reach_is_limited(
    fields: dict[str, str],
) -> None:
    given = connection("https://api.example.com", **fields)
    with Connector.load(reach=Reach()) as connector:
        for result in (
            connector.invoke("rawRequest", inputs_of("rawRequest"), given),
            connector.invoke("rawRequest", inputs_of("rawRequest", connection=given), None),
            connector.invoke("rawRequest", inputs_of("rawRequest"), given, dry_run=True),
            connector.test_connection(given),
            connector.options("selectModel", given),
        ):
            assert result.error is not None
            assert (result.error.code, result.error.sent) == ("invalid_connection", "no")
            assert [row["path"] for row in result.error.details or ()] == [
                f"/connection/fields/{name}" for name in fields
            ]
            assert "proxy.example" not in str(result.to_dict())


def test_an_inline_connection_may_leave_them_blank() -> None:
    given = connection("http://127.0.0.1:9", proxy="", caFile=None)
    with Connector.load(reach=Reach(allow=["127.0.0.1"])) as connector:
        assert connector.invoke("rawRequest", inputs_of("rawRequest"), given, dry_run=True).ok


def test_an_inline_connection_may_set_them_without_a_reach(authority: str) -> None:
    given = connection("https://api.example.com", proxy=OPERATORS["proxy"], caFile=authority)
    with Connector.load() as connector:
        assert connector.invoke("rawRequest", inputs_of("rawRequest"), given, dry_run=True).ok


def test_a_configured_connection_may_set_them(tmp_path: Path) -> None:
    reach = Reach(public=False, allow=["127.0.0.1", "localhost"])
    with FaultServer({"json": {"a": 1}}, tls="good") as server:
        given = connection(server.url, caFile=str(ca_file(tmp_path)))
        with Connector.load(connections={"own": given}, reach=reach) as connector:
            result = connector.invoke("rawRequest", inputs_of("rawRequest"), "own")
            assert result.ok, result.to_dict()
            # The same fields from a payload are refused, although their connection is known.
            inline = connector.invoke("rawRequest", inputs_of("rawRequest"), given)
            assert inline.error is not None
            assert inline.error.code == "invalid_connection"
            assert len(server.requests) == 1


def test_a_proxy_is_within_the_reach_or_refused(front: Front, authority: str) -> None:
    front.network.names = {"proxy.example": ["10.0.0.9"]}
    given = connection(
        "https://api.example.com", proxy="http://proxy.example:3128", caFile=authority
    )
    for reach, expected in ((Reach(), BLOCKED), (Reach(allow=["proxy.example"]), DIALLED)):
        with Connector.load(connections={"own": given}, reach=reach) as connector:
            result = connector.invoke("rawRequest", inputs_of("rawRequest"), "own")
        assert result.error is not None
        assert (result.error.code, result.error.sent) == expected
