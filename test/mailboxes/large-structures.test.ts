/** Tests which structures of large messages are stored, and who shares the reading of one. The thread that reads them is a function here. */
import { expect, onTestFinished, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createLargeStructures } from '../../src/mail/mailboxes/fetch/large-structures.ts'
import type { ReadMail, ReadStructure } from '../../src/mail/messages/content/mail-reader.ts'
import { putStructures } from '../../src/store/tables/mailbox-items-table.ts'
import { countStatements } from '../store/count-statements.ts'
import { insertContent } from '../store/rows.ts'
import { deferred, openTestStore, rejection } from '../store/test-store.ts'

const GOOD = structure('read', 'good')
const OPAQUE = structure('memory', 'opaque')
const FAILED = structure('failed', 'failed')

function structure(outcome: ReadStructure['outcome'], body: string): ReadStructure {
  return { outcome, structure: { envelope: '()', body, bodyStructure: body, parts: '{}' } }
}

async function openStructures() {
  const { counted: store, statements } = countStatements(await openTestStore())
  onTestFinished(() => store[Symbol.asyncDispose]())
  const id = await store.transaction(insertContent)
  const contents = { read: () => expect.fail('the function below reads nothing') }
  const log = createLog('silent')
  return {
    ...{ store, id, statements },
    /** Those of a node. @returns the body that it shows */
    startNode(readStructure: (mail: ReadMail) => Promise<ReadStructure>) {
      const structures = createLargeStructures({ store, contents, log, mailReader: { readStructure } })
      return async (fairnessKey = 'organization a', { signal } = new AbortController()) => {
        const content = { id, sizeBytes: 1, turn: { fairnessKey } }
        return (await structures.get(content, signal)).body
      }
    },
  }
}

test('what could not be read for now is not stored: it is asked for again', async () => {
  const { startNode } = await openStructures()
  const outcomes = [FAILED, FAILED, GOOD, OPAQUE]
  const show = startNode(async () => outcomes.shift()!)
  expect([await show(), await show(), await show(), await show()]).toEqual(['failed', 'failed', 'good', 'good'])
})

test.each([
  ['first', [OPAQUE, GOOD]],
  ['last', [GOOD, OPAQUE]],
])(
  'two nodes read a message, and one of them, the %s, has too little memory: what the other has read stays',
  async (_, results) => {
    const { startNode } = await openStructures()
    const nodes = results.map((result) => {
      const [hasBegun, mayEnd] = [deferred(), deferred()]
      const show = startNode(async () => {
        hasBegun.resolve()
        await mayEnd.promise
        return result
      })
      return { hasBegun, mayEnd, show, shown: show() }
    })
    await Promise.all(nodes.map(({ hasBegun }) => hasBegun.promise))
    for (const { mayEnd, shown } of nodes) {
      mayEnd.resolve()
      await shown
    }
    expect(await nodes[1]!.shown).toBe('good')
    expect(await Promise.all(nodes.map(({ show }) => show()))).toEqual(['good', 'good'])
  },
)

test('one file replaces what an earlier version of the program has stored', async () => {
  const { store, id, startNode } = await openStructures()
  const old = { content_id: id, version: 1, envelope: '()', body: 'old', body_structure: 'old', parts: '{}' }
  await store.transaction((tx) => putStructures(tx, [old]))
  expect(await startNode(async () => OPAQUE)()).toBe('opaque')
  expect(await startNode(() => expect.fail('it is stored'))()).toBe('opaque')
})

test('sessions that ask for the same message share its reading', async () => {
  const { startNode, statements } = await openStructures()
  const [hasBegun, mayEnd] = [deferred(), deferred()]
  let readings = 0
  const show = startNode(async () => {
    readings += 1
    hasBegun.resolve()
    await mayEnd.promise
    return GOOD
  })
  const shown = [show(), show()]
  await hasBegun.promise
  shown.push(show('organization b'))
  mayEnd.resolve()
  expect([await Promise.all(shown), readings]).toEqual([Array(3).fill('good'), 1])
  // One that had looked for a stored structure before the others have stored theirs would read the message again.
  expect(statements.content_structures).toBe(1)
})

test('if the queue of one organization is full, another one that has the same message waits in its own', async () => {
  const { startNode } = await openStructures()
  const [hasBegun, mayEnd] = [deferred(), deferred()]
  const asked: string[] = []
  const show = startNode(async ({ fairnessKey }) => {
    asked.push(fairnessKey)
    if (fairnessKey === 'organization b') return GOOD
    hasBegun.resolve()
    await mayEnd.promise
    throw new MailError('read_queue_full', {})
  })
  const refused = rejection(show())
  await hasBegun.promise
  const others = [show('organization b'), show('organization b')]
  mayEnd.resolve()
  expect(await refused).toMatchObject({ code: 'read_queue_full' })
  expect([await Promise.all(others), asked]).toEqual([
    ['good', 'good'],
    ['organization a', 'organization b'],
  ])
})

test('a message leaves the queue with the last session that has asked for it, and the next one asks again', async () => {
  const { startNode } = await openStructures()
  const [hasBegun, hasLeft] = [deferred(), deferred()]
  let readings = 0
  const show = startNode(async ({ signal }) => {
    readings += 1
    if (readings > 1) return GOOD
    hasBegun.resolve()
    await new Promise((resolve) => signal!.addEventListener('abort', resolve))
    hasLeft.resolve()
    throw signal!.reason
  })
  const sessions = [new AbortController(), new AbortController()]
  const shown = sessions.map((session) => rejection(show('organization a', session)))
  await hasBegun.promise
  sessions[0]!.abort()
  expect(await shown[0]).toMatchObject({ name: 'AbortError' }) // at once, while the other one waits
  expect(readings).toBe(1)
  sessions[1]!.abort()
  expect(await shown[1]).toMatchObject({ name: 'AbortError' })
  await hasLeft.promise
  expect(await show()).toBe('good')
})
