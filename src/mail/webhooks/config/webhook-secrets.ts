/**
 * The secrets that sign for a webhook. A new secret does not end the previous one at once: for
 * limits.webhooks.oldSecretMs, each request contains signatures of both, so that the receiver can switch without
 * rejecting a request. After several changes within that time, each old secret signs until its own time ends; at most
 * limits.webhooks.oldSecretsMax old secrets sign at once.
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'

interface OldSecret {
  readonly secret: string
  /** Signs until this time, epoch ms. */
  readonly until: number
}

type Secrets = Pick<WebhookRow, 'secret' | 'old_secrets'>

/** Returns the secrets that sign at a moment, newest first. */
export function secretsOf(row: Secrets, at: number): string[] {
  return [row.secret, ...oldSecrets(row, at).map(({ secret }) => secret)]
}

/**
 * Returns the row's secrets after a change.
 *
 * @throws validation_error when the webhook already has this secret; limit_exceeded when too many old ones still sign
 */
export function rotate(row: Secrets, secret: string, at: number, limits: Limits): Secrets {
  if (secret === row.secret) {
    throw new MailError('validation_error', { detail: 'The webhook already has this secret', path: ['secret'] })
  }
  const before = [{ secret: row.secret, until: at + limits.webhooks.oldSecretMs }, ...oldSecrets(row, at)]
  const old = before.filter((each) => each.secret !== secret) // an old secret may become current again
  if (old.length > limits.webhooks.oldSecretsMax) {
    throw new MailError('limit_exceeded', {
      what: 'old secrets of a webhook that still sign',
      max: limits.webhooks.oldSecretsMax,
    })
  }
  return { secret, old_secrets: JSON.stringify(old) }
}

function oldSecrets({ old_secrets }: Pick<Secrets, 'old_secrets'>, at: number): OldSecret[] {
  return old_secrets === null ? [] : (JSON.parse(old_secrets) as OldSecret[]).filter(({ until }) => until > at)
}
