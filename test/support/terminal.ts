/**
 * Runs a program in a terminal, for what it does only there: the banner, Ctrl-C. `script` of util-linux creates the
 * terminal.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { outputOf } from './process-output.ts'

export interface Terminal {
  /** The text on the screen, as plain lines. */
  readonly screen: () => string
  /** Resolves when the text after the last match fits; rejects with the actual text. */
  until(fits: RegExp): Promise<RegExpExecArray>
  /** Presses keys, for example "\x03" for Ctrl-C. */
  press(keys: string): void
  /** The exit code of the program. */
  readonly exited: Promise<number | null>
  kill(): void
}

/** @param command for sh; it replaces the shell, so that the exit code is the program's */
export function openTerminal(command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): Terminal {
  const child = spawn('script', ['-qefc', `exec ${command}`, '/dev/null'], {
    ...options,
    env: { ...options.env, SHELL: '/bin/sh', TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const { text, until } = outputOf(child.stdout)
  return {
    screen: text,
    until,
    press: (keys) => void child.stdin.write(keys),
    exited: once(child, 'exit').then(([code]) => code as number | null),
    kill: () => void child.kill('SIGKILL'),
  }
}
