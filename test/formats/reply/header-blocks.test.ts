/**
 * Tests copied headers ("From: … Sent: … To: … Subject: …") above the original message of replies and forwards, and
 * lines of people that resemble them.
 */
import { describe, expect, test } from 'vitest'
import { extractReply } from '../../../src/formats/reply/reply-text.ts'

const REPLY = { subject: 'Re: Lunch', inReplyTo: ['<1@example.com>'] }
const OWN = 'Fine with me.\n\nSee you there.'
const lines = (...each: string[]) => each.join('\n')

function extract(text: string, header = {}): string | undefined {
  return extractReply({ text }, header).extractedText
}

/** Labels of From, date, To and Subject, a date as Outlook writes it, and prefixes of replies and forwards. */
const LANGUAGES: readonly (readonly [string, string, string, string, string, string, string, string])[] = [
  ['English', 'From', 'Sent', 'To', 'Subject', 'Thursday, March 12, 2026 2:05 PM', 'RE', 'FW'],
  ['German', 'Von', 'Gesendet', 'An', 'Betreff', 'Donnerstag, 12. März 2026 14:05', 'AW', 'WG'],
  ['French', 'De ', 'Envoyé ', 'À ', 'Objet ', 'jeudi 12 mars 2026 14:05', 'RE', 'TR'],
  ['Spanish', 'De', 'Enviado', 'Para', 'Asunto', 'jueves, 12 de marzo de 2026 14:05', 'RE', 'RV'],
  ['Portuguese', 'De', 'Enviado', 'Para', 'Assunto', 'quinta-feira, 12 de março de 2026 14:05', 'RES', 'ENC'],
  ['Portuguese of Portugal', 'De', 'Enviada', 'Para', 'Assunto', '12 de março de 2026 14:05', 'RE', 'FW'],
  ['Italian', 'Da', 'Inviato', 'A', 'Oggetto', 'giovedì 12 marzo 2026 14:05', 'R', 'I'],
  ['Dutch', 'Van', 'Verzonden', 'Aan', 'Onderwerp', 'donderdag 12 maart 2026 14:05', 'Antw', 'FW'],
  ['Swedish', 'Från', 'Skickat', 'Till', 'Ämne', 'den 12 mars 2026 14:05', 'SV', 'VB'],
  ['Norwegian', 'Fra', 'Sendt', 'Til', 'Emne', 'torsdag 12. mars 2026 14:05', 'SV', 'VS'],
  ['Danish', 'Fra', 'Sendt', 'Til', 'Emne', '12. marts 2026 14:05', 'SV', 'VS'],
  ['Finnish', 'Lähettäjä', 'Lähetetty', 'Vastaanottaja', 'Aihe', 'torstai 12. maaliskuuta 2026 14.05', 'VS', 'VL'],
  ['Polish', 'Od', 'Wysłano', 'Do', 'Temat', 'czwartek, 12 marca 2026 14:05', 'Odp', 'PD'],
  ['Czech', 'Od', 'Odesláno', 'Komu', 'Předmět', 'čtvrtek 12. března 2026 14:05', 'RE', 'FW'],
  ['Slovak', 'Od', 'Odoslané', 'Komu', 'Predmet', 'štvrtok 12. marca 2026 14:05', 'RE', 'FW'],
  ['Hungarian', 'Feladó', 'Elküldve', 'Címzett', 'Tárgy', '2026. március 12. 14:05', 'VÁ', 'Továbbítás'],
  ['Romanian', 'De la', 'Trimis', 'Către', 'Subiect', 'joi, 12 martie 2026 14:05', 'RE', 'FW'],
  ['Greek', 'Από', 'Στάλθηκε', 'Προς', 'Θέμα', 'Πέμπτη, 12 Μαρτίου 2026 2:05 μμ', 'ΑΠ', 'ΠΡΘ'],
  ['Turkish', 'Kimden', 'Gönderildi', 'Kime', 'Konu', '12 Mart 2026 Perşembe 14:05', 'YNT', 'İLT'],
  ['Turkish in capitals', 'KİMDEN', 'TARİH', 'KİME', 'KONU', '12 Mart 2026 Perşembe 14:05', 'Ynt', 'İlt'],
  ['Russian', 'От', 'Отправлено', 'Кому', 'Тема', '12 марта 2026 г. 14:05', 'RE', 'FW'],
  ['Ukrainian', 'Від', 'Надіслано', 'Кому', 'Тема', '12 березня 2026 р. 14:05', 'RE', 'FW'],
  ['Bulgarian', 'От', 'Изпратено', 'До', 'Относно', '12 март 2026 г. 14:05', 'RE', 'FW'],
  ['Croatian', 'Šalje', 'Poslano', 'Prima', 'Predmet', 'četvrtak, 12. ožujka 2026. 14:05', 'RE', 'FW'],
  ['Hebrew', 'מאת', 'נשלח', 'אל', 'נושא', 'יום חמישי 12 מרץ 2026 14:05', 'RE', 'FW'],
  ['Arabic', 'من', 'تم الإرسال', 'إلى', 'الموضوع', '12 مارس، 2026 02:05 م', 'رد', 'إعادة توجيه'],
  ['Hindi', 'प्रेषक', 'भेजा गया', 'प्रति', 'विषय', '12 मार्च 2026 14:05', 'RE', 'FW'],
  ['Persian', 'از', 'تاریخ', 'به', 'موضوع', '12 مارس 2026 14:05', 'پاسخ', 'FW'],
  ['Serbian', 'Од', 'Послато', 'Коме', 'Предмет', '12. март 2026. 14:05', 'RE', 'FW'],
  ['Slovenian', 'Od', 'Poslano', 'Za', 'Zadeva', 'četrtek, 12. marec 2026 14:05', 'RE', 'FW'],
  ['Lithuanian', 'Nuo', 'Išsiųsta', 'Kam', 'Tema', '2026 m. kovo 12 d. 14:05', 'ATS', 'PRSL'],
  ['Latvian', 'No', 'Nosūtīts', 'Kam', 'Temats', '2026. gada 12. marts 14:05', 'ATB', 'PĀRS'],
  ['Estonian', 'Saatja', 'Saadetud', 'Adressaat', 'Teema', '12. märts 2026 14:05', 'VS', 'ED'],
  ['Catalan', 'De', 'Enviat', 'Per a', 'Assumpte', '12 de març de 2026 14:05', 'RE', 'RV'],
  ['Thai', 'จาก', 'ส่ง', 'ถึง', 'เรื่อง', '12 มีนาคม 2569 14:05', 'RE', 'FW'],
  ['Vietnamese', 'Từ', 'Đã gửi', 'Đến', 'Chủ đề', '12 Tháng 3, 2026 14:05', 'RE', 'FW'],
  ['Indonesian', 'Dari', 'Dikirim', 'Kepada', 'Subjek', '12 Maret 2026 14:05', 'RE', 'FW'],
  ['Chinese', '发件人', '发送时间', '收件人', '主题', '2026年3月12日 14:05', '答复', '转发'],
  ['traditional Chinese', '寄件者', '寄件日期', '收件者', '主旨', '2026年3月12日 下午 02:05', '回覆', '轉寄'],
  ['Japanese', '差出人', '送信日時', '宛先', '件名', '2026年3月12日 14:05', 'RE', '転送'],
  ['Korean', '보낸 사람', '보낸 날짜', '받는 사람', '제목', '2026년 3월 12일 목요일 오후 2:05', 'RE', 'FW'],
]

