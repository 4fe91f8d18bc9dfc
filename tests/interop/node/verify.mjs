// Verifies a token as any app in JavaScript would: public key alone, library defaults, claims checked.
// Reads {"token", "jwk", "typ", "issuer", "audience"} from standard input; prints the claims, or the error's code.
import { importJWK, jwtVerify } from 'jose'

let text = ''
for await (const chunk of process.stdin) text += chunk
const { token, jwk, typ, issuer, audience } = JSON.parse(text)
try {
  const key = await importJWK(jwk)
  const { payload } = await jwtVerify(token, key, { algorithms: ['EdDSA'], typ, issuer, audience })
  console.log(JSON.stringify({ payload }))
} catch (error) {
  console.log(JSON.stringify({ code: error.code ?? String(error) }))
}
