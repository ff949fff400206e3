/**
 * Creates a certificate for a server without a configured one, so that it offers STARTTLS from the first start.
 *
 * Encryption between mail servers is opportunistic: senders do not verify the name unless a policy (MTA-STS, DANE) says
 * so. So a self-signed certificate protects mail from passive eavesdroppers (RFC 7435). Pure, except for the random
 * key; the caller stores the pair between starts.
 */

const DAY_MS = 86_400_000
/** Ten years: nothing warns before a self-signed certificate expires, and strict clients reject an expired one. */
const VALID_MS = 3_650 * DAY_MS
/** X.520's upper bound for a common name. */
const COMMON_NAME_CHARS_MAX = 64

/**
 * @param hostname this server's name: the common name and, beside localhost and 127.0.0.1, an alternative name
 * @param nowMs    epoch milliseconds; the certificate is valid from a day earlier, for peers whose clocks are behind
 * @returns the certificate and the private key (EC P-256), in PEM
 */
export async function createSelfSigned(params: {
  hostname: string
  nowMs: number
}): Promise<{ cert: string; key: string }> {
  const { hostname, nowMs } = params
  // Only the first start needs this module, and loading it takes a tenth of a second.
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
