/**
 * Tests quotes in HTML as mail programs write them: what is a quote goes, and what people wrote above, below, between
 * and inside of the same elements stays.
 */
import { describe, expect, test } from 'vitest'
import { extractReply } from '../../../src/formats/reply/reply-text.ts'

const REPLY = { subject: 'Re: Lunch', inReplyTo: ['<1@example.com>'] }
const NEW = { subject: 'Lunch' }

function extract(html: string, header = {}): string | undefined {
  return extractReply({ html }, header).extractedHtml
}

const ANN = 'Ann Lee &lt;<a href="mailto:ann@example.com">ann@example.com</a>&gt;'
const GMAIL_ATTRIBUTION = `<div dir="ltr" class="gmail_attr">On Thu, Mar 12, 2026 at 2:05 PM ${ANN} wrote:<br></div>`
const GMAIL_BLOCKQUOTE =
  '<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">'
const GMAIL_QUOTE = `<div class="gmail_quote gmail_quote_container">${GMAIL_ATTRIBUTION}${GMAIL_BLOCKQUOTE}<div dir="ltr">Tuesday?<br></div></blockquote></div>`
const OUTLOOK_HEADER = `<b>From:</b> ${ANN}<br><b>Sent:</b> Thursday, March 12, 2026 2:05 PM<br><b>To:</b> Bob Stone &lt;bob@example.org&gt;<br><b>Subject:</b> Lunch`
const OUTLOOK_NAMES =
  '<b>From:</b> Lee, Ann<br><b>Sent:</b> Thursday, March 12, 2026 2:05 PM<br><b>To:</b> Stone, Bob<br><b>Subject:</b> Lunch'

