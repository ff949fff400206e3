/**
 * Signing keys that the servers of tests use again and again: a new one takes a tenth of a second of CPU time. Consecutive
 * domains get different keys. Later runs use the same file.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makePrivateKey } from '../../src/mail/domains/signing-keys.ts'
import { root } from './imports.ts'

const FILE = join(root, 'node_modules/.cache/martlet-tests/signing-keys.json')
const KEYS = 5

let keys: Promise<readonly string[]> | undefined
let given = 0

/** @returns PEM */
export async function nextSigningKey(): Promise<string> {
  keys ??= readOrMake()
  const all = await keys
  return all[given++ % all.length]!
}

/** Returns the first of the keys, for tests that sign mail by themselves; a new one in the first run. */
export function knownSigningKey(): KeyObject {
  const [first] = readKeys() ?? []
  return first === undefined ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey : createPrivateKey(first)
}

async function readOrMake(): Promise<readonly string[]> {
  return readKeys() ?? makeKeys()
}

/** undefined: there is no file yet. */
function readKeys(): readonly string[] | undefined {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8'))
  } catch {
    return undefined
  }
}

async function makeKeys(): Promise<readonly string[]> {
  const made = await Promise.all(Array.from({ length: KEYS }, makePrivateKey))
  const temporary = `${FILE}.${randomUUID()}`
  mkdirSync(dirname(FILE), { recursive: true })
  writeFileSync(temporary, JSON.stringify(made), { mode: 0o600 })
  renameSync(temporary, FILE) // atomic: another worker never reads a partial file
  return made
}
