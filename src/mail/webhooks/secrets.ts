/**
 * The secrets that sign for a webhook. A new one does not end the one before at once: for limits.webhookOldSecretMs requests
 * carry a signature of each, so that the receiver can be changed in between without refusing anything. Changed again within
 * that time, all stay until the time of each is over, up to limits.webhookOldSecretsMax.
 */
import { MailError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { WebhookRow } from '../../store/schema.ts'

interface OldSecret {
  readonly secret: string
  /** Signs until then, epoch ms. */
  readonly until: number
}

type Secrets = Pick<WebhookRow, 'secret' | 'old_secrets'>

/** Those that sign at a moment, the newest first. */
export function secretsOf(row: Secrets, at: number): string[] {
  return [row.secret, ...oldSecrets(row, at).map(({ secret }) => secret)]
}

/**
 * The row's secrets after a change.
 *
 * @throws validation_error when it is the one that the webhook has; limit_exceeded when too many still sign
 */
export function rotate(
  row: Secrets,
  secret: string,
  at: number,
  limits: Pick<Limits, 'webhookOldSecretMs' | 'webhookOldSecretsMax'>,
): Secrets {
  if (secret === row.secret) throw new MailError('validation_error', { detail: 'That is its secret', path: ['secret'] })
  const before = [{ secret: row.secret, until: at + limits.webhookOldSecretMs }, ...oldSecrets(row, at)]
  const old = before.filter((each) => each.secret !== secret) // one may come back
  if (old.length > limits.webhookOldSecretsMax) {
    throw new MailError('limit_exceeded', {
      what: 'old secrets of a webhook that still sign',
      max: limits.webhookOldSecretsMax,
    })
  }
  return { secret, old_secrets: JSON.stringify(old) }
}

function oldSecrets({ old_secrets }: Pick<Secrets, 'old_secrets'>, at: number): OldSecret[] {
  return old_secrets === null ? [] : (JSON.parse(old_secrets) as OldSecret[]).filter(({ until }) => until > at)
}
