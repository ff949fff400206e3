/**
 * Makes a Message-ID in a path one segment. AgentMail's Python clients escape `<` and `>` but nothing between them, so
 * `<a/b+c@d>` arrives as `%3Ca/b+c@d%3E` and would be two segments (docs/compatibility/agentmail.md). Everything
 * between the brackets becomes one segment; characters that other clients have already escaped are not changed.
 */

const OPEN = /\/(?:%3C|<)/i
const CLOSE = /(?:%3E|>)(?=[/?#]|$)/i

/** Characters that would end the segment or the path, and characters that a URL cannot contain. */
const UNSAFE = /[/?#<>\\\s]/g

/**
 * @param url path and query of the request line
 * @returns the same, with a bracketed id as one segment
 */
export function rewriteUrl(url: string): string {
  const open = OPEN.exec(url)
  const queryStart = url.indexOf('?')
  // A bracket after the "?" belongs to an address in a filter. A bracket before it opens an id, which may contain the
  // "?".
  if (!open || (queryStart >= 0 && queryStart < open.index)) return url

  const idStart = open.index + open[0].length
  const close = CLOSE.exec(url.slice(idStart))
  if (!close) return url
  const id = url.slice(idStart, idStart + close.index)
  const rest = url.slice(idStart + close.index + close[0].length)
  return `${url.slice(0, open.index)}/%3C${id.replace(UNSAFE, encodeURIComponent)}%3E${rest}`
}
