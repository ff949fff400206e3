/** Tests which part of a reply is new text, and the preview of a text. */
import { describe, expect, test } from 'vitest'
import { preview } from '../../../src/formats/mime/text-preview.ts'
import { extractReply } from '../../../src/formats/reply/reply-text.ts'
import { expectBounded } from '../bounded.ts'

const lines = (...each: string[]) => each.join('\n')
const extractText = (text: string) => extractReply({ text }).extractedText
const extractHtml = (html: string) => extractReply({ html }).extractedHtml

describe('the new part of a text', () => {
  test.each([
    ['English', 'On Mon, Jan 1, 2024 at 10:00 AM Ann <ann@example.com> wrote:'],
    ['English with an ISO date', 'On 2024-01-01T10:00:00Z Ann <ann@example.com> wrote:'],
    ['German', 'Am Mo., 1. Jan. 2024 um 10:00 Uhr schrieb Ann <ann@example.com>:'],
    ['German by name', 'Ann <ann@example.com> schrieb am 01.01.2024 um 10:00:'],
    ['French', 'Le lun. 1 janv. 2024 à 10:00, Ann <ann@example.com> a écrit :'],
    ['Spanish', 'El lun, 1 ene 2024 a las 10:00, Ann (<ann@example.com>) escribió:'],
    ['Italian', 'Il giorno lun 1 gen 2024 alle ore 10:00 Ann <ann@example.com> ha scritto:'],
    ['Portuguese', 'Em seg., 1 de jan. de 2024 às 10:00, Ann <ann@example.com> escreveu:'],
    ['Dutch', 'Op ma 1 jan 2024 om 10:00 schreef Ann <ann@example.com>:'],
    ['Swedish', 'Den mån 1 jan. 2024 kl 10:00 skrev Ann <ann@example.com>:'],
    ['Polish', 'pon., 1 sty 2024 o 10:00 Ann <ann@example.com> napisał(a):'],
    ['Russian', 'пн, 1 янв. 2024 г. в 10:00, Ann <ann@example.com>:'],
    ['Japanese', '2024年1月1日(月) 10:00 Ann <ann@example.com>:'],
    ['Chinese', '在 2024年1月1日，Ann <ann@example.com> 写道：'],
    ['Korean', '2024년 1월 1일 (월) 오전 10:00, Ann <ann@example.com>님이 작성:'],
  ])('ends at the attribution in %s', (_, attribution) => {
    expect(extractText(lines('Fine with me.', '', attribution, '', '> Tuesday?', '> Ann'))).toBe('Fine with me.')
  })

  test.each([
    [
      'a wrapped attribution',
      ['On Monday, 1 January 2024, a very long name <', 'ann@example.com> wrote:', '', '> Tuesday?'],
    ],
    ['an attribution and no marks', ['On Mon, 1 Jan 2024 at 10:00, Ann wrote:', '', 'Tuesday?', '', 'Ann']],
    ['quoted lines alone', ['> Tuesday?', '> Ann']],
    ['an original message', ['-----Original Message-----', 'From: Ann', 'Sent: Monday', '', 'Tuesday?']],
    ['an original message in German', ['-----Ursprüngliche Nachricht-----', 'Von: Ann', 'Tuesday?']],
    [
      'a header block',
      [
        '________________________________',
        'From: Ann <ann@example.com>',
        'Sent: Monday',
        'To: Bob',
        'Subject: Lunch',
        '',
        'Tuesday?',
      ],
    ],
    [
      'a bold header block',
      ['*From:* Ann <ann@example.com>', '*Date:* Monday', '*To:* Bob', '*Subject:* Lunch', '', 'Tuesday?'],
    ],
    [
      'a header block in Chinese',
      ['发件人: Ann <ann@example.com>', '发送时间: 2024年1月1日', '收件人: Bob', '主题: Lunch', '', '好'],
    ],
    ['a signature', ['-- ', 'Bob', 'Example Ltd.']],
    ['a signature and a quote', ['-- ', 'Bob', '', 'On Mon, 1 Jan 2024 Ann wrote:', '> Tuesday?']],
    ['the signature of a phone', ['Sent from my iPhone']],
    [
      'the signature of a phone and a quote',
      ['Sent from my iPhone', '', '> On 1 Jan 2024, at 10:00, Ann wrote:', '> ', '> Tuesday?'],
    ],
    [
      'the signature of Outlook for phones',
      [
        'Get Outlook for iOS<https://aka.ms/o0ukef>',
        '________________________________',
        'From: Ann <ann@example.com>',
        'Sent: Monday',
        'To: Bob',
      ],
    ],
  ])('ends at %s', (_, rest) => {
    expect(extractText(lines('Fine with me.', '', ...rest))).toBe('Fine with me.')
  })

  test.each([
    ['Fine with me at 10:30.', 'On Mon, 1 Jan 2024 Ann <ann@example.com> wrote:'],
    ['Fine with me.', '8 Jan 2024, 10:57 Ann <ann@example.com> wrote:'],
    ['On 1 May at 10:00 we meet.', 'On Mon, 1 Jan 2024 Ann <ann@example.com> wrote:'],
  ])('keeps its last line if no blank line follows: %j', (own, attribution) => {
    expect(extractText(lines(own, attribution, '> Tuesday?', '> Ann'))).toBe(own)
  })

  test('is found below the quote if the writer put it there', () => {
    expect(extractText(lines('On Mon, 1 Jan 2024 Ann wrote:', '> Tuesday?', '> Ann', '', 'Fine with me.'))).toBe(
      'Fine with me.',
    )
  })

  test.each([
    ['a single comparison', lines('Experience:', '> 5 years', 'or more')],
    [
      'answers between quotes',
      lines('> Tuesday?', '> At noon?', '', 'Yes.', '', '> At the usual place?', '> Ann', '', 'No.'),
    ],
    [
      'a forward',
      lines(
        'See below.',
        '',
        '---------- Forwarded message ---------',
        'From: Ann',
        'Date: Monday',
        'To: Bob',
        '',
        'Tuesday?',
      ),
    ],
    ['a forward by Apple Mail', lines('Begin forwarded message:', '', '> From: Ann', '> Subject: Lunch')],
    [
      'a bounce',
      lines(
        'This is the mail system at host mx.example.net.',
        '',
        'On Mon, 1 Jan 2024 Ann wrote:',
        '> Tuesday?',
        '> x',
      ),
    ],
    ['a list with From', lines('From: London', 'Price: 10', 'by train')],
    ['a rule', lines('Before', '________________', 'After')],
    ['a signature separator at the top', lines('--', 'Hello')],
  ])('is all of %s', (_, text) => {
    expect(extractText(text)).toBe(text)
  })

  test('is absent if everything is quoted, and for empty text', () => {
    expect(extractText(lines('> a', '> b'))).toBeUndefined()
    expect(extractText(' \n')).toBeUndefined()
    expect(extractReply({})).toEqual({})
  })

  test('is still extracted when a relay has wrapped a quoted line', () => {
    const text = lines('Fine.', '', '> Hello,', '> a long line that a relay', 'wrapped here', '> and more', '> end')
    expect(extractText(text)).toBe(lines('Fine.', '', 'wrapped here'))
  })
})