/** Name of the program, the HTML of its quote, and whether the quote extends to the end. */
const QUOTES: readonly (readonly [string, string])[] = [
  ['Gmail', GMAIL_QUOTE],
  [
    'Gmail before 2020',
    `<div class="gmail_extra"><br>${GMAIL_QUOTE.replace(' gmail_quote_container', '').replace(' class="gmail_attr"', '')}</div>`,
  ],
  ['Gmail in Japanese', GMAIL_QUOTE.replace(/On Thu.*?PM/, '2026年3月12日(木) 14:05').replace(' wrote:', ':')],
  [
    'Gmail in Hebrew',
    GMAIL_QUOTE.replace(/On Thu.*?PM/, '\u202bבתאריך יום ה׳, 12 במרץ 2026 ב-14:05 מאת').replace(' wrote:', ':\u202c'),
  ],
  ['Gmail in a language without tables', GMAIL_QUOTE.replace(/On Thu.*wrote:/, 'Ar Iau, 12 Maw, Ann Lee:')],
  ['Gmail without an attribution', `<div class="gmail_quote">${GMAIL_BLOCKQUOTE}Tuesday?</blockquote></div>`],
  [
    'Gmail without a blockquote',
    `<div class="gmail_quote">${GMAIL_ATTRIBUTION}<div>Tuesday?</div><div>Ann</div></div>`,
  ],
  [
    'Apple Mail',
    `<div><br><blockquote type="cite"><div>On Mar 12, 2026, at 2:05 PM, ${ANN} wrote:</div><br class="Apple-interchange-newline"><div>Tuesday?</div></blockquote></div>`,
  ],
  [
    'iPhone',
    `<div dir="ltr"></div><div dir="ltr"><br><blockquote type="cite">On Mar 12, 2026, at 2:05 PM, ${ANN} wrote:<br><br></blockquote></div><blockquote type="cite"><div dir="ltr">\ufeffTuesday?</div></blockquote>`,
  ],
  [
    'Thunderbird',
    '<div class="moz-cite-prefix">On 3/12/26 14:05, Ann Lee wrote:<br></div><blockquote type="cite" cite="mid:1@example.com"><p>Tuesday?</p></blockquote>',
  ],
  [
    'Thunderbird in a language without tables',
    '<div class="moz-cite-prefix">Skrifað 12.03.26, Ann Lee:<br></div><blockquote type="cite" cite="mid:1@x"><pre class="moz-quote-pre" wrap="">Tuesday?\n</pre></blockquote>',
  ],
  [
    'Yahoo',
    `<div id="ydp1yahoo_quoted_42" class="ydp1yahoo_quoted"><div style="font-size:13px"><div>On Thursday, March 12, 2026 at 02:05:33 PM GMT+1, ${ANN} wrote:</div><div><br></div><div><div id="yiv42">Tuesday?</div></div></div></div>`,
  ],
  [
    'Yahoo in German',
    `<div id="yahoo_quoted_42" class="yahoo_quoted"><div>Am Donnerstag, 12. März 2026 um 14:05:33 MEZ hat Ann Lee Folgendes geschrieben:</div><div><br></div><div>Tuesday?</div></div>`,
  ],
  [
    'ProtonMail',
    `<div class="protonmail_quote">On Thursday, March 12th, 2026 at 2:05 PM, ${ANN} wrote:<br><br><blockquote class="protonmail_quote" type="cite"><div>Tuesday?</div></blockquote></div>`,
  ],
  [
    'ProtonMail before 2021',
    '<div class="protonmail_quote">‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐<br>On Thursday, March 12, 2026 2:05 PM, Ann Lee wrote:<br><br><blockquote class="protonmail_quote" type="cite"><div>Tuesday?</div></blockquote></div>',
  ],
  [
    'Tutanota',
    '<div>12. Mar 2026, 14:05 by ann@example.com:<br></div><blockquote class="tutanota_quote" style="border-left: 1px solid #93A3B8;"><div>Tuesday?</div></blockquote>',
  ],
  [
    'Zoho',
    `<div class="zmail_extra" style="font-size:12px">---- On Thu, 12 Mar 2026 14:05:33 +0100 <b>${ANN}</b> wrote ---<br><br><blockquote id="blockquote_zmail" style="margin: 0px;"><div>Tuesday?</div></blockquote></div>`,
  ],
  [
    'Fastmail',
    '<div>On Thu, Mar 12, 2026, at 2:05 PM, Ann Lee wrote:<br></div><blockquote type="cite" id="qt"><div>Tuesday?</div></blockquote>',
  ],
  [
    'Superhuman',
    `<div class="gmail_quote">On Thu, Mar 12 2026 at 2:05 PM, <span>Ann Lee</span> &lt; <a href="mailto:ann@example.com">ann@example.com</a> &gt; wrote:<br><blockquote class="gmail_quote" style="border-left:1px solid #ccc">Tuesday?</blockquote></div>`,
  ],
  [
    'Outlook',
    `<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p class="MsoNormal">${OUTLOOK_HEADER}<o:p></o:p></p></div><p class="MsoNormal">Tuesday?</p>`,
  ],
  [
    'Outlook with names only',
    `<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p class="MsoNormal">${OUTLOOK_NAMES}<o:p></o:p></p></div><p class="MsoNormal">Tuesday?</p>`,
  ],
  [
    'Outlook on the web',
    `<div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><font face="Calibri">${OUTLOOK_HEADER}</font><div>&nbsp;</div></div><div>Tuesday?</div>`,
  ],
  [
    'Outlook for phones',
    `<div id="ms-outlook-mobile-signature"><div>Get <a href="https://aka.ms/o0ukef">Outlook for iOS</a></div></div><hr><div id="divRplyFwdMsg">${OUTLOOK_NAMES}</div><div>Tuesday?</div>`,
  ],
  [
    'Outlook of 2024',
    `<div id="mail-editor-reference-message-container"><div class="ms-outlook-mobile-reference-message skipProofing"><div style="padding:3pt 0in 0in;border-width:1pt medium medium;border-style:solid none none;border-color:rgb(181,196,223)">${OUTLOOK_HEADER}</div></div><div>Tuesday?</div></div>`,
  ],
  [
    'Windows Mail, with a link as name',
    '<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p><b>From: </b><a href="mailto:ann@example.com">Ann Lee</a><br><b>Sent: </b>12 March 2026 14:05<br><b>To: </b><a href="mailto:bob@example.org">Bob</a><br><b>Subject: </b>Lunch</p></div><p>Tuesday?</p>',
  ],
  [
    'QQ',
    '<div style="font-size:12px">------------------&nbsp;原始邮件&nbsp;------------------</div><div style="font-size: 12px;background:#efefef;padding:8px;"><div><b>发件人:</b>&nbsp;"Ann Lee" &lt;ann@example.com&gt;;</div><div><b>发送时间:</b>&nbsp;2026年3月12日(星期四) 下午2:05</div><div><b>收件人:</b>&nbsp;"Bob"&lt;bob@example.org&gt;;</div><div><b>主题:</b>&nbsp;Lunch</div></div><div>Tuesday?</div>',
  ],
  [
    'Foxmail',
    '<div style="border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm"><div style="background:#efefef"><div><b>发件人：</b>&nbsp;<a href="mailto:ann@example.com">Ann</a></div><div><b>发送时间：</b>&nbsp;2026-03-12&nbsp;14:05</div><div><b>收件人：</b>&nbsp;<a href="mailto:bob@example.org">Bob</a></div><div><b>主题：</b>&nbsp;Lunch</div></div></div><div>Tuesday?</div>',
  ],
  [
    'NetEase',
    '<p>在 2026-03-12 14:05:33，"Ann Lee" &lt;ann@example.com&gt; 写道：</p><blockquote id="isReplyContent" style="PADDING-LEFT: 1ex; MARGIN: 0px 0px 0px 0.8ex; BORDER-LEFT: #ccc 1px solid"><div>Tuesday?</div></blockquote>',
  ],
  [
    'Naver',
    '<p>-----Original Message-----<br><b>From:</b> "Ann Lee"&lt;ann@example.com&gt;<br><b>To:</b> &lt;bob@example.org&gt;<br><b>Cc:</b><br><b>Sent:</b> 2026-03-12 (목) 14:05:33 (GMT+09:00)<br><b>Subject:</b> Lunch<br></p><p>Tuesday?</p>',
  ],
  [
    'another program',
    `<div>Le jeudi 12 mars 2026 à 14:05, ${ANN} a écrit&nbsp;:</div><blockquote style="border-left:2px solid blue"><p>Tuesday?</p></blockquote>`,
  ],
  [
    'text as HTML',
    'On Thu, 12 Mar 2026 at 14:05, Ann Lee &lt;ann@example.com&gt; wrote:<br>&gt; Tuesday?<br>&gt; Ann<br>',
  ],
]

