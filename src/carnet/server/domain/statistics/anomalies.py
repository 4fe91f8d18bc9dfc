"""
What looks odd about a license, by what one process sees of one day: many new devices, many addresses, a cloned device.

An alert is a hint for the vendor and never a refusal: a company behind changing addresses is no thief. It is given once
a day for each license and kind. Memory is bounded; what falls out of it may raise an alert late or not at all.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, TypeAlias

from carnet.core._base import Struct
from carnet.core.instant import Instant

AlertKind: TypeAlias = Literal["many_activations", "many_addresses", "cloned_device"]

DAY_SECONDS = 86_400
MAX_WATCHED = 20_000
"""Licenses and activations that are watched at a time; the one that was seen longest ago makes room."""

_MAX_KEYS = 8


class AnomalyRules(Struct):
    """
    From how many on something is odd, within a day (UTC). A license with many seats may have more: three times as many
    as seats. One without a seat limit is not judged by numbers.

    Attributes:
        activations: New devices on one license.
        addresses: Addresses (IPv6: /64 networks) that use one license.
        device_keys: Device keys that one activation was given, one after the other. A reinstalled app has a new one; an
            activation that goes back to a key it had before is two devices with one identity, whatever the number.
    """

    activations: int = 20
    addresses: int = 50
    device_keys: int = 5


class Alert(Struct):
    """Something odd. `count` is the number that the rule names; `activation_id` where it is about one device."""

    kind: AlertKind
    license_id: str
    activation_id: str | None
    count: int
    at: Instant


class _Watched:
    __slots__ = ("activations", "addresses", "told")

    def __init__(self) -> None:
        self.activations = 0
        self.addresses: set[bytes] = set()
        self.told: set[AlertKind] = set()


class Anomalies:
    """Watches one day at a time."""

    def __init__(self, rules: AnomalyRules | None = None, *, most: int = MAX_WATCHED) -> None:
        """
        Args:
            rules: From how many on.
            most: How many licenses, and how many activations, are watched at a time.
        """
        self._rules = rules or AnomalyRules()
        self._most = most
        self._day = -1
        self._licenses: OrderedDict[str, _Watched] = OrderedDict()
        self._device_keys: OrderedDict[str, list[bytes]] = OrderedDict()
        self._alerts: list[Alert] = []

    def used(
        self, license_id: str, seat_limit: int | None, network: bytes, now: Instant, *, is_new_device: bool = False
    ) -> None:
        """A license was used from *network* (a hash that stands for it), perhaps by a device that is new to it."""
        watched = self._watched(license_id, now)
        if is_new_device:
            watched.activations += 1
        if seat_limit is None:
            return
        rules = self._rules
        most_addresses = max(rules.addresses, 3 * seat_limit)
        if network not in watched.addresses and len(watched.addresses) <= most_addresses:
            watched.addresses.add(network)
            if len(watched.addresses) > most_addresses:
                self._tell(watched, _alert("many_addresses", license_id, None, len(watched.addresses), now))
        if is_new_device and watched.activations > max(rules.activations, 3 * seat_limit):
            self._tell(watched, _alert("many_activations", license_id, None, watched.activations, now))

    def identified(self, license_id: str, activation_id: str, device_key: bytes | None, now: Instant) -> None:
        """An activation registered *device_key*, or still has it (SEC-45)."""
        if device_key is None:
            return
        watched = self._watched(license_id, now)
        keys = self._device_keys.get(activation_id)
        if keys is None:
            self._device_keys[activation_id] = [device_key]
            if len(self._device_keys) > self._most:
                self._device_keys.popitem(last=False)
            return
        self._device_keys.move_to_end(activation_id)
        if keys[-1] == device_key:
            return
        is_back = device_key in keys
        keys.append(device_key)
        if is_back or len(keys) > self._rules.device_keys:
            self._tell(watched, _alert("cloned_device", license_id, activation_id, len(keys), now))
        del keys[:-_MAX_KEYS]

    def forked(self, license_id: str, activation_id: str, forks: int, now: Instant) -> None:
        """A device showed a stamp that it has given up itself: a copy of it comes too (SEC-45)."""
        self._tell(self._watched(license_id, now), _alert("cloned_device", license_id, activation_id, forks, now))

    def take_alerts(self) -> tuple[Alert, ...]:
        """The alerts since the last time."""
        alerts, self._alerts = tuple(self._alerts), []
        return alerts

    def _watched(self, license_id: str, now: Instant) -> _Watched:
        day = int(now) // DAY_SECONDS
        if day != self._day:
            self._day = day
            self._licenses.clear()
            self._device_keys.clear()
        watched = self._licenses.get(license_id)
        if watched is None:
            watched = self._licenses[license_id] = _Watched()
            if len(self._licenses) > self._most:
                self._licenses.popitem(last=False)
        else:
            self._licenses.move_to_end(license_id)
        return watched

    def _tell(self, watched: _Watched, alert: Alert) -> None:
        if alert.kind not in watched.told and len(self._alerts) < self._most:
            watched.told.add(alert.kind)
            self._alerts.append(alert)


def _alert(kind: AlertKind, license_id: str, activation_id: str | None, count: int, now: Instant) -> Alert:
    return Alert(kind=kind, license_id=license_id, activation_id=activation_id, count=count, at=now)