describe('the new part of HTML', () => {
  test.each([
    [
      'Gmail',
      '<div dir="ltr">Fine.</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Ann wrote:<br></div><blockquote class="gmail_quote">Tuesday?</blockquote></div>',
      '<div dir="ltr">Fine.</div><br>',
    ],
    [
      'Apple Mail',
      '<html><body>Fine.<br><div><br><blockquote type="cite"><div>On 1 Jan 2024, at 10:00, Ann wrote:</div>Tuesday?</blockquote></div></body></html>',
      '<html><body>Fine.<br></body></html>',
    ],
    [
      'Thunderbird',
      '<p>Fine.</p><div class="moz-cite-prefix">On 1/1/24, Ann wrote:<br></div><blockquote type="cite" cite="mid:1@x"><p>Tuesday?</p></blockquote>',
      '<p>Fine.</p>',
    ],
    [
      'Outlook on the web',
      '<body><div>Fine.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Ann &lt;ann@example.com&gt;<br><b>Sent:</b> Monday<br><b>To:</b> Bob</div><div>Tuesday?</div></body>',
      '<body><div>Fine.</div></body>',
    ],
    [
      'Outlook',
      '<body><p>Fine.</p><div style="border-top:solid"><p><b>From:</b> Ann &lt;ann@example.com&gt;<br><b>Sent:</b> Monday<br><b>To:</b> Bob<br></p></div><p>Tuesday?</p></body>',
      '<body><p>Fine.</p></body>',
    ],
    [
      'a plain attribution',
      '<div>Fine.</div><div>On Mon, 1 Jan 2024, Ann &lt;<a href="mailto:a@b.c">a@b.c</a>&gt; wrote:</div><blockquote>Tuesday?</blockquote>',
      '<div>Fine.</div>',
    ],
    [
      'Yahoo',
      '<div>Fine.</div><div id="yahoo_quoted_1" class="yahoo_quoted"><p>On 1 Jan 2024, at 10:00, Ann wrote:</p>Tuesday?</div>',
      '<div>Fine.</div>',
    ],
    [
      'a signature',
      '<div>Fine.</div><span class="gmail_signature_prefix">-- </span><br><div class="gmail_signature">Bob</div>',
      '<div>Fine.</div><br>',
    ],
    ['a phone', '<div>Fine.</div><div>Sent from my iPhone</div>', '<div>Fine.</div>'],
    ['a quote above', '<blockquote type="cite">Tuesday?</blockquote><p>Fine.</p>', '<p>Fine.</p>'],
    ['no quote at all', '<p>Fine &amp; <b>good</b>.', '<p>Fine &amp; <b>good</b>.'],
    [
      'a blockquote of its own',
      '<p>As they say:</p><blockquote>Carpe diem</blockquote>',
      '<p>As they say:</p><blockquote>Carpe diem</blockquote>',
    ],
    [
      'style and script',
      '<style>blockquote{}</style><p>Fine.</p><blockquote type=cite>T</blockquote>',
      '<style>blockquote{}</style><p>Fine.</p>',
    ],
    ['a quote that never ends', '<p>Fine.</p><blockquote type="cite"><p>Tuesday?', '<p>Fine.</p>'],
  ])('is found: %s', (_, html, expected) => {
    expect(extractHtml(html)).toBe(expected)
  })

  test.each([
    [
      'a forward by Gmail',
      '<div>See.</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: Ann</div>Tuesday?</div>',
    ],
    ['a forward by Apple Mail', '<div>Begin forwarded message:</div><blockquote type="cite">Tuesday?</blockquote>'],
    [
      'answers between quotes',
      '<blockquote type="cite">Tuesday?</blockquote><p>Yes.</p><blockquote type="cite">Noon?</blockquote><p>No.</p>',
    ],
    ['a bounce', '<p>Delivery has failed to these recipients</p><blockquote type="cite">x</blockquote>'],
  ])('is all of %s', (_, html) => {
    expect(extractHtml(html)).toBe(html)
  })

  test('is absent if no content is left', () => {
    expect(extractHtml('<blockquote type="cite">x</blockquote><br>')).toBeUndefined()
    expect(extractHtml('')).toBeUndefined()
  })

  test('is absent for nesting that no mail program writes, but the text is still returned', () => {
    const html = '<div>'.repeat(200_000) + '</span>'.repeat(200_000)
    expect(extractReply({ text: 'Fine.', html })).toEqual({ extractedText: 'Fine.' })
  })
})

