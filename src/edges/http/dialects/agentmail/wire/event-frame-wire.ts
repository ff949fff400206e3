/**
 * Renders an event as a text frame that every client can read. Python clients close their socket at 1,048,577 bytes and
 * do not reconnect (docs/compatibility/agentmail.md). So large members are removed from a frame that is too large, and
 * the frame gets `truncated: true`.
 */

/** Members that are removed from a large frame. The client can fetch the message to get them. */
const BODIES = ['text', 'html', 'text_from_html', 'extracted_text', 'extracted_html']
const LISTS_KEPT = 100
/** Limits of lists and strings if the frame is still too large. Ids and addresses are shorter and stay complete. */
const LISTS_KEPT_LAST = 10
const TEXT_CHARS_KEPT = 1_000

type Rendered = Readonly<Record<string, unknown>>

/**
 * @param rendered an event (event-wire.ts), with all other members of the frame
 * @param bytesMax limit of the frame after JSON escaping
 * @param isWithoutBodies the message has bodies that the event lacks, because they exceed this limit
 */
export function eventFrame(rendered: Rendered, bytesMax: number, isWithoutBodies = false): string {
  const reductions = [dropBodies, dropHeaders, cutLists]
  if (!isWithoutBodies && bodyChars(rendered) <= bytesMax) reductions.unshift(keepAll)
  for (const reduce of reductions) {
    const frame = JSON.stringify(reduce(rendered))
    if (Buffer.byteLength(frame) <= bytesMax) return frame
  }
  return JSON.stringify(cutTexts(rendered))
}

/** Each character takes at least one byte, so that a frame with large bodies need not be rendered to be rejected. */
function bodyChars({ message }: Rendered): number {
  const bodies = isObject(message) ? BODIES.map((name) => message[name]) : []
  return bodies.reduce<number>((sum, body) => sum + (typeof body === 'string' ? body.length : 0), 0)
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

/** For a message with ten thousand recipients or a thousand attachments. */
function cutLists(event: Rendered): Rendered {
  const cut = (value: unknown) => (Array.isArray(value) ? value.slice(0, LISTS_KEPT) : value)
  return mapParts(dropHeaders(event), (object) => mapValues(object, cut))
}

/** For hostile but valid mail: a subject as long as the header limit, which occurs in the message and in the thread. */
function cutTexts(event: Rendered): Rendered {
  const cut = (value: unknown): unknown => {
    if (typeof value === 'string') return value.slice(0, TEXT_CHARS_KEPT).replace(/[\ud800-\udbff]$/, '')
    if (Array.isArray(value)) return value.slice(0, LISTS_KEPT_LAST).map(cut)
    return isObject(value) ? mapValues(value, cut) : value
  }
  // Half of a link is useless, and these links are short (formats/verification/visible-text.ts).
  return mapParts(dropHeaders(event), (object) => ({ ...mapValues(object, cut), ...pick(object, 'links') }))
}

function mapParts(event: Rendered, change: (part: Rendered) => Rendered): Rendered {
  const { message, thread, ...rest } = event
  return {
    ...rest,
    ...(isObject(message) && { message: change(message) }),
    ...(isObject(thread) && { thread: change(thread) }),
  }
}

function mapValues(object: Rendered, change: (value: unknown) => unknown): Rendered {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]))
}

function pick(object: Rendered, name: string): Rendered {
  return name in object ? { [name]: object[name] } : {}
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
