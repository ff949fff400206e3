/** Tests which structures of large messages are stored, and who shares the reading of one. The thread that reads them is a function here. */
import { expect, onTestFinished, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { createLargeStructures } from '../../src/mail/mailboxes/fetch/large-structures.ts'
import type { ReadMail, ReadStructure } from '../../src/mail/messages/content/mail-reader.ts'
import { insertContent } from '../store/rows.ts'
import { deferred, openTestStore } from '../store/test-store.ts'

const GOOD = structure('read', 'good')
const OPAQUE = structure('memory', 'opaque')
const FAILED = structure('failed', 'failed')

function structure(outcome: ReadStructure['outcome'], body: string): ReadStructure {
  return { outcome, structure: { envelope: '()', body, bodyStructure: body, parts: '{}' } }
}

async function openStructures() {
  const store = await openTestStore()
  onTestFinished(() => store[Symbol.asyncDispose]())
  const id = await store.transaction(insertContent)
  const contents = { read: () => expect.fail('the function below reads nothing') }
  const log = createLog('silent')
  return {
    store,
    id,
    /** Those of a node. @returns the body that it shows */
    startNode(readStructure: (mail: ReadMail) => Promise<ReadStructure>) {
      const structures = createLargeStructures({ store, contents, log, mailReader: { readStructure } })
      return async (fairnessKey = 'organization a') => {
        const content = { id, sizeBytes: 1, turn: { fairnessKey } }
        return (await structures.get(content, new AbortController().signal)).body
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
