/**
 * `martlet check`: reports whether a start would succeed, or whether the running server is healthy. It checks ports, TLS files,
 * database, disk, the DNS records of the server's domain, and the login at the relay. It creates and changes nothing, so that any user can run it at any time; only the ports are opened for
 * a moment. The configuration was checked when it was loaded.
 */
import { access, constants, statfs } from 'node:fs/promises'
import {
  hostAndPort,
  httpAddress,
  imapAddress,
  imapsAddress,
  type ListenAddress,
  smtpAddress,
  submissionAddress,
  submissionsAddress,
} from '../config/listen-address.ts'
import { domainWarning } from '../config/setting-readers.ts'
import type { Config } from '../config/settings.ts'
import { StartupError } from '../errors.ts'
import { publicKeyOf, readSigningKey } from '../mail/domains/signing-keys.ts'
import { tryRelay } from '../mail/sending/targets/relay-target.ts'
import { readTlsFiles } from '../server/certificate-source.ts'
import { checkPortFree } from '../server/free-ports.ts'
import { rootKeyFile } from '../server/root-key-file.ts'
import { listStartWarnings } from '../server/start-warnings.ts'
import { findExposed } from '../store/exposed-files.ts'
import { existingFolder } from '../store/folders.ts'
import { type Inspection, inspectStore } from '../store/inspection.ts'
import { describeDatabase } from '../store/postgres/postgres-preflight.ts'
import { requireUnusedBlobsDir } from '../store/sqlite/blobs-dir-lock.ts'
import * as domains from '../store/tables/domains-table.ts'
import { getPausedAt } from '../store/tables/outbound-pause-table.ts'
import { checkDns } from './check-dns.ts'
import { findServer, type RunningServer } from './running-server.ts'

/** A person waits for it; a delivery waits longer. */
const RELAY_CHECK_MS = 15_000

