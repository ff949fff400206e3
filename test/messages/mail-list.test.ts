/** Tests that a page of a list loads no more than it shows, into memory that the caller provides. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { listMail } from '../../src/mail/messages/mail-list.ts'
import type { Keyset } from '../../src/store/tables/keyset.ts'

interface Row {
  readonly id: string
  readonly timestamp: number
  readonly subject: string
  readonly preview: null
}

interface Options {
  readonly whileItWaits?: () => unknown
  readonly canScanRows?: boolean
  readonly text?: string
}

function open(rows: Row[], freeBytes: number, { whileItWaits, canScanRows, text }: Options = {}) {
  const reserved: number[] = []
  const loaded: number[] = []
  const inMemory: WeakRef<Row>[] = []
  /** How many parts were loaded at each check. */
  const rechecks: number[] = []
  const memory = {
    freeBytes,
    nextTurn: async () => undefined,
    async reserve(bytes: number) {
      reserved.push(bytes)
      await whileItWaits?.()
      return true
    },
  }
  /** The rows that were read by scans, besides their ids. */
  const scannedRows: number[] = []
  const scanRows = async ({ limit }: Keyset) => {
    const found = rows.slice(0, limit).map((row) => ({ ...row, sortKey: row.timestamp, matches: 1 }))
    scannedRows.push(found.length)
    inMemory.push(...found.map((row) => new WeakRef(row)))
    return found
  }
  const list = (limit: number) =>
    listMail({ limit }, withLimits({ lists: { pageBytesMax: 10_000 } }), memory, {
      criteria: {},
      substrings: [text === undefined ? [] : [text]],
      scan: async (keyset) =>
        rows.slice(0, keyset.limit).map((row) => ({ id: row.id, sortKey: row.timestamp, matches: 1 })),
      ...(canScanRows && { scanRows }),
      async listByIds(ids) {
        loaded.push(ids.length)
        const found = rows.filter(({ id }) => ids.includes(id)).map((row) => ({ ...row }))
        inMemory.push(...found.map((row) => new WeakRef(row)))
        return found
      },
      recheck: async () => void rechecks.push(loaded.length),
      show: async (shown) => shown,
    })
  return { list, reserved, loaded, scannedRows, rechecks, inMemory }
}

const rowsOf = (count: number, chars: number): Row[] =>
  Array.from({ length: count }, (_, index) => ({
    ...{ id: String(index), timestamp: index, preview: null },
    subject: 'x'.repeat(chars - 2), // and two quotation marks
  }))

test('rows are loaded in parts, until the page is full', async () => {
  const { list, loaded, reserved } = open(rowsOf(300, 100), 20_000)
  const page = await list(300)
  expect([page.items.length, loaded, reserved]).toEqual([100, [50, 50, 50], []])
  expect(page.nextPageToken).toBeDefined()
  expect((await list(50)).items.length).toBe(50)
  expect(loaded.slice(3)).toEqual([50])
})

test('a large page gets memory, and is read again after the wait', async () => {
  const rows = rowsOf(20, 100)
  const { list, loaded, reserved, rechecks } = open(rows, 1_000, { whileItWaits: () => void rows.shift() })
  expect((await list(20)).items.map(({ id }) => id)).toEqual(Array.from({ length: 19 }, (_, index) => `${index + 1}`))
  expect([loaded, reserved]).toEqual([[20, 19], [2_000]])
  expect(rechecks).toEqual([1]) // before it is read again
})

test('the rows of a short page are read with its scan, which must not read many long ones', async () => {
  const { list, loaded, scannedRows } = open(rowsOf(300, 10), 20_000, { canScanRows: true })
  const page = await list(50)
  expect(page.items.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, index) => `${index}`))
  expect(page.nextPageToken).toBeDefined()
  expect([scannedRows, loaded]).toEqual([[51], []])
  expect((await list(51)).items.length).toBe(51)
  expect([scannedRows, loaded]).toEqual([[51], [50, 1]])
})

test('a filter with texts examines ids, not rows', async () => {
  const { list, loaded, scannedRows } = open(rowsOf(300, 10), 20_000, { canScanRows: true, text: 'x' })
  expect((await list(20)).items.length).toBe(20)
  expect([scannedRows, loaded]).toEqual([[], [20]])
})

test.each([{ canScanRows: false }, { canScanRows: true }])(
  'a large page that waits for memory occupies none, %o',
  async ({ canScanRows }) => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    let left: number | undefined
    const whileItWaits = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      collectGarbage()
      left = inMemory.filter((row) => row.deref() !== undefined).length
    }
    const { list, inMemory } = open(rowsOf(20, 100), 1_000, { canScanRows, whileItWaits })
    expect((await list(20)).items.length).toBe(20)
    expect([left, inMemory.length]).toEqual([0, 40])
  },
)
