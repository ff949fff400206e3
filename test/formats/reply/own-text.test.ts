/**
 * Tests that text of the sender stays: lines with quote marks, signatures, and footers, and what resembles them. Losing
 * an instruction is worse than showing a quote.
 */
import { describe, expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { extractReply } from '../../../src/formats/reply/reply-text.ts'
import { decompressBodies } from '../../../src/mail/messages/content/compressed-bodies.ts'
import { parseMail } from '../../../src/mail/messages/content/parsed-message.ts'

const REPLY = { subject: 'Re: Lunch', inReplyTo: ['<1@example.com>'] }
const NEW = { subject: 'Lunch' }
const lines = (...each: string[]) => each.join('\n')

function extract(text: string, header = {}): string | undefined {
  return extractReply({ text }, header).extractedText
}

describe('the header of the message', () => {
  const mail = (subject: string) =>
    lines(
      'From: ann@example.com',
      `Subject: ${subject}`,
      'Content-Type: text/plain; charset=utf-8',
      '',
      'See below.',
      '',
      'Von: Ann Lee <ann@example.com>',
      'Gesendet: Montag',
      'Betreff: Lunch',
      '',
      'Tuesday?',
    )
  test.each([
    ['AW: Lunch', 'See below.'],
    ['WG: Lunch', expect.stringContaining('Tuesday?')],
    ['News', expect.stringContaining('Tuesday?')],
  ])('decides whether a message with the subject %s is a reply or a forward', (subject, expected) => {
    const { compressedBodies } = parseMail(Buffer.from(mail(subject).replaceAll('\n', '\r\n')), withLimits())
    expect(decompressBodies(compressedBodies.bytes).extractedText).toEqual(expected)
  })

  test.each([
    ['Re', 'RE', 're', 'Aw', 'AW', 'Antw', 'SV', 'Odp', 'Re[2]', 'RE (3)', 'R', 'RES', 'Ynt', 'YNT', 'ΑΠ', 'Vá', 'Отв'],
    ['תשובה', 'رد', '回复', '回覆', '答复', '返信', '회신', 'RIF', 'Réf', 'BLS', '[EXTERNAL] Re', '[list] [x] AW'],
  ])('has a prefix of replies in many languages', (...prefixes) => {
    const text = lines('Fine.', '', 'From: Ann <ann@example.com>', 'Sent: Monday', 'Subject: Lunch', '', 'Tuesday?')
    for (const prefix of prefixes) expect(extract(text, { subject: `${prefix}: Lunch` }), prefix).toBe('Fine.')
    expect(extract(text, NEW)).toBe(text)
  })

  test('removes nothing alone', () => {
    const text = lines('Hello,', '', 'On 12 March 2026 we met at 14:05.', '', 'Date: Tuesday', '', 'Ann')
    expect(extract(text, REPLY)).toBe(text)
  })
})

describe('lines with ">"', () => {
  test.each([
    ['below the text', lines('Fine.', '', '> Tuesday?'), 'Fine.'],
    ['directly below the text', lines('Fine.', '> Tuesday?'), 'Fine.'],
    ['above the text', lines('> Tuesday?', '', 'Fine.'), 'Fine.'],
    ['below a signature', lines('Fine.', '', 'Bob', '', '> Tuesday?', ''), 'Fine.\n\nBob'],
    ['below spaces', lines('Fine.', '', ' > Tuesday?', ' > Ann'), 'Fine.'],
    ['with an invisible character', lines('Fine.', '', '\ufeff> Tuesday?', '> Ann'), 'Fine.'],
    ['without spaces', lines('Fine.', '', '>Tuesday?', '>>Ann'), 'Fine.'],
  ])('are a quote in a reply, also a single one %s', (_, text, expected) => {
    expect(extract(text, REPLY)).toBe(expected)
  })

  test.each([
    ['a comparison', lines('Experience:', '> 5 years', 'or more')],
    ['a comparison at the end', lines('We need this much', '> 5 years')],
    ['a comparison below a colon', lines('Experience:', '> 5 years')],
    ['a mark inside a paragraph', lines('We can', '> perhaps', 'do it.')],
    ['a session of Python', lines('I see this:', '', '>>> 1 + 1', '>>> import this', '', 'Why?')],
    ['an escaped line', lines('I come', '>From the north.')],
  ])('are not a quote in %s', (_, text) => {
    expect(extract(text, REPLY)).toBe(text)
    expect(extract(text, NEW)).toBe(text)
  })

  test('that the sender introduces stay in a message that is no reply', () => {
    const text = lines('Your terms say:', '', '> You can cancel', '> at any time.', '', 'Is that so?')
    expect(extract(text, NEW)).toBe(text)
    expect(extract(text, REPLY)).toBe('Your terms say:\n\nIs that so?')
  })

  test('that are single stay in the middle of a text', () => {
    const text = lines('Please do this.', '', '> Call Bob', '', 'Thank you.')
    expect(extract(text, REPLY)).toBe(text)
    const introduced = lines('To do:', '', '> Call Bob')
    expect(extract(introduced, REPLY)).toBe(introduced)
  })

  test('directly below a colon stay', () => {
    const text = lines('Please go to:', '> Settings', '> Network', '', 'Then restart.')
    expect(extract(text, REPLY)).toBe(text)
  })

  test('and answers between them stay together', () => {
    const text = lines('> Tuesday?', '', 'Yes.', '', '> Noon?', '', 'No.')
    expect(extract(text, REPLY)).toBe(text)
  })
})

describe('a signature', () => {
  test.each([
    ['a name', ['Bob Stone', 'Example Ltd.', '+47 123 456']],
    ['paragraphs', ['Bob Stone', '', 'Example Ltd.', 'www.example.com']],
    ['a short slogan', ['Bob Stone', 'Better since 1990.']],
    [
      'a list of Google Groups',
      [
        'You received this message because you are subscribed to the group.',
        'To unsubscribe, write to a+unsubscribe@example.com.',
      ],
    ],
  ])('is removed below "-- ": %s', (_, signature) => {
    expect(extract(lines('Fine.', '', '-- ', ...signature))).toBe('Fine.')
    expect(extract(lines('Fine.', '', '-- ', ...signature, '', '> Tuesday?', '> Ann'))).toBe('Fine.')
  })

  test.each([
    ['a postscript', ['Bob', '', 'PS: Please bring the keys']],
    ['a postscript in German', ['Bob', 'P.S. Bitte die Schlüssel mitbringen']],
    ['a question', ['Bob', '', 'Could you bring the keys?']],
    ['a question in Chinese', ['Bob', '', '你能带钥匙吗？']],
    ['a sentence', ['Bob', '', 'Please bring the keys to the office.']],
    ['a sentence directly below the name', ['Bob', 'I will send the file tomorrow.']],
  ])('is removed, but not %s below it', (_, [name, ...rest]) => {
    const text = extract(lines('Fine.', '', '-- ', name!, ...rest))
    expect(text).toBe(lines('Fine.', '', ...rest.filter((line) => line !== '')))
  })

  test.each([
    ['a line "--"', ['Fine.', '--', 'Bob', 'Please bring the keys.']],
    ['a line "--" between paragraphs', ['Fine.', '', '--', '', 'Next, the keys.']],
    ['a sentence directly below "-- "', ['Fine.', '', '-- ', 'Please bring the keys to the office.']],
    ['a long text below "-- "', ['Fine.', '', '-- ', ...Array.from({ length: 20 }, (_, i) => `item ${i}`)]],
    ['a line "---"', ['One', '---', 'Two']],
  ])('is not %s', (_, text) => {
    expect(extract(lines(...text), REPLY)).toBe(lines(...text))
  })

  test.each([
    ['Sent from my iPhone'],
    ['Sent from my iPad'],
    ['Sent from my Samsung Galaxy smartphone.'],
    ['Sent from my Verizon, Samsung Galaxy smartphone'],
    ['Sent from Yahoo Mail on Android'],
    ['Sent from Yahoo Mail for iPhone'],
    ['Sent from Mail for Windows 10'],
    ['Sent from Mail<https://go.microsoft.com/fwlink/?LinkId=550986> for Windows'],
    ['Sent from Outlook for Android<https://aka.ms/AAb9ysg>'],
    ['Get Outlook for iOS<https://aka.ms/o0ukef>'],
    ['Get [Outlook for Android](https://aka.ms/AAb9ysg)'],
    ['Sent with Proton Mail secure email.'],
    ['Sent with [Proton Mail](https://proton.me/) secure email.'],
    ['Sent from Proton Mail for iOS'],
    ['Sent via BlackBerry from T-Mobile'],
    ['Von meinem iPhone gesendet'],
    ['Gesendet von meinem iPhone'],
    ['Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.'],
    ['Gesendet mit der GMX Mail App'],
    ['Holen Sie sich Outlook für iOS<https://aka.ms/o0ukef>'],
    ['Envoyé de mon iPhone'],
    ['Envoyé à partir de Outlook pour Android'],
    ["Envoyé depuis l'application Mail pour iPhone"],
    ['Télécharger Outlook pour iOS<https://aka.ms/o0ukef>'],
    ['Enviado desde mi iPhone'],
    ['Obtener Outlook para iOS<https://aka.ms/o0ukef>'],
    ['Enviado do meu iPhone'],
    ['Inviato da iPhone'],
    ['Inviato dal mio iPhone'],
    ['Verstuurd vanaf mijn iPhone'],
    ['Verzonden vanaf mijn iPad'],
    ['Skickat från min iPhone'],
    ['Sendt fra min iPhone'],
    ['Sendt fra min mobiltelefon'],
    ['Lähetetty iPhonesta'],
    ['Wysłane z iPhone’a'],
    ['Wysłane z mojego iPhone'],
    ['Odesláno z iPhonu'],
    ['Odoslané z iPhonu'],
    ['Trimis de pe iPhone-ul meu'],
    ['Στάλθηκε από το iPhone μου'],
    ["iPhone'umdan gönderildi"],
    ['Отправлено с iPhone'],
    ['Отправлено из мобильной Почты Mail.ru'],
    ['Надіслано з iPhone'],
    ['נשלח מה-iPhone שלי'],
    ['أرسلت من الـ iPhone'],
    ['Dikirim dari iPhone saya'],
    ['Được gửi từ iPhone của tôi'],
    ['发自我的iPhone'],
    ['从我的 iPhone 发送'],
    ['從我的 iPhone 傳送'],
    ['获取 Outlook for iOS<https://aka.ms/o0ukef>'],
    ['iPhoneから送信'],
    ['나의 iPhone에서 보냄'],
  ])('of a phone is removed: %s', (signature) => {
    expect(extract(lines('Fine.', '', signature))).toBe('Fine.')
    expect(extract(lines('Fine.', '', signature, '', '> Tuesday?', '> Ann'))).toBe('Fine.')
    const html = `<p>Fine.</p><p>${signature.replace(/<.*>/, '')}</p>`
    expect(extractReply({ html }).extractedHtml).toBe('<p>Fine.</p>')
  })

  test.each([
    ['Sent via the office in Bergen.'],
    ['Sent via DHL yesterday'],
    ['Sent via Outlook to Bob yesterday.'],
    ['Sent from my office by courier, please confirm.'],
    ['Sent from my iPhone, so please call me instead.'],
    ['Sent from my heart'],
    ['Get Outlook for iOS installed before Monday.'],
    ['Get the mobile number of Bob'],
    ['Von meinem Konto gesendet, bitte prüfen.'],
    ['Gesendet von Frau Meyer'],
    ['Envoyé de Paris le 12 mars'],
    ['Enviado desde Madrid'],
    ['Inviato da Roma'],
    ['Skickat från kontoret'],
    ['Отправлено с курьером'],
  ])('of a phone is not: %s', (sentence) => {
    expect(extract(lines('Fine.', '', sentence), REPLY)).toBe(lines('Fine.', '', sentence))
    const html = `<p>Fine.</p><p>${sentence}</p>`
    expect(extractReply({ html }, REPLY).extractedHtml).toBe(html)
  })
})

describe('the footer of a mailing list', () => {
  const footer = [
    '_'.repeat(47),
    'Lunch mailing list',
    'lunch@lists.example.com',
    'https://lists.example.com/listinfo/lunch',
  ]
  test('is removed, and the quote above it as well', () => {
    expect(extract(lines('Fine.', '', ...footer))).toBe('Fine.')
    expect(extract(lines('Fine.', '', '> Tuesday?', '> Ann', '', ...footer))).toBe('Fine.')
  })

  test('of Google Groups does not hide a postscript in the signature above it', () => {
    const group = [
      '-- ',
      'You received this message because you are subscribed.',
      'Write to a+unsubscribe@example.com.',
    ]
    expect(extract(lines('Fine.', '', '-- ', 'Bob', '', 'PS: bring the keys', '', ...group))).toBe(
      lines('Fine.', '', 'PS: bring the keys'),
    )
  })

  test('is not any text below a ruled line', () => {
    const page = lines('Fine.', '_'.repeat(47), 'Please bring the keys today.', 'https://example.com/lists/keys')
    expect(extract(page)).toBe(page)
    const text = lines('Fine.', '_'.repeat(47), 'Please bring the keys.', 'https://example.com/keys')
    expect(extract(text)).toBe(text)
  })
})