test('a body over the limit is ignored', () => {
  expect(extractReply({ text: 'x'.repeat(101), html: 'short' }, {}, 100)).toEqual({ extractedHtml: 'short' })
})

describe('time stays bounded for a quarter of a megabyte of', () => {
  const hostile = [
    ...[
      '>',
      '> ',
      '>\n',
      'On ',
      'On \n',
      'On :\n',
      'On 1 wrote:\n',
      ' ',
      '\n',
      'wrote:',
      'wrote:\n',
      'From:\n',
      'From: x\nTo:\n',
    ],
    ...[
      '1234from<',
      'Op \nschreef',
      '在\n',
      '-',
      '-----',
      '_',
      '_\n',
      '-- \n',
      '10:00 2024 <',
      'a@b:\n',
      'Sent from my \n',
      '> a\n\nb\n\n',
    ],
    ...[
      '<',
      '<div>',
      '</div>',
      '<p>',
      '<br>',
      '<blockquote type=cite>',
      '<blockquote type=cite>x</blockquote>y',
      '&',
      '&lt;',
      '<!--',
      '<a b',
    ],
    ...[
      '<div class=gmail_quote>',
      '<a ',
      '"',
      '<table><td>',
      '</p>',
      '<script>',
      '<b>From:</b> x<br>',
      'On 2024 wrote:<br>',
      '<p>x</b>',
      '<div class=gmail_quote>On 12.03.2026 14:05 a@b wrote:<blockquote>x</blockquote></div>',
      '<div id=divRplyFwdMsg></div>',
      '<div id=Signature>a</div>b<br>',
      '<a href=mailto:a@b.c>x</a>:<br>',
      '<hr>a',
      '<pre>a\n</pre>',
    ],
    ...[
      'Date: 12.03.2026 14:05\n',
      'a: b@c.de\n',
      'On 12.03.2026 14:05 <a@b.c>:\n',
      'On 12 jan 1 2 3 4 5 jan jan 14:05 wrote:\n',
      'a@b wrote\nc\nd\ne:\n',
      '-----Original Message-----\n',
      '١٢:\n',
      '\u0301: a\n',
      'On 2024 a@b wrote: c\n',
    ],
  ]
  test.each(hostile)('%j', (piece) => {
    const body = `x\n${piece.repeat(250_000 / piece.length)}`
    expectBounded(() => {
      extractReply({ text: body, html: body }, { subject: body, inReplyTo: ['<1@x>'] })
      preview(body)
    })
  })
})

describe('a preview', () => {
  test.each([
    [' \n Hello\n\n  there \t you ', 'Hello there you'],
    ['', undefined],
    [' \n ', undefined],
    [undefined, undefined],
  ])('of %j is %j', (text, expected) => {
    expect(preview(text)).toBe(expected)
  })

  test('is not cut inside a character', () => {
    expect(preview('ab😀cd', 3)).toBe('ab')
    expect(preview('ab😀cd', 4)).toBe('ab😀')
    expect(preview('ab cd', 3)).toBe('ab')
    expect(preview('x'.repeat(1000))).toHaveLength(200)
  })
})
