"""Network and device addresses."""

from __future__ import annotations

import pytest

from guard.screening.recognizers.address import IpAddress, MacAddress
from tests.unit.screening.seen import alone, seen

IP, MAC = alone(IpAddress()), alone(MacAddress())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("93.184.216.34", "93.184.216.34", id="alone"),
        pytest.param("http://93.184.216.34:8080/x", "93.184.216.34", id="in a URL"),
        pytest.param("93.184.216.34/24", "93.184.216.34", id="a network"),
        pytest.param("from 93.184.216.34.", "93.184.216.34", id="at the end of a sentence"),
        pytest.param("地址93.184.216.34已", "93.184.216.34", id="between Han characters"),
        pytest.param("９３．１８４．２１６．３４", "９３．１８４．２１６．３４", id="full width"),
        pytest.param(
            "2606:2800:220:1:248:1893:25c8:1946", "2606:2800:220:1:248:1893:25c8:1946", id="version 6"
        ),
        pytest.param(
            "[2a00:1450:4001:81b::200e]:443", "2a00:1450:4001:81b::200e", id="shortened, with a port"
        ),
        pytest.param("2A00:1450::200E.", "2A00:1450::200E", id="capitals, at the end of a sentence"),
        pytest.param("1 93.184.216.34 2", "93.184.216.34", id="between numbers"),
    ],
)
def test_public_addresses(text: str, found: str) -> None:
    assert seen(text, IP) == [("IP_ADDRESS", found)]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.7", "192.168.1.20", "172.16.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1"),
        *("192.0.2.1", "198.51.100.7", "203.0.113.9", "255.255.255.255", "100.64.0.1"),
        *("fe80::1ff:fe23:4567:890a", "2001:db8::8a2e:370:7334", "fc00::1", "ff02::1", "::ffff:10.0.0.7"),
    ],
)
def test_addresses_that_mean_nobody_have_a_type_of_their_own(address: str) -> None:
    assert seen(f"at {address} now", IP) == [("IP_ADDRESS_PRIVATE", address)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("v1.2.3.4", id="a version glued to its letter"),
        pytest.param("version 93.184.216.34", id="a version"),
        pytest.param("Release: 1.2.3.4", id="a release"),
        pytest.param("1.2.3.4.5", id="five parts"),
        pytest.param("1.2.3", id="three parts"),
        pytest.param("256.1.1.1", id="too large a part"),
        pytest.param("1.2.3.4-5", id="a range of versions"),
        pytest.param("x-1.2.3.4", id="part of a name"),
        pytest.param("01.02.03.04", id="leading zeros"),
        pytest.param("12:30:45", id="a time"),
        pytest.param("std::vector", id="a name in code"),
        pytest.param("a::b::c::d", id="names in code"),
        pytest.param("::", id="colons"),
        pytest.param("::1", id="the loopback of version 6, which is also a slice"),
        pytest.param("1:2:3:4:5:6:7:8:9", id="nine groups"),
        pytest.param("::ffff:256.0.0.1", id="too large a part at the end"),
    ],
)
def test_what_is_no_network_address(text: str) -> None:
    assert seen(text, IP) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("3c:22:fb:9a:10:7e", "3c:22:fb:9a:10:7e", id="colons"),
        pytest.param("3C-22-FB-9A-10-7E", "3C-22-FB-9A-10-7E", id="dashes"),
        pytest.param("eth0 3c:22:fb:9a:10:7e,", "3c:22:fb:9a:10:7e", id="before a comma"),
        pytest.param("地址3c:22:fb:9a:10:7e。", "3c:22:fb:9a:10:7e", id="between Han characters"),
        pytest.param("0012.3456.789a", "0012.3456.789a", id="three groups"),
        pytest.param("3c\u200b:22:fb:9a:10:7e", "3c\u200b:22:fb:9a:10:7e", id="with an invisible character"),
    ],
)
def test_device_addresses(text: str, found: str) -> None:
    assert seen(text, MAC) == [("MAC_ADDRESS", found)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("00:00:00:00:00:00", id="zeros"),
        pytest.param("ff:ff:ff:ff:ff:ff", id="broadcast"),
        pytest.param("3c:22-fb:9a-10:7e", id="mixed separators"),
        pytest.param("3c:22:fb:9a:10", id="five pairs"),
        pytest.param("3c:22:fb:9a:10:7e:55", id="seven pairs"),
        pytest.param("3c:22:fb:9a:10:7g", id="no hexadecimal digit"),
        pytest.param("x3c:22:fb:9a:10:7e", id="glued"),
        pytest.param("2024.0101.1234", id="digits only"),
        pytest.param("a0:12:3456.789a.0", id="dots elsewhere"),
    ],
)
def test_what_is_no_device_address(text: str) -> None:
    assert seen(text, MAC) == []
