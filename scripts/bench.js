/**
 * npm run bench -- NAME: runs bench/NAME.ts, compiled to build/ beforehand. Without a name: those that compare with the goals,
 * one after the other, on SQLite and where it matters on PostgreSQL too, and then prints all their results as one table.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** In this order, with the settings of each. A setting of the environment wins. */
const RUNS = [
  ...onBoth('inbound'),
  ['two-nodes', { DATABASE: 'postgres' }],
  ...onBoth('failing-members'),
  ...onBoth('outbound'),
  ['submission'],
  ...onBoth('reads', { MAILBOXES: '1000,1000000' }, { MAILBOXES: '1000' }),
  ...onBoth('search'),
  ['growth', { KINDS: 'mailbox', MESSAGES: '100000' }],
  ['large-mail'],
  ['notify'],
  ['webhooks'],
  ['imap'],
  ...onBoth('disk'),
  ['sockets'],
  ['memory'],
  ['start'],
]

function onBoth(name, onSqlite = {}, onPostgres = onSqlite) {
  return [
    [name, onSqlite],
    [name, { ...onPostgres, DATABASE: 'postgres' }],
  ]
}

const [name] = process.argv.slice(2)
const fileOf = (each) => fileURLToPath(new URL(`../build/bench/${each}.js`, import.meta.url))
if (name === undefined) await runAll()
else if (/^[a-z-]+$/.test(name) && existsSync(fileOf(name))) await import(fileOf(name))
else {
  const names = readdirSync(new URL('../bench/', import.meta.url)).map((each) => each.replace(/\.ts$/, ''))
  console.error(`Usage: npm run bench -- NAME, one of: ${names.join(' ')}`)
  process.exit(2)
}

async function runAll() {
  const rows = []
  for (const [each, settings = {}] of RUNS) {
    const database = settings.DATABASE === 'postgres' ? 'PostgreSQL' : 'SQLite'
    console.log(`\n${each}, ${database}`)
    const { results, status } = await run(each, settings)
    if (status !== 0) {
      process.exitCode = 1
      results.push({ what: '', measured: `failed with exit code ${status}` })
    }
    for (const { what, measured, beside = '', ratio = '', goal = '', isMet } of results) {
      const verdict = isMet === undefined ? '' : isMet ? 'met' : 'missed'
      rows.push([each, database, what, measured, beside, ratio, goal, verdict])
    }
  }
  const heads = ['bench', 'database', 'what', 'measured', 'compared with', 'ratio', 'goal', '']
  console.log()
  for (const cells of [heads, heads.map(() => '---'), ...rows]) console.log(`| ${cells.join(' | ')} |`)
}

/** Runs a bench in a process of its own, prints its lines as they come, and collects what it reports (bench/report.ts). */
function run(each, settings) {
  const child = spawn(process.execPath, [fileOf(each)], {
    env: { ...settings, ...process.env },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const results = []
  createInterface({ input: child.stdout }).on('line', (line) => console.log(line))
  child.on('message', (result) => results.push(result))
  return new Promise((resolve) => child.once('close', (status) => resolve({ results, status })))
}
