#!/usr/bin/env python3
"""Writes egress_corpus.txt: addresses and whether they may be contacted, judged by Python's `ipaddress`, not by our code.

Each special block of IANA gives its first, last, middle and both neighbouring addresses, IPv4 ones also in their IPv6
clothes. Where we differ from `ipaddress.is_global`, the exception is listed here with its reason.
Run: python3 egress_corpus.py > egress_corpus.txt
"""

import ipaddress as ip

V4 = """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24
192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
255.255.255.255/32 168.63.129.16/32 169.254.169.254/32 100.100.100.200/32 8.8.8.0/24 1.1.1.0/24""".split()
V6 = """::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
fd00:ec2::254/128 fd20:ce::254/128 2000::/3 2606:4700:4700::/48 4000::/3""".split()

# Denied although `ipaddress` calls them global: block and reason.
ALSO_DENIED = [
    ("192.0.0.0/24", "protocol assignments, the anycast ones too"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT"),
    ("192.88.99.0/24", "6to4 relays"),
    ("192.175.48.0/24", "AS112"),
    ("168.63.129.16/32", "Azure's host service"),
    ("224.0.0.0/4", "multicast"),
    ("2001::/23", "protocol assignments, ORCHID and AS112 too"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation (older Pythons do not know it)"),
]
PUBLIC_V6 = ip.ip_network("2000::/3")


def allowed(address):
    address = ip.ip_address(address)
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in ip.ip_network(block) for block, _ in ALSO_DENIED):
        return False
    if address.version == 6 and address not in PUBLIC_V6:
        return False
    return address.is_global


def probes(block):
    net = ip.ip_network(block)
    kind = type(net.network_address)
    first, last = int(net.network_address), int(net.broadcast_address)
    top = 2 ** net.max_prefixlen - 1
    for number in (first - 1, first, first + 1, (first + last) // 2, last - 1, last, last + 1):
        if 0 <= number <= top:
            yield kind(number)


def clothes(v4):
    number = int(v4)
    yield ip.IPv6Address((0xFFFF << 32) | number)  # mapped
    yield ip.IPv6Address(number)  # compatible
    yield ip.IPv6Address((0x64FF9B << 96) | number)  # NAT64
    yield ip.IPv6Address((0x64FF9B0001 << 80) | number)  # local NAT64
    yield ip.IPv6Address((0x2002 << 112) | (number << 80))  # 6to4
    yield ip.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF))  # Teredo


corpus = set()
for block in V4:
    for address in probes(block):
        corpus.add(address)
        corpus.update(clothes(address))
for block in V6:
    corpus.update(probes(block))
for address in sorted(corpus, key=lambda a: (a.version, int(a))):
    print("allow" if allowed(address) else "deny", address)
