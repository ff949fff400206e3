/**
 * Does what the reader of a page does with its blocks: runs commands, saves programs, and compares what is printed. A
 * "…" in a block of output stands for any text within a line.
 *
 * There are two terminals, as for a reader: `npm start` runs in the first one, everything else in the second. Only
 * ports and folder differ.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { freePort } from './free-port.ts'
import { root } from './imports.ts'
import type { Block } from './page-blocks.ts'
import { outputOf, type ProcessOutput } from './process-output.ts'
import './program.ts' // else `npm start` would bundle at the same time as the test run
import { virtualEnvironment } from './python-environment.ts'
import { openTerminal, type Terminal } from './terminal.ts'

export interface PageReader {
  /** Carries out the blocks in order. Each call opens a new second terminal; a server that runs keeps running. */
  follow(blocks: readonly Block[]): Promise<void>
  /** Stops the server and starts it again; what runs in the second terminal stays. */
  restartServer(): Promise<void>
  /** Waits until the second terminal shows the line, after what has been compared so far. */
  shows(line: string): Promise<void>
  /** Ends the server with Ctrl-C, then everything else. */
  leave(): Promise<void>
}

/**
 * Replaces the ports of a page by those of this test. In one pass: a free port may begin with the digits of another port of the page,
 * such as 29937 with 2993.
 */
export function withPorts(text: string, ports: Readonly<Record<number, number | undefined>>): string {
  return text.replace(/(?<=\b127\.0\.0\.1:)\d+/g, (shown) => String(ports[Number(shown)] ?? shown))
}

export async function createReader(): Promise<PageReader> {
  const folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  for (const name of ['node_modules', 'dist']) await symlink(join(root, name), join(folder, name))
  const [httpPort, smtpPort, submissionPort, submissionsPort, imapPort, imapsPort] = [
    ...[await freePort(), await freePort(), await freePort()],
    ...[await freePort(), await freePort(), await freePort()],
  ]
  const mailProgramPorts = { 2587: submissionPort, 2465: submissionsPort, 2143: imapPort, 2993: imapsPort }
  const ports = { 8080: httpPort, 2525: smtpPort, ...mailProgramPorts }
  const local = (text: string) => withPorts(text, ports)

  let server: Terminal | undefined
  let shell: Shell | undefined
  let last: Pick<ProcessOutput, 'until'> | undefined

  return {
    async follow(blocks) {
      shell?.kill()
      // The port is for the command line.
      shell = openShell(folder, { MARTLET_HTTP_PORT: String(httpPort) })
      for (const block of blocks) await carryOut(block, shell)
    },
    restartServer: async () => void (await startServer()),
    shows: (line) => expectLines(last!, line, false),
    async leave() {
      try {
        await stopServer()
      } finally {
        server?.kill()
        shell?.kill()
        await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }) // what was killed ends a moment later
      }
    },
  }

  async function carryOut({ language, text, note }: Block, shell: Shell): Promise<void> {
    const command = text.trim()
    if (language === 'text') await expectLines(last!, local(text), note === 'lines in any order')
    else if (language === 'js' || language === 'python') await save(text)
    else if (command === 'npm ci && npm start' || command === 'npm start') last = await startServer()
    else if (command === 'npm ci && npm test')
      return // this command runs the test itself
    else if (language === 'sh') last = await shell.run(local(await withoutInstallation(command)))
    else throw new Error(`there is no rule for a block of "${language}"`)
  }

  /** Starts the server on free ports. `npm ci` has already been run, since this test exists. */
  async function startServer(): Promise<Terminal> {
    await stopServer()
    const settings = {
      MARTLET_DATA_DIR: join(folder, 'data'),
      MARTLET_HTTP_PORT: String(httpPort),
      MARTLET_SMTP_PORT: String(smtpPort),
      MARTLET_SUBMISSION_PORT: String(submissionPort),
      MARTLET_SUBMISSIONS_PORT: String(submissionsPort),
      MARTLET_IMAP_PORT: String(imapPort),
      MARTLET_IMAPS_PORT: String(imapsPort),
    }
    server = openTerminal('npm start', {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...settings },
    })
    await server.until(/(?=Martlet is ready\.)/)
    return server
  }

  async function stopServer(): Promise<void> {
    if (!server) return
    if (!server.screen().includes('Press Ctrl-C to stop.')) await server.until(/Press Ctrl-C to stop\./)
    server.press('\x03')
    expect(await server.exited).toBe(0)
    server = undefined
  }

  /** Saves the program under the file name in its first line. */
  async function save(program: string): Promise<void> {
    const name = /^(?:\/\/|#) (\S+\.(?:mjs|py))\n/.exec(program)?.[1]
    if (name === undefined) throw new Error('a program must begin with its file name')
    await writeFile(join(folder, name), program)
  }

  /** Provides the virtual environment that a first line creates, and returns the other lines. */
  async function withoutInstallation(commands: string): Promise<string> {
    const [first, ...others] = commands.split('\n')
    if (!first!.startsWith('python3 -m venv .venv ')) return commands
    await symlink(await virtualEnvironment(first!), join(folder, '.venv'))
    return others.join('\n')
  }
}

interface Shell {
  /** Resolves when the commands have exited with 0; their output can then be compared. */
  run(commands: string): Promise<ProcessOutput>
  /** Also ends what the commands have started in the background. */
  kill(): void
}

function openShell(folder: string, settings: Readonly<Record<string, string>>): Shell {
  // On a terminal, Python would print each line at once by itself.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, PYTHONUNBUFFERED: '1', ...settings }
  const bash = spawn('bash', ['--norc'], {
    cwd: folder,
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // bash and its jobs form one process group
  })
  bash.stdin.write('exec 2>&1\n')
  const shown = outputOf(bash.stdout)
  let count = 0
  return {
    async run(commands) {
      count += 1
      bash.stdin.write(`${commands}\nprintf '\\nblock ${count} ended with %s\\n' $?\n`)
      const [, code] = await shown.until(new RegExp(`(?=[\\s\\S]*^block ${count} ended with (\\d+)$)`, 'm'))
      expect(code, `${commands}\n${shown.text()}`).toBe('0')
      return shown
    },
    kill() {
      try {
        process.kill(-bash.pid!, 'SIGKILL')
      } catch {
        // all of them have ended already
      }
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