describe.each(LANGUAGES)('a header in %s', (_, from, date, to, subject, sent, reply, forward) => {
  const header = lines(
    `${from}: Ann Lee <ann@example.com>`,
    `${date}: ${sent}`,
    `${to}: Bob Stone <bob@example.org>`,
    `${subject}: Lunch`,
  )
  const names = lines(`${from}: Lee, Ann`, `${date}: ${sent}`, `${to}: Stone, Bob`, `${subject}: Lunch`)
  const wide = header.replaceAll(':', '：').replaceAll('14：05', '14:05')

  test('begins the quote of a reply', () => {
    expect(extract(`${OWN}\n\n${header}\n\nTuesday?`)).toBe(OWN)
    expect(extract(`${OWN}\n\n________________________________\n${header}\n\nTuesday?`, REPLY)).toBe(OWN)
    expect(extract(`${OWN}\n\n${header.split('\n').reverse().join('\n')}\n\nTuesday?`, REPLY)).toBe(OWN)
    expect(extract(`${OWN}\n\n${header.replaceAll(/^(.*?):/gm, '*$1:*')}\n\nTuesday?`, REPLY)).toBe(OWN)
    expect(extract(`${OWN}\n\n${wide}\n\nTuesday?`, { subject: `${reply}: Lunch` })).toBe(OWN)
  })

  test('is recognised without addresses, if the message is a reply', () => {
    expect(extract(`${OWN}\n\n${names}\n\nTuesday?`, { subject: `${reply}: Lunch` })).toBe(OWN)
    expect(extract(`${OWN}\n\n${names}\n\nTuesday?`, { subject: 'Lunch' })).toBe(`${OWN}\n\n${names}\n\nTuesday?`)
  })

  test('is kept in a forward, with the message', () => {
    const text = `${OWN}\n\n________________________________\n${header}\n\nTuesday?`
    expect(extract(text, { subject: `${forward}: Lunch`, inReplyTo: ['<1@example.com>'] })).toBe(text)
    const shown = header.replaceAll('<', '&lt;').replaceAll('\n', '<br>')
    const html = `<p>${OWN}</p><div id="divRplyFwdMsg">${shown}</div><p>Tuesday?</p>`
    expect(extractReply({ html }, { subject: `${forward}: Lunch` }).extractedHtml).toBe(html)
    expect(extractReply({ html }, { subject: `${reply}: Lunch` }).extractedHtml).toBe(`<p>${OWN}</p>`)
  })
})

