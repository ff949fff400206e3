/**
 * Tokens in links that work without a key until they expire: clients pass them to programs without API keys.
 *
 * A token contains some fields and their expiry, signed with a secret that every node has. Nothing is stored per token.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Store } from '../../store/store.ts'
import * as secrets from '../../store/tables/secrets-table.ts'

export interface SignedTokens {
  /** @param fields without spaces */
  sign(fields: readonly (string | number)[]): Promise<string>
  /** Returns the fields of a token; undefined unless it is, character by character, a token that `sign` has returned. */
  verify(token: string): Promise<string[] | undefined>
}

interface SignedTokensNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly random: (bytes: number) => Buffer
  /** Name of the secret: a token for one purpose is none for another. */
  readonly name: string
}

const SECRET_BYTES = 32

export function createSignedTokens({ store, random, name }: SignedTokensNeeds): SignedTokens {
  let secret: Promise<Buffer> | undefined

  return {
    async sign(fields) {
      const payload = Buffer.from(fields.join(' ')).toString('base64url')
      return `${payload}.${signature(await getSecret(), payload)}`
    },

    async verify(token) {
      const [, payload, given] = /^([\w-]+)\.([\w-]+)$/.exec(token) ?? []
      if (payload === undefined || given === undefined) return undefined
      const expected = Buffer.from(signature(await getSecret(), payload))
      const actual = Buffer.from(given)
      if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return undefined
      return Buffer.from(payload, 'base64url').toString().split(' ')
    },
  }

  function getSecret(): Promise<Buffer> {
    secret ??= loadSecret().catch((error: unknown) => {
      secret = undefined // the next call tries again
      throw error
    })
    return secret
  }

  async function loadSecret(): Promise<Buffer> {
    const stored = await secrets.get(store.db, 'signing', name)
    if (stored !== undefined) return Buffer.from(stored, 'base64url')
    const made = random(SECRET_BYTES).toString('base64url')
    return store.transaction(async (tx) => {
      await secrets.insertOnce(tx, 'signing', name, made)
      return Buffer.from((await secrets.get(tx, 'signing', name)) ?? made, 'base64url')
    })
  }
}

function signature(secret: Buffer, payload: string): string {
  return createHmac('sha256', secret).update(payload).digest('base64url')
}
