/** Tests that a start that fails leaves nothing running: an embedder, or a test, goes on with its process. */
import { expect, test } from 'vitest'
import { type Config, loadConfig } from '../../src/config/settings.ts'
import { StartupError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { startMartlet } from '../../src/server/start.ts'
import { databaseUrlOf, temporaryFolder } from '../store/test-store.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { ROOT_KEY } from '../support/root-key.ts'

// The feed polled the closed database, and logged an error each time, for as long as the process lived.
test('a start that fails when everything but the listeners runs leaves nothing running', async () => {
  await using folder = await temporaryFolder()
  const config = configOf(folder.path)
  const lines: string[] = []
  const log = createLog('warn', { write: (line) => void lines.push(line) })
  const broken = Object.defineProperty({ ...config }, 'httpPort', {
    get() {
      throw new StartupError('planted')
    },
  })
  await expect(startMartlet({ config: broken, log, metrics: createMetrics() })).rejects.toThrow('planted')

  // Many poll intervals, with the same data folder: the failed start has also unlocked it.
  const martlet = await startMartlet({ config, log: createLog('silent'), metrics: createMetrics() })
  await martlet.stop()
  expect(lines.filter((line) => !line.includes('other users'))).toEqual([])
})

function configOf(dataDir: string): Config {
  const env = {
    MARTLET_DATA_DIR: dataDir,
    MARTLET_DATABASE_URL: databaseUrlOf(dataDir) ?? '',
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    ...MAIL_PROGRAMS_OFF,
    MARTLET_ROOT_KEY: ROOT_KEY,
  }
  return loadConfig(env, { events: { pollMs: 2 }, store: { clockSkewMsMax: Number.MAX_SAFE_INTEGER } })
}
