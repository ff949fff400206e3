/**
 * Message-IDs in paths. AgentMail's Python clients escape `<` and `>` but nothing between them, so `<a/b+c@d>` arrives as
 * `%3Ca/b+c@d%3E` and would be two segments (docs/compatibility/agentmail.md). Whatever stands between the brackets
 * is one segment here; what other clients have escaped already stays as it is.
 */

const OPEN = /\/(?:%3C|<)/i
const CLOSE = /(?:%3E|>)(?=[/?#]|$)/i

/** Bytes that would end the segment or the path, and those that a URL cannot hold. */
const UNSAFE = /[/?#<>\\\s]/g

/**
 * @param url path and query as the request line has them
 * @returns the same with each bracketed id made one segment
 */
export function rewriteUrl(url: string): string {
  const open = OPEN.exec(url)
  const queryStart = url.indexOf('?')
  // A bracket after the "?" is an address in a filter. One before it opens an id, even if that id holds the "?".
  if (!open || (queryStart >= 0 && queryStart < open.index)) return url

  const idStart = open.index + open[0].length
  const close = CLOSE.exec(url.slice(idStart))
  if (!close) return url
  const id = url.slice(idStart, idStart + close.index)
  const rest = url.slice(idStart + close.index + close[0].length)
  return `${url.slice(0, open.index)}/%3C${id.replace(UNSAFE, encodeURIComponent)}%3E${rest}`
}
