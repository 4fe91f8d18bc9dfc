// Reads one question per line, {"token", "jwk", "product", "device", "now"}; prints one outcome per line.
import { createInterface } from 'node:readline'
import { state, verify } from './verify_token.mjs'

for await (const line of createInterface({ input: process.stdin })) {
  const { token, jwk, product, device, now } = JSON.parse(line)
  try {
    console.log(state(await verify(token, jwk, product, device), now))
  } catch {
    console.log('refused')
  }
}
