/** Estimates whether a URL contains a secret token, or is the same for every recipient. */

const TOKEN_PARAMETERS =
  /^(?:.*(?:token|code|key|secret|hash|sig|signature|otp|nonce|ticket|hmac|jwt|auth|confirm|verif|invit|magic|nyckel|chave|clave|klucz|klic|schluessel|anahtar)|t|tk|k|c|h|s|x|sid|inv|tok|vt|ml|mt|kod|cle|u?id|uid|rid|hs)$/i
const OTHER_PARAMETERS =
  /^(?:utm_.*|lang|locale|hl|ref|source|src|campaign|medium|e|email|mail|redirect|next|continue|return|returnurl|page|p|q|v|version|from|lc|gclid|fbclid)$/i

/** Parameters that carry a token and hardly anything else, so that a short value may be one. */
const CERTAIN_PARAMETERS =
  /^(?:(?:[a-z]{1,20}[_-])?(?:token|secret|otp|nonce|hash|sig|signature|jwt)|code|key|t|tk|tok|vt|(?:confirm|verif|activat|invit|reset|access|auth|login|magic)[a-z]{0,8}[_-]?(?:token|code|key))$/i

/** Whether a parameter is a token by its name, although its value may be a word or a short number. */
export function namesToken(url: string): boolean {
  const query = url.split('#', 1)[0]!.split('?', 2)[1] ?? ''
  return query
    .split(/[&;]/)
    .slice(0, 50)
    .some((pair) => /=./.test(pair) && CERTAIN_PARAMETERS.test(pair.slice(0, Math.min(40, pair.indexOf('=')))))
}

/** Returns 0 for a URL without a token, and up to 2 for one that very probably has one. */
export function tokenScore(url: string): number {
  const [address = '', fragment = ''] = url.split('#', 2)
  const [path = '', query = ''] = address.replace(/^[a-z][a-z0-9+.-]{1,20}:\/\/[^/?#]*/i, '').split('?', 2)
  let best = 0
  for (const pair of `${query}&${fragment.replace(/^[^?]*\?/, '')}`.split(/[&;]/).slice(0, 50)) {
    const equals = pair.indexOf('=')
    const name = equals === -1 ? '' : pair.slice(0, equals)
    const value = pair.slice(equals + 1)
    if (value.length < 3 || OTHER_PARAMETERS.test(name.slice(0, 40))) continue
    if (TOKEN_PARAMETERS.test(name.slice(0, 40)) && !/^[a-z]{1,8}$/.test(value))
      best = Math.max(best, isRandom(value) ? 2 : 1.2)
    else if (isRandom(value)) best = Math.max(best, 1.5)
  }
  for (const segment of path.split('/').slice(0, 50)) if (isRandom(segment)) best = Math.max(best, 1.5)
  return best
}

/** Whether this is no word or name: it mixes digits and letters, has many digits, or has capitals inside. */
function isRandom(value: string): boolean {
  const text = value.slice(0, 200).replace(/\.[a-z]{2,4}$/, '')
  if (text.length < 4) return false
  const digits = text.replace(/[^0-9]/g, '').length
  const letters = text.replace(/[^A-Za-z]/g, '').length
  if (
    digits >= 5 ||
    (digits >= 1 &&
      letters >= 2 &&
      text.length >= 4 &&
      !/^v?[0-9]$/.test(text) &&
      !/^[a-z]{4,}-?[0-9]{1,4}$/.test(text))
  )
    return true
  if (/[a-z][A-Z]/.test(text) && /[A-Z]/.test(text.slice(1)) && letters >= 8) return true
  return text.length >= 20 && !/[-_.]/.test(text)
}
