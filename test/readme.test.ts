/**
 * Runs the README: every block of commands is run in order, in a separate folder, with a server started as described,
 * and every block of output is compared with the real one. A "…" stands for any text within a line.
 *
 * There are two terminals, as for a reader: `npm start` runs in the first one, everything else in the second. Only
 * ports and folder differ.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from './support/free-port.ts'
import { root, textOf } from './support/imports.ts'
import { outputOf, type ProcessOutput } from './support/process-output.ts'
import { openTerminal, type Terminal } from './support/terminal.ts'

interface Block {
  readonly language: string
  readonly text: string
  /** The text of an HTML comment above the block. */
  readonly note: string | undefined
}

function blocksOf(markdown: string): Block[] {
  const fences = markdown.matchAll(/(?:^<!-- (.*) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm)
  return [...fences].map(([, note, language, text]) => ({ note, language: language!, text: text! }))
}

test('the commands of the README work and print what it shows', { timeout: 180_000 }, async () => {
  const reader = await createMailParser()
  for (const block of blocksOf(textOf('README.md'))) await reader.carryOut(block)
  await reader.leave()
})

test('CI runs the command that the README gives', async () => {
  const commands = blocksOf(textOf('README.md')).map(({ text }) => text.trim())
  expect(commands).toContain('npm ci && npm test')
  const script = await readFile(join(root, '.ci/run'), 'utf8')
  expect(script).toMatch(/^npm ci$/m)
  expect(script).toMatch(/^npm test\b/m)
})

/** Does what a reader would do with each block. */
async function createMailParser() {
  const folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const name of ['node_modules', 'dist']) await symlink(join(root, name), join(folder, name))
  const [httpPort, smtpPort] = [await freePort(), await freePort()]
  const local = (text: string) =>
    text.replaceAll('127.0.0.1:8080', `127.0.0.1:${httpPort}`).replaceAll('127.0.0.1:2525', `127.0.0.1:${smtpPort}`)

  let server: Terminal | undefined
  const shell = openShell(folder, { MARTLET_HTTP_PORT: String(httpPort) }) // the port is for the command line
  let last: Pick<ProcessOutput, 'until'> = shell

  return {
    async carryOut({ language, text, note }: Block): Promise<void> {
      const command = text.trim()
      if (language === 'text') await expectLines(last, local(text), note === 'lines in any order')
      else if (language === 'js') await save(text)
      else if (command === 'npm ci && npm start' || command === 'npm start') last = await startServer()
      else if (command === 'npm ci && npm test')
        return // this command runs the test itself
      else if (language === 'sh') last = await shell.run(local(text))
      else throw new Error(`there is no rule for a block of "${language}"`)
    },
    leave: stopServer,
  }

  /** Starts the server on free ports. `npm ci` has already been run, since this test exists. */
  async function startServer(): Promise<Terminal> {
    await stopServer()
    const settings = {
      MARTLET_DATA_DIR: join(folder, 'data'),
      MARTLET_HTTP_PORT: String(httpPort),
      MARTLET_SMTP_PORT: String(smtpPort),
    }
    server = openTerminal('npm start', {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...settings },
    })
    onTestFinished(server.kill)
    await server.until(/(?=Martlet is ready\.)/)
    return server
  }

  async function stopServer(): Promise<void> {
    if (!server) return
    if (!server.screen().includes('Ctrl-C stops it.')) await server.until(/Ctrl-C stops it\./)
    server.press('\x03')
    expect(await server.exited).toBe(0)
    server = undefined
  }

  /** Saves the program under the file name in its first line. */
  async function save(program: string): Promise<void> {
    const name = /^\/\/ (\S+\.mjs)\n/.exec(program)?.[1]
    if (name === undefined) throw new Error('a program must begin with its file name')
    await writeFile(join(folder, name), program)
  }
}

function openShell(folder: string, settings: Readonly<Record<string, string>>) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...settings }
  const bash = spawn('bash', ['--norc'], { cwd: folder, env, stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void bash.kill('SIGKILL'))
  bash.stdin.write('exec 2>&1\n')
  const shown = outputOf(bash.stdout)
  let count = 0
  return {
    ...shown,
    /** Resolves when the commands have exited with 0; their output can then be compared. */
    async run(commands: string): Promise<ProcessOutput> {
      count += 1
      bash.stdin.write(`${commands}\nprintf '\\nblock ${count} ended with %s\\n' $?\n`)
      const [, code] = await shown.until(new RegExp(`(?=[\\s\\S]*^block ${count} ended with (\\d+)$)`, 'm'))
      expect(code, `${commands}\n${shown.text()}`).toBe('0')
      return shown
    },
  }
}

async function expectLines(output: Pick<ProcessOutput, 'until'>, expected: string, isAnyOrder: boolean): Promise<void> {
  const lines = expected.trimEnd().split('\n').map(pattern)
  if (!isAnyOrder) return void (await output.until(new RegExp(`^${lines.join('\\n')}$`, 'm')))
  // Each line must occur as often as expected, and everything up to the last of them counts as seen.
  const each = [...new Set(lines)].map((line) => `(?=(?:[\\s\\S]*?^${line}$){${count(lines, line)}})`)
  await output.until(new RegExp(`${each.join('')}[\\s\\S]*^(?:${lines.join('|')})$`, 'm'))
}

function count(lines: readonly string[], line: string): number {
  return lines.filter((other) => other === line).length
}

function pattern(line: string): string {
  return line
    .split('…')
    .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*')
}
