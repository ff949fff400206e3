/**
 * Tests what a user installs: the packed package, and the files for systemd and containers.
 *
 * The package is unpacked where npm would put it, with links only to the packages that it declares, so that a missing
 * file or dependency is found. (A real `npm install` compiles SQLite for minutes.)
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { MAIL_PROGRAMS_OFF } from './support/free-port.ts'
import { root, textOf } from './support/imports.ts'
import './support/program.ts' // waits for the bundle, which is packed

const packageJson = JSON.parse(textOf('package.json'))

test('the packed package starts from an empty folder with `npx martlet serve`', { timeout: 60_000 }, async () => {
  const folder = await temporaryFolder()
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  )
  await install(folder, join(folder, packed[0].filename))
  const module = `for (const name of ['agentmail', 'agentpost', 'assmbl'])
    console.log(Object.keys(await import('martlet/' + name)).join())`
  const loaded = spawnSync(process.execPath, ['--input-type=module', '--eval', module], {
    cwd: folder,
    encoding: 'utf8',
  })
  const exported = ['listEvents,waitForMessage', 'AgentPost,AgentPostError,default', 'AgentMailClient,AgentMailError']
  expect(loaded.stdout.trim().split('\n')).toEqual(exported)
  for (const name of ['./agentmail', './agentpost', './assmbl'])
    expect(existsSync(join(folder, 'node_modules/martlet', packageJson.exports[name].types))).toBe(true)
  expect(existsSync(join(folder, 'node_modules/martlet/clients/agentpost/python/agentpost/__init__.py'))).toBe(true)

  const server = spawn('npx', ['--no-install', 'martlet', 'serve'], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // npx and the server form one process group, as in a terminal
  })
  const exited = once(server, 'exit')
  let url: string | undefined
  for await (const line of createInterface({ input: server.stdout })) {
    url = JSON.parse(line).url
    if (url !== undefined) break
  }
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  expect(existsSync(join(folder, 'data/martlet.db'))).toBe(true)

  process.kill(-server.pid!, 'SIGTERM')
  await exited
})

// The documented `npm pack` failed in a fresh clone with "biome: not found".
test('packing works as documented; without the compiler it says what to run first', async () => {
  expect(textOf('docs/deployment.md')).toMatch(/^npm ci && npm pack /m)
  const clone = join(await temporaryFolder(), 'clone')
  for (const each of ['src', 'scripts', 'package.json', 'package-lock.json']) {
    await cp(join(root, each), join(clone, each), { recursive: true })
  }
  const packed = spawnSync('npm', ['pack'], { cwd: clone, encoding: 'utf8' })
  expect(packed.stderr).toMatch(/^The bundler is not installed; run npm ci first$/m)
  expect(packed.status).not.toBe(0)
})

test('systemd accepts the unit file', async ({ skip }) => {
  if (spawnSync('systemd-analyze', ['--version']).error) skip('systemd-analyze is not installed here')
  const unit = textOf('packaging/martlet.service').replaceAll('/usr/bin/node', process.execPath)
  const file = join(await temporaryFolder(), 'martlet.service')
  await writeFile(file, unit)

  const verified = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
  expect(verified.stderr).toBe('')
  expect(verified.status).toBe(0)
  // For one paused start, without a change of the unit.
  expect(unit).toMatch(/^EnvironmentFile=-\/run\/martlet\.env$/m)
  expect(unit).toMatch(/^ExecStart=.* serve \$SERVE_OPTIONS$/m)
  expect(textOf('docs/operations.md')).toContain('echo SERVE_OPTIONS=--paused > /run/martlet.env')
})

test('the container is built from files that exist and are not ignored, and runs the same entry as the package', () => {
  const dockerfile = textOf('Dockerfile')
  const letIn = textOf('.dockerignore').split('\n')
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '))
  expect(copied).toContain('src')
  for (const source of copied) {
    expect(existsSync(join(root, source)), source).toBe(true)
    expect(letIn, '.dockerignore').toContain(`!${source}`)
  }
  expect(dockerfile).toContain(`ENTRYPOINT ["node", "${packageJson.bin.martlet}"]`)
})

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Installs as `npm install <tarball>` does. */
async function install(folder: string, tarball: string): Promise<void> {
  const home = join(folder, 'node_modules/martlet')
  await mkdir(home, { recursive: true })
  execFileSync('tar', ['xzf', tarball, '-C', home, '--strip-components=1'])
  const declared = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  for (const name of Object.keys(declared.dependencies)) {
    const link = join(folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(root, 'node_modules', name), link)
  }
  await mkdir(join(folder, 'node_modules/.bin'))
  await symlink(join(home, declared.bin.martlet), join(folder, 'node_modules/.bin/martlet'))
  await chmod(join(home, declared.bin.martlet), 0o755) // npm does this for the files in "bin"
  await writeFile(join(folder, 'package.json'), '{}')
}

// The health check asked port 8080, whatever the setting said.
test('the health check of the container asks the port that is configured', async () => {
  const [, command] = /^HEALTHCHECK [^\n]*\\\n +CMD (\[.*\])$/m.exec(textOf('Dockerfile'))!
  const [program, ...args] = JSON.parse(command!) as [string, ...string[]]
  expect(program).toBe('node')
  let status = 200
  const server = createServer((_request, response) => response.writeHead(status).end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const env = { ...process.env, MARTLET_HTTP_PORT: String((server.address() as AddressInfo).port) }
  const check = async () => (await once(spawn(process.execPath, args, { env, stdio: 'inherit' }), 'exit'))[0]
  expect(await check()).toBe(0)
  status = 503
  expect(await check()).toBe(1)
})
