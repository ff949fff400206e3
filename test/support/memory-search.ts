/** Whether a message matches search keys, decided in the plainest way. Part of memory-mail-store.ts. */
import type { Snapshot } from '../../src/edges/imap/session/mail-store.ts'
import type { SearchKey, SetRange } from '../../src/formats/imap/search-keys.ts'
import type { MemoryMessage } from './memory-mailbox.ts'

export interface SearchedMessage {
  /** Position in the snapshot. */
  readonly at: number
  readonly uid: number
  readonly message: MemoryMessage
  readonly snapshot: Snapshot
  readonly saved: readonly number[]
}

export function matchMessage(key: SearchKey, searched: SearchedMessage): boolean {
  const { at, uid, message, snapshot, saved } = searched
  const matches = (other: SearchKey) => matchMessage(other, searched)
  switch (key.key) {
    case 'all':
      return true
    case 'and':
      return key.keys.every(matches)
    case 'or':
      return key.keys.some(matches)
    case 'not':
      return !matches(key.of)
    case 'flag':
      return snapshot.flags[at]!.some((flag) => flag.toLowerCase() === key.flag.toLowerCase()) === key.isSet
    case 'sequence':
      return isInSet(key.set, at + 1, snapshot.uids.length)
    case 'uid':
      return isInSet(key.set, uid, snapshot.uids[snapshot.uids.length - 1]!)
    case 'saved result':
      return saved.includes(uid)
    case 'text':
      return contains(textOf(message, key.in), key.value)
    case 'header': {
      const value = fieldOf(message, key.name)
      return value !== undefined && contains(value, key.value)
    }
    case 'date': {
      const day = dayOf(message, key.of)
      if (day === undefined) return false
      return key.is === 'on' ? day === key.day : key.is === 'before' ? day < key.day : day >= key.day
    }
    case 'within': {
      const isYounger = message.internalDate > Date.now() - key.seconds * 1000
      return key.is === 'younger' ? isYounger : !isYounger
    }
    case 'size':
      return key.is === 'larger' ? message.raw.length > key.bytes : message.raw.length < key.bytes
    case 'modseq':
      return BigInt(snapshot.modseqs[at]!) >= key.atLeast
    case 'emailid':
      return message.emailId === key.id
    case 'threadid':
      return message.threadId === key.id
  }
}

function isInSet(set: readonly SetRange[], number: number, largest: number): boolean {
  const value = (end: number | '*') => (end === '*' ? largest : end)
  return set.some(({ start, end }) => {
    const [one, other] = [value(start), value(end)]
    return number >= Math.min(one, other) && number <= Math.max(one, other)
  })
}

function contains(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase())
}

function split({ raw }: MemoryMessage): { header: string; body: string } {
  const text = raw.toString('utf8')
  const end = text.indexOf('\r\n\r\n')
  return end === -1 ? { header: text, body: '' } : { header: text.slice(0, end), body: text.slice(end + 4) }
}

function fieldOf(message: MemoryMessage, name: string): string | undefined {
  const header = split(message).header.replace(/\r\n[ \t]+/g, ' ')
  const values = header
    .split('\r\n')
    .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim())
  return values.length === 0 ? undefined : values.join('\n')
}

function textOf(message: MemoryMessage, target: string): string {
  if (target === 'text') return message.raw.toString('utf8')
  return target === 'body' ? split(message).body : (fieldOf(message, target) ?? '')
}

function dayOf(message: MemoryMessage, of: 'internal' | 'sent' | 'saved'): string | undefined {
  if (of === 'sent') {
    const [, day, month, year] = /(\d{1,2}) (\w{3}) (\d{4})/.exec(fieldOf(message, 'date') ?? '') ?? []
    const index = 'JanFebMarAprMayJunJulAugSepOctNovDec'.indexOf(month ?? '?') / 3
    return day && `${year}-${String(index + 1).padStart(2, '0')}-${day.padStart(2, '0')}`
  }
  return new Date(of === 'saved' ? message.saveDate : message.internalDate).toISOString().slice(0, 10)
}