describe('a header is recognised', () => {
  test.each([
    [
      'with fields in another order',
      ['Subject: Lunch', 'From: ann@example.com', 'To: bob@example.org', 'Date: Thu, 12 Mar 2026 14:05:33 +0000'],
    ],
    [
      'with more fields than Outlook writes',
      [
        'From: Ann Lee <ann@example.com>',
        'Reply-To: Ann Lee <ann@example.com>',
        'Organization: Example Ltd.',
        'Date: Thursday, 12 March 2026 at 14:05',
        'To: Bob Stone <bob@example.org>',
        'Cc: Eve <eve@example.org>',
        'Importance: High',
        'Subject: Lunch',
      ],
    ],
    [
      'with recipients on several lines',
      [
        'From: Ann Lee <ann@example.com>',
        'Sent: Thursday, March 12, 2026 2:05 PM',
        'To: Bob Stone <bob@example.org>; Eve <eve@example.org>;',
        '  Carl <carl@example.org>; Dora',
        '  <dora@example.org>',
        'Cc: fred@example.org,',
        'gus@example.org',
        'Subject: Lunch',
      ],
    ],
    [
      'with blank lines between the fields',
      [
        'From: Ann Lee <ann@example.com>',
        '',
        'Sent: Thursday, March 12, 2026 2:05 PM',
        '',
        'To: Bob Stone <bob@example.org>',
        '',
        'Subject: Lunch',
      ],
    ],
    [
      'with an address that is a link',
      [
        'From: Ann Lee [mailto:ann@example.com]',
        'Sent: Thursday, March 12, 2026 2:05 PM',
        'To: Bob Stone',
        'Subject: Lunch',
      ],
    ],
    [
      'with values below the labels',
      [
        'From:',
        'Ann Lee <ann@example.com>',
        'Date:',
        '3/12/26 14:05',
        'To:',
        'Bob <bob@example.org>',
        'Subject:',
        'Lunch',
      ],
    ],
    [
      'with an empty subject',
      [
        'From: Ann Lee <ann@example.com>',
        'Sent: Thursday, March 12, 2026 2:05 PM',
        'To: Bob Stone <bob@example.org>',
        'Subject:',
      ],
    ],
    [
      'with three fields',
      ['From: Ann Lee <ann@example.com>', 'Date: 3/12/26 14:05 (GMT+01:00)', 'To: bob@example.org'],
    ],
    [
      'in a language that no table has, by an address, a date, a time and the subject',
      ['Oddiwrth: Ann Lee <ann@example.com>', 'Anfonwyd: 12.03.2026 14:05', 'At: Bob <bob@example.org>', 'Pwnc: Lunch'],
    ],
  ])('%s', (_, header) => {
    expect(extract(lines(OWN, '', ...header, '', 'Tuesday?'), REPLY)).toBe(OWN)
  })
})