describe('of a quote nothing is left:', () => {
  test.each(QUOTES)('%s', (_, quote) => {
    const rest = extract(`<html><body><p>Fine with me.</p>${quote}</body></html>`, REPLY)
    expect(rest).toContain('<p>Fine with me.</p>')
    expect(rest).not.toMatch(/Tuesday|Ann|ann@|2026|12\.03|3\/12|Lunch|wrote|:$/)
    expect(rest).toMatch(/<\/body><\/html>$/)
  })
})

describe('what is written below a quote stays:', () => {
  const toEnd = /^(?:Outlook|Windows Mail|QQ|Foxmail|Naver)/
  test.each(QUOTES.filter(([program]) => !toEnd.test(program)))('%s', (_, quote) => {
    expect(extract(`${quote}<p>Fine with me.</p>`, REPLY)).toContain('<p>Fine with me.</p>')
    expect(extract(`<p>Hi.</p>${quote}<p>Fine with me.</p>`, REPLY)).toContain('<p>Fine with me.</p>')
    expect(extract(`<p>Hi.</p>${quote}<p>Fine with me.</p>`, REPLY)).not.toContain('Tuesday')
  })

  test.each(QUOTES.filter(([program]) => toEnd.test(program)))('%s, if nothing is above', (_, quote) => {
    expect(extract(`${quote}<p>Fine with me.</p>`, REPLY)).toContain('<p>Fine with me.</p>')
  })
})

