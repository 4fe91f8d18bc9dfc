"""
License tokens in the dialects of other systems, as pure mappings: facts to claims, claims to checked facts.

One module per profile (specs/token-profiles.md); `hosts` and `verdicts` hold what their rules need. Belongs here: the
claims, their rules, signing and verifying. Does not belong here: HTTP, storage, and which license becomes which facts
(`carnet.server.compat`). The envelope and the keys are ours: `carnet.formats.jws`, role ``token``, `typ` ``JWT``.
"""

from __future__ import annotations
