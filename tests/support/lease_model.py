"""
Floating leases as a few lines say they are: who holds one, by which clocks, under which limit (REL-10).

Independent of the code under test: no slots, no areas, no database. What a model cannot know, because the
implementation may choose (whose lapsed slot is taken first), it allows both ways, and says so.
"""

from __future__ import annotations

from carnet.core._base import Struct

MAX_TTL = 20
MAX_BORROW = 50
BORROW_LIMIT = 1


class Known:
    """The newest lease of a holder."""

    def __init__(self, lease_id: str, deadline: int, expires: int, *, borrowed: bool) -> None:
        self.id = lease_id
        self.deadline = deadline
        self.expires = expires
        self.covered = expires
        self.renewed = 0
        self.ttl = 0
        self.borrowed = borrowed
        self.released = False
        self.forced = False
        self.may_be_gone = False


class Expected(Struct):
    """What may be answered: any of these codes; ``ok`` is a lease."""

    codes: frozenset[str]


class LeaseModel:
    """One pool."""

    def __init__(self, limit: int, wall: int, service: int) -> None:
        self.limit = limit
        self.wall = wall
        self.service = service
        self.known: dict[int, Known] = {}
        self.is_relaid = False

    def is_live(self, lease: Known) -> bool:
        """Held: neither given back, nor over by both clocks."""
        return not lease.released and (self.service < lease.deadline or self.wall < lease.covered)

    def live(self) -> dict[int, Known]:
        """Every holder of a seat."""
        return {holder: lease for holder, lease in self.known.items() if self.is_live(lease)}

    def has_room(self) -> bool:
        """Whether one more may come."""
        return len(self.live()) < self.limit

    def _borrowing(self, holder: int) -> frozenset[str]:
        borrowed = [each for each in self.live().values() if each.borrowed]
        own = self.live().get(holder)
        if own is not None and own.borrowed:
            return frozenset()
        return frozenset({"borrow_limit_reached"}) if len(borrowed) >= BORROW_LIMIT else frozenset()

    def claim(self, holder: int, *, borrow: bool) -> Expected:
        """What a claim may be answered."""
        if borrow and (refused := self._borrowing(holder)):
            return Expected(codes=refused)
        return Expected(codes=frozenset({"ok" if holder in self.live() or self.has_room() else "lease_limit_reached"}))

    def renew(self, holder: int) -> Expected:
        """What a renewal of the holder's newest lease may be answered."""
        lease = self.known[holder]
        if lease.forced:
            return Expected(codes=frozenset({"lease_released"}))
        if lease.released:
            gone = {"lease_not_found"} if lease.may_be_gone else set()
            return Expected(codes=frozenset({"lease_released", *gone}))
        if self.is_live(lease):
            return Expected(codes=frozenset({"ok"}))
        # It ran out: it goes on if there is room and nobody else has its seat; nobody is ever put out for it.
        answer = {"ok" if self.has_room() else "lease_limit_reached"}
        return Expected(codes=frozenset(answer | ({"lease_not_found"} if lease.may_be_gone else set())))

    def release(self, holder: int) -> Expected:
        """What a return of the holder's newest lease may be answered."""
        lease = self.known[holder]
        is_gone = not self.is_live(lease) and lease.may_be_gone
        return Expected(codes=frozenset({"ok", "lease_not_found"} if is_gone else {"ok"}))

    def settle_doubts(self, listed: set[str]) -> None:
        """
        A lease that ran out is covered again where the wall clock was set back, unless somebody has its slot by then:
        which of the two it is, the list of live leases says, and it stays so.
        """
        for lease in self.known.values():
            if self.is_live(lease) and lease.may_be_gone and lease.id not in listed:
                lease.released = True

    # ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────

    def granted(self, holder: int, lease_id: str, asked: int, *, borrow: bool) -> int:
        """A lease was given or renewed; the `exp` that its token must have."""
        was = self.known.get(holder)
        live = was is not None and self.is_live(was)
        ttl = min(asked, max(MAX_BORROW, MAX_TTL) if borrow else MAX_TTL)
        deadline, expires = self.service + ttl, self.wall + ttl
        is_new_grant = was is None or not live
        if was is not None and live:
            borrowed = borrow or was.borrowed
            if was.borrowed:
                deadline, expires = max(deadline, was.deadline), max(expires, was.expires)
            now = Known(lease_id, deadline, expires, borrowed=borrowed)
            now.covered = max(was.covered, expires)
        else:
            now = Known(lease_id, deadline, expires, borrowed=borrow)
        now.renewed, now.ttl = self.wall, ttl
        self.known[holder] = now
        if is_new_grant:
            self.seats_moved(holder)
        return expires

    def vouched(self) -> None:
        """Somebody says that the clock is right: what was given later than now is covered as if it were given now."""
        for lease in self.known.values():
            if not lease.released and lease.renewed > self.wall:
                lease.covered = min(lease.covered, self.wall + lease.ttl)
                lease.expires = min(lease.expires, lease.covered)

    def asked(self) -> None:
        """Once the limit was changed, a question may put the seats in order: lapsed leases may lose their slots."""
        if self.is_relaid:
            self.seats_moved(None)

    def seats_moved(self, holder: int | None) -> None:
        """Somebody got a seat: whoever holds none now may have lost the slot it had."""
        for other, lease in self.known.items():
            if other != holder and not self.is_live(lease):
                lease.may_be_gone = True
