/**
 * Webhooks of an inbox that a client names itself: a put makes the webhook or changes it, so that a repeated put changes
 * nothing. The name is the client_id of the webhook.
 */
import { isMailError } from '../../../errors.ts'
import type { Actor } from '../../access/actor.ts'
import type { SenderFilter } from '../dispatch/sender-filter.ts'
import type { Webhook } from './webhook.ts'
import type { Webhooks } from './webhooks.ts'

export interface WebhookPut {
  readonly url: string
  readonly isEnabled: boolean
  readonly rotateSecret?: boolean | undefined
  /** undefined: messages of all senders. */
  readonly senders?: SenderFilter | undefined
}

export interface PutWebhook {
  readonly webhook: Webhook
  /** Whether the client does not know the secret yet: the webhook or its secret is new. */
  readonly isSecretNew: boolean
}

/** Received messages, also those without authentication if the key may see them. */
const EVENTS = {
  eventTypes: ['message.received'],
  extraEventTypes: ['message.received.unauthenticated'],
}

/** A webhook can be deleted between the steps of a put, which then makes another one. */
const TRIES_MAX = 3

/** @throws what `create`, `update` and `rotateSecret` throw (webhooks.ts) */
export async function putWebhook(
  webhooks: Webhooks,
  actor: Actor,
  inbox: string,
  name: string,
  put: WebhookPut,
): Promise<PutWebhook> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await putOnce(webhooks, actor, inbox, name, put)
    } catch (error) {
      if (!isMailError(error, 'not_found') || tries === TRIES_MAX) throw error
    }
  }
}

async function putOnce(
  webhooks: Webhooks,
  actor: Actor,
  inbox: string,
  name: string,
  { url, isEnabled, rotateSecret = false, senders }: WebhookPut,
): Promise<PutWebhook> {
  const known = await getWebhook(webhooks, actor, inbox, name)
  const webhook =
    known ?? (await webhooks.create(actor, { inbox }, { url, isEnabled, clientId: name, senders, ...EVENTS }))
  // A webhook that another call has just made under this name may differ.
  const changed = await webhooks.update(actor, { inbox }, webhook.id, { url, isEnabled, senders, ...EVENTS })
  if (!known || !rotateSecret) return { webhook: { secret: webhook.secret, ...changed }, isSecretNew: !known }
  return { webhook: await webhooks.rotateSecret(actor, { inbox }, webhook.id, undefined), isSecretNew: true }
}

/** @returns undefined when there is none with this name */
export async function getWebhook(
  webhooks: Webhooks,
  actor: Actor,
  inbox: string,
  name: string,
): Promise<Webhook | undefined> {
  return webhooks.get(actor, { inbox }, name).catch((error: unknown) => {
    if (isMailError(error, 'not_found')) return undefined
    throw error
  })
}
