/** Tests `martlet check` with PostgreSQL: beside a running node, and on an empty database, which it leaves empty. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCheck } from '../../../src/cli/check-command.ts'
import { loadConfig } from '../../../src/config/settings.ts'
import { MAIL_PROGRAMS_OFF } from '../../support/free-port.ts'
import { createTestDatabase } from '../../support/test-database.ts'
import { startWorld } from '../../support/world.ts'
import { dumpPostgresSchema } from './schema-dump.ts'

async function check(env: Readonly<Record<string, string>>) {
  let text = ''
  const config = loadConfig({
    ...{
      MARTLET_DATA_DIR: join(tmpdir(), 'martlet-test-missing'),
      MARTLET_ROOT_KEY: 'am_test_key_of_the_check',
      MARTLET_SMTP_PORT: 'off',
      ...MAIL_PROGRAMS_OFF,
    },
    ...env,
  })
  const code = await runCheck(config, { write: (line) => (text += line) })
  return { code, text }
}

test('check beside a running node finds it, and shows the DKIM record', async () => {
  await using world = await startWorld()
  const { port } = new URL(world.url)
  const { code, text } = await check({ MARTLET_DATABASE_URL: world.shared.databaseUrl!, MARTLET_HTTP_PORT: port })
  expect(text).toContain('ok    server: running on this machine\n')
  expect(text).toContain(`ok    HTTP port: 127.0.0.1:${port} is used by the running server\n`)
  expect(text).toMatch(/^ok {4}DKIM: martlet\._domainkey\.mail\.localhost TXT "v=DKIM1; /m)
  expect(code).toBe(0)
})

test('check of an empty database creates nothing in it', async () => {
  await using database = await createTestDatabase()
  const before = await dumpPostgresSchema(database.url!)
  const { code, text } = await check({ MARTLET_DATABASE_URL: database.url!, MARTLET_HTTP_PORT: '0' })
  expect(text).toMatch(/^ok {4}database: \S+ is empty; the first start creates the tables$/m)
  expect(await dumpPostgresSchema(database.url!)).toEqual(before)
  expect(code).toBe(0)
})
