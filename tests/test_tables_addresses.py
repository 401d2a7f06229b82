"""The tables of addresses and host names, row by row: where no key is ever sent.

Each row is tried over https, because plain http is refused for another reason, both written into
the endpoint and as what a name leads to. The neighbours of each row are not refused. The rows are
written out here: a row that is deleted from the connector must not take its case along.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, NamedTuple

import pytest

from connector import Connector, Result
from connector.http import addresses
from connector.providers import endpoint
from tests.support.fault_server import ca_file
from tests.support.front import connection, inputs_of
from tests.support.name_only_network import NameOnlyNetwork

NAME = "gateway.internal"


class Row(NamedTuple):
    """A network, its ends, and the addresses just outside of it that are free."""

    network: str
    first: str
    last: str
    outside: tuple[str, ...] = ()


FORBIDDEN = [
    Row("169.254.0.0/16", "169.254.0.0", "169.254.255.255", ("169.253.255.255", "169.255.0.0")),
    Row(
        "fe80::/10",
        "fe80::",
        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",),
    ),
    Row("fec0::/10", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    Row(
        "fd00:ec2::/32",
        "fd00:ec2::",
        "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff",
        ("fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:ec3::"),
    ),
    Row("fd20:ce::254/128", "fd20:ce::254", "fd20:ce::254", ("fd20:ce::253", "fd20:ce::255")),
    Row(
        "fd00:c1::a9fe:a9fe/128",
        "fd00:c1::a9fe:a9fe",
        "fd00:c1::a9fe:a9fe",
        ("fd00:c1::a9fe:a9fd", "fd00:c1::a9fe:a9ff"),
    ),
    Row("fd00:42::42/128", "fd00:42::42", "fd00:42::42", ("fd00:42::41", "fd00:42::43")),
    Row(
        "100.100.100.200/32",
        "100.100.100.200",
        "100.100.100.200",
        ("100.100.100.199", "100.100.100.201"),
    ),
    Row("168.63.129.16/32", "168.63.129.16", "168.63.129.16", ("168.63.129.15", "168.63.129.17")),
    Row("192.0.0.192/32", "192.0.0.192", "192.0.0.192", ("192.0.0.191", "192.0.0.193")),
    Row(
        "64:ff9b:1::/48",
        "64:ff9b:1::",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        ("64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:2::"),
    ),
    Row("255.255.255.255/32", "255.255.255.255", "255.255.255.255", ("255.255.255.254",)),
    Row("224.0.0.0/4", "224.0.0.0", "239.255.255.255", ("223.255.255.255", "240.0.0.0")),
    Row("ff00::/8", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
]
PRIVATE = [
    Row("127.0.0.0/8", "127.0.0.0", "127.255.255.255", ("126.255.255.255", "128.0.0.0")),
    Row("10.0.0.0/8", "10.0.0.0", "10.255.255.255", ("9.255.255.255", "11.0.0.0")),
    Row("172.16.0.0/12", "172.16.0.0", "172.31.255.255", ("172.15.255.255", "172.32.0.0")),
    Row("192.168.0.0/16", "192.168.0.0", "192.168.255.255", ("192.167.255.255", "192.169.0.0")),
    Row("0.0.0.0/32", "0.0.0.0", "0.0.0.0", ("0.0.0.1",)),
    Row("::/128", "::", "::"),
    Row("::1/128", "::1", "::1", ("::2",)),
    Row(
        "fc00::/7",
        "fc00::",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"),
    ),
]


def ends(rows: list[Row]) -> list[str]:
    return sorted({address for row in rows for address in (row.first, row.last)})


def neighbours(rows: list[Row]) -> list[str]:
    return [address for row in rows for address in row.outside]


# What an IPv6 address that stands for an IPv4 address looks like. {h} and {l} are the halves of
# the IPv4 address in hexadecimal, {H} and {L} the same with every bit inverted.
EMBEDDED = {
    "IPv4-mapped": "::ffff:{h}:{l}",
    "IPv4-compatible": "::{h}:{l}",
    "IPv4-translated": "::ffff:0:{h}:{l}",
    "NAT64": "64:ff9b::{h}:{l}",
    "6to4": "2002:{h}:{l}::1",
    "Teredo server": "2001:0:{h}:{l}:8000:63bf:f7f7:f7f7",
    "Teredo client": "2001:0:808:808:8000:63bf:{H}:{L}",
    "ISATAP": "2001:db8::5efe:{h}:{l}",
    "ISATAP of a global address": "2001:db8::200:5efe:{h}:{l}",
}
ALMOST_EMBEDDED = """
::1:a9fe:a9fe ::fffe:a9fe:a9fe ::1:ffff:a9fe:a9fe
::ffff:1:a9fe:a9fe ::fffe:0:a9fe:a9fe ::1:0:a9fe:a9fe
64:ff9b::1:a9fe:a9fe 64:ff9a:ffff:ffff:ffff:ffff:a9fe:a9fe 65:ff9b::a9fe:a9fe
2003:a9fe:a9fe::1 2001:ffff:a9fe:a9fe::1 2001:1:a9fe:a9fe::1 2001:1:808:808:8000:63bf:5601:5601
2001:db8::5eff:a9fe:a9fe 2001:db8::5efd:a9fe:a9fe 2001:db8::100:5efe:a9fe:a9fe
2001:db8::201:5efe:a9fe:a9fe 2001:db8::300:5efe:a9fe:a9fe 2001:db8::a9fe:a9fe
""".split()
"""A bit away from a form that stands for 169.254.169.254: they stand for no other address."""

FORBIDDEN_IPV4 = """
169.254.0.0 169.254.169.254 169.254.255.255 100.100.100.200 168.63.129.16 192.0.0.192
255.255.255.255 224.0.0.0 239.255.255.255
""".split()


def embedded(form: str, address: str) -> str:
    high, low = divmod(int(IPv4Address(address)), 0x10000)
    return form.format(h=f"{high:x}", l=f"{low:x}", H=f"{high ^ 0xFFFF:x}", L=f"{low ^ 0xFFFF:x}")


BLOCKED = ("blocked_target", "no")
DIALLED = ("connect_failed", "no")


class Front:
    """Calls through the front in a network where names lead to addresses and nothing answers."""

    def __init__(self, connector: Connector, network: NameOnlyNetwork, authority: str) -> None:
        self.network = network
        self._connector = connector
        self._authority = authority

    def invoke(self, action: str, endpoint: str, **fields: Any) -> Result:
        """Invoke an action; a raw request asks for all retries that there are."""
        retries = {"maxRetries": 2, "retryAllErrors": True} if action == "rawRequest" else {}
        # One authority in place of the hundreds of public ones, which take long to load.
        given = connection(endpoint, caFile=self._authority, **fields)
        return self._connector.invoke(action, inputs_of(action, **retries), given)

    def raw(self, endpoint: str, **fields: Any) -> tuple[str, str]:
        """Return code and `sent` of a raw request."""
        result = self.invoke("rawRequest", endpoint, **fields)
        error = result.error
        assert error is not None
        assert error.code == "connect_failed" or result.meta["attempts"] <= 1, "it was repeated"
        return error.code, error.sent

    def refuses(self, scheme: str, address: str) -> None:
        """Fail unless the address is refused, in the endpoint and behind a name."""
        self.network.names = {NAME: [address]}
        assert self.raw(url(scheme, address)) == BLOCKED
        assert self.network.asked == []
        assert self.raw(f"{scheme}://{NAME}") == BLOCKED
        self.network.names = {NAME: ["10.0.0.1", address]}
        result = self.invoke("createChatCompletion", f"{scheme}://{NAME}", isOpenAIKey=False)
        assert result.error is not None
        assert (result.error.code, result.error.sent) == BLOCKED
        assert self.network.dialled == []

    def dials(self, scheme: str, address: str) -> None:
        """Fail unless the address is connected to, in the endpoint and behind a name."""
        self.network.names = {NAME: [address]}
        assert self.raw(url(scheme, address)) == DIALLED
        assert self.raw(f"{scheme}://{NAME}") == DIALLED
        assert set(self.network.dialled) == {address}


def url(scheme: str, address: str) -> str:
    return f"{scheme}://[{address}]" if ":" in address else f"{scheme}://{address}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(ca_file(tmp_path_factory.mktemp("authority")))


@pytest.fixture
def front(connector: Connector, monkeypatch: pytest.MonkeyPatch, authority: str) -> Front:
    return Front(connector, NameOnlyNetwork(monkeypatch), authority)


@pytest.mark.parametrize("address", ends(FORBIDDEN))
def test_a_forbidden_network_is_refused_over_https(front: Front, address: str) -> None:
    front.refuses("https", address)


@pytest.mark.parametrize("address", neighbours(FORBIDDEN))
def test_the_neighbours_of_a_forbidden_network_are_not(front: Front, address: str) -> None:
    front.dials("https", address)


@pytest.mark.parametrize("address", FORBIDDEN_IPV4)
@pytest.mark.parametrize("form", EMBEDDED)
def test_an_ipv6_address_that_embeds_a_forbidden_one_is_refused_over_https(
    front: Front, form: str, address: str
) -> None:
    front.refuses("https", embedded(EMBEDDED[form], address))


@pytest.mark.parametrize("address", ["8.8.8.8", "169.253.169.254", "10.0.0.1", "127.0.0.1"])
@pytest.mark.parametrize("form", EMBEDDED)
def test_an_ipv6_address_that_embeds_another_is_not_refused(
    front: Front, form: str, address: str
) -> None:
    front.dials("https", embedded(EMBEDDED[form], address))


@pytest.mark.parametrize("address", ALMOST_EMBEDDED)
def test_an_ipv6_address_that_embeds_none_is_not_refused(front: Front, address: str) -> None:
    front.dials("https", address)


@pytest.mark.parametrize(
    "host",
    """169.254.169.254. 169.254.169.254:443 169.254.169.254:8443 2852039166 0xA9FEA9FE 0Xa9fea9fe
    0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 0251.254.0xa9.254 00251.0000376.169.254
    025177524776 169.16689662 0xa9.16689662 169.254.43518 169.0xfe.0xa9fe
    [::ffff:169.254.169.254] [::FFFF:A9FE:A9FE] [0:0:0:0:0:ffff:a9fe:a9fe]
    [0000:0000:0000:0000:0000:ffff:169.254.169.254] [::ffff:a9fe:a9fe]:8443
    [fe80::1%25eth0] [fe80::1%eth0] [FE80::1%2] [fec0::1%1] 2822734096 0xa83f8110 168.4161808
    168.63.33040 3221225664 0xc00000c0 192.0.192 192.192 1684301000 0x646464C8""".split(),
)
def test_a_forbidden_address_is_refused_in_any_notation_over_https(front: Front, host: str) -> None:
    for azure in (False, True):
        assert front.raw(f"https://{host}", isOpenAIKey=not azure) == BLOCKED
        assert front.raw(host, isOpenAIKey=not azure) == BLOCKED
    assert front.network.asked == front.network.dialled == []


@pytest.mark.parametrize("address", ["fe80::1%2", "fe80::1%eth0", "fec0::1%1", "ff02::1%2"])
def test_a_name_that_leads_to_a_zone_is_refused(front: Front, address: str) -> None:
    front.network.names = {NAME: [address]}
    assert front.raw(f"https://{NAME}") == BLOCKED
    assert front.network.dialled == []


FORBIDDEN_NAMES = ["metadata", "metadata.google.internal", "metadata.goog", "instance-data"]


@pytest.mark.parametrize("name", FORBIDDEN_NAMES)
def test_the_name_of_a_metadata_service_is_refused_over_https(front: Front, name: str) -> None:
    for host in (name, name.upper(), name.title(), f"{name}.", f"{name}:8443", f"{name}.:443"):
        assert front.raw(f"https://{host}") == BLOCKED
        assert front.raw(f"https://{host}/v1", isOpenAIKey=False) == BLOCKED
    assert front.network.asked == front.network.dialled == []


@pytest.mark.parametrize(
    "name",
    """metadata.example metadata.google.com metadata.internal google.internal my-metadata
    metadata-proxy metadata.goog.example instance-data.example instance-dat instance-data-1
    metadata.google metadat xmetadata.goog a.metadata.goog""".split(),
)
def test_a_name_like_a_metadata_services_is_not(front: Front, name: str) -> None:
    front.network.names = {name: ["10.0.0.1"]}
    assert front.raw(f"https://{name}") == DIALLED
    assert set(front.network.dialled) == {"10.0.0.1"}


# Plain http: loopback and private hosts only


@pytest.mark.parametrize("address", ends(PRIVATE))
def test_a_private_network_is_reached_over_plain_http(front: Front, address: str) -> None:
    front.dials("http", address)


@pytest.mark.parametrize("address", neighbours(PRIVATE))
def test_the_neighbours_of_a_private_network_are_not(front: Front, address: str) -> None:
    front.refuses("http", address)
    front.dials("https", address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.0.1", "172.16.0.1"])
@pytest.mark.parametrize("form", EMBEDDED)
def test_only_a_mapped_address_is_private_because_of_the_one_it_embeds(
    front: Front, form: str, address: str
) -> None:
    found = embedded(EMBEDDED[form], address)
    check = front.dials if form == "IPv4-mapped" else front.refuses
    check("http", found)


LOCAL_NAMES = [".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test"]


@pytest.mark.parametrize("suffix", ["", *LOCAL_NAMES])
def test_a_local_name_may_be_reached_over_plain_http(front: Front, suffix: str) -> None:
    for host in (f"box{suffix}", f"a.b{suffix}" if suffix else "a-b", f"BOX{suffix.upper()}."):
        front.network.names = {host.lower().rstrip("."): ["10.0.0.1"]}
        assert front.raw(f"http://{host}") == DIALLED
    assert set(front.network.dialled) == {"10.0.0.1"}


@pytest.mark.parametrize(
    "name",
    """box.localhost.example box.local.example box.internal.example box.lan.example
    box.home.arpa.example box.test.example box.xlocal box.xlan box.home box.arpa box.xtest
    box.latest box.localhosts xhome.arpa box.example api.example.com""".split(),
)
def test_another_name_may_not(front: Front, name: str) -> None:
    assert front.raw(f"http://{name}") == ("invalid_connection", "no")
    assert front.network.asked == front.network.dialled == []
    front.network.names = {name: ["10.0.0.1"]}
    assert front.raw(f"https://{name}") == DIALLED


# A proxy sees the request before anybody else


@pytest.mark.parametrize("host", [*ends(FORBIDDEN), *FORBIDDEN_NAMES, "2852039166", "0xA9FEA9FE"])
def test_a_proxy_at_a_forbidden_address_is_refused(front: Front, host: str) -> None:
    for scheme in ("http", "https"):
        proxy = url(scheme, host) + ":3128"
        error = front.invoke("rawRequest", "https://api.example.com", proxy=proxy).error
        assert error is not None
        assert (error.code, error.sent) == BLOCKED
        assert [row["path"] for row in error.details or ()] == ["/connection/fields/proxy"]
    assert front.network.asked == front.network.dialled == []


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "168.63.129.16"])
def test_a_proxy_whose_name_leads_to_a_forbidden_address_is_refused(
    front: Front, address: str
) -> None:
    front.network.names = {"proxy.example": [address]}
    for scheme in ("http", "https"):
        proxy = f"{scheme}://proxy.example:3128"
        assert front.raw("https://api.example.com", proxy=proxy) == BLOCKED
    assert front.network.dialled == []


def test_every_row_has_its_case() -> None:
    def texts(networks: Any) -> list[str]:
        return sorted(str(network) for network in networks)

    assert texts(addresses._FORBIDDEN_NETWORKS) == sorted(row.network for row in FORBIDDEN)
    assert texts(addresses._PRIVATE_NETWORKS) == sorted(row.network for row in PRIVATE)
    assert texts(addresses._TRANSLATED) == ["64:ff9b::/96", "::ffff:0:0:0/96"]
    assert sorted(endpoint._FORBIDDEN_NAMES) == sorted(FORBIDDEN_NAMES)
    assert sorted(endpoint._LOCAL_NAMES) == sorted(LOCAL_NAMES)
