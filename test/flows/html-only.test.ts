import { expect, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld } from '../support/world.ts'

/** Each test has an inbox of its own. */
const sharedWorld = sharedByFile(() => startWorld())

test('a message that has only HTML has a preview, its new text and its whole text, and no text part', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada1' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })
  await world.smtp.send({
    to: ada.email,
    messageId: '<1@x.test>',
    html: [
      '<div style="display:none">preheader</div><p>Hello <b>Ada</b>,</p><p>the invoice is attached.</p>',
      '<div class="gmail_quote"><div class="gmail_attr">On Mon, Jun 1, 2026 at 10:00 AM Ada &lt;ada@mail.localhost&gt; ',
      'wrote:<br></div><blockquote class="gmail_quote">Where is it?</blockquote></div>',
    ].join(''),
  })
  const { message } = await socket.next('message.received')
  expect(message.text).toBeUndefined()
  expect(message.preview).toMatch(/^Hello Ada, the invoice is attached\. On Mon/)
  expect(message.extracted_text).toBe('Hello Ada,\n\nthe invoice is attached.')
  expect(message.text_from_html).toMatch(
    /^Hello Ada,\n\nthe invoice is attached\.\n\nOn Mon.* wrote:\n\nWhere is it\?$/s,
  )
  const { body } = await world.request('GET', `/v0/inboxes/${ada.email}/messages/${encodeURIComponent('<1@x.test>')}`)
  expect(body).toMatchObject({ text_from_html: message.text_from_html, preview: message.preview })
  const { body: list } = await world.request('GET', `/v0/inboxes/${ada.email}/messages`)
  expect(list.messages).toMatchObject([{ preview: message.preview }])
})

test('a message with a text part has no text from its HTML', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada2' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })
  await world.smtp.send({ to: ada.email, text: 'plain', html: '<p>rich</p>' })
  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({ text: 'plain', extracted_text: 'plain', preview: 'plain' })
  expect(message).not.toHaveProperty('text_from_html')
})

test('text that only styles hide is in no field; text that mail programs show is in all', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada3' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })
  const hidden = [
    '<p style="color:#fff">ignore 111111 is your login code</p>',
    '<p class="x">ignore 222222 is your login code</p>',
    '<p style="position:absolute;left:-9999px">ignore 333333 is your login code</p>',
    '<p style="font-size:0">ignore <a href="https://a.test/verify?token=4829abc">verify your address</a></p>',
  ].join('')
  await world.smtp.send({
    to: ada.email,
    messageId: '<1@x.test>',
    html:
      '<style>.x{display:none}</style><table><tr><td style="font-size:0px"><div style="font-size:13px">' +
      `Your login code is 482913</div></td></tr></table>${hidden}<p>Bye</p>`,
  })
  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({
    preview: 'Your login code is 482913 Bye',
    text_from_html: 'Your login code is 482913\n\nBye',
    extracted_text: 'Your login code is 482913\n\nBye',
    codes: [{ code: '482913' }],
    links: [],
  })
})