describe('below a separator', () => {
  const header = ['From: Ann Lee <ann@example.com>', 'Sent: Thursday, March 12, 2026 2:05 PM', '', 'Tuesday?']
  test.each([
    ['-----Original Message-----'],
    ['-------- Original message --------'],
    ['‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐'],
    ['-----Ursprüngliche Nachricht-----'],
    ["-----Message d'origine-----"],
    ['-----Mensaje original-----'],
    ['-----Mensagem original-----'],
    ['-----Messaggio originale-----'],
    ['-----Oorspronkelijk bericht-----'],
    ['-----Ursprungligt meddelande-----'],
    ['-----Opprinnelig melding-----'],
    ['-----Oprindelig meddelelse-----'],
    ['-----Alkuperäinen viesti-----'],
    ['-----Oryginalna wiadomość-----'],
    ['-----Původní zpráva-----'],
    ['-----Pôvodná správa-----'],
    ['-----Eredeti üzenet-----'],
    ['-----Mesaj original-----'],
    ['-----Αρχικό μήνυμα-----'],
    ['-----Orijinal Mesaj-----'],
    ['-----Исходное сообщение-----'],
    ['-----הודעה מקורית-----'],
    ['-----الرسالة الأصلية-----'],
    ['------------------ 原始邮件 ------------------'],
    ['------------------&nbsp;原始邮件&nbsp;------------------'.replaceAll('&nbsp;', '\u00a0')],
    ['-----元のメッセージ-----'],
    ['-----원본 메시지-----'],
  ])('%s, a header with two fields is enough', (separator) => {
    expect(extract(lines(OWN, '', separator, ...header))).toBe(OWN)
    expect(extract(lines(OWN, '', separator, 'Tuesday?'), REPLY)).toBe(OWN)
    const finnish = lines(OWN, '', separator, 'Lähettäjä: Ann <ann@example.com>', 'Lähetetty: x', '', 'Tuesday?')
    expect(extract(finnish, { subject: 'VS: Lunch' })).toBe(OWN)
    const forward = lines(OWN, '', separator, ...header)
    expect(extract(forward, { subject: 'Fwd: Lunch' })).toBe(forward)
  })
})

describe('a forward is kept as a whole: ', () => {
  test.each([
    ['---------- Forwarded message ---------'],
    ['-------- Weitergeleitete Nachricht --------'],
    ['---------- Message transféré ----------'],
    ['-------- Messaggio Inoltrato --------'],
    ['---------- Mensaje reenviado ----------'],
    ['---------- Doorgestuurd bericht ----------'],
    ['-------- Przekazana wiadomość --------'],
    ['-------- Přeposlaná zpráva --------'],
    ['-------- Välitetty viesti --------'],
    ['-------- Továbbított üzenet --------'],
    ['-------- Пересылаемое сообщение --------'],
    ['-------- Προωθημένο μήνυμα --------'],
    ['---------- הודעה שהועברה ---------'],
    ['---------- 转发的邮件 ----------'],
    ['---------- Forwarded message ---------\u200f'],
    ['============ Forwarded message ============'],
    ['------- Forwarded Message -------'],
    ['Begin forwarded message:'],
    ['Anfang der weitergeleiteten Nachricht:'],
    ['Début du message réexpédié :'],
    ['Inizio messaggio inoltrato:'],
    ['Начало переадресованного сообщения:'],
    ['転送されたメッセージ：'],
  ])('%s', (marker) => {
    const text = lines(
      OWN,
      '',
      marker,
      'From: Ann Lee <ann@example.com>',
      'Date: x',
      'To: b@c.de',
      'Subject: x',
      '',
      'Hi',
    )
    expect(extract(text, REPLY)).toBe(text)
  })

  test('with a note and without one, by the subject alone', () => {
    const header = 'From: Ann <ann@example.com>\nSent: 12 March 2026 14:05\nTo: Bob\nSubject: Lunch\n\nTuesday?'
    for (const subject of ['FW: Lunch', '[EXTERNAL] Fw: Lunch', 'Fwd: RE: Lunch', 'Fwd : Lunch', 'FW[2]: Lunch']) {
      expect(extract(header, { subject })).toBe(header)
      expect(extract(`See below.\n\n${header}`, { subject })).toBe(`See below.\n\n${header}`)
    }
    expect(extract(`See below.\n\n${header}`, { subject: 'RE: FW: Lunch' })).toBe('See below.')
    const marked = 'See below.\n\n> Message du 12/03/26 14:05\n> De : "Ann" <ann@example.com>\n>\n> Tuesday?'
    expect(extract(marked, { subject: 'TR: Lunch' })).toBe(marked)
    expect(extract(marked, { subject: 'RE: Lunch' })).toBe('See below.')
  })
})

describe('an answer below the header is kept', () => {
  const header = lines(
    '**Gesendet:** Donnerstag, 12. März 2026 um 14:05',
    '**Von:** "Kundendienst" <dienst@example.net>',
    '**An:** "Paul" <paul@example.com>',
    '**Betreff:** Ihre Bestellung',
  )
  test.each([[REPLY], [{}], [{ subject: 'AW: Ihre Bestellung' }]])('if nothing is above it: %j', (mail) => {
    const text = `${header}\n\nGuten Tag,\nein Foto schicke ich nicht.`
    expect(extract(text, mail)).toBe(text)
    expect(extract(`Gesendet von meinem iPhone\n\n${text}`, mail)).toContain('ein Foto schicke ich nicht.')
  })

  test('also if only a salutation is above it', () => {
    const text = `Hello,\n\n${header}\n\nein Foto schicke ich nicht.`
    expect(extract(text, REPLY)).toBe(text)
  })

  test('and after an attribution at the top without marks', () => {
    const text = 'On Mar 12, 2026, at 2:05 PM, Ann <ann@example.com> wrote:\n\nTuesday?\n\nFine with me.'
    expect(extract(text, REPLY)).toBe(text)
  })
})

