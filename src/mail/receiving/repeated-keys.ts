/**
 * Finds received messages that repeat an earlier one: their sender gave both the same idempotency key, in the header field
 * `X-AgentMail-Idempotency-Key`. A repeat is stored and shown like all mail, with the label `duplicate`, and its event is one
 * that subscribers must name: a program acts on the first message only.
 *
 * A key counts for one inbox and one sender, for limits.receiving.repeatedKeyMs. The sender is the address in From and the
 * domain for which it was authenticated: a forged message is another sender than the real one, so it cannot use up a key.
 * Spam and blocked mail use up none.
 */
import { createHash } from 'node:crypto'
import type { Limits } from '../../config/limits.ts'
import { normaliseAddress } from '../../formats/address/address.ts'
import type { Tx } from '../../store/handles.ts'
import { rowStep } from '../../store/row-statements.ts'
import * as receivedKeys from '../../store/tables/received-keys-table.ts'
import type { FiledMessage, Filing } from '../messages/filing/filing.ts'
import { DUPLICATE } from '../messages/labels/label-rules.ts'

/** What a filing says about its key; undefined: it has none, or none that counts. */
interface KeyUse {
  readonly inbox_id: string
  readonly key_hash: string
}

/** Returns the filings with the label `duplicate` on those that repeat an earlier message. Without keys, it runs no statement. */
export async function labelRepeated(tx: Tx, filings: readonly Filing[], limits: Limits): Promise<readonly Filing[]> {
  const uses = filings.map(keyUseOf)
  const asked = uses.filter((use) => use !== undefined)
  if (asked.length === 0) return filings
  const since = tx.now - limits.receiving.repeatedKeyMs
  const [used] = await tx.runRows([
    rowStep(
      receivedKeys.selectUsed,
      asked.map((use) => ({ ...use, since })),
    ),
  ])
  const known = new Set(used.map(nameOf))
  return filings.map((filing, index) => {
    const use = uses[index]
    if (!use) return filing
    if (known.has(nameOf(use))) return { ...filing, labels: [...filing.labels, DUPLICATE].sort() }
    known.add(nameOf(use)) // later ones of this list repeat it
    return filing
  })
}

/** Records the keys of messages that were stored. @param filed the results of the filings, in their order */
export async function recordKeys(
  tx: Tx,
  filings: readonly Filing[],
  filed: readonly (FiledMessage | { readonly existing: object })[],
): Promise<void> {
  const uses = filings.flatMap((filing, index) => {
    const use = filing.labels.includes(DUPLICATE) || filed[index]!.existing ? undefined : keyUseOf(filing)
    return use ? { ...use, created_at: tx.now } : []
  })
  if (uses.length > 0) await tx.runRows([rowStep(receivedKeys.record, uses)])
}

function keyUseOf({ inbox, content, labels, envelope, verifiedDomain }: Filing): KeyUse | undefined {
  const { idempotencyKey, from } = content.parsed
  if (idempotencyKey === undefined || labels.includes('spam') || labels.includes('blocked')) return undefined
  const sender = normaliseAddress(from[0]?.address ?? '') ?? envelope?.sender ?? ''
  const hash = createHash('sha256').update(JSON.stringify([sender, verifiedDomain ?? '', idempotencyKey]))
  return { inbox_id: inbox.id, key_hash: hash.digest('base64url') }
}

function nameOf({ inbox_id, key_hash }: KeyUse): string {
  return `${inbox_id} ${key_hash}`
}
