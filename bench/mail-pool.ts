/**
 * Messages for load: varied text, prepared before the load so that the generator costs little. Each gets a Message-ID of
 * its own when it is sent, because a repeated one would be recognised, and a reply refers to the last message that its
 * recipient got.
 */
import { randomUUID } from 'node:crypto'
import { createVariedMail } from './varied-mail.ts'

const MESSAGES = 400
/** Text and HTML of it make a message of about 5 KB. */
const TEXT_CHARS = 2_300
/** As long as the ids that replace them. */
const [OWN, PARENT] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']

export type NextMail = (to: string) => Buffer

export function createMailPool(seed = 1): NextMail {
  const varied = createVariedMail(seed, TEXT_CHARS)
  const pool = Array.from({ length: MESSAGES }, (_, index) => {
    const text = varied(index, 'load@mail.localhost').raw.toString()
    const raw = Buffer.from(
      text
        .replace(/^Message-ID: .*$/m, `Message-ID: <${OWN}@example.test>`)
        .replace(/^In-Reply-To: .*$/m, `In-Reply-To: <${PARENT}@example.test>`),
    )
    return { raw, own: raw.indexOf(OWN), parent: raw.indexOf(PARENT) }
  })
  const lastIds = new Map<string, string>()
  let next = 0

  return (to) => {
    const { raw, own, parent } = pool[next++ % MESSAGES]!
    const id = randomUUID()
    const mail = Buffer.from(raw)
    mail.write(id, own)
    if (parent >= 0) mail.write(lastIds.get(to) ?? randomUUID(), parent)
    lastIds.set(to, id)
    return mail
  }
}
