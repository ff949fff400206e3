/**
 * What does it cost to parse a message, compared with another build, and do both return the same?
 *
 *   npm run bench -- parse-mail        BEFORE=../older/build  ROUNDS=7  MUTANTS=4000
 *
 * CPU time of this process per varied message of 5 KB and per message of the test data, without the thread and the queue
 * around the parser. BEFORE is a folder of modules that `npm run build:modules` made of another version. Its rounds
 * alternate with those of this build. Then both parse all test data, hostile messages, and messages in which pieces of
 * others are put together at random, and the first differences are printed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { inflateRawSync } from 'node:zlib'
import { unpackContentText } from '../src/mail/messages/search/content-text.ts'
import { mailShapes } from '../test/hostile/hostile-messages.ts'
import { seededRandom } from '../test/support/seeded-random.ts'
import { createMailPool } from './mail-pool.ts'

type Parser = typeof import('../src/mail/messages/content/parsed-message.ts')
type BodiesModule = typeof import('../src/mail/messages/content/compressed-bodies.ts')
type LimitsModule = typeof import('../src/config/limits.ts')

const ROUNDS = Number(process.env.ROUNDS ?? 7)
const MUTANTS = Number(process.env.MUTANTS ?? 4_000)
const HOSTILE_BYTES = 20_000
const DIFFERENCES_SHOWN = 5
const MESSAGE_CHARS_SHOWN = 1_000
/** Characters and tags that change what is around them. */
const SPICE = (
  '< > & " \' = / <p> </p> <br> <b> </b> <div> </div> <td> <tr> <table> </table> <blockquote> </blockquote> <pre> </pre> <!-- --> ' +
  '<script> </script> <style> </style> <a> </a> <hr> &nbsp; &amp &#48; > * _ ` : ： @ . - – 4829 481-223 G-4821 4 8 2 9 ABCD-EFGH ' +
  'code: 482913 Code: is Your login code for not expires 10 minutes order № € % \u00a0 \u200b \ud83d\ude00 验证码 は です код код: é İ ß ﬁ ４ ٤'
).split(' ')

interface Build {
  readonly name: string
  parse(raw: Buffer): ReturnType<Parser['parseMail']>
  readonly decompress: BodiesModule['decompressBodies']
}

const builds = [await load('this build', 'build')]
if (process.env.BEFORE) builds.unshift(await load('before', process.env.BEFORE))

const real = testMessages()
const nextMail = createMailPool()
const pools = {
  'varied messages': Array.from({ length: 400 }, () => nextMail('load@mail.localhost')),
  'test data': real,
}
for (const [name, pool] of Object.entries(pools)) measure(name, pool)
if (builds.length > 1) compare([...pools['varied messages'], ...real, ...hostile(), ...mutants(real, MUTANTS)])

async function load(name: string, folder: string): Promise<Build> {
  const moduleOf = (path: string) => import(pathToFileURL(resolve(folder, 'src', path)).href)
  const { parseMail } = (await moduleOf('mail/messages/content/parsed-message.js')) as Parser
  const { decompressBodies: decompress } = (await moduleOf(
    'mail/messages/content/compressed-bodies.js',
  )) as BodiesModule
  const { withLimits } = (await moduleOf('config/limits.js')) as LimitsModule
  const limits = withLimits()
  return { name, parse: (raw) => parseMail(raw, limits), decompress }
}

function measure(name: string, pool: readonly Buffer[]): void {
  const times = builds.map((): number[] => [])
  for (let round = -2; round < ROUNDS; round += 1) {
    for (const [index, { parse }] of builds.entries()) {
      const before = process.cpuUsage()
      for (const raw of pool) parse(raw)
      const { user, system } = process.cpuUsage(before)
      if (round >= 0) times[index]!.push((user + system) / pool.length)
    }
  }
  const medians = times.map((each) => each.sort((a, b) => a - b)[Math.floor(each.length / 2)]!)
  const figures = builds.map((build, index) => `${build.name} ${medians[index]!.toFixed(0)} us`).join(', ')
  const ratio = medians.length > 1 ? `, ratio ${(medians[1]! / medians[0]!).toFixed(2)}` : ''
  console.log(`${pool.length} ${name}, CPU time per message: ${figures}${ratio}`)
}

