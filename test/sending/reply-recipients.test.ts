import { expect, test } from 'vitest'
import { parseAddressList } from '../../src/formats/address/address-list.ts'
import type { Message } from '../../src/mail/messages/views/message.ts'
import { replyRecipients } from '../../src/mail/sending/compose/reply-recipients.ts'

const INBOX = 'desk@mail.test'

/** A message with the given header fields. */
function mail({ from = '', replyTo = '', to = '', cc = '', labels = ['received'] }): Message {
  const [sender] = parseAddressList(from)
  const lists = { replyTo: parseAddressList(replyTo), to: parseAddressList(to), cc: parseAddressList(cc) }
  return { ...(sender && { from: sender }), ...lists, labels } as unknown as Message
}

const ann = 'ann@a.test'
const fromAnn = { from: ann, to: INBOX }

test.each([
  ['From', fromAnn, [ann]],
  ['Reply-To before From', { ...fromAnn, replyTo: 'list@a.test' }, ['list@a.test']],
  ['From, if Reply-To is the inbox', { ...fromAnn, replyTo: INBOX }, [ann]],
  ['From, if Reply-To is the inbox with a tag, in capitals', { ...fromAnn, replyTo: 'Desk+Web@MAIL.test' }, [ann]],
  ['From, if Reply-To is the quoted inbox', { ...fromAnn, replyTo: '"desk"@mail.test' }, [ann]],
  ['the other addresses of a Reply-To with the inbox', { ...fromAnn, replyTo: `${INBOX}, bo@a.test` }, ['bo@a.test']],
  ['From, if Reply-To has only a name', { ...fromAnn, replyTo: 'Service Desk' }, [ann]],
  ['each address of Reply-To once', { ...fromAnn, replyTo: 'bo@a.test, BO@a.test' }, ['bo@a.test']],
  ['the recipients of an own message', { from: INBOX, to: 'bo@a.test', labels: ['sent'] }, ['bo@a.test']],
  ['From, if the inbox is a recipient of its own name', { from: 'desk@other.test', to: INBOX }, ['desk@other.test']],
  ['the inbox, if it wrote to itself', { from: INBOX, to: INBOX, labels: ['sent', 'received'] }, [INBOX]],
  ['nobody, if a stranger wrote the address of the inbox', { from: `Me <${INBOX}>`, to: INBOX }, []],
  ['nobody, if Reply-To and From are the inbox', { from: 'desk+x@mail.test', replyTo: INBOX, to: INBOX }, []],
  ['nobody, if there is no From', { to: INBOX }, []],
])('a reply goes to %s', (_, parent, expected) => {
  expect(replyRecipients(new Set([INBOX]), mail(parent), { isToAll: false, isToNamed: false })).toMatchObject({
    to: expected.map((address) => ({ address })),
    cc: [],
  })
})

test.each([
  ['To and Cc', { ...fromAnn, to: `${INBOX}, bo@a.test`, cc: 'cy@a.test' }, [ann], ['bo@a.test', 'cy@a.test']],
  ['nobody twice', { ...fromAnn, to: `${INBOX}, ANN@a.test, bo@a.test`, cc: 'Bo@a.test' }, [ann], ['bo@a.test']],
  [
    'From, if Reply-To is the inbox',
    { ...fromAnn, replyTo: 'Desk+Web@mail.test', cc: 'cy@a.test' },
    [ann],
    ['cy@a.test'],
  ],
  ['no tag of the inbox', { ...fromAnn, to: 'Desk+Orders@mail.test', cc: 'desk+a+b@mail.test' }, [ann], []],
  [
    'a similar address',
    { ...fromAnn, cc: 'desk-2@mail.test, desk@sub.mail.test' },
    [ann],
    ['desk-2@mail.test', 'desk@sub.mail.test'],
  ],
  [
    'the Cc of an own message',
    { from: INBOX, to: 'bo@a.test', cc: 'cy@a.test', labels: ['sent'] },
    ['bo@a.test'],
    ['cy@a.test'],
  ],
])('a reply to all includes %s', (_, parent, to, cc) => {
  expect(replyRecipients(new Set([INBOX]), mail(parent), { isToAll: true, isToNamed: false })).toMatchObject({
    to: to.map((address) => ({ address })),
    cc: cc.map((address) => ({ address })),
    dropped: [],
  })
})

test('what cannot receive mail is dropped, each once, with a reason', () => {
  const parent = mail({ from: ann, replyTo: 'Team', to: `Team, ${INBOX}`, cc: 'bo@a..test, Cy <cy>, "a<b"@a.test' })
  const { to, cc, dropped } = replyRecipients(new Set([INBOX]), parent, { isToAll: true, isToNamed: false })
  expect([to, cc]).toEqual([[{ address: ann }], []])
  expect(dropped.map(({ address }) => address)).toEqual(['Team', 'bo@a..test', 'Cy <cy>', '"a<b"@a.test'])
})

test('a reply goes to ten addresses of a Reply-To, and to more only if it is to all', () => {
  const replyTo = Array.from({ length: 12 }, (_, index) => `r${index}@a.test`).join(', ')
  const parent = mail({ from: ann, replyTo })
  const { to, dropped } = replyRecipients(new Set([INBOX]), parent, { isToAll: false, isToNamed: false })
  expect([to.length, dropped.map(({ address }) => address)]).toEqual([10, ['r10@a.test', 'r11@a.test']])
  expect(replyRecipients(new Set([INBOX]), parent, { isToAll: true, isToNamed: false }).to).toHaveLength(12)
})

test('nothing is dropped from a field that is not used', () => {
  const broken = mail({ from: '"a<b"@a.test', replyTo: ann, to: 'Team' })
  expect(replyRecipients(new Set([INBOX]), broken, { isToAll: false, isToNamed: false })).toEqual({
    to: [{ address: ann }],
    cc: [],
    dropped: [],
  })
  const unanswerable = mail({ from: '"a<b"@a.test', replyTo: 'Team' })
  expect(replyRecipients(new Set([INBOX]), unanswerable, { isToAll: false, isToNamed: true })).toEqual({
    to: [],
    cc: [],
    dropped: [],
  })
})
