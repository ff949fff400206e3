/** IDLE (RFC 9051 §6.3.13, RFC 2177): changes are sent at once, until the client says DONE. */
import { ConnectionEnded } from '../session/byte-input.ts'
import type { ImapSession } from '../session/imap-session.ts'

const DONE_BYTES_MAX = 1_000

export async function idle(session: ImapSession): Promise<string> {
  const { input, output, selected } = session
  output.write('+ idling\r\n')
  await output.flush()
  const stop = selected ? follow(session) : undefined
  session.isIdling = true
  try {
    const line = await input.line(DONE_BYTES_MAX)
    return line.toUpperCase() === 'DONE' ? 'OK IDLE completed' : 'BAD DONE was expected'
  } finally {
    session.isIdling = false
    await stop?.()
  }
}

/** @returns ends it, and resolves when nothing more will be written */
function follow(session: ImapSession): () => Promise<void> {
  const selected = session.requireSelected()
  let isStopped = false
  let isReporting = false
  let isAgain = false
  let reported = Promise.resolve()
  const onChange = () => {
    isAgain = true
    if (!isReporting && !isStopped) reported = report()
  }
  // First the listener, then the refresh: no change is lost between them.
  const stopListening = selected.mailbox.onChange(onChange)
  void selected.mailbox.refresh().then(onChange, (error) => {
    session.services.log.warn({ err: error, session: session.peer.id }, 'IDLE cannot read the mailbox')
  })
  return async () => {
    isStopped = true
    stopListening()
    await reported
  }

  /** A client that does not read gets the sum of the changes later. */
  async function report(): Promise<void> {
    isReporting = true
    try {
      while (isAgain && !isStopped) {
        isAgain = false
        await session.report({ mayExpunge: true })
        await session.output.flush()
      }
    } catch (error) {
      if (!(error instanceof ConnectionEnded)) throw error
    } finally {
      isReporting = false
    }
  }
}
