"""
What every member of every artifact means, for a support person: one table for each kind, by the member's path.

The rules are in specs/; these are their sentences. A member that is not here is one that readers ignore.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Form = Literal["text", "time", "span", "secret", "address"]
Table = Mapping[str, tuple[Form, str]]

TITLES: Mapping[str, str] = {
    "token": "License token: the short, signed credential of one activation (specs/license-token.md).",
    "machine-file": "Machine file: signed, and encrypted for one device and one license key (specs/machine-file.md).",
    "bundle": "Bundle: a box of artifacts, not a seal; each part is verified by itself (specs/bundle.md).",
    "root": "Root file: which keys this vendor's artifacts may be signed with (specs/root.md).",
    "answer": "Answer proof: what the server said to one question of one device (specs/answer.md).",
    "time": "Time answer: the server's clock, under its seal (specs/time.md).",
    "device-proof": "Device proof: one request, signed with the device's own key (specs/answer.md §6).",
    "lease": "Lease token: a floating seat for a while, held by one device, process or user (specs/lease.md).",
    "status-list": "Status list: which of many licenses and seats have ended or are suspended (specs/status-list.md).",
    "app-manifest": "App manifest: which files an app was released with, under the vendor's seal"
    " (specs/app-manifest.md).",
    "checkpoint": "Checkpoint: how long the vendor's log is and what is in it, signed (specs/transparency.md §4).",
    "log-proof": "Log proof: that something was issued, with the way to a checkpoint (specs/transparency.md §5).",
    "root-draft": "Draft of a next root file, for those who sign it; no reader trusts one (specs/root.md).",
    "license-key": "Short license key: it names a license at its server and grants nothing by itself"
    " (specs/license-key.md).",
    "signed-key": "Signed license key: it grants by itself, without any server (specs/signed-license-key.md).",
    "offline-token": "Legacy offline token, for older LicenseSeat clients (specs/offline-token.md).",
    "keyforge-token": "License token in Keyforge's dialect (specs/token-profiles.md §4).",
    "traffic-orchestrator-token": "License token in Traffic Orchestrator's dialect (specs/token-profiles.md §5).",
}

UNKNOWN = "Not a member that this version knows; readers ignore it."

_POLICY: Table = {
    "pol.name": ("text", "The plan (policy) that the license follows."),
    "pol.ttl": ("span", "The full length of an offline window under this plan."),
    "pol.grace": ("span", "Grace after the offline window: still usable, asks to connect."),
    "pol.term_grace": ("span", "Grace after the license's own end: still usable, asks to renew."),
    "pol.refresh": ("span", "How long after its issue the app fetches a new one in the background."),
    "pol.access": ("text", "What works in grace: full, or limited to the essential features."),
    "pol.warn": ("span", "How long before an end the app begins to warn."),
    "pol.essential": ("text", "Features that keep working in limited mode."),
    "pol.edition": ("text", "The edition of the app that is covered."),
    "pol.below": ("text", "Versions of the app below this one are covered."),
    "pol.domains": ("text", "Host names that are covered."),
    "pol.clock": ("text", "countdown: a clock that was set back limits the app."),
    "pol.status_age": ("span", "How long the app may go without checking for revocation."),
}

_STATUS: Table = {
    "status.status_list.idx": ("text", "The license's place in the revocation list."),
    "status.status_list.uri": ("text", "Where that revocation list is published."),
    "status_min": ("text", "Epoch and number of the oldest version of that list that counts."),
    "act_status.idx": ("text", "The activation's place in the revocation list."),
    "act_status.uri": ("text", "Where that list is, if not where the license's is."),
    "act_status.min": ("text", "The oldest version of that list that counts, if not the license's."),
}

_COMMON: Table = {
    "iss": ("text", "The installation that issued it."),
    "jti": ("text", "Its own id; use it to tell copies apart, never the text."),
    "iat": ("time", "When it was issued."),
    "nbf": ("time", "Valid from here on, this second included."),
}

TABLES: Mapping[str, Table] = {
    "token": {
        **_COMMON,
        "iat": ("time", "When it was issued, dated back by a minute for devices whose clock is behind."),
        "exp": ("time", "Works without contact before this second; then grace, then a connection is needed."),
        "aud": ("text", "The product it is for; compared exactly."),
        "sub": ("text", "The license's id, never its key."),
        "act": ("text", "The activation (seat) that it belongs to."),
        "dev": ("text", "The fingerprint of the only device that may use it; without this, any device may."),
        "cus": ("text", "The customer, by an opaque id."),
        "lic_nbf": ("time", "When the license itself begins."),
        "lic_exp": ("time", "When the license itself ends; null for a perpetual one."),
        **_POLICY,
        **_STATUS,
    },
    "answer": {
        **_COMMON,
        "iat": ("time", "The server's clock when it answered."),
        "exp": ("time", "For readers that only know JWT; a kept refusal stays genuine after it."),
        "aud": ("text", "The product that was asked about."),
        "sub": ("text", "The license that it is about."),
        "act": ("text", "The activation that it is about."),
        "dev": ("text", "The device that asked, by its fingerprint."),
        "nonce": ("text", "The asker's own random text: it binds this answer to one question."),
        "action": ("text", "What was asked for."),
        "outcome": ("text", "granted or refused. A refusal outranks older grants on the device."),
        "code": ("text", "The main reason of the refusal; docs/reference/codes.md has its sentence."),
        "reasons": ("text", "Every reason, the main one first."),
        "artifacts.token": ("text", "SHA-256 of the license token that came with it."),
        "artifacts.machine_file": ("text", "SHA-256 of the machine file that came with it."),
    },
    "time": {
        **_COMMON,
        "iat": ("time", "The server's clock when it was asked."),
        "exp": ("time", "For readers that only know JWT; devices go by the nonce."),
        "nonce": ("text", "The asker's own random text: an answer with another nonce proves nothing."),
    },
    "device-proof": {
        "htm": ("text", "The method of the request that it was made for."),
        "htu": ("text", "The path of that request."),
        "body_sha256": ("text", "SHA-256 of that request's body."),
        "iat": ("time", "When the device made it, by the device's clock; the server takes it within 300 seconds."),
        "jti": ("text", "Its own id; the server takes each one once."),
    },
    "lease": {
        **_COMMON,
        "iat": ("time", "When it was issued, dated back by a minute for holders whose clock is behind."),
        "exp": ("time", "The seat is the holder's before this second; then it has to be renewed, or claimed again."),
        "aud": ("text", "The product it is for; compared exactly."),
        "sub": ("text", "The license whose floating seats it is one of."),
        "jti": ("text", "The id of this token; each renewal makes a new one."),
        "lease": ("text", "The lease's own id, the same from the claim to the end."),
        "holder.kind": ("text", "Who holds the seat: a device, one process, or a user on whichever devices."),
        "holder.id": ("text", "That holder's id; compared exactly."),
        "borrowed": ("text", "The seat was taken along for travel: it is kept without renewals until its end."),
    },
    "status-list": {
        "iss": ("text", "The installation that issued it."),
        "sub": ("text", "Which list it is: licenses and activations name it by this address."),
        "iat": ("time", "Every change before this moment is in it."),
        "exp": ("time", "For readers that only know the IETF's draft; devices go by when it was issued."),
        "ttl": ("span", "How long a cache may keep it without asking for a newer one."),
        "version": ("text", "Epoch and number: of two lists the greater is the newer, and devices never go back."),
        "size": ("text", "How many licenses and seats it is about."),
        "status_list.bits": ("text", "Bits for each of them: 2 where somebody is suspended, else 1."),
        "status_list.lst": ("text", "The statuses, packed: zlib in base64url."),
    },
    "app-manifest": {
        "iss": ("text", "The installation that issued it."),
        "aud": ("text", "The product whose app it is; compared exactly."),
        "iat": ("time", "When it was sealed."),
        "ver": ("text", "The app's version that was released so."),
        "files": ("text", "How many files are listed."),
        "list": ("text", "SHA-256 of the list, which is what the seal is about."),
    },
    "keyforge-token": {
        "status": ("text", "The license as of signing: active, or fallbacked (ended, but allowed to go on)."),
        "license.key": ("secret", "The license key, in clear, because the contract says so: the token is a secret."),
        "license.productId": ("text", "The product it is for; compared exactly."),
        "license.type": ("text", "perpetual or timed."),
        "license.expiresAt": ("time", "When the license ends; null for a perpetual one."),
        "license.createdAt": ("time", "When the license was made."),
        "license.maxDevices": ("text", "How many devices may be active at once."),
        "license.email": ("address", "The customer's address, where the vendor switched that on."),
        "device.identifier": ("text", "The only device that may use it, by the app's own identifier."),
        "device.name": ("text", "The device's name, for people."),
        "device.activationDate": ("time", "When the device was activated."),
        "product.id": ("text", "The product again; equal to license.productId."),
        "iat": ("time", "When it was issued, dated back by a minute."),
        "exp": ("time", "Works without contact before this second; this dialect has no grace."),
        "nbf": ("time", "Valid from here on; only tokens of others have it."),
        "jti": ("text", "Its own id."),
        "sub": ("text", "Not used here."),
    },
    "traffic-orchestrator-token": {
        "iss": ("text", "The issuer that the app was configured with; compared exactly."),
        "aud": ("text", "What it may be used for; needs license-validation or license-offline."),
        "sub": ("text", "The license's id."),
        "iat": ("time", "When it was issued, dated back by a minute."),
        "exp": ("time", "Works before this second; this dialect has no grace."),
        "nbf": ("time", "Valid from here on; only tokens of others have it."),
        "plan": ("text", "The plan's name."),
        "dom": ("text", "Hosts that are covered; without it any, empty none. Entries with a leading dot do not count."),
        "jti": ("text", "Its own id."),
    },
    "offline-token": {
        "schema_version": ("text", "The version of this form; 1."),
        "license_key": ("secret", "The license key, in clear, because the contract says so: the file is a secret."),
        "product_slug": ("text", "The product it is for; compared exactly."),
        "plan_key": ("text", "The plan that the license follows."),
        "mode": ("text", "What the license is bound to: hardware_locked, floating or named_user."),
        "seat_limit": ("text", "How many seats the license has; without it, any number."),
        "fingerprint": ("text", "The only device that may use it."),
        "iat": ("time", "When it was issued."),
        "nbf": ("time", "Valid from here on, this second included."),
        "exp": ("time", "Works before this second; there is no grace after it."),
        "kid": ("text", "The id of the key that signed it; equal to the signature's."),
        "license_expires_at": ("time", "When the license itself ends; without it, never."),
        "metadata": ("text", "The vendor's own notes; readers ignore them."),
    },
}
"""By kind and path. `ent` and `entitlements` are explained entry by entry, not here."""

ALGORITHMS: Mapping[str, Mapping[str, str]] = {
    "token": {
        "EdDSA": "Ed25519, the native algorithm.",
        "Ed25519": "Ed25519 by its newer name, which readers accept too.",
        "ES256": "Legal under a compatibility key only: a pinned key that stands in no root.",
        "RS256": "Legal under a compatibility key only: a pinned key that stands in no root.",
    },
    "keyforge-token": {
        "ES256": "What the Keyforge contract asks for.",
        "EdDSA": "Legal only where the vendor says so: Keyforge's own clients read ES256.",
        "RS256": "Legal only where the vendor says so: Keyforge's own clients read ES256.",
    },
    "traffic-orchestrator-token": {"EdDSA": "What the Traffic Orchestrator contract asks for."},
}
_NATIVE: Mapping[str, str] = {
    "EdDSA": "Ed25519, the only algorithm of this kind.",
    "Ed25519": "Ed25519 by its newer name, which readers accept too.",
}


def algorithm_meaning(kind: str, alg: object) -> str | None:
    """What the algorithm name *alg* means in an artifact of *kind*, or None where every reader refuses it there."""
    return ALGORITHMS.get(kind, _NATIVE).get(alg) if isinstance(alg, str) else None