function compare(raws: readonly Buffer[]): void {
  let differences = 0
  for (const raw of raws) {
    const [before, now] = builds.map((build) => comparable(build, build.parse(raw)) as Record<string, unknown>)
    const fields = Object.keys({ ...before, ...now }).filter((each) => !isDeepStrictEqual(before![each], now![each]))
    if (fields.length === 0) continue
    differences += 1
    if (differences > DIFFERENCES_SHOWN) continue
    console.log(raw.toString().slice(0, MESSAGE_CHARS_SHOWN))
    for (const field of fields) console.dir({ field, before: before![field], now: now![field] }, { depth: 6 })
  }
  console.log(`${raws.length} messages parsed by both builds: ${differences} differences`)
  if (differences > 0) process.exitCode = 1
}

/** Compressed bytes and their documents may differ; what they contain may not. */
function comparable(
  { decompress }: Build,
  { compressedBodies, compressedSource, searchText, ...fields }: ReturnType<Parser['parseMail']>,
) {
  const json = inflateRawSync(compressedBodies.bytes)
  const source = compressedSource && inflateRawSync(compressedSource, { dictionary: json.subarray(-32 * 1024) })
  return {
    ...fields,
    bodies: decompress(compressedBodies.bytes),
    sizeBytes: compressedBodies.sizeBytes,
    isSegmented: compressedBodies.headBytes > 0,
    source: source?.toString('latin1'),
    searchText: unpackContentText(searchText),
  }
}

interface VerificationMessage {
  readonly subject?: string
  readonly text?: string
  readonly html?: string
}

function testMessages(): Buffer[] {
  const replies = readFileSync('test/formats/reply/replies.jsonl', 'utf8').trim().split('\n')
  const folder = 'test/formats/verification/messages'
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'))
  const verification = files.flatMap((file) => {
    const messages = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as VerificationMessage[]
    return messages.map(({ subject = '', text, html }) => alternatives(subject, text, html))
  })
  return [...replies.map((line) => Buffer.from((JSON.parse(line) as { mail: string }).mail)), ...verification]
}

function alternatives(subject: string, text?: string, html?: string): Buffer {
  const part = (type: string, body?: string) =>
    body === undefined ? '' : `--b\r\nContent-Type: text/${type}; charset=utf-8\r\n\r\n${body}\r\n`
  const head = [
    `Subject: =?utf-8?B?${Buffer.from(subject).toString('base64')}?=`,
    'Content-Type: multipart/alternative; boundary=b',
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${part('plain', text)}${part('html', html)}--b--\r\n`)
}

function hostile(): Buffer[] {
  return Object.values(mailShapes).map((shape) => Buffer.from(shape(HOSTILE_BYTES)))
}

/** Returns messages of pieces of others, with characters added and removed. The same in each run. */
function mutants(raws: readonly Buffer[], count: number): Buffer[] {
  const random = seededRandom(7)
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!
  const bodies = raws
    .map((raw) => builds[0]!.parse(raw))
    .map(({ subject = '', compressedBodies }) => {
      const { text = '', html = '' } = JSON.parse(inflateRawSync(compressedBodies.bytes).toString())
      return { subject, text: text as string, html: html as string }
    })
  const htmls = bodies.map(({ html }) => html).filter((html) => html !== '')
  return Array.from({ length: count }, (_, index) => {
    const { subject, text } = pick(bodies)
    const html = spoiled(index % 3 === 0 ? pick(htmls) + pick(htmls) : pick(htmls))
    const kind = index % 5
    return alternatives(
      kind === 4 ? pick(bodies).subject : subject,
      kind === 0 ? undefined : kind === 1 ? html.replace(/<[^>]*>/g, '') : spoiled(text),
      kind === 2 ? undefined : html,
    )
  })

  function spoiled(text: string): string {
    let changed = text
    for (let times = Math.floor(random() * 12); times > 0; times -= 1) {
      const at = Math.floor(random() * changed.length)
      const length = random() < 0.5 ? 0 : Math.floor(random() * 30)
      const separator = random() < 0.5 ? ' ' : ''
      changed = `${changed.slice(0, at)}${separator}${pick(SPICE)}${separator}${changed.slice(at + length)}`
    }
    return changed
  }
}
