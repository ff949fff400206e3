/** Tests what a stop logs: what it waits for, once, if it takes long. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLog } from '../src/log.ts'
import { createStopList } from '../src/server/stop-list.ts'

const GRACE_MS = 30_000

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

function startStop() {
  const lines: Record<string, unknown>[] = []
  const log = createLog('info', { write: (line) => void lines.push(JSON.parse(line)) })
  const stops = createStopList(log, GRACE_MS)
  const after = (ms: number) => () => new Promise<void>((resolve) => setTimeout(resolve, ms))
  return { lines, stops, after }
}

test('after two seconds, one line says what still runs, by kind', async () => {
  const { lines, stops, after } = startStop()
  stops.add('store', after(0))
  stops.addWorking('HTTP listener', after(9_000), { kind: 'HTTP requests', count: () => 3 })
  stops.addWorking('IMAP listener', after(9_000), { kind: 'IMAP connections', count: () => 1 })
  stops.addWorking('IMAPS listener', after(9_000), { kind: 'IMAP connections', count: () => 2 })
  stops.addWorking('jobs', after(1_000), { kind: 'jobs', count: () => 5 })
  stops.addWorking('dispatch', after(9_000))
  const stopped = stops.stopAll()
  await vi.advanceTimersByTimeAsync(1_900)
  expect(lines).toEqual([])
  await vi.advanceTimersByTimeAsync(20_000)
  await stopped
  const waitsFor = { 'HTTP requests': 3, 'IMAP connections': 3 }
  expect(lines).toMatchObject([{ msg: 'the stop waits for running work', waitsFor, graceMs: GRACE_MS - 2_000 }])
})

test('without counted work, it names the components', async () => {
  const { lines, stops, after } = startStop()
  stops.addWorking('HTTP listener', after(100), { kind: 'HTTP requests', count: () => 0 })
  stops.add('store', after(5_000))
  const stopped = stops.stopAll()
  await vi.advanceTimersByTimeAsync(6_000)
  await stopped
  expect(lines.map(({ waitsFor }) => waitsFor)).toEqual([{ store: 1 }])
})

test('a quick stop says nothing, also later', async () => {
  const { lines, stops, after } = startStop()
  stops.addWorking('HTTP listener', after(1_000), { kind: 'HTTP requests', count: () => 1 })
  const stopped = stops.stopAll()
  await vi.advanceTimersByTimeAsync(1_500)
  await stopped
  await vi.advanceTimersByTimeAsync(5_000)
  expect(lines).toEqual([])
})
