"""Vectors of hosts and patterns (specs/token-profiles.md §5.3); part of the generator's work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from support.profile_vectors import Scenario, scenario

_HOSTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("plain", "example.com", "Refusing an ordinary name."),
    ("trimmed", " \texample.com\r\n", "Not trimming ASCII white space."),
    ("vertical-tab", "example.com\u000b", "Trimming more than the five characters that are white space."),
    ("no-break-space", "\u00a0example.com", "Trimming white space that is not ASCII."),
    ("upper", "EXAMPLE.Com", "Comparing with case."),
    ("url", "https://User:pw@Example.com:8443/path?q#f", "Taking the user, the port or the path for the host."),
    ("url-query", "https://example.com?x=https://evil.net", "Finding the end of the host at a slash only."),
    ("url-fragment", "https://example.com#@evil.net", "Looking for the user behind the end of the host."),
    ("url-scheme", "svn+ssh://example.com", "Knowing two schemes only."),
    ("url-backslash", "https://evil.net\\@example.com", "Reading a backslash as browsers do not."),
    ("url-no-host", "https://", "Taking an empty host."),
    ("url-no-scheme", "://example.com", "Taking an empty scheme."),
    ("url-scheme-digit", "1http://example.com", "Taking a scheme that begins with a digit."),
    ("url-scheme-slash", "a/https://example.com", "Finding a URL inside a text."),
    ("port", "example.com:80", "Comparing with the port."),
    ("port-empty", "example.com:", "Forgiving a colon without port."),
    ("port-word", "example.com:x", "Cutting off whatever follows a colon."),
    ("port-wide-digits", "example.com:\uff18\uff10", "Taking any Unicode digit for a digit."),
    ("ports-two", "example.com:80:90", "Stripping more than one port."),
    ("final-dot", "example.com.", "Taking a final dot for another name."),
    ("final-dot-and-port", "example.com.:80", "Stripping dot and port in the other order."),
    ("final-dots", "example.com..", "Stripping more than one dot."),
    ("dot-first", ".example.com", "Dropping an empty label."),
    ("dots-inner", "example..com", "Dropping an empty label."),
    ("dot", ".", "Taking the root for a host."),
    ("empty", "", "Taking nothing for a host."),
    ("blank", " ", "Taking nothing for a host."),
    ("one-label", "localhost", "Needing two labels."),
    ("underscore", "my_host.example.com", "Refusing underscores, which hosts have."),
    ("hyphen-first", "-a.com", "Taking a hyphen at the start of a label."),
    ("hyphen-last", "a-.com", "Taking a hyphen at the end of a label."),
    ("star", "*.example.com", "Taking a pattern for a host."),
    ("space", "a b.com", "Dropping a blank inside."),
    ("slash", "a/b", "Cutting at a slash where there is no URL."),
    ("at", "a@b", "Cutting at an @ where there is no URL."),
    ("question-mark", "a?b", "Cutting at a question mark where there is no URL."),
    ("hash", "a#b", "Cutting at a # where there is no URL."),
    ("bell", "a\u0007b.com", "Letting control characters through that are no white space."),
    ("delete", "a\u007fb", "Letting control characters through."),
    ("c1-control", "a\u0085b.com", "Letting control characters through."),
    ("label-63", "a" * 63 + ".com", "Being off by one in the length of a label."),
    ("label-64", "a" * 64 + ".com", "Having no bound on the length of a label."),
    ("name-253", "a." * 125 + "com", "Being off by one in the length of a name."),
    ("name-254", "a." * 125 + "comm", "Having no bound on the length of a name."),
    ("ipv4", "192.0.2.1:80", "Reading an address as a name."),
    ("ipv4-leading-zero", "010.0.0.1", "Reading octal numbers in an address."),
    ("ipv4-256", "256.1.1.1", "Taking an address that is none for a name."),
    ("ipv4-three", "1.2.3", "Reading short forms of an address."),
    ("ipv4-five", "1.2.3.4.5", "Taking five numbers for a name."),
    ("ipv4-final-dot", "192.0.2.1.", "Reading an address with a final dot as a name."),
    ("number-last", "1.2.3.4.example.5", "Taking a name whose last label is a number."),
    ("ipv6", "[2001:DB8:0::1]:443", "Another text of an address than the canonical one."),
    ("ipv6-bare", "2001:db8::1", "Stripping a port from an address without brackets."),
    ("ipv6-url", "http://[::1]:80/x", "Not finding an address in a URL."),
    ("ipv6-mapped", "::ffff:192.0.2.1", "Reading an IPv4 address inside an IPv6 one as another."),
    ("ipv6-open", "[::1", "Forgiving a bracket that is not closed."),
    ("ipv6-tail", "[::1]x", "Ignoring what follows the bracket."),
    ("ipv6-port-empty", "[::1]:", "Forgiving a colon without port."),
    ("ipv6-bad", "[::g]", "Taking whatever stands in brackets."),
    ("ipv6-zone", "[fe80::1%eth0]", "Dropping a zone."),
    ("unicode", "BÜCHER.example", "Not mapping to A-labels, or mapping before lower case."),
    ("unicode-a-label", "xn--bcher-kva.example", "Encoding an A-label again."),
    ("unicode-eszett", "straße.example", "Transitional mapping: ss for ß."),
    ("unicode-dot", "bücher。example", "Knowing one dot only."),
    ("unicode-full-width", "\uff45xample.com", "Not mapping compatible characters."),
    ("unicode-full-width-slash", "\uff41\uff0f\uff42.com", "Checking for a slash before mapping only."),
    ("unicode-full-width-colon", "example.com\uff1a80", "Stripping the port after mapping."),
    ("unicode-ignored", "\u200bexample.com", "Keeping what UTS-46 ignores."),
    ("unicode-mixed-underscore", "my_host.bücher.example", "Checking ASCII labels as internationalised ones."),
    ("unicode-account-of", "a\u2100.com", "Letting a character through that maps to a slash."),
    ("unicode-empty-label", "bücher..example", "Dropping an empty label while mapping."),
)  # fmt: skip

_PATTERNS: Final[tuple[tuple[str, str, str], ...]] = (
    ("name", "Example.com", "Refusing a plain name, or keeping its case."),
    ("one-star", "*.Example.com", "Refusing the wildcard of one label."),
    ("two-stars", "**.example.com", "Refusing the wildcard of several labels."),
    ("three-stars", "***.example.com", "Taking any number of stars."),
    ("star-alone", "*", "Licensing every host."),
    ("star-top-level", "*.com", "Licensing a whole top-level name."),
    ("stars-top-level", "**.com", "Licensing a whole top-level name."),
    ("star-inside", "a.*.example.com", "Reading a star that is not leftmost."),
    ("star-in-label", "a*.example.com", "Reading a star that is not a whole label."),
    ("star-twice", "*.*.example.com", "Reading two wildcards."),
    ("star-no-dot", "*example.com", "Reading a star that is not a whole label."),
    ("star-address", "*.192.0.2.1", "Reading a wildcard before an address."),
    ("star-address-6", "*.2001:db8::1", "Reading a wildcard before an address."),
    ("address", "192.0.2.1", "Refusing an address."),
    ("address-6", "2001:DB8::1", "Refusing an address, or keeping its case."),
    ("address-6-brackets", "[2001:db8::1]", "Refusing an address in brackets."),
    ("address-6-port", "[2001:db8::1]:80", "Dropping a port, and so covering more than was meant."),
    ("port", "example.com:80", "Dropping a port, and so covering more than was meant."),
    ("url", "https://example.com", "Dropping a scheme, and so covering more than was meant."),
    ("helper", ".example.com", "Reading the entry for older clients as a pattern."),
    ("empty", "", "Taking the empty text, which older clients find in every host."),
    ("blanks", " *.example.com\n", "Not trimming a pattern as a host is."),
    ("unicode", "*.bücher.example", "Not mapping a pattern's name."),
)

_COVERS: Final[tuple[tuple[str, str, list[str]], ...]] = (
    ("one-star-apex", "example.com", ["*.example.com"]),
    ("one-star-one", "a.example.com", ["*.example.com"]),
    ("one-star-two", "a.b.example.com", ["*.example.com"]),
    ("one-star-alike", "aexample.com", ["*.example.com"]),
    ("one-star-longer", "a.example.com.net", ["*.example.com"]),
    ("two-stars-apex", "example.com", ["**.example.com"]),
    ("two-stars-one", "a.example.com", ["**.example.com"]),
    ("two-stars-three", "a.b.c.example.com", ["**.example.com"]),
    ("two-stars-shorter", "com", ["**.example.com"]),
    ("second-of-two", "b.example", ["a.example", "b.example"]),
    ("none-of-none", "b.example", []),
    ("address-label", "1.192.0.2.1", ["**.192.0.2.1"]),
    ("address-longer", "192.0.2.10", ["192.0.2.1"]),
    ("address-6-spelled", "[2001:db8:0:0::1]:80", ["2001:DB8::1"]),
    ("pattern-for-host", "*.example.com", ["*.example.com"]),
    ("helper-for-host", ".example.com", [".example.com"]),
    ("unicode-both", "BÜCHER.example", ["bücher.example"]),
    ("unicode-a-label", "a.xn--bcher-kva.example", ["*.bücher.example"]),
)


def hosts() -> Iterator[Scenario]:
    """One spelling or none, and who covers whom."""
    for name, text, catches in _HOSTS:
        yield scenario(f"spelling-{name}", "5.3", catches, {"function": "host", "host": text})
    for name, text, catches in _PATTERNS:
        yield scenario(f"pattern-{name}", "5.3", catches, {"function": "pattern", "pattern": text})
    for name, text in (("star", "*.internal"), ("stars", "**.internal"), ("alone", "*"), ("number", "*.1")):
        given = {"function": "pattern", "pattern": text, "single_label_suffixes": True}
        yield scenario(f"pattern-single-label-{name}", "5.3", "Allowing more than a single label, or less.", given)
    for name, host, patterns in _COVERS:
        given = {"function": "covers", "host": host, "patterns": patterns}
        yield scenario(f"covers-{name}", "5.3", "Comparing otherwise than label by label from the right.", given)
    for allowed in (True, False):
        given = {"function": "covers", "host": "db.internal", "patterns": ["*.internal"]}
        if allowed:
            given["single_label_suffixes"] = True
        name = f"covers-single-label{'-allowed' if allowed else ''}"
        yield scenario(name, "5.3", "Ignoring what the operator allowed, or did not.", given)
