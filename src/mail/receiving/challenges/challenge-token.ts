/** The token in the link of a challenge: 256 random bits, of which the database has the hash. Pure. */
import { createHash } from 'node:crypto'

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
