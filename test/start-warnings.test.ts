/** Tests what a start and `martlet check` report when settings were changed since an earlier start. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startDns } from './support/dns-server.ts'
import { MAIL_PROGRAMS_OFF } from './support/free-port.ts'
import { cli } from './support/program.ts'
import { ROOT_KEY } from './support/root-key.ts'
import { startServer } from './support/server-process.ts'
import { copySqlite } from './support/sqlite-templates.ts'

type Env = Readonly<Record<string, string>>

/** Each test starts five to seven processes, one after the other: half a second each, or several beside other work. */
const MANY_STARTS = { timeout: 90_000 }

/** Settings of a server that has run before, with ROOT_KEY and without a file of it. */
async function settings(): Promise<Env & { MARTLET_DATA_DIR: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  await mkdir(dataDir, { mode: 0o700 })
  await copySqlite('started', dataDir)
  const ports = { MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF }
  return { MARTLET_DATA_DIR: dataDir, ...ports }
}

/** Runs a server until `use` ends, and returns its warnings. */
async function serve(env: Env, use: (url: string) => Promise<void> = async () => undefined): Promise<string[]> {
  const server = await startServer(env)
  onTestFinished(() => server.signal('SIGKILL'))
  await use(server.url)
  server.signal('SIGTERM')
  await server.exited
  return server.lines.filter(({ level }) => level === 'warn').map(({ msg }) => String(msg))
}

function run(args: readonly string[], env: Env) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH, ...env }, timeout: 60_000 }
    execFile(process.execPath, [cli, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    )
  })
}

const warningsOf = (stdout: string, subject: string) =>
  [...stdout.matchAll(/^warn {2}([a-z ]+): (.*)$/gm)].filter((each) => each[1] === subject).map((each) => each[2])

// An agent of the README kept its address in mail.localhost, and wrote to other servers with it.
test('inboxes in the domain of an earlier MARTLET_DOMAIN are reported, once there are any', MANY_STARTS, async () => {
  await using dns = await startDns({ 'mail.delta.test': 'fails' }) // which is no reason for the check to fail
  const env = { ...(await settings()), MARTLET_ROOT_KEY: ROOT_KEY, MARTLET_DNS_SERVERS: dns.address }
  const moved = { ...env, MARTLET_DOMAIN: 'mail.delta.test' }
  expect(warningsOf((await run(['check'], moved)).stdout, 'domain')).toEqual([]) // only the postmaster of mail.localhost exists
  const create = (request: object) => async (url: string) => {
    const headers = { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' }
    const body = JSON.stringify(request)
    expect((await fetch(`${url}/v0/inboxes`, { method: 'POST', headers, body })).status).toBe(200)
  }
  expect(await serve(env, create({ username: 'agent' }))).toEqual([])
  const [warning, ...others] = await serve(moved)
  expect(warning).toMatch(
    /^inboxes such as agent@mail\.localhost .* no one can verify or answer it\. .*mail\.delta\.test/,
  )
  expect(others).toEqual([])
  const { code, stdout } = await run(['check'], moved)
  expect([code, warningsOf(stdout, 'domain')]).toEqual([0, [warning]])
  const held = await run(['check'], { ...moved, MARTLET_OUTBOUND: 'capture' })
  expect(warningsOf(held.stdout, 'domain')).toEqual([expect.stringContaining('which needs its DNS records')])
})

// The key in the file got 401 everywhere, and nothing said why.
test('a file of the root key that is missing, or cannot be read, is reported', MANY_STARTS, async () => {
  const env = await settings()
  const file = join(env.MARTLET_DATA_DIR, 'root-key')
  await rm(file, { force: true })
  const missing = [
    expect.stringMatching(/root-key is missing, and a start does not create it again: .* MARTLET_ROOT_KEY/),
  ]
  expect(await serve(env)).toEqual(missing)
  expect(warningsOf((await run(['check'], env)).stdout, 'root key')).toEqual(missing)
  const queue = await run(['queue', 'list', '--url', 'http://127.0.0.1:1'], env)
  expect(queue).toMatchObject({ code: 1, stderr: expect.stringMatching(/root-key is missing, and a start does not/) })

  await mkdir(file, { mode: 0o700 }) // as an unreadable file: the server needs no key from it
  const unreadable = [expect.stringMatching(/root-key cannot be read \(EISDIR\)/)]
  expect(await serve(env)).toEqual(unreadable)
  expect(warningsOf((await run(['check'], env)).stdout, 'root key')).toEqual(unreadable)
})

test('a file of the root key with a key that was replaced is reported', MANY_STARTS, async () => {
  const env = await settings()
  const fresh = { ...env, MARTLET_DATA_DIR: `${env.MARTLET_DATA_DIR}2` }
  expect(await serve(fresh)).toEqual([])
  const key = (await readFile(join(fresh.MARTLET_DATA_DIR, 'root-key'), 'utf8')).trim()
  expect(await serve({ ...fresh, MARTLET_ROOT_KEY: ROOT_KEY })).toEqual([])
  const replaced = [expect.stringMatching(/^the key in .*root-key is not valid: .* start once with MARTLET_ROOT_KEY=/)]
  expect(await serve(fresh)).toEqual(replaced)
  expect(warningsOf((await run(['check'], fresh)).stdout, 'root key')).toEqual(replaced)
  expect(await serve({ ...fresh, MARTLET_ROOT_KEY: key })).toEqual([]) // as the warning says
  expect(warningsOf((await run(['check'], fresh)).stdout, 'root key')).toEqual([])
})
