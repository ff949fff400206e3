/**
 * Verifies DKIM signatures of messages that a world sent, with mailauth's verifier and the key that the world stores.
 */
import { createPublicKey } from 'node:crypto'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { readRows } from './test-database.ts'
import type { World } from './world.ts'

/** @returns the result of the first signature: "pass", "fail", "none", … */
export async function verifySignature(
  mail: string | Buffer,
  world: Pick<World, 'dataDir' | 'shared'>,
): Promise<string> {
  const [[pem] = []] = await readRows(world, "select value from secrets where kind = 'dkim'")
  const key = createPublicKey(pem as string)
    .export({ type: 'spki', format: 'der' })
    .toString('base64')
  const resolver = async (_name: string, type: string) => (type === 'TXT' ? [[`v=DKIM1; k=rsa; p=${key}`]] : [])
  const { results } = await dkimVerify(Buffer.from(mail as string, 'latin1'), { resolver } as never)
  return (results as { status: { result: string } }[])[0]?.status.result ?? 'none'
}
