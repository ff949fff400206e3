/**
 * Headless Chromium for tests of pages, driven over its DevTools protocol: a pipe with one JSON text per command, response and
 * event, each followed by NUL. A library for this would be used for four commands.
 *
 * Where the tests may install packages (root, apt-get) and no Chromium is there, Debian's is installed; this takes about 20 s, once.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'

/** Debian has the first two: without and with windows. */
const PROGRAMS = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const INSTALL_MS = 180_000

/** Returns the path of a Chromium, which is installed if necessary and possible; otherwise skips the test. */
export async function chromiumOrSkip(skip: (why: string) => never): Promise<string> {
  const found = find() ?? (await install())
  if (found !== undefined) return found
  return skip('Chromium is not installed here (Debian: apt-get install chromium-headless-shell)')
}

function find(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return PROGRAMS.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync)
}

async function install(): Promise<string | undefined> {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return undefined
  const run = async (...args: string[]) =>
    promisify(execFile)('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], {
      timeout: INSTALL_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  try {
    await run('update')
    await run('install', '-y', '--no-install-recommends', 'chromium-headless-shell')
  } catch {
    return undefined // no network, or another distribution
  }
  return find()
}

interface Answer {
  readonly id?: number
  readonly method?: string
  // biome-ignore lint/suspicious/noExplicitAny: the results of any command
  readonly result?: any
  readonly params?: unknown
  readonly error?: { readonly message: string }
}

/** One page of a browser of its own. */
export class Page implements AsyncDisposable {
  /** Messages of the page's console, and errors that nothing caught. */
  readonly console: string[] = []
  readonly #browser: ChildProcess
  readonly #profile: string
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #session: string | undefined
  #last = 0

  private constructor(browser: ChildProcess, profile: string) {
    this.#browser = browser
    this.#profile = profile
    let text = ''
    const answers = browser.stdio[4] as Readable
    answers.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (text + chunk).split('\0')
      text = parts.pop()!
      for (const part of parts) this.#receive(JSON.parse(part) as Answer)
    })
  }

  static async open(program: string, url: string): Promise<Page> {
    const profile = await mkdtemp(join(tmpdir(), 'martlet-test-'))
    // No sandbox: it needs a user other than root. The page is ours.
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
    const args = [...options, '--remote-debugging-pipe', `--user-data-dir=${profile}`]
    const browser = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
    const page = new Page(browser, profile)
    const { targetId } = await page.#send('Target.createTarget', { url: 'about:blank' })
    page.#session = (await page.#send('Target.attachToTarget', { targetId, flatten: true })).sessionId
    await page.#send('Runtime.enable')
    await page.#send('Page.enable')
    await page.#send('Page.navigate', { url })
    return page
  }

  /** Runs an expression in the page. @returns its value, or what its promise resolves with, as JSON @throws what it throws */
  // biome-ignore lint/suspicious/noExplicitAny: any value
  async evaluate(expression: string): Promise<any> {
    const options = { awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', { expression, ...options })
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }

  /** The text that a visitor sees. */
  text(): Promise<string> {
    return this.evaluate('document.body.innerText')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#browser, 'exit')
    this.#browser.kill('SIGKILL')
    await exited
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 3 })
  }

  async #send(method: string, params: object = {}) {
    const id = ++this.#last
    const session = this.#session
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    const command = { id, method, params, ...(session !== undefined && { sessionId: session }) }
    ;(this.#browser.stdio[3] as Writable).write(`${JSON.stringify(command)}\0`)
    const { result, error } = await answered
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }

  #receive(answer: Answer): void {
    if (answer.method === 'Runtime.consoleAPICalled' || answer.method === 'Runtime.exceptionThrown')
      this.console.push(JSON.stringify(answer.params))
    if (answer.id === undefined) return
    this.#waiting.get(answer.id)?.(answer)
    this.#waiting.delete(answer.id)
  }
}
