/**
 * Formats log lines for a person at a terminal: time, level, text, then the fields.
 *
 *   09:33:55 info   message received  from=ann@example.com inboxes=1 ms=3.1
 *
 * Fields contain text of strangers (addresses, replies of other servers), so control characters are replaced: they could
 * move the cursor or change the screen.
 */
import type { DestinationStream } from 'pino'

/** @param output receives the formatted lines */
export function readableLines(output: DestinationStream): DestinationStream {
  return { write: (line) => output.write(readableLine(line)) }
}

/** @param line one JSON object of the log */
export function readableLine(line: string): string {
  const { time = '', level = '', msg = '', err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const clock = String(time).slice(11, 19)
  const shown = Object.entries(fields).map(([name, value]) => ` ${name}=${fieldText(value)}`)
  const head = `${clock} ${String(level).padEnd(5)}  ${printable(String(msg))} ${shown.join('')}`.trimEnd()
  return `${head}\n${err === undefined ? '' : stackOf(err)}`
}

/** Quotes text with spaces, so that it is clear where a field ends. */
function fieldText(value: unknown): string {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return fieldText(value.join(','))
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value))
  return typeof value === 'string' && (text === '' || /\s/.test(text)) ? `"${text}"` : text
}

function stackOf(err: unknown): string {
  const { stack, message } = err as { stack?: string; message?: string }
  const lines = String(stack ?? message ?? JSON.stringify(err)).split('\n')
  return lines.map((line) => `  ${printable(line)}\n`).join('')
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
}
