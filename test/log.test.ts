/** The log of a process on standard output. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createLog } from '../src/log.ts'

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

test('credentials are replaced at the top of a line and one level below, and the logged object is unchanged', () => {
  const lines: string[] = []
  const log = createLog('info', { write: (line) => void lines.push(line) })
  const request = { path: '/', authorization: 'Bearer secret', headers: { key: 'two levels below' } }
  const error = Object.assign(new Error('refused'), { apiKey: 'secret', code: 'E1' })
  log.info({ key: 'secret', password: '', n: 1, request, list: ['a', { secret: 'two levels below' }], none: null }, 'x')
  log.error({ err: error, cause: { api_key: 'secret', n: 2 } }, 'y')
  log.info(Object.assign(new Error('logged alone'), { secret: 'secret' }))
  for (const err of ['a text', null, { key: 'secret' }]) log.warn({ err }, 'not an error')
  log.child({ session: 's' }).info({ nested: { password: { of: 'an object' }, key: 7 } }, 'z')

  const [first, second, third, text, nothing, object, last] = lines.map(
    (line) => JSON.parse(line) as Record<string, unknown>,
  )
  expect(first).toMatchObject({
    key: '[redacted]',
    password: '[redacted]',
    n: 1,
    request: { path: '/', authorization: '[redacted]', headers: { key: 'two levels below' } },
    list: ['a', { secret: 'two levels below' }],
    none: null,
    msg: 'x',
  })
  expect(second).toMatchObject({
    err: { type: 'Error', message: 'refused', apiKey: '[redacted]', code: 'E1' },
    cause: { api_key: '[redacted]', n: 2 },
    msg: 'y',
  })
  expect(third).toMatchObject({ err: { message: 'logged alone', secret: '[redacted]' } })
  expect([text!.err, nothing!.err, object!.err]).toEqual(['a text', null, { key: '[redacted]' }])
  expect(last).toMatchObject({ session: 's', nested: { password: '[redacted]', key: '[redacted]' } })
  expect(lines.join('')).not.toMatch(/:"secret"|Bearer/)
  expect(request.authorization).toBe('Bearer secret')
  expect(error.apiKey).toBe('secret')
})
