/**
 * npm run docs: writes docs/configuration.md, docs/errors.md and docs/permissions.md from what was compiled to build/src/. With a folder as
 * argument they go there, for the test that compares. Prints what it wrote.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { limits } from '../build/src/config/limits.js'
import { settings } from '../build/src/config/settings.js'
import { renderError } from '../build/src/edges/http/dialects/agentmail/agentmail-errors.js'
import { replyForError } from '../build/src/edges/smtp/protocol/replies.js'
import { errors, MailError } from '../build/src/errors.js'
import { permissionsPage } from './permissions-page.js'

/** Placeholders that most messages of their error leave out. */
const OPTIONAL = new Set(['eventType', 'isAppPassword', 'isMisplaced', 'fix'])

/** Whatever a message asks for is there, under its own name. */
const placeholders = new Proxy({}, { get: (_target, name) => (OPTIONAL.has(name) ? undefined : `{${String(name)}}`) })

const folder = process.argv[2] ?? fileURLToPath(new URL('../docs', import.meta.url))

write('configuration.md', configurationPage())
write('errors.md', errorsPage())
write('permissions.md', await permissionsPage())

function write(name, lines) {
  const file = join(folder, name)
  writeFileSync(file, `${lines.join('\n')}\n`)
  console.log(file)
}

function configurationPage() {
  return [
    '# Configuration',
    '',
    'Generated from `src/config/settings.ts` and `src/config/limits.ts` by `npm run docs`; do not edit.',
    '',
    'Settings are environment variables. Each has a default that works; an empty value counts as not set. A variable that',
    'begins with `MARTLET_` and is malformed, contradicts another or is not in this list stops the start with a sentence',
    'that says what to write. (Those that Kubernetes makes for a Service named `martlet`, `MARTLET_PORT…` and',
    '`MARTLET_SERVICE_…`, are ignored.)',
    '',
    '## Settings',
    '',
    ...table(
      ['variable', 'default', 'meaning'],
      Object.values(settings).map((setting) => [
        `\`${setting.variable}\``,
        settingDefault(setting),
        setting.description,
      ]),
    ),
    '',
    '## Limits',
    '',
    'Bounds of every body, queue, buffer, wait and retry. They are part of the program: the environment cannot change them. To change one, edit its default in `src/config/limits/`; `npm start` builds again.',
    '',
    ...table(
      ['limit', 'value', 'meaning'],
      Object.entries(limits).flatMap(([group, members]) =>
        Object.entries(members).map(([name, limit]) => [
          `\`${group}.${name}\``,
          human(limit.default, limit.unit),
          limit.description,
        ]),
      ),
    ),
  ]
}

/** A value that could be written is set as code, words are not. */
function settingDefault({ default: value, variable }) {
  if (/^\d{5,}$/.test(value) && /BYTES/.test(variable)) return `\`${value}\` (${human(Number(value), 'bytes')})`
  return /^[\w./:<>-]+$/.test(value) || value.includes('://') ? `\`${value}\`` : value
}

function human(value, unit) {
  const units = {
    bytes: [
      ['GiB', 1024 ** 3],
      ['MiB', 1024 ** 2],
      ['KiB', 1024],
      ['bytes', 1],
    ],
    milliseconds: [
      ['days', 86_400_000],
      ['h', 3_600_000],
      ['min', 60_000],
      ['s', 1_000],
      ['ms', 1],
    ],
    count: [['', 1]],
  }
  const [name, size] = units[unit].find(([, size]) => value >= size && value % size === 0) ?? units[unit].at(-1)
  const count = value / size
  const text = `${count.toLocaleString('en')} ${name}`.trim()
  return count === 1 ? text.replace(/days$/, 'day') : text
}

function errorsPage() {
  const overSmtp = codesOverSmtp()
  return [
    '# Errors',
    '',
    'Generated from `src/errors/` and the tables of the edges by `npm run docs`; do not edit.',
    '',
    'Every error that a caller can get. The code is stable: use it in your code, not the text. `{…}` is a value that depends',
    'on the request. After a *temporary* failure, the same request works later, and nothing was changed.',
    '',
    'Over HTTP (AgentMail dialect) the response has the status and, in its body, `name`, `code`, `message` and `fix`.',
    'AgentMail has fewer codes than Martlet: if the response has a different code, it is shown after the name. Over SMTP the',
    'reply has the code, the enhanced code and the message.',
    '',
    ...Object.keys(errors).flatMap((code) => entry(code, overSmtp.has(code))),
  ]
}

function entry(code, isOverSmtp) {
  const error = new MailError(code, placeholders)
  const { status, body } = renderError(error)
  const alias = body.code === code ? '' : `, code \`${body.code}\``
  const smtp = isOverSmtp ? replyForError(error) : undefined
  return [
    `## ${code}`,
    '',
    `*${error.kind.replaceAll('_', ' ')}* · HTTP ${status} \`${body.name}\`${alias}${error.endsByItself ? ' with `Retry-After`' : ''}${smtp ? ` · SMTP ${smtp.code} ${smtp.enhancedCode}` : ''}`,
    '',
    `> ${escaped(error.message)}`,
    '',
    ...(error.fix === undefined ? [] : [escaped(error.fix), '']),
  ]
}

/** What a peer can meet over SMTP: what the interfaces that the listeners call say that they throw, and bugs. */
function codesOverSmtp() {
  const contracts = [
    contractOf('receiving/receiving.ts', 'Receiving'),
    contractOf('sending/raw/raw-sending.ts', 'RawSending'),
    contractOf('access/keys/logins.ts', 'Logins'),
  ]
  // The codes after @throws are on its line; a sentence about the returned error ends with its paragraph.
  const lists = /@throws ([^\n]*)|Returns the error ((?:[^\n]|\n +\* \S)*)/g
  const words = [...contracts.join('').matchAll(lists)].flatMap(([, thrown, returned]) =>
    (thrown ?? returned).match(/[a-z_]+/g),
  )
  return new Set([...words.filter((word) => word in errors), 'internal_error'])
}

function contractOf(file, name) {
  const source = readFileSync(new URL(`../src/mail/${file}`, import.meta.url), 'utf8')
  const start = source.indexOf(`export interface ${name} {`)
  if (start < 0) throw new Error(`${file} has no interface ${name}`)
  return source.slice(start, source.indexOf('\n}\n', start))
}

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map((cell) => escaped(cell)).join(' | ')} |`)
}

/** Angle brackets and pipes outside of code would be taken for markup. */
function escaped(text) {
  return text
    .split(/(`[^`]*`)/)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll('<', '&lt;')).replaceAll('|', '\\|'))
    .join('')
}