/** @returns the exit status: 0 when all is well, even if it prints warnings */
export async function runCheck(config: Config, output: { write(text: string): unknown }): Promise<number> {
  const opened = inspectStore(config)
  const inspection = await opened.catch(() => undefined) // the check of the database reports the error
  const server = await findServer(config, inspection?.isInUse)
  const checks: (readonly [name: string, check: () => Promise<string>])[] = [
    ['configuration', async () => 'valid'],
    ['server', async () => server.description],
    ['HTTP port', () => checkPort(httpAddress(config), server.hasHttp)],
    ['SMTP port', () => checkPort(smtpAddress(config), server.hasSmtp)],
    ['submission port', () => checkPort(submissionAddress(config), server.hasSubmission)],
    ['submissions port', () => checkPort(submissionsAddress(config), server.hasSubmissions)],
    ['IMAP port', () => checkPort(imapAddress(config), server.hasImap)],
    ['IMAPS port', () => checkPort(imapsAddress(config), server.hasImaps)],
    ['TLS files', () => checkTlsFiles(config)],
    ['database', async () => describeContents(config, await opened)],
    // Without a database, the failure above says why.
    ...(inspection ? ([['DKIM', () => describeDkim(config, inspection)]] as const) : []),
    ['disk', () => checkDisk(config, inspection)],
    ['relay', () => checkRelay(config)],
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
  for (const { level, text } of await checkDns(config, await dkimKeyOf(config, inspection))) {
    if (level === 'FAIL') failures += 1
    output.write(`${level.padEnd(5)} DNS: ${text}\n`)
  }
  const warning = domainWarning(config)
  if (warning !== undefined) output.write(`warn  domain: ${warning}\n`)
  const pausedAt = inspection?.db && (await getPausedAt(inspection.db))
  if (pausedAt !== undefined) {
    const since = new Date(pausedAt).toISOString()
    output.write(`warn  paused: outbound mail and webhooks are paused since ${since}; end this with martlet resume\n`)
  }
  const warnings = inspection?.db ? await listStartWarnings(inspection.db, config) : []
  for (const { subject, text } of warnings) output.write(`warn  ${subject}: ${text}\n`)
  await inspection?.close()
  for (const { path, mode, fix } of await findExposed(config, [rootKeyFile(config.dataDir)])) {
    output.write(`warn  permissions: other users of this machine can access ${path} (mode ${mode}); run ${fix}\n`)
  }
  return failures === 0 ? 0 : 1
}

/** @param isOurs whether the running server listens on this port */
async function checkPort(address: ListenAddress, isOurs: RunningServer['hasHttp']): Promise<string> {
  const { host, port } = address
  if (port === 'off') return 'off'
  if (port === 0) return 'the system chooses a free one'
  if (isOurs) return `${hostAndPort(host, port)} is used by the running server`
  await checkPortFree(address)
  return `${hostAndPort(host, port)} is free`
}

async function checkTlsFiles({ tls }: Config): Promise<string> {
  if (!tls) return 'not set; a self-signed certificate is used'
  readTlsFiles(tls)
  return 'they match'
}

function describeContents(config: Config, { db, notReadReason }: Inspection): string {
  const location = config.databaseUrl === undefined ? config.dataDir : describeDatabase(config.databaseUrl)
  if (notReadReason !== undefined) return `${location} was not read: ${notReadReason}`
  return db ? `${location} can be used` : `${location} is empty; the first start creates the tables`
}

/**
 * Returns the DNS record that the operator must publish, so that receivers can verify our signatures (RFC 6376 §3.6.1).
 */
async function describeDkim(config: Config, { db, notReadReason }: Inspection): Promise<string> {
  if (notReadReason !== undefined) return `the key of ${config.domain} was not read: ${notReadReason}`
  const key = await dkimKeyOf(config, { db })
  if (!key) return `the key of ${config.domain} is generated at the first start`
  return `${key.recordName} TXT "v=DKIM1; k=rsa; p=${key.publicKey}"`
}

async function dkimKeyOf({ domain }: Config, inspection: Pick<Inspection, 'db'> | undefined) {
  const db = inspection?.db
  const [row] = db ? await domains.listHolders(db, [domain]) : []
  const key = db && row && (await readSigningKey(db, row))
  return key && { recordName: key.recordName, selector: row.dkim_selector, publicKey: publicKeyOf(key) }
}

/** Connects and logs in, and sends nothing. */
async function checkRelay({ relay, hostname, limits }: Config): Promise<string> {
  if (!relay) return 'not set'
  const signal = AbortSignal.timeout(RELAY_CHECK_MS)
  const fault = await tryRelay({ relay, hostname, limits }, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error
    return `The relay ${relay.host} does not answer within ${RELAY_CHECK_MS / 1000} seconds`
  })
  if (fault !== undefined) throw new Error(fault)
  return `${relay.host}:${relay.port} accepts ${relay.auth ? 'the user name and password' : 'a session'}`
}

/** The folder of large messages can be on another disk, which may not be mounted, or read-only. */
async function checkDisk(
  { dataDir, blobsDir, databaseUrl, limits }: Config,
  inspection: Pick<Inspection, 'isInUse'> | undefined,
): Promise<string> {
  // A server that runs has locked its folder itself.
  if (databaseUrl === undefined && inspection?.isInUse === false) requireUnusedBlobsDir({ blobsDir, dataDir })
  const free: number[] = []
  for (const folder of [dataDir, blobsDir]) {
    const { bavail, bsize } = await statfs(existingFolder(folder))
    const freeBytes = bavail * bsize
    free.push(freeBytes)
    if (freeBytes < limits.store.diskFreeBytesMin) {
      throw new Error(`${folder}: ${freeBytes} bytes free; mail is rejected below ${limits.store.diskFreeBytesMin}`)
    }
  }
  await access(existingFolder(blobsDir), constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw new StartupError(`The folder of large messages ${blobsDir} cannot be created or written (${error.code})`)
  })
  return `${Math.floor(Math.min(...free) / 1024 ** 2)} MiB free`
}