describe('a person wrote this, and all of it stays:', () => {
  test.each([
    ['a journey', ['Please reserve:', '', 'From: Bergen', 'To: Oslo', 'Date: 12 July 2026', 'Travellers: 2']],
    ['a journey with a time', ['From: Bergen', 'To: Oslo', 'Date: 12 July 2026 14:05', 'Seat: window']],
    ['a journey in German', ['Bitte buchen:', '', 'Von: Köln', 'An: Berlin', 'Datum: 12.07.2026 14:05', 'Personen: 2']],
    ['a journey in French', ['De : Paris', 'À : Lyon', 'Date : 12 juillet 2026 à 14h05', 'Objet : réunion']],
    ['a journey in Czech', ['Od: Praha', 'Do: Brno', 'Datum: 12. 7. 2026 14:05']],
    ['a journey in Chinese', ['从：北京', '到：上海', '日期：2026年7月12日 14:05', '主题：会议']],
    ['a journey with a contact', ['From: Bergen', 'To: Oslo', 'Date: 12 July 2026', 'Contact: ann@example.com']],
    ['a form', ['Name: Ann Lee <ann@example.com>', 'Check-in: 12.03.2026 14:05', 'Room: 3', 'Price: 100 euros']],
    ['a note', ['Subject: Lunch', 'Date: Tuesday', 'To: everybody']],
    ['labels', ['To: do', 'From: scratch', 'Subject: to change', 'Date: tomorrow']],
    ['original message without dashes', ['Original message', 'The message was wrong.']],
    ['a title between dashes', ['--- Original message ---', 'That is how it began.']],
  ])('%s', (_, own) => {
    const text = lines('Hello,', '', ...own, '', 'A seat by the window would be nice.')
    expect(extract(text, { subject: 'Journey' })).toBe(text)
    expect(extract(text, { subject: 'Re: Journey', inReplyTo: ['<1@example.com>'] })).toBe(text)
  })

  test.each([
    ['a request to a hotel', 'From: 12 July 2026\nTo: Hotel <hotel@example.com>\nSubject: booking\n\nTwo persons.'],
    [
      'what identifies a message',
      'This one:\n\nFrom: shop@example.com\nDate: 12 March 2026\nSubject: Invoice 42\n\nPlease resend it.',
    ],
    ['a chat', 'Look:\n2026-03-12 14:05 Ann <ann@example.com>:\nhello\n2026-03-12 14:06 Bob <bob@example.com>:\nhi'],
  ])('%s, also in a reply', (_, text) => {
    expect(extract(text, REPLY)).toBe(text)
  })

  test.each([
    ['Please see my answers below in red.'],
    ['My comments are inline.'],
    ['Meine Antworten unten im Text.'],
    ['Ответы ниже.'],
  ])('answers in the quote, which are announced: %s', (announcement) => {
    const header = 'From: Ann <ann@example.com>\nSent: 12 March 2026 14:05\nTo: Bob\nSubject: Lunch'
    const text = `${announcement}\n\n${header}\n\nTuesday?\nYes.`
    expect(extract(text, REPLY)).toBe(text)
  })

  test.each([
    ['a header', 'From: Ann <ann@example.com>\nSent: 12 March 2026 14:05\nTo: Bob\nSubject: You won\n\nClick here.'],
    ['an attribution', 'On Mar 12, 2026, at 2:05 PM, Ann <ann@example.com> wrote:\n\nYou won. Click here.'],
  ])('a message that the sender copied, with %s, if nothing says that it is a reply', (_, copied) => {
    const text = `I got this:\n\n${copied}\n\nIs it spam?`
    expect(extract(text, { subject: 'Is this spam?' })).toBe(text)
    expect(extract(text, REPLY)).toBe('I got this:')
  })

  test('a message from the form of a web site', () => {
    const text = lines(
      'You have a new message:',
      '',
      'From: Ann Lee <ann@example.com>',
      'Date: 12 March 2026 14:05',
      'Subject: Question',
      '',
      'When do you open?',
    )
    expect(extract(text, { subject: 'New message' })).toBe(text)
  })
})
