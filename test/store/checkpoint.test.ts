/**
 * Tests that the write-ahead log stays short although the writer never pauses, and that a failing checkpoint blocks no
 * writer.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { Checkpointer } from '../../src/store/sqlite/checkpointer.ts'
import { insertOrganization, openTestStore, organizationIds, temporaryFolder } from './test-store.ts'

test('a writer that never pauses does not make the log grow without limit', async () => {
  // In memory the writer would be done before the checkpoint thread has started.
  await using folder = await temporaryFolder({ isOnDisk: true })
  const limits = { store: { checkpointPages: 100, transactionGroupMax: 1 } }
  await using store = await openTestStore({ dataDir: folder.path, limits })
  const name = 'x'.repeat(50_000)
  const ids = Array.from({ length: 400 }, (_, index) => String(index).padStart(4, '0'))
  await Promise.all(ids.map((id) => store.transaction((tx) => insertOrganization(tx, id, name))))

  const writtenBytes = ids.length * name.length
  const { size } = await stat(join(store.dataDir, 'martlet.db-wal'))
  expect(size).toBeLessThan(writtenBytes / 4)
  expect(await organizationIds(store)).toEqual(ids)
})

test('a checkpoint that fails is counted, retried when the log has grown, and blocks no writer', async () => {
  await using folder = await temporaryFolder()
  const metrics = createMetrics()
  const file = join(folder.path, 'is-not-there.db')
  const checkpointer = new Checkpointer({ file, checkpointPages: 100, log: createLog('silent'), metrics })

  for (const log of [99, 100, 150, 199, 200]) {
    checkpointer.afterCommit({ busy: 0, log, checkpointed: 0 })
    await checkpointer.whenWritable()
    await checkpointer.whenIdle()
  }
  expect((await metrics.backgroundErrors.get()).values).toMatchObject([{ labels: { loop: 'checkpoint' }, value: 2 }])
  await checkpointer.close()
})
