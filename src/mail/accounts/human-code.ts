/**
 * One-time codes that prove that a human owns an agent. Martlet mails them itself, through the queue, in the name of the
 * postmaster's inbox: the agent can neither read nor release the message. With the route `capture`, the operator finds it
 * in the queue.
 */
import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import type { Limits } from '../../config/limits.ts'
import { withoutTag } from '../../formats/address/address.ts'
import type { Tx } from '../../store/handles.ts'
import type { SignUpRow } from '../../store/schema/account-rows.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import type { Rate } from '../access/rates.ts'
import { type Domains, findHolder } from '../domains/domains.ts'
import { insertUnparsed } from '../messages/content/insert-content.ts'
import { composeOwnMail, type OwnMail } from '../sending/compose/own-mail.ts'
import { enqueueSubmission } from '../sending/queue/enqueue-submission.ts'

const DIGITS = 6

/** A code with its message, not queued yet. */
export interface PreparedCode {
  readonly human: string
  readonly code: string
  readonly raw: Buffer
  readonly selector: string | null
}

type CodeColumns = Pick<SignUpRow, 'code_hash' | 'code_expires_at' | 'code_tries' | 'code_submission_id'>

export interface HumanCodes {
  /** Makes a code, and composes and signs its message. @param agent address of the agent's inbox */
  prepare(human: string, agent: string): Promise<PreparedCode>
  /** Queues the message. @returns the columns of the sign-up */
  enqueue(tx: Tx, organizationId: string, prepared: PreparedCode): Promise<CodeColumns>
}

interface HumanCodesNeeds {
  readonly store: Pick<Store, 'db'>
  readonly domains: Pick<Domains, 'signingKey'>
  readonly sharedDomain: string
  /** Epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
  readonly limits: Limits
}

export function createHumanCodes(needs: HumanCodesNeeds): HumanCodes {
  const { store, sharedDomain, limits } = needs

  return {
    async prepare(human, agent) {
      const code = makeCode()
      const domain = await findHolder(store.db, sharedDomain)
      const mail: OwnMail = {
        ...{ from: `no-reply@${sharedDomain}`, domainId: domain?.id, to: [human] },
        subject: `${code} is the code for your agent`,
        text: textOf({ code, agent, validForMs: limits.signUp.codeMs }),
        autoSubmitted: 'auto-generated',
      }
      return { human, code, ...(await composeOwnMail(mail, needs)) }
    },

    async enqueue(tx, organizationId, { human, code, raw, selector }) {
      const inbox = await inboxes.getByAddress(tx, `postmaster@${sharedDomain}`)
      if (!inbox) throw new Error('the postmaster has no inbox') // a bug: it cannot be deleted
      const id = tx.newId()
      await enqueueSubmission(tx, {
        id,
        kind: 'code',
        message_id: null,
        content_id: await insertUnparsed(tx, raw),
        dkim_selector: selector,
        inbox,
        sender: '', // so that its failure causes no notice
        recipients: [human],
      })
      return {
        code_hash: hashCode(organizationId, code),
        code_expires_at: tx.now + limits.signUp.codeMs,
        code_tries: 0,
        code_submission_id: id,
      }
    },
  }
}

/** Whether a new code may be mailed. Until then, the wrong codes that were entered count. */
export function isExpiredCode({ code_expires_at }: SignUpRow, now: number): boolean {
  return code_expires_at === null || code_expires_at <= now
}

/** How often codes are mailed to one mailbox. Addresses with a tag (RFC 5233) are the same mailbox. */
export function mailsTo(human: string, { signUp }: Limits): Rate {
  return {
    key: `sign-ups for ${withoutTag(human)}`,
    what: 'sign-ups for this address',
    max: signUp.perAddressDayMax,
    period: 'day',
  }
}

/** Uniformly random: `randomInt` has no modulo bias. */
export function makeCode(): string {
  return String(randomInt(10 ** DIGITS)).padStart(DIGITS, '0')
}

/**
 * The time does not depend on how much of the code is right.
 *
 * @param code any text
 */
export function isRightCode({ organization_id, code_hash }: SignUpRow, code: string): boolean {
  if (code_hash === null) return false
  return timingSafeEqual(Buffer.from(code_hash, 'hex'), Buffer.from(hashCode(organization_id, code), 'hex'))
}

/**
 * Not slow on purpose: anyone who can read the table can also read the message in the queue, and a code ends after a day and
 * after ten tries. The id keeps equal codes from having equal hashes.
 */
function hashCode(organizationId: string, code: string): string {
  return createHash('sha256').update(`${organizationId}:${code}`).digest('hex')
}

interface CodeText {
  readonly code: string
  readonly agent: string
  readonly validForMs: number
}

function textOf({ code, agent, validForMs }: CodeText): string {
  return `An AI agent has created the inbox ${agent}
and says that you are its owner.

Your verification code: ${code}

If this is your agent, give it the code. It is valid for ${Math.round(validForMs / 3_600_000)} hours. With it, the agent
can write to other people in your name.

If you do not know this agent, ignore this message: without the code, it can write to you only.
`
}
