/**
 * Checks the header of a raw message (who may have written it), completes it, and signs the message. The body is only
 * hashed, chunk by chunk, so a message takes little memory, whatever its size. Part of raw-sending.ts.
 */
import { createHash, type Hash } from 'node:crypto'
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { type Address, normaliseAddress, splitAddress } from '../../../formats/address/address.ts'
import { createRelaxedBodyStream } from '../../../formats/dkim/dkim-canonical.ts'
import { signatureField } from '../../../formats/dkim/dkim-sign.ts'
import { messageIdFrom, UUID_RANDOM_BYTES, uuidv7 } from '../../../formats/ids.ts'
import { readHeaderBlock } from '../../../formats/mime/header-fields.ts'
import { LineEndCheck } from '../../../formats/mime/line-ends.ts'
import { readSubmittedHeader, type SubmittedHeader } from '../../../formats/mime/submitted-header.ts'
import { rfc5322Date } from '../../../formats/mime/trace-headers.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Domains } from '../../domains/domains.ts'
import { isAddressOf } from '../../inboxes/own-address.ts'
import type { ArrivedMail, CheckedMail } from '../../messages/content/prepared-content.ts'

export interface SignedRaw {
  readonly header: SubmittedHeader
  readonly idempotencyKey: string | undefined
  readonly selector: string
  /** Recipients that are not in the header. */
  readonly bcc: readonly Address[]
  /** When it was signed, epoch ms. */
  readonly signedAt: number
}

/** @throws author_not_allowed, malformed_message, domain_not_verified */
export type SignRaw = (
  inbox: InboxRow,
  recipients: readonly string[],
  arrived: ArrivedMail,
) => Promise<CheckedMail<SignedRaw>>

interface SignRawNeeds {
  readonly config: Pick<Config, 'limits'>
  readonly domains: Pick<Domains, 'signingKey'>
  /** The clock of the machine, epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
}

export function createSignRaw({ config, domains, wallClock, random }: SignRawNeeds): SignRaw {
  return async function signRaw(inbox, recipients, arrived) {
    const { bytes, bodyHash } = await readForSigning(arrived, config.limits.sending.rawHeaderBytesMax)
    const header = readSubmittedHeader(bytes)
    if (typeof header === 'string') throw new MailError('malformed_message', { detail: header })
    checkAuthor(inbox, header)
    const { idempotencyKeys, removed } = header
    if (idempotencyKeys.length > 1) throw malformed('X-AgentMail-Idempotency-Key occurs more than once')

    const now = wallClock()
    const { domain } = splitAddress(inbox.address)
    const key = await domains.signingKey(inbox.domain_id)
    if (!key) throw new MailError('domain_not_verified', { domain }) // it was deleted
    const messageId = () => messageIdFrom(uuidv7(now, random(UUID_RANDOM_BYTES)), domain)
    const added = Buffer.from(
      [
        ...(header.hasDate ? [] : [`Date: ${rfc5322Date(new Date(now))}\r\n`]),
        ...(header.hasMessageId ? [] : [`Message-ID: ${messageId()}\r\n`]),
      ].join(''),
    )
    const kept = Buffer.concat([added, ...without(bytes, removed)])
    const { fields } = readHeaderBlock(kept, 0, kept.length)
    const { selector, privateKey } = key
    const dkim = { domain: key.domain, selector, privateKey, signedAt: new Date(now) }
    return {
      head: Buffer.concat([await signatureField(kept, fields, bodyHash, dkim), added]),
      removed,
      checked: {
        header,
        idempotencyKey: idempotencyKeys[0],
        selector,
        signedAt: now,
        bcc: hiddenRecipients(recipients, header).map((address) => ({ address })),
      },
    }
  }
}

/** RFC 6409 §6.1, §8.1: the addresses of the author and of who sends must belong to the login. */
function checkAuthor(inbox: InboxRow, { author, senders }: SubmittedHeader): void {
  if (!isAddressOf(inbox, author)) throw notAllowed(`From is ${author}, and this login is for ${inbox.address}`)
  const foreign = senders.find((sender) => !isAddressOf(inbox, sender))
  if (foreign !== undefined) throw notAllowed(`Sender is ${foreign}, and this login is for ${inbox.address}`)
}

function hiddenRecipients(recipients: readonly string[], { visibleRecipients }: SubmittedHeader): string[] {
  const visible = new Set(visibleRecipients.map(({ address }) => normaliseAddress(address)))
  return recipients.filter((recipient) => !visible.has(recipient))
}

function without(bytes: Buffer, removed: SubmittedHeader['removed']): Buffer[] {
  const starts = [0, ...removed.map(({ end }) => end)]
  return starts.map((start, index) => bytes.subarray(start, removed[index]?.start ?? bytes.length))
}

/** Reads the header into memory, and hashes the body in its relaxed form. @throws malformed_message */
async function readForSigning(
  arrived: ArrivedMail,
  headerBytesMax: number,
): Promise<{ bytes: Buffer; bodyHash: Hash }> {
  const bodyHash = createHash('sha256')
  const body = createRelaxedBodyStream()
  const lineEnds = new LineEndCheck()
  let bytes = Buffer.alloc(0)
  let isInBody = false
  for await (const chunk of arrived.chunks()) {
    if (!lineEnds.accepts(chunk)) throw malformed('it has a CR without LF, or a NUL')
    if (isInBody) {
      bodyHash.update(body.write(chunk))
      continue
    }
    // The first chunks only: it ends at the limit.
    bytes = Buffer.concat([bytes, chunk])
    const end = endOfHeader(bytes)
    if ((end ?? bytes.length) > headerBytesMax) {
      throw malformed(`its header is larger than ${headerBytesMax} bytes`)
    }
    if (end === undefined) continue
    isInBody = true
    bodyHash.update(body.write(bytes.subarray(end)))
    bytes = bytes.subarray(0, end)
  }
  bodyHash.update(body.end())
  return { bytes, bodyHash }
}

const BLANK_LINE = Buffer.from('\r\n\r\n')

/** @returns the offset after the blank line; undefined: it has not arrived */
function endOfHeader(bytes: Buffer): number | undefined {
  if (bytes[0] === BLANK_LINE[0] && bytes[1] === BLANK_LINE[1]) return 2
  const at = bytes.indexOf(BLANK_LINE)
  return at < 0 ? undefined : at + BLANK_LINE.length
}

function malformed(detail: string): MailError {
  return new MailError('malformed_message', { detail })
}

function notAllowed(detail: string): MailError {
  return new MailError('author_not_allowed', { detail })
}
