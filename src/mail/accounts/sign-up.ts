/**
 * Sign-up of an agent without a key: it gets an organization with a default pod, an inbox in the shared domain, and a key.
 * The organization is unverified until the agent enters the code that was mailed to its human (verify-human.ts); what it
 * may do until then is in tenants/organization-state.ts (docs/adr/0047).
 *
 * A repeated sign-up for the same human finds the organization. While it is unverified, its keys and webhooks are removed
 * and the caller gets a new key: the first caller may have been a stranger who knew the address. Once it is verified, only
 * its keys give access.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { type Log, loggedText } from '../../log.ts'
import type { Tx } from '../../store/handles.ts'
import type { SignUpRow } from '../../store/schema/account-rows.ts'
import type { Store } from '../../store/store.ts'
import * as apiKeys from '../../store/tables/api-keys-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as signUps from '../../store/tables/sign-ups-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import { keyColumns, makeKey } from '../access/keys/api-keys.ts'
import { countRates, type Rate, refuseExceeded } from '../access/rates.ts'
import { findHolder } from '../domains/domains.ts'
import { addInbox } from '../inboxes/add-inbox.ts'
import { isReservedName, parseInboxAddress } from '../inboxes/inbox-address.ts'
import { addOrganization } from '../tenants/add-organization.ts'
import { revokeOrganization } from '../tenants/revoke-access.ts'
import { allowOnly, parseHumanAddress, refuseAgent } from './human-address.ts'
import { type HumanCodes, isExpiredCode, mailsTo, type PreparedCode } from './human-code.ts'

export interface SignUpRequest {
  /** Absent: the inbox only receives, until the agent gives a human (verify-human.ts). */
  readonly humanEmail?: string | undefined
  /** Local part of the inbox. */
  readonly username: string
  /** What the caller is, and how it found this server: for the log only. */
  readonly source?: string | undefined
  readonly referrer?: string | undefined
}

export interface SignedUp {
  readonly organizationId: string
  readonly inboxAddress: string
  readonly key: string
}

/** These calls have no actor: the caller has no credential yet. */
export interface SignUp {
  /**
   * Refuses a caller before its request is read.
   *
   * @param network of the client, as `networkOf` returns it
   * @throws sign_ups_disabled, rate_limit_exceeded
   */
  admit(network: string): Promise<void>
  /**
   * @throws sign_ups_disabled, rate_limit_exceeded, validation_error, resource_taken, resource_deleting; forbidden for a
   *         reserved name; human_verified
   */
  create(request: SignUpRequest, network: string): Promise<SignedUp>
}

interface SignUpNeeds {
  readonly store: Store
  readonly humanCodes: HumanCodes
  readonly isOn: boolean
  readonly sharedDomain: string
  readonly clock: () => number
  readonly random: (bytes: number) => Buffer
  readonly log: Log
  readonly limits: Limits
}

const ACTOR = { kind: 'system', name: 'sign-up' } as const
const ACTOR_NAME = 'system:sign-up'

