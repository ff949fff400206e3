/**
 * The messages that Dovecot and Martlet both show, at least 300: mail of real programs, composed mail in 36 languages with
 * attachments and replies, the messages of Python's own tests where they are installed, and broken and hostile ones.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { composeMessage } from '../../src/formats/mime/mime-compose.ts'
import { mutate, seededRandom } from '../formats/random.ts'
import { mail, samples } from '../formats/sample-messages.ts'

export interface ComparedMessage {
  readonly name: string
  readonly raw: Buffer
}

export async function comparedMessages(): Promise<ComparedMessage[]> {
  const all = [...realMessages(), ...(await composedMessages()), ...pythonMessages(), ...hostileMessages()]
  return all.map(({ name, raw }) => ({ name, raw: withCrlf(raw) }))
}

/** Both servers get CRLF line ends and no NUL, so that a difference is one of reading. */
function withCrlf(raw: Buffer): Buffer {
  const text = raw
    .toString('latin1')
    .replace(/\r*\n|\r/g, '\r\n')
    .replace(/\0/g, '')
  return Buffer.from(text.endsWith('\r\n') ? text : `${text}\r\n`, 'latin1')
}

function realMessages(): ComparedMessage[] {
  return Object.entries(samples).map(([name, raw]) => ({ name, raw }))
}

const COMPOSED_COUNT = 240

/** Texts of the corpus of verification messages, in the forms that mail programs have. */
async function composedMessages(): Promise<ComparedMessage[]> {
  const folder = new URL('../formats/verification/messages/tuning/', import.meta.url).pathname
  const texts = readdirSync(folder).flatMap(
    (file): { name: string; from: string; subject: string; text: string | null; html: string | null }[] =>
      JSON.parse(readFileSync(join(folder, file), 'utf8')),
  )
  return Promise.all(
    texts.slice(0, COMPOSED_COUNT).map(async ({ name, from, subject, text, html }, index) => {
      const [, fromName = '', address = 'ann@a.test'] = /^(.*?)\s*<(.*)>$/.exec(from) ?? []
      const raw = await composeMessage({
        messageId: `<${index}@a.test>`,
        date: new Date(1_700_000_000_000 + index * 3_600_000),
        boundary: index.toString(16).padStart(16, '0'),
        from: { name: fromName, address },
        to: [{ name: 'Ann, Example', address: 'ann@b.test' }, { address: `user${index % 9}@c.test` }],
        ...(index % 3 === 0 && { cc: [{ name: 'Jürgen "J" Müller', address: 'jm@b.test' }] }),
        ...(index % 4 === 0 && { replyTo: [{ address: 'answers@a.test' }] }),
        ...(index % 5 === 0 && { inReplyTo: `<${index - 1}@a.test>`, references: [`<${index - 1}@a.test>`] }),
        subject,
        ...(text !== null && { text }),
        ...(html !== null && { html }),
        ...(index % 6 === 0 && {
          attachments: [
            {
              filename: `Bericht ${name} – ü.txt`,
              contentType: 'text/plain; charset=utf-8',
              bytes: Buffer.from('a\nb\n'),
            },
            { filename: 'plan.pdf', contentType: 'application/pdf', bytes: Buffer.from('%PDF') },
          ],
        }),
        ...(index % 7 === 0 && {
          attachments: [
            {
              filename: 'mail.eml',
              contentType: 'message/rfc822',
              bytes: mail('Subject: inner', 'From: i@a.test', '', 'in'),
            },
          ],
        }),
      })
      return { name, raw }
    }),
  )
}

/** Python's tests of its email package: broken mail of twenty years. Debian has them in a package of its own. */
function pythonMessages(): ComparedMessage[] {
  const script = 'import test.test_email as t, os; print(os.path.join(os.path.dirname(t.__file__), "data"))'
  const { status, stdout } = spawnSync('python3', ['-c', script], { encoding: 'utf8' })
  if (status !== 0) return []
  const folder = stdout.trim()
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt'))
  return files.sort().map((file) => ({ name: file, raw: readFileSync(join(folder, file)) }))
}

const MUTATED_COUNT = 48

function hostileMessages(): ComparedMessage[] {
  const random = seededRandom(7)
  const mutated = Array.from({ length: MUTATED_COUNT }, (_, index) => {
    const [name, raw] = random.pick(Object.entries(samples))
    return { name: `${name}, changed (${index})`, raw: mutate(raw, random) }
  })
  return [...mutated, ...Object.entries(broken).map(([name, raw]) => ({ name, raw }))]
}

const broken: Readonly<Record<string, Buffer>> = {
  empty: mail(''),
  'no header': mail('', 'body'),
  'no body': mail('Subject: x'),
  'no blank line': mail('Subject: x', 'body'),
  'a header of 300 fields': mail(...Array.from({ length: 300 }, (_, i) => `X-${i}: ${i}`), '', 'x'),
  'a field of 20 KB': mail(`Subject: ${'x '.repeat(10_000)}`, '', 'x'),
  '200 recipients': mail(`To: ${Array.from({ length: 200 }, (_, i) => `u${i}@a.test`).join(', ')}`, '', 'x'),
  'unclosed quotes': mail('From: "Ann <ann@a.test>', 'Subject: "', '', 'x'),
  'unclosed comment': mail('From: Ann (the one <ann@a.test>', '', 'x'),
  'nested comments': mail('From: ann@a.test (Ann (A (B)))', '', 'x'),
  'a route': mail('From: <@relay.test,@b.test:ann@a.test>', '', 'x'),
  'groups in groups': mail('To: a: b: c@a.test;, d@a.test;', '', 'x'),
  'a quoted local part': mail('From: "a b"@a.test, "a\\"b"@a.test', '', 'x'),
  '8-bit subject': mail('Subject: Gr\u00fc\u00dfe', 'Content-Type: text/plain; charset=utf-8', '', 'x'),
  'two Subjects': mail('Subject: one', 'Subject: two', '', 'x'),
  'two Content-Types': mail('Content-Type: text/plain', 'Content-Type: text/html', '', 'x'),
  'a multipart without end': mail('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x'),
  'a multipart without parts': mail('Content-Type: multipart/mixed; boundary=b', '', 'x'),
  'a multipart without boundary': mail('Content-Type: multipart/mixed', '', '--b', '', 'x', '--b--'),
  'boundaries that begin alike': mail(
    ...['Content-Type: multipart/mixed; boundary=b', '', '--b', 'Content-Type: multipart/mixed; boundary=bb', ''],
    ...['--bb', '', 'x', '--bb--', '--b--'],
  ),
  'a digest': mail('Content-Type: multipart/digest; boundary=b', '', '--b', '', 'Subject: in', '', 'x', '--b--'),
  'messages in messages': mail(...Array.from({ length: 4 }, () => ['Content-Type: message/rfc822', '']).flat(), 'x'),
  'a message in base64': mail(
    'Content-Type: message/rfc822',
    'Content-Transfer-Encoding: base64',
    '',
    'U3ViamVjdDogeA==',
  ),
  'a type without subtype': mail('Content-Type: text', '', 'x'),
  'an unknown encoding': mail('Content-Transfer-Encoding: x-uuencode', '', 'x'),
  'parameters of RFC 2231': mail(
    'Content-Type: application/x; name*0*=utf-8\'\'gr%C3%BC; name*1="n.txt"',
    'Content-Disposition: attachment; filename="=?utf-8?q?gr=C3=BCn.txt?="',
    '',
    'x',
  ),
  'languages and a location': mail(
    'Content-Language: de, en',
    'Content-Location: http://a.test/',
    'Content-MD5: Q==',
    '',
    'x',
  ),
}
