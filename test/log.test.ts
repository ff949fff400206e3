/** The log of a process on standard output. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const module = fileURLToPath(new URL('../build/src/log.js', import.meta.url))

test.each([
  ['ends by itself', ''],
  ['calls process.exit', 'process.exit(3)'],
  ['fails in the same turn', "throw new Error('a bug')"],
])('the lines of one turn are one write, and all are written when the process %s', async (_how, end) => {
  const script = `
    import { createLog } from ${JSON.stringify(module)}
    const log = createLog('info')
    let writes = 0
    const { write } = process.stdout
    process.stdout.write = (text) => {
      writes += 1
      return write.call(process.stdout, text)
    }
    log.info('first')
    process.on('exit', () => process.stderr.write('writes ' + writes))
    await new Promise((resolve) => setTimeout(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    for (const line of ['second', 'third', 'fourth']) log.info(line)
    ${end}`
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
    execFile(process.execPath, ['--input-type=module', '-e', script], (_error, stdout, stderr) =>
      resolve({ stdout, stderr }),
    ),
  )
  const lines = stdout.trim().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['first', 'second', 'third', 'fourth'])
  expect(stderr).toContain('writes 2')
})