describe('all of it stays:', () => {
  test.each([
    [
      'a message in the container of Gmail',
      '<div dir="ltr"><div>Hello Mara,</div></div><div class="gmail_quote gmail_quote_container"><div dir="ltr"><p>Please bring your certificates.</p><p>Otto</p></div></div>',
    ],
    ['a message in the container of Yahoo', '<p>Hello,</p><div class="yahoo_quoted"><div>Please bring it.</div></div>'],
    ['a message in the container of ProtonMail', '<div class="protonmail_quote"><div>Please bring it.</div></div>'],
    ['a message in the container of Zoho', '<div class="zmail_extra"><div>Please bring it at 14:05.</div></div>'],
    [
      'a message below the first element of an Outlook quote',
      '<p>Hello,</p><div id="appendonsend"></div><p>Please bring it.</p>',
    ],
    ['a message in the element of an Outlook header', '<p>Hello,</p><div id="divRplyFwdMsg">Please bring it.</div>'],
    [
      'answers between the quotes of Gmail',
      `<div class="gmail_quote">${GMAIL_ATTRIBUTION}${GMAIL_BLOCKQUOTE}Tuesday?</blockquote><div>Yes.</div>${GMAIL_BLOCKQUOTE}Noon?</blockquote><div>No.</div></div>`,
    ],
    [
      'answers between the quotes of Thunderbird',
      '<div class="moz-cite-prefix">On 3/12/26 14:05, Ann wrote:<br></div><blockquote type="cite">Tuesday?</blockquote><p>Yes.</p><blockquote type="cite">Noon?</blockquote><p>No.</p>',
    ],
    [
      'text that Gmail indents',
      '<p>My idea:</p><blockquote class="gmail_quote" style="margin:0 0 0 40px;border:none;padding:0px">Lunch on Tuesday</blockquote>',
    ],
    [
      'text that the writer quotes in Gmail',
      `<p>A proverb:</p>${GMAIL_BLOCKQUOTE}Carpe diem</blockquote><p>Do it.</p>`,
    ],
    ['a line, and text below', '<p>Above</p><hr><p>Below</p>'],
    [
      'a box with a line above',
      '<p>Above</p><div style="border-top:solid 1px"><p>From: Bergen</p><p>To: Oslo</p><p>Date: 12 July 2026</p></div><p>Below</p>',
    ],
    [
      'a table with a journey',
      '<table><tr><td>From:</td><td>Bergen</td></tr><tr><td>To:</td><td>Oslo</td></tr><tr><td>Date:</td><td>12 July 2026 14:05</td></tr></table><p>By the window, please.</p>',
    ],
    ['a sentence about a message', '<p>On page 3 you wrote:</p><p>The price is 100.</p><p>Is that right?</p>'],
    ['a picture below a quote mark', '<p>&gt; 5 years</p><p><img src="cid:1" width="200"></p>'],
  ])('%s', (_, html) => {
    expect(extract(html, REPLY)).toBe(html)
    expect(extract(html, NEW)).toBe(html)
  })

  test.each([
    [
      'Gmail',
      `<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: ${ANN}<br>Date: Thu, Mar 12<br>Subject: Lunch<br>To: Bob<br></div><br>Tuesday?</div>`,
    ],
    [
      'Gmail in Polish',
      `<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>Od: ${ANN}</div><br>Tuesday?</div>`,
    ],
    ['Apple Mail', '<div>Begin forwarded message:</div><blockquote type="cite">From: Ann<br>Tuesday?</blockquote>'],
    [
      'Apple Mail in German',
      '<blockquote type="cite"><div>Anfang der weitergeleiteten Nachricht:</div><div>Von: Ann</div>Tuesday?</blockquote>',
    ],
    [
      'Thunderbird',
      '<div class="moz-forward-container"><br>-------- Áframsend skilaboð --------<table class="moz-email-headers-table"><tr><th>Efni:</th><td>Lunch</td></tr></table>Tuesday?</div>',
    ],
    [
      'ProtonMail',
      '<div class="protonmail_quote">------- Forwarded Message -------<br>From: Ann<br><blockquote type="cite">Tuesday?</blockquote></div>',
    ],
  ])('a forward by %s', (_, forward) => {
    expect(extract(`<p>See below.</p>${forward}`, REPLY)).toBe(`<p>See below.</p>${forward}`)
  })

  test.each(QUOTES.filter(([program]) => /^(?:Outlook|QQ|Foxmail|Naver)/.test(program)))(
    'a forward by %s, which only the subject marks',
    (_, quote) => {
      expect(extract(`<p>See.</p>${quote}`, { subject: 'FW: Lunch', references: ['<1@x>'] })).toBe(
        `<p>See.</p>${quote}`,
      )
    },
  )
})

