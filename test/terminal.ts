/**
 * A program in a terminal, for what it does only there: banners for people, Ctrl-C. The terminal is made by `script` of
 * util-linux.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watched } from './watched.ts'

export interface Terminal {
  /** What is on the screen, as plain lines. */
  readonly screen: () => string
  /** Resolves when the screen fits, from where the last call ended; rejects with what is there instead. */
  until(fits: RegExp): Promise<RegExpExecArray>
  /** For example "\x03" for Ctrl-C. */
  press(keys: string): void
  /** Exit code of the program. */
  readonly exited: Promise<number | null>
  kill(): void
}

/** @param command for sh; becomes the program itself, so that its exit code is not a shell's */
export function openTerminal(command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): Terminal {
  const child = spawn('script', ['-qefc', `exec ${command}`, '/dev/null'], {
    ...options,
    env: { ...options.env, SHELL: '/bin/sh', TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const { text, until } = watched(child.stdout)
  return {
    screen: text,
    until,
    press: (keys) => void child.stdin.write(keys),
    exited: once(child, 'exit').then(([code]) => code as number | null),
    kill: () => void child.kill('SIGKILL'),
  }
}
