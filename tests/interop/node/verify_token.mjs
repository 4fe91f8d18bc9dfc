import { compactVerify, importJWK } from 'jose'

const TYP = 'carnet-license+jwt'

// The claims of a genuine token for this app on this device; throws for every other.
export async function verify(token, jwk, product, device) {
  const key = await importJWK(jwk)
  const { payload, protectedHeader: header } = await compactVerify(token, key, {
    algorithms: [jwk.alg], // the pinned key's algorithm, never the token's
  })
  if (header.typ !== TYP || header.kid !== jwk.kid) throw new Error('another kind of token, or another key')
  const claims = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  if (claims.aud !== product) throw new Error('for another product')
  if ('dev' in claims && claims.dev !== device) throw new Error('for another device')
  if (![claims.nbf, claims.exp].every(Number.isSafeInteger)) throw new Error('without its times')
  return claims
}

// What a verified token opens at `now` (Unix seconds): not_started, active, grace or expired.
export function state(claims, now) {
  const start = Math.max(claims.nbf, claims.lic_nbf ?? 0)
  let end = claims.exp
  let over = claims.exp + claims.pol.grace
  if (claims.lic_exp !== null) {
    end = Math.min(end, claims.lic_exp)
    over = Math.min(over, claims.lic_exp + claims.pol.term_grace)
  }
  if (now < start) return 'not_started'
  if (now < end) return 'active'
  return now < over ? 'grace' : 'expired'
}