describe('around the quote', () => {
  test('an answer inside of the container of Gmail stays', () => {
    const html = `<div class="gmail_quote">${GMAIL_ATTRIBUTION}${GMAIL_BLOCKQUOTE}Tuesday?</blockquote><div>Fine.</div></div>`
    expect(extract(html, REPLY)).toBe('<div class="gmail_quote"><div>Fine.</div></div>')
  })

  test('a line above the element of the attribution stays', () => {
    const quote = GMAIL_QUOTE.replace(/On Thu.*?PM /, '')
    expect(extract(`<p>12.03.2026 14:05 is fine</p>${quote}`, REPLY)).toBe('<p>12.03.2026 14:05 is fine</p>')
  })

  // Elements that were missing in a second list of elements did not end a line: "Hi" was removed with the attribution.
  test.each(['form', 'fieldset', 'figure', 'aside'])('a line above an attribution in <%s> stays', (name) => {
    const attribution = `<${name}>On Thu, Mar 12, 2026 at 2:05 PM ${ANN} wrote:</${name}>`
    const quote = '<blockquote type="cite">Tuesday?</blockquote>'
    expect(extract(`<div>Yes.</div>Hi${attribution}${quote}`, REPLY)).toBe('<div>Yes.</div>Hi')
  })

  test('a line above a header in a table stays', () => {
    const own = '<p>Hi.</p><p>I wrote to eve@example.com on 12 March 2026 at 14:05</p>'
    const header =
      '<table><tr><td>From:</td><td>Ann &lt;ann@example.com&gt;</td></tr><tr><td>Sent:</td><td>12 March 2026 14:05</td></tr><tr><td>To:</td><td>Bob</td></tr><tr><td>Subject:</td><td>Lunch</td></tr></table>'
    expect(extract(`${own}${header}<p>Tuesday?</p>`, REPLY)).toBe(own)
  })

  test('an answer that is a picture stays', () => {
    expect(extract(`<p><img src="cid:1"></p>${GMAIL_QUOTE}`, REPLY)).toBe('<p><img src="cid:1"></p>')
    expect(extract(`<img src="https://x/1.gif" width="1" height="1">${GMAIL_QUOTE}`, REPLY)).toBeUndefined()
  })

  test('a sentence in the element of a signature stays', () => {
    const signature = (text: string) => `<p>Fine.</p><div class="gmail_signature">${text}</div>${GMAIL_QUOTE}`
    expect(extract(signature('<div>Bob Stone</div><div>Example Ltd.</div>'), REPLY)).toBe('<p>Fine.</p>')
    expect(extract(signature('<div>Bob</div><div>Could you bring the keys?</div>'), REPLY)).toContain('the keys?')
    expect(extract(signature('<div>Bob</div><div>PS: bring the keys</div>'), REPLY)).toContain('the keys')
  })

  test('quoted lines in preformatted text go', () => {
    const html = '<pre>Fine &amp; good.\n\nOn 3/12/26 14:05, Ann wrote:\n> Tuesday?\n> Ann\n</pre>'.replaceAll(
      '> ',
      '&gt; ',
    )
    expect(extract(html, REPLY)).toMatch(/^<pre>Fine &amp; good\.\s*<\/pre>$/)
  })
})
