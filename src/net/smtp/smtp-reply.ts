/** Parses the replies of SMTP servers (RFC 5321 §4.2), and removes the password from them. Pure. */

export interface SmtpReply {
  readonly code: number
  /** The enhanced status code (RFC 3463), if the server sent one. */
  readonly enhancedCode?: string
  /** The server's text, on one line, with the codes. */
  readonly text: string
}

/** Removes the password from a reply: some servers repeat the rejected command, and AUTH contains the password. */
export function withoutSecrets(
  response: string,
  auth: { readonly user: string; readonly password: string } | undefined,
): string {
  if (!auth) return response
  const { user, password } = auth
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  return [password, base64(password), base64(`\0${user}\0${password}`)].reduce(
    (text, secret) => text.replaceAll(secret, '…'),
    response,
  )
}

/** Parses a reply (RFC 5321 §4.2) and its enhanced status code (RFC 3463 §2); several lines become one. */
export function parseReply(response: string, charsMax: number): SmtpReply {
  const lines = response.split(/\r?\n/)
  const code = Number(/^\d{3}/.exec(lines[0] ?? '')?.[0] ?? 0)
  const enhancedCode = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(lines[0] ?? '')?.[1]
  const prefix =
    enhancedCode === undefined ? /^\d{3}[ -]?/ : new RegExp(`^\\d{3}[ -]?(?:${enhancedCode.replaceAll('.', '\\.')} ?)?`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these control characters are removed
  const texts = lines.map((line) => line.replace(prefix, '').replace(/[\x00-\x1f\x7f-\x9f]+/g, ' '))
  const joined = texts.join(' ').replace(/ {2,}/g, ' ').trim()
  const text = [code || '', enhancedCode ?? '', joined]
    .filter((part) => part !== '')
    .join(' ')
    .slice(0, charsMax)
  return { code, ...(enhancedCode !== undefined && { enhancedCode }), text }
}
