/** Rules for a webhook's URL and custom header fields. Pure. */
import { isIP } from 'node:net'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { isLocalhost, withoutBrackets } from '../../../host-name.ts'
import { isPrivateIp } from '../../../net/private-networks.ts'
import type { CustomHeaders, HeadersChange } from './webhook.ts'

/** Fields that Martlet sets, or that concern the connection (RFC 9110 §7.6.1): a custom field may not use them. */
const RESERVED = new Set([
  'host',
  'user-agent',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
])
const RESERVED_BEGINNINGS = ['svix-', 'webhook-', 'x-agentpost-', 'x-agentmail-', 'content-']

/** RFC 9110 §5.1 (a token) and §5.5 (visible characters, spaces and tabs between them). */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/

interface UrlRules {
  readonly allowPrivateNetworks: boolean
  readonly limits: Limits
}

/**
 * Checks the text of a URL. A host name that resolves to a private network is detected when a request is sent
 * (net/fetch/safe-fetch.ts).
 *
 * @throws validation_error
 */
export function parseWebhookUrl(text: string, { allowPrivateNetworks, limits }: UrlRules): string {
  const url = text.length <= limits.webhooks.urlCharsMax && URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw refusal(`url must be an http or https URL of at most ${limits.webhooks.urlCharsMax} characters`, 'url')
  }
  if (url.username !== '' || url.password !== '') {
    throw refusal('url must not contain a user name or password; put them into a custom header field', 'url')
  }
  if (!allowPrivateNetworks && isPrivateHost(url.hostname)) {
    throw new MailError('validation_error', {
      detail: 'url is in a private network, to which this server does not connect',
      path: ['url'],
      fix: 'Use a public address. The operator can allow private networks with MARTLET_ALLOW_PRIVATE_NETWORKS=true.',
    })
  }
  return text
}

function isPrivateHost(hostname: string): boolean {
  const host = withoutBrackets(hostname)
  return isIP(host) ? isPrivateIp(host) : isLocalhost(host)
}

/**
 * Returns the header fields after a change. Names are case-insensitive; the latest spelling is kept.
 *
 * @throws validation_error
 */
export function applyHeaders(
  current: CustomHeaders,
  { set = {}, remove = [] }: HeadersChange,
  limits: Limits,
): CustomHeaders {
  const names = Object.keys(set)
  for (const name of names) checkHeader(name, set[name]!)
  const touched = [...names, ...remove].map((name) => name.toLowerCase())
  const twice = touched.find((name, index) => touched.indexOf(name) !== index)
  if (twice !== undefined) throw refusal(`"${twice}" occurs twice; set it or remove it, once`, 'headers')

  const kept = Object.entries(current).filter(([name]) => !touched.includes(name.toLowerCase()))
  const headers = [...kept, ...Object.entries(set)]
  const chars = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (headers.length > limits.webhooks.headersMax || chars > limits.webhooks.headerCharsMax) {
    const most = `${limits.webhooks.headersMax} header fields with ${limits.webhooks.headerCharsMax} characters in total`
    throw refusal(`A webhook can have at most ${most}`, 'headers')
  }
  return Object.fromEntries(headers)
}

function checkHeader(name: string, value: string): void {
  if (!NAME.test(name)) throw refusal(`"${name}" is not a valid name of a header field`, 'headers')
  const lower = name.toLowerCase()
  if (RESERVED.has(lower) || RESERVED_BEGINNINGS.some((beginning) => lower.startsWith(beginning))) {
    throw refusal(`The header field "${name}" is set by the server; choose another name`, 'headers')
  }
  // The value is often a secret, so the error does not repeat it.
  if (!VALUE.test(value)) throw refusal(`The value of "${name}" must be printable ASCII without line breaks`, 'headers')
}

function refusal(detail: string, field: string): MailError {
  return new MailError('validation_error', { detail, path: [field] })
}
