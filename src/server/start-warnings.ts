/**
 * Compares the settings with what earlier starts have stored. A start and `martlet check` report what has no effect any more, or
 * another one than an operator expects; nothing of it prevents a start.
 */
import type { Config } from '../config/settings.ts'
import { StartupError } from '../errors.ts'
import { isLocalhost } from '../host-name.ts'
import { hashKey } from '../mail/access/keys/credentials.ts'
import { postmasterAddress } from '../mail/inboxes/inbox-address.ts'
import type { Db } from '../store/handles.ts'
import * as apiKeys from '../store/tables/api-keys-table.ts'
import * as domains from '../store/tables/domains-table.ts'
import * as tenants from '../store/tables/tenants-table.ts'
import { readRootKey, rootKeyFile } from './root-key-file.ts'

export interface StartWarning {
  readonly subject: 'domain' | 'root key'
  /** A sentence for the operator. */
  readonly text: string
}

type Settings = Pick<Config, 'dataDir' | 'rootKey' | 'domain' | 'outbound'>

export async function listStartWarnings(db: Db, config: Settings): Promise<StartWarning[]> {
  const rootKey = await rootKeyWarning(db, config)
  return [
    ...(await domainWarnings(db, config)).map((text) => ({ subject: 'domain' as const, text })),
    ...(rootKey === undefined ? [] : [{ subject: 'root key' as const, text: rootKey }]),
  ]
}

/** An inbox keeps its address when MARTLET_DOMAIN changes, and a create request with its client_id returns it. */
async function domainWarnings(db: Db, { domain, outbound }: Settings): Promise<string[]> {
  const warnings: string[] = []
  for (const former of await domains.listShared(db)) {
    if (former.domain === domain) continue
    const address = await domains.findInboxAddress(db, former.id, postmasterAddress(former.domain))
    if (address === undefined) continue
    const isMailed = isLocalhost(former.domain) && outbound !== 'capture'
    const consequence = isMailed
      ? `mail that they send to other domains leaves from ${former.domain}, so no one can verify or answer it`
      : `they receive and send in ${former.domain}, which needs its DNS records for that`
    warnings.push(
      `inboxes such as ${address} were created when MARTLET_DOMAIN was ${former.domain}, and keep that domain: ` +
        `${consequence}. Create inboxes in ${domain} with another client_id (the same one returns the old inbox), and delete the old ones`,
    )
  }
  return warnings
}

async function rootKeyWarning(db: Db, { dataDir, rootKey }: Settings): Promise<string | undefined> {
  if (rootKey !== undefined) return undefined
  const organization = await tenants.getFirstOrganization(db)
  const root = organization && (await apiKeys.getRoot(db, organization.id))
  if (!root) return undefined // a start creates it
  const file = rootKeyFile(dataDir)
  const kept = await readRootKey(dataDir).catch((error: unknown) => {
    if (error instanceof StartupError) return error // the server itself does not need the file
    throw error
  })
  if (kept instanceof StartupError) return kept.message
  if (kept === undefined) {
    return (
      `${file} is missing, and a start does not create it again: commands such as martlet queue have no key. Write the root key into ` +
      'it; if the key is lost, set MARTLET_ROOT_KEY to a new one'
    )
  }
  if (hashKey(kept) === root.key_hash) return undefined
  return (
    `the key in ${file} is not valid: an earlier start with MARTLET_ROOT_KEY has replaced it. Set MARTLET_ROOT_KEY again, or start ` +
    `once with MARTLET_ROOT_KEY="$(cat '${file}')", which makes the key in the file the root key`
  )
}
