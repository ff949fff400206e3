/**
 * Tests limits that are checked without a database, each at its boundary: the last value that is allowed, and the first one that is
 * refused. A comparison that is off by one passes a test that only exceeds its limit by far.
 */
import { expect, test } from 'vitest'
import { limits as defaults, withLimits } from '../src/config/limits.ts'
import { parseCommand } from '../src/edges/imap/grammar/imap-command-parser.ts'
import { readMailCommand } from '../src/edges/smtp/protocol/mail-command.ts'
import { parseName } from '../src/mail/access/object-name.ts'
import { openPage } from '../src/mail/access/paging/page-tokens.ts'
import { parseSearchText } from '../src/mail/access/search-text.ts'
import { applyMetadata } from '../src/mail/inboxes/inbox-metadata.ts'
import { checkRules } from '../src/mail/notifications/notification-rule.ts'
import { requireNoLoop } from '../src/mail/receiving/policy/mail-loops.ts'
import { checkMessage } from '../src/mail/sending/compose/checked-message.ts'
import { createComposeMail } from '../src/mail/sending/compose/compose-mail.ts'
import { checkNewUpload } from '../src/mail/sending/uploads/upload-rules.ts'
import { applyHeaders, parseWebhookUrl } from '../src/mail/webhooks/config/endpoint.ts'

const limits = withLimits()
const x = (count: number) => 'x'.repeat(count)
const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))
const imap = (command: string) => parseCommand(`a ${command}`, { isUtf8: false, limits })
const send = (message: object) => checkMessage({ to: ['a@a.test'], ...message }, limits)
const upload = (more: object) =>
  checkNewUpload({ filename: 'a', contentType: 'a/a', sizeBytes: 1, ...more } as never, limits)
const rule = (more: object) => ({ id: 'a', name: 'a', isEnabled: true, senders: {}, ...more })
const mailTo = (recipients: number) => ({
  mail: { isEnabled: true, recipients: times(recipients, (n) => `a${n}@a.test`) },
})
const address = (index: number) => `a${index}@a.test`

/** The limit by group and name, and what is checked with a value of this size. */
const bounded: readonly [limit: string, check: (value: number) => unknown][] = [
  ['sending.recipientsMax', (count) => send({ cc: times(count - 2, address), bcc: ['b@a.test'] })],
  ['sending.recipientsMax', (count) => send({ replyTo: times(count, address) })],
  ['sending.attachmentsMax', (count) => send({ attachments: times(count, () => ({ content: '' })) })],
  ['sending.headerCharsMax', (count) => send({ subject: x(count - 'a@a.test'.length) })],
  ['sending.textCharsMax', (count) => send({ html: x(count) })],
  ['messages.labelsPerMessageMax', (count) => send({ labels: times(count, (index) => `l${index}`) })],
  [
    'messages.metadataKeysMax',
    (count) => applyMetadata({ a0: 1 }, Object.fromEntries(times(count, (n) => [`a${n}`, 1])), limits),
  ],
  ['messages.metadataCharsMax', (count) => applyMetadata({}, { a: x(count) }, limits)],
  ['messages.metadataCharsMax', (count) => applyMetadata({}, { [x(count)]: 1 }, limits)],
  ['messages.displayNameCharsMax', (count) => parseName(x(count), limits)],
  ['uploads.filenameCharsMax', (count) => upload({ filename: x(count) })],
  ['uploads.contentTypeCharsMax', (count) => upload({ contentType: `a/${x(count - 2)}` })],
  ['uploads.fileBytesMax', (sizeBytes) => upload({ sizeBytes })],
  [
    'notifications.rulesMax',
    (count) =>
      checkRules(
        times(count, (n) => rule({ id: `r${n}` })),
        limits,
      ),
  ],
  ['notifications.nameCharsMax', (count) => checkRules([rule({ name: x(count) })], limits)],
  [
    'notifications.domainsMax',
    (count) => checkRules([rule({ senders: { domains: times(count, (n) => `a${n}.test`) } })], limits),
  ],
  ['notifications.recipientsMax', (count) => checkRules([rule(mailTo(count))], limits)],
  ['search.queryCharsMax', (count) => parseSearchText(x(count), limits)],
  ['search.queryWordsMax', (count) => parseSearchText(times(count, (n) => `w${n}`).join(' '), limits)],
  ['receiving.hopsMax', (receivedCount) => requireNoLoop({ receivedCount }, limits)],
  [
    'webhooks.urlCharsMax',
    (count) => parseWebhookUrl(`https://a.test/${x(count - 15)}`, { allowPrivateNetworks: true, limits }),
  ],
  [
    'webhooks.headersMax',
    (count) => applyHeaders({}, { set: Object.fromEntries(times(count, (n) => [`X-${n}`, 'x'])) }, limits),
  ],
  ['webhooks.headerCharsMax', (count) => applyHeaders({}, { set: { 'X-A': x(count - 3) } }, limits)],
  ['imap.searchDepthMax', (depth) => imap(`SEARCH ${'('.repeat(depth)}ALL${')'.repeat(depth)}`)],
  ['imap.searchKeysMax', (count) => imap(`SEARCH${' ALL'.repeat(count)}`)],
  ['imap.nameBytesMax', (count) => imap(`SELECT ${x(count)}`)],
  ['imap.listMembersMax', (count) => imap(`STORE 1 FLAGS ${times(count, () => 'a').join(' ')}`)],
  ['imap.listMembersMax', (count) => imap(`STORE 1 FLAGS (${times(count, () => 'a').join(' ')})`)],
]

test.each(bounded)('%s is the last value that is allowed', (name, check) => {
  const [group, limit] = name.split('.') as ['http', 'bodyBytesMax']
  const max = defaults[group][limit].default
  expect(() => check(max)).not.toThrow()
  expect(() => check(max + 1)).toThrow()
})

test('a strict page, and a message whose size is announced, may be as large as their limits', () => {
  const page = (limit: number) => openPage({ limit }, {}, { default: 5, max: 10, isStrict: true })
  expect(page(10).limit).toBe(10)
  expect(() => page(11)).toThrow('limit can be at most 10')
  const mail = (bytes: number) =>
    readMailCommand(`FROM:<> SIZE=${bytes}`, { messageBytesMax: 1_000, allowsAuthParameter: false })
  expect(mail(1_000)).toMatchObject({ sizeBytes: 1_000 })
  expect(mail(1_001)).toMatchObject({ refusal: { code: 552 } })
})

test('a message may be composed to exactly the size that is allowed', async () => {
  const compose = (messageBytesMax: number) =>
    createComposeMail({
      config: { messageBytesMax },
      random: (bytes) => Buffer.alloc(bytes, 1),
      eventLoop: { nextTurn: async () => undefined },
    })({ address: 'a@a.test', display_name: null }, { ...send({ text: 'x' }), attachments: [] }, '<a@a.test>', 0)
  const { length } = await compose(1_000_000)
  expect(await compose(length)).toHaveLength(length)
  const refused = { code: 'message_too_large', message: `The message is larger than ${length - 1} bytes` }
  await expect(compose(length - 1)).rejects.toMatchObject(refused)
})
