/**
 * Makes the certificate of a server that was given none, so that STARTTLS is offered from the first start.
 *
 * MX to MX encryption is opportunistic: senders do not verify the name unless a policy (MTA-STS, DANE) says so, so a
 * self-signed certificate keeps mail from passive readers (RFC 7435). Pure but for the randomness of the key; keeping
 * the pair between starts is the caller's business.
 */

const DAY_MS = 86_400_000
/** Nobody watches over the expiry of a self-signed certificate, and an expired one makes strict clients fail: ten years. */
const VALID_MS = 3_650 * DAY_MS
/** X.520's upper bound of a common name. */
const COMMON_NAME_CHARS_MAX = 64

/**
 * @param hostname name of this server, in the common name and the alternative names (beside localhost and 127.0.0.1)
 * @param nowMs    epoch milliseconds; valid from a day earlier, for peers whose clocks are behind
 * @returns PEM certificate and PEM private key (EC P-256)
 */
export async function createSelfSigned(params: {
  hostname: string
  nowMs: number
}): Promise<{ cert: string; key: string }> {
  const { hostname, nowMs } = params
  // Only a first start needs it, and it takes a tenth of a second to load: every other start is faster without.
  const { generate } = await import('selfsigned')
  const names = [...new Set([hostname, 'localhost'])]
  const pair = await generate([{ name: 'commonName', value: hostname.slice(0, COMMON_NAME_CHARS_MAX) }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs - DAY_MS),
    notAfterDate: new Date(nowMs + VALID_MS),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [...names.map((value) => ({ type: 2 as const, value })), { type: 7 as const, ip: '127.0.0.1' }],
      },
    ],
  })
  return { cert: pair.cert, key: pair.private }
}
