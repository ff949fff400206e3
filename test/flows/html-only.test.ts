import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

test('a message that has only HTML has a preview, its new text and its whole text, and no text part', async () => {
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()
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
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()
  await world.smtp.send({ to: ada.email, text: 'plain', html: '<p>rich</p>' })
  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({ text: 'plain', extracted_text: 'plain', preview: 'plain' })
  expect(message).not.toHaveProperty('text_from_html')
})
