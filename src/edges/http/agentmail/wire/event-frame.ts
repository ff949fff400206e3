/**
 * An event as a text frame that every client can take. Python clients close their socket at 1,048,577 bytes and do not
 * come back (docs/compatibility/agentmail.md), so what is too large loses its bulk and says so.
 */

/** Members in the order in which they may go: each is read from the API with the message itself. */
const BODIES = ['text', 'html', 'extracted_text', 'extracted_html']
const LISTS_KEPT = 100

type Rendered = Readonly<Record<string, unknown>>

/**
 * @param rendered an event (event.ts), with whatever else the frame carries
 * @param bytesMax of the frame after JSON escaping
 */
export function eventFrame(rendered: Rendered, bytesMax: number): string {
  for (const lighten of [keepAll, dropBodies, dropHeaders, cutLists]) {
    const frame = JSON.stringify(lighten(rendered))
    if (Buffer.byteLength(frame) <= bytesMax) return frame
  }
  // Ids and a hundred of everything do not reach a megabyte: header fields are limited where mail is parsed.
  return JSON.stringify(cutLists(rendered))
}

function keepAll(event: Rendered): Rendered {
  return event
}

function dropBodies(event: Rendered): Rendered {
  return { ...event, ...mapMessage(event, (message) => without(message, BODIES)), truncated: true }
}

function dropHeaders(event: Rendered): Rendered {
  return { ...event, ...mapMessage(event, (message) => without(message, [...BODIES, 'headers'])), truncated: true }
}

/** A mail to ten thousand people, or with a thousand attachments. */
function cutLists(event: Rendered): Rendered {
  const { message, thread, ...rest } = dropHeaders(event)
  return {
    ...rest,
    ...(isObject(message) && { message: cut(message) }),
    ...(isObject(thread) && { thread: cut(thread) }),
  }
}

function cut(object: Rendered): Rendered {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [name, Array.isArray(value) ? value.slice(0, LISTS_KEPT) : value]),
  )
}

function mapMessage(event: Rendered, change: (message: Rendered) => Rendered): Rendered {
  return isObject(event.message) ? { message: change(event.message) } : {}
}

function without(object: Rendered, names: readonly string[]): Rendered {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))
}

function isObject(value: unknown): value is Rendered {
  return typeof value === 'object' && value !== null
}
