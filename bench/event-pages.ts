/**
 * How much CPU time do a page of 500 events, and a request without a match in a large log, cost the server?
 *
 *   npm run bench -- event-pages        BEFORE=../older/dist/cli.js  PARTS=pages,waits  ROUNDS=5  EVENTS=100000
 *
 * With BEFORE, a second server of another build gets the same requests, alternately. Pages: 500 messages of 1 KB, and as
 * many of 5 KB as fit into a page, each with an attachment. The large log: 2,000 messages in one inbox, and changes of
 * labels, 50 at a time. The time is that of the whole server process (Linux only).
 */
import { randomUUID } from 'node:crypto'
import { mailWithAttachment } from './mail-with-attachment.ts'
import { type BenchServer, cpuMs, KEY, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 5)
const EVENTS = Number(process.env.EVENTS ?? 100_000)
const PAGE = 500
/** Messages in the inbox of which a request wants none. */
const MESSAGES = 2_000
/** Only the pages, or only what has no match. */
const PARTS = (process.env.PARTS ?? 'pages,waits').split(',')
const REQUESTS_PER_ROUND = 10
/** Labels in one change, each of which is an event. */
const LABELS = Array.from({ length: 50 }, (_, index) => `label-${index}`)

const builds = [{ name: 'this build', cli: 'dist/cli.js' }]
if (process.env.BEFORE) builds.push({ name: 'before', cli: process.env.BEFORE })
const servers: { readonly name: string; readonly server: BenchServer }[] = []
try {
  for (const { name, cli } of builds) servers.push({ name, server: await startBenchServer({}, [], cli) })
  if (PARTS.includes('pages')) await comparePages()
  if (PARTS.includes('waits')) await compareWaits()
} finally {
  for (const { server } of servers) await server.stop()
}

async function comparePages(): Promise<void> {
  for (const textChars of [500, 4_500]) {
    const inbox = `text-${textChars}`
    await Promise.all(servers.map(({ server }) => receive(server, inbox, PAGE, textChars)))
    const path = `/events?limit=${PAGE}&inbox_ids=${inbox}@mail.localhost`
    await compare(`a page of messages with ${textChars} characters of text`, () => path)
  }
}

/** Requests that find nothing in a large log. */
async function compareWaits(): Promise<void> {
  await Promise.all(servers.map(({ server }) => receive(server, 'large', MESSAGES, 500)))
  await Promise.all(servers.map(({ server }) => changeLabels(server, 'large')))
  const start = new Map<string, string>()
  for (const { name, server } of servers) {
    start.set(name, String((await server.request('GET', '/events?limit=1&event_types=inbox.created')).cursor))
  }
  const wait = '/inboxes/large@mail.localhost/messages/wait?wait_seconds=1'
  await compare('events of another type', () => '/events?event_types=message.bounced&wait_seconds=0')
  await compare('events of another type, waiting for 1 s', () => '/events?event_types=message.bounced&wait_seconds=1')
  await compare('a message from someone else', () => `${wait}&from=nobody`)
  await compare('a message from someone else, in the log', (name) => `${wait}&from=nobody&after=${start.get(name)}`)
  await compare('a message with a label, in the log', (name) => `${wait}&labels=no&after=${start.get(name)}`)
}

async function receive(server: BenchServer, inbox: string, count: number, textChars: number): Promise<void> {
  await server.request('POST', '/inboxes', { username: inbox })
  const session = await Session.open(server.smtpPort)
  for (let index = 0; index < count; index += 1) {
    await session.deliver('ann@example.test', `${inbox}@mail.localhost`, mail(inbox, textChars))
  }
  await session.quit()
}

function mail(inbox: string, textChars: number): Buffer {
  return mailWithAttachment({
    ...{ inbox, subject: randomUUID(), messageId: `${randomUUID()}@pages.example`, file: 'a' },
    text: Array.from({ length: textChars / 50 }, () => `The parcel ${randomUUID()}`.slice(0, 48)).join('\r\n'),
  })
}

/** Adds labels to messages and removes them, until the log has enough events. */
async function changeLabels(server: BenchServer, inbox: string): Promise<void> {
  const all = `/inboxes/${inbox}@mail.localhost/messages`
  const listed = (await server.request('GET', `${all}?limit=20`)) as { messages?: { message_id: string }[] }
  let left = EVENTS
  await Promise.all(
    listed.messages!.map(async ({ message_id }) => {
      while (left > 0) {
        left -= 2 * LABELS.length
        await server.request('PATCH', `${all}/${encodeURIComponent(message_id)}`, { add_labels: LABELS })
        await server.request('PATCH', `${all}/${encodeURIComponent(message_id)}`, { remove_labels: LABELS })
      }
    }),
  )
}

/** Prints the median CPU time of a request for each server. */
async function compare(what: string, pathOf: (name: string) => string): Promise<void> {
  const times = new Map<string, number[]>(servers.map(({ name }) => [name, []]))
  let about = ''
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { name, server } of servers) {
      const requests = pathOf(name).includes('wait_seconds=1') ? 3 : REQUESTS_PER_ROUND
      const before = cpuMs(server.pid)
      for (let request = 0; request < requests; request += 1) about = await get(server, pathOf(name))
      if (round > 0) times.get(name)!.push((cpuMs(server.pid) - before) / requests) // the first round warms up
    }
  }
  console.log(`${what} (${about})`)
  for (const [name, all] of times) {
    const sorted = all.toSorted((a, b) => a - b)
    console.log(
      `  ${name}: ${sorted[Math.floor(sorted.length / 2)]!.toFixed(1)} ms (${sorted[0]!.toFixed(1)} to ${sorted.at(-1)!.toFixed(1)})`,
    )
  }
}

async function get(server: BenchServer, path: string): Promise<string> {
  const response = await fetch(`${server.url}/v0${path}`, { headers: { authorization: `Bearer ${KEY}` } })
  const text = await response.text()
  if (response.status !== 200) throw new Error(text)
  const { events } = JSON.parse(text) as { events?: unknown[] }
  return `${events?.length ?? 0} events, ${text.length} bytes`
}
