/** Judges DKIM signatures of mail that a world sent: mailauth's verifier, with the key that the world keeps. */
import { createPublicKey } from 'node:crypto'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { readRows } from './database.ts'
import type { World } from './world.ts'

/** @returns "pass", "fail", "none", … of the first signature */
export async function judgeSignature(mail: string | Buffer, world: Pick<World, 'dataDir' | 'shared'>): Promise<string> {
  const [[pem] = []] = await readRows(world, "select value from secrets where kind = 'dkim'")
  const key = createPublicKey(pem as string)
    .export({ type: 'spki', format: 'der' })
    .toString('base64')
  const resolver = async (_name: string, type: string) => (type === 'TXT' ? [[`v=DKIM1; k=rsa; p=${key}`]] : [])
  const { results } = await dkimVerify(Buffer.from(mail as string, 'latin1'), { resolver } as never)
  return (results as { status: { result: string } }[])[0]?.status.result ?? 'none'
}
