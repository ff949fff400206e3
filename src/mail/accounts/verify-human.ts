/**
 * Verifies the human of an agent that has signed up (sign-up.ts): the agent gives the address of its human, if the sign-up
 * did not, and enters the code that was mailed there.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Db, Tx } from '../../store/handles.ts'
import type { SignUpRow } from '../../store/schema/account-rows.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as signUps from '../../store/tables/sign-ups-table.ts'
import { assertKeyUnchanged, keyOf, requireKeyScope } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import { countRates, refuseExceeded } from '../access/rates.ts'
import { allowOnly, parseHumanAddress, refuseAgent } from './human-address.ts'
import { type HumanCodes, isExpiredCode, isRightCode, mailsTo } from './human-code.ts'

/** Both calls need a key of the organization. They throw narrow_key; human_conflict if no sign-up has created it. */
export interface VerifyHuman {
  /**
   * Sets or replaces the human, and mails a code to a new address. For the same address, the code and its tries stay,
   * until it has expired or its message has bounced; then a new one is mailed.
   *
   * @returns the normal form of the address
   * @throws validation_error, human_conflict, rate_limit_exceeded
   */
  attach(actor: Actor, humanEmail: string): Promise<string>
  /** Does nothing if the human is verified. @throws validation_error for a wrong or expired code; code_tries_exceeded */
  verify(actor: Actor, code: string): Promise<void>
}

interface VerifyHumanNeeds {
  readonly store: Store
  readonly humanCodes: HumanCodes
  readonly sharedDomain: string
  readonly clock: () => number
  readonly log: Log
  readonly limits: Limits
}

export function createVerifyHuman(needs: VerifyHumanNeeds): VerifyHuman {
  const { store, humanCodes, sharedDomain, clock, log, limits } = needs

  return {
    async attach(actor, humanEmail) {
      const { organizationId } = keyOf(actor)
      requireKeyScope(keyOf(actor), 'organization')
      const human = parseHumanAddress(humanEmail, sharedDomain)
      // Before the message is composed and signed; the transaction checks again.
      const known = await requireSignedUp(store.db, organizationId)
      await refuseConflict(store.db, known, human, () => signUps.getByHuman(store.db, human))
      if (!needsCode(known, human, clock())) return human
      await refuseExceeded(store.db, [mailsTo(human, limits)], clock())
      const code = await humanCodes.prepare(human, (await firstAddress(store.db, organizationId)) ?? 'without a name')
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const row = await lockSignedUp(tx, organizationId)
        const isNew = row.human_email !== human
        await refuseConflict(tx, row, human, () => signUps.lockByHuman(tx, human))
        if (!needsCode(row, human, tx.now)) return
        await countRates(tx, [mailsTo(human, limits)])
        const isReplaced = isNew && row.human_email !== null
        await signUps.update(tx, organizationId, {
          human_email: human,
          human_changes: row.human_changes + (isReplaced ? 1 : 0),
          ...(await humanCodes.enqueue(tx, organizationId, code)),
        })
        if (isNew) await allowOnly(tx, organizationId, { before: row.human_email, after: human })
      })
      return human
    },

    async verify(actor, code) {
      const { organizationId } = keyOf(actor)
      requireKeyScope(keyOf(actor), 'organization')
      if (!/^\d{6}$/.test(code.trim())) throw invalidCode('otp_code must be the 6 digits that were mailed to the human')
      // The count of a wrong code must be committed: the error is thrown afterwards.
      const refused = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        return enter(tx, await lockSignedUp(tx, organizationId), code.trim())
      })
      if (refused) throw refused
      log.info({ organizationId }, 'the human of an agent is verified')
    },
  }

  /** @returns the error if the code is refused */
  async function enter(tx: Tx, row: SignUpRow, code: string): Promise<MailError | undefined> {
    const { organization_id: organizationId, code_expires_at: expiresAt } = row
    const max = limits.signUp.codeTriesMax
    if (row.verified_at !== null) return undefined
    if (expiresAt === null) return invalidCode('No code was mailed; give the address of the human first')
    if (isExpiredCode(row, tx.now)) return invalidCode('The code has expired; request another one')
    if (row.code_tries >= max)
      return new MailError('code_tries_exceeded', { max, until: new Date(expiresAt).toISOString() })
    if (!isRightCode(row, code)) {
      await signUps.update(tx, organizationId, { code_tries: row.code_tries + 1 })
      return invalidCode(`The code is wrong; tries left: ${max - row.code_tries - 1}`)
    }
    await signUps.update(tx, organizationId, { verified_at: tx.now, code_hash: null, code_submission_id: null })
    await allowOnly(tx, organizationId, { before: row.human_email, after: null })
    return undefined
  }

  /** @param signUpOf the sign-up of this human @throws human_conflict, validation_error */
  async function refuseConflict(
    db: Db,
    row: SignUpRow,
    human: string,
    signUpOf: () => Promise<SignUpRow | undefined>,
  ): Promise<void> {
    if (row.verified_at !== null) throw conflict('The human is verified, and cannot be replaced')
    await refuseAgent(db, human, sharedDomain)
    if (row.human_email === human) return
    if (await signUpOf()) throw conflict(`${human} is the human of another organization`)
    const max = limits.signUp.humanChangesMax
    if (row.human_email !== null && row.human_changes >= max) {
      throw conflict(`The human can be replaced at most ${max} times`)
    }
  }
}

/** @throws human_conflict */
async function requireSignedUp(db: Db, organizationId: string): Promise<SignUpRow> {
  const row = await signUps.get(db, organizationId)
  if (!row) throw notSignedUp()
  return row
}

function needsCode(row: SignUpRow, human: string, now: number): boolean {
  return row.human_email !== human || isExpiredCode(row, now)
}

/** @throws human_conflict */
async function lockSignedUp(tx: Tx, organizationId: string): Promise<SignUpRow> {
  const row = await signUps.lock(tx, organizationId)
  if (!row) throw notSignedUp()
  return row
}

async function firstAddress(db: Db, organizationId: string): Promise<string | undefined> {
  const [row] = await inboxes.list(db, { organizationId }, { limit: 1, ascending: true })
  return row?.address
}

function notSignedUp(): MailError {
  return conflict('The organization of this key was not created by a sign-up')
}

function invalidCode(detail: string): MailError {
  return new MailError('validation_error', { detail, path: ['otp_code'] })
}

function conflict(detail: string): MailError {
  return new MailError('human_conflict', { detail })
}
