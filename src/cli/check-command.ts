/**
 * `martlet check`: reports whether a start would succeed. It checks ports, TLS files, database and disk. It opens the
 * store as a start does: this creates missing folders, migrates the schema and, on SQLite, ends the leases of the last
 * run. The configuration was checked when it was loaded.
 */
import { createPublicKey, randomBytes } from 'node:crypto'
import { access, constants, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Config } from '../config/settings.ts'
import { createLog } from '../log.ts'
import { createDomains } from '../mail/domains/domains.ts'
import { createMetrics } from '../metrics.ts'
import { rootKeyFile } from '../server/root-key-file.ts'
import { findExposed } from '../store/exposed-files.ts'
import { describeDatabase } from '../store/postgres/postgres-preflight.ts'
import { openStore, type Store } from '../store/store.ts'

/** @returns the exit status: 0 when a start would succeed, even if it prints warnings */
export async function runCheck(config: Config, output: { write(text: string): unknown }): Promise<number> {
  const checks: [name: string, check: () => Promise<string>][] = [
    ['configuration', async () => 'valid'],
    ['HTTP port', () => checkPort(config.host, config.httpPort, 'MARTLET_HTTP_PORT')],
    ['SMTP port', () => checkPort(config.host, config.smtpPort, 'MARTLET_SMTP_PORT')],
    ['TLS files', () => checkTlsFiles(config)],
    ['database', () => checkDatabase(config)],
    ['DKIM', () => checkDkim(config)],
    ['disk', () => checkDisk(config)],
  ]
  let failures = 0
  for (const [name, check] of checks) {
    try {
      output.write(`ok    ${name}: ${await check()}\n`)
    } catch (error) {
      failures += 1
      output.write(`FAIL  ${name}: ${(error as Error).message}\n`)
    }
  }
  for (const { path, mode, fix } of await findExposed(config, [rootKeyFile(config.dataDir)])) {
    output.write(`warn  permissions: other users of this machine can access ${path} (mode ${mode}); run ${fix}\n`)
  }
  return failures === 0 ? 0 : 1
}

async function checkPort(host: string, port: Config['httpPort'], variable: string): Promise<string> {
  if (port === 'off') return 'off'
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isInUse = error.code === 'EADDRINUSE'
      reject(
        isInUse ? new Error(`${host}:${port} is in use; stop the process that uses it, or set ${variable}`) : error,
      )
    })
    server.listen(port, host, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
  return `${host}:${port} is free`
}

async function checkTlsFiles({ tls }: Config): Promise<string> {
  if (!tls) return 'not set; a self-signed certificate is used'
  await access(tls.certFile, constants.R_OK)
  await access(tls.keyFile, constants.R_OK)
  return 'readable'
}

async function checkDatabase(config: Config): Promise<string> {
  await withStore(config, (store) => store.probe())
  const location = config.databaseUrl === undefined ? config.dataDir : describeDatabase(config.databaseUrl)
  return `${location} can be read and written`
}

/**
 * Returns the DNS record that the operator must publish, so that receivers can verify our signatures (RFC 6376 §3.6.1).
 */
async function checkDkim(config: Config): Promise<string> {
  const key = await withStore(config, (store) => createDomains({ store }).signingKey(config.domain))
  if (!key) return `the key of ${config.domain} is generated at the first start`
  const bytes = createPublicKey(key.privateKey).export({ type: 'spki', format: 'der' })
  return `${key.recordName} TXT "v=DKIM1; k=rsa; p=${bytes.toString('base64')}"`
}

/** Opens the store for one check. */
async function withStore<Result>(config: Config, use: (store: Store) => Promise<Result>): Promise<Result> {
  const log = createLog('silent')
  const store = await openStore({ config, log, metrics: createMetrics(), clock: Date.now, random: randomBytes })
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

async function checkDisk({ dataDir, limits }: Config): Promise<string> {
  const { bavail, bsize } = await statfs(dataDir)
  const freeBytes = bavail * bsize
  if (freeBytes < limits.store.diskFreeBytesMin) {
    throw new Error(`${freeBytes} bytes free; mail is rejected below ${limits.store.diskFreeBytesMin}`)
  }
  return `${Math.floor(freeBytes / 1024 ** 2)} MiB free`
}
