/** Judges DKIM signatures of mail that a world sent: mailauth's verifier, with the key that the world keeps. */
import { createPublicKey } from 'node:crypto'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'

/** @returns "pass", "fail", "none", … of the first signature */
export async function judgeSignature(mail: string | Buffer, dataDir: string): Promise<string> {
  const database = new Database(join(dataDir, 'martlet.db'), { readonly: true })
  const pem = database.prepare("select value from secrets where kind = 'dkim'").pluck().get() as string
  database.close()
  const key = createPublicKey(pem).export({ type: 'spki', format: 'der' }).toString('base64')
  const resolver = async (_name: string, type: string) => (type === 'TXT' ? [[`v=DKIM1; k=rsa; p=${key}`]] : [])
  const { results } = await dkimVerify(Buffer.from(mail as string, 'latin1'), { resolver } as never)
  return (results as { status: { result: string } }[])[0]?.status.result ?? 'none'
}