export function createSignUp(needs: SignUpNeeds): SignUp {
  const { store, humanCodes, isOn, sharedDomain, clock, random, log, limits } = needs

  return {
    admit: (network) => admit(ratesOf(network)),

    async create({ humanEmail, username, source, referrer }, network) {
      const address = parseInboxAddress(username, sharedDomain)
      if (isReservedName(address)) throw new MailError('forbidden', { detail: `The name of ${address} is reserved` })
      checkLength('source', source)
      checkLength('referrer', referrer)
      const human = humanEmail === undefined ? undefined : parseHumanAddress(humanEmail, sharedDomain)
      const rates = [...ratesOf(network), ...(human === undefined ? [] : [mailsTo(human, limits)])]
      await admit(rates)
      // Apart: an attempt that fails counts too, so that names and addresses cannot be guessed without end.
      await store.transaction((tx) => countRates(tx, rates))

      const code = human === undefined ? undefined : await humanCodes.prepare(human, address)
      const key = makeKey(random)
      const made = await store.transaction(async (tx) => {
        const existing = code && (await signUps.lockByHuman(tx, code.human))
        const organization = existing ? await takeOver(tx, existing, code!) : await addUnverified(tx, code)
        await insertKey(tx, organization.organizationId, key)
        const inbox =
          (await firstInbox(tx, organization.organizationId)) ?? (await makeInbox(tx, organization, address))
        return { organizationId: organization.organizationId, inboxAddress: inbox }
      })
      const texts = { source: loggedText(source ?? ''), referrer: loggedText(referrer ?? '') }
      log.info({ ...made, human, network, ...texts }, 'an agent has signed up')
      return { ...made, key }
    },
  }

  async function admit(rates: readonly Rate[]): Promise<void> {
    if (!isOn) throw new MailError('sign_ups_disabled', {})
    await refuseExceeded(store.db, rates, clock())
  }

  /** @throws validation_error */
  function checkLength(name: string, text: string | undefined): void {
    const { textCharsMax } = limits.signUp
    if (text === undefined || text.length <= textCharsMax) return
    const detail = `${name} can have at most ${textCharsMax} characters`
    throw new MailError('validation_error', { detail, path: [name] })
  }

  function ratesOf(network: string): Rate[] {
    const { perNetworkHourMax, perHourMax } = limits.signUp
    return [
      { key: `sign-ups from ${network}`, what: 'sign-ups from your network', max: perNetworkHourMax, period: 'hour' },
      { key: 'sign-ups', what: 'sign-ups', max: perHourMax, period: 'hour' },
    ]
  }

  async function addUnverified(tx: Tx, code: PreparedCode | undefined): Promise<Owner> {
    const organization = await addOrganization(tx)
    const { organizationId } = organization
    if (code) await refuseAgent(tx, code.human, sharedDomain)
    await signUps.insert(tx, {
      organization_id: organizationId,
      human_email: code?.human ?? null,
      human_changes: 0,
      ...(code ? await humanCodes.enqueue(tx, organizationId, code) : NO_CODE),
      verified_at: null,
      created_at: tx.now,
      updated_at: tx.now,
    })
    if (code) await allowOnly(tx, organizationId, { before: null, after: code.human })
    return organization
  }

  /** Gives an unverified organization to the caller. @throws human_verified */
  async function takeOver(tx: Tx, row: SignUpRow, code: PreparedCode): Promise<Owner> {
    const { organization_id: organizationId } = row
    if (row.verified_at !== null) throw new MailError('human_verified', { address: code.human })
    await revokeOrganization(tx, ACTOR, organizationId)
    if (isExpiredCode(row, tx.now)) {
      await refuseAgent(tx, code.human, sharedDomain)
      await signUps.update(tx, organizationId, await humanCodes.enqueue(tx, organizationId, code))
    }
    const pod = await tenants.getDefaultPod(tx, organizationId)
    return { organizationId, podId: pod!.id }
  }

  async function makeInbox(tx: Tx, { organizationId, podId }: Owner, address: string): Promise<string> {
    const domain = await findHolder(tx, sharedDomain)
    const row = {
      organization_id: organizationId,
      pod_id: podId,
      domain_id: domain!.id, // created at the first start
      address,
      display_name: null,
      client_id: null,
      metadata: null,
      status: 'active' as const,
    }
    return (await addInbox(tx, ACTOR_NAME, row, limits)).address
  }
}

interface Owner {
  readonly organizationId: string
  readonly podId: string
}

const NO_CODE = { code_hash: null, code_expires_at: null, code_tries: 0, code_submission_id: null } as const

/** @returns the address of the organization's first inbox, if there is one */
async function firstInbox(tx: Tx, organizationId: string): Promise<string | undefined> {
  const [row] = await inboxes.list(tx, { organizationId }, { limit: 1, ascending: true })
  return row?.address
}

async function insertKey(tx: Tx, organizationId: string, key: string): Promise<void> {
  await apiKeys.insert(tx, {
    id: tx.newId(),
    kind: 'bearer',
    organization_id: organizationId,
    pod_id: null,
    inbox_id: null,
    name: 'Sign-up',
    ...keyColumns(key),
    permissions: null,
    is_root: 0,
    created_by: ACTOR_NAME,
    expires_at: null,
    used_at: null,
    created_at: tx.now,
    updated_at: tx.now,
  })
}
