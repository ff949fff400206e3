/**
 * npm run bench -- NAME: runs bench/NAME.ts, compiled to build/ beforehand. Without a name: those that compare with the goals,
 * one after the other, and then prints all their results as one table.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const GOALS = [
  'inbound',
  'submission',
  'reads',
  'outbound',
  'notify',
  'webhooks',
  'imap',
  'search',
  'growth',
  'large-mail',
  'start',
]

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
  for (const each of GOALS) {
    const { lines, status } = await run(each)
    rows.push(...lines.map((line) => [each, line]))
    if (status !== 0) rows.push([each, `failed with exit code ${status}`])
  }
  console.log('\n| bench | result |\n|---|---|')
  for (const [each, line] of rows) console.log(`| ${each} | ${line.trim()} |`)
  if (rows.some(([, line]) => line.startsWith('failed'))) process.exitCode = 1
}

/** Runs a bench in a process of its own, and prints its lines as they come. */
function run(each) {
  const child = spawn(process.execPath, [fileOf(each)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    console.log(line)
  })
  return new Promise((resolve) => child.once('close', (status) => resolve({ lines, status })))
}
