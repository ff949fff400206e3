/**
 * Messages as real mail programs write them, one per feature that the parser must handle. Lines end with CRLF by
 * default.
 */

/** Joins lines with CRLF; pass each line as one argument. */
export function mail(...lines: string[]): Buffer {
  return Buffer.from(lines.join('\r\n'))
}

export const LIMITS = {
  depthMax: 20,
  partsMax: 500,
  headerBytesMax: 256 * 1024,
  headerFieldsMax: 20_000,
  bodyBytesMax: 4 * 1024 * 1024,
  bodyJsonBytesMax: 8 * 1024 * 1024,
}

/** Text and HTML with an inline image, and a PDF: what Outlook and Gmail send. */
export const nested = mail(
  'Return-Path: <ann@example.com>',
  'Received: from mail.example.com ([192.0.2.1])',
  ' by mx.example.net with ESMTPS id 1; Mon, 1 Jan 2024 10:00:01 +0000',
  'From: =?utf-8?Q?Ann_M=C3=BCller?= <ann@example.com>',
  'To: "Doe, John" <john@example.net>, friends: a@example.org, b@example.org;',
  'Cc: carol@example.net (Carol)',
  'Subject: =?utf-8?B?R3LDvMOf?= =?utf-8?B?ZSBhdXMgS8O2bG4=?=',
  'Date: Mon, 1 Jan 2024 11:00:00 +0100 (CET)',
  'Message-ID: <1@example.com>',
  'In-Reply-To: <0@example.net>',
  'References: <-2@example.net>',
  '\t<-1@example.net> <0@example.net>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary="mixed"',
  '',
  'This is a multi-part message in MIME format.',
  '--mixed',
  'Content-Type: multipart/related; boundary=related; type="multipart/alternative"',
  '',
  '--related',
  'Content-Type: multipart/alternative;',
  ' boundary="alter=native"',
  '',
  '--alter=native',
  'Content-Type: text/plain; charset="iso-8859-1"',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Gr=FC=DFe, siehe Bild =96 und =',
  'Anhang.',
  '--alter=native',
  'Content-Type: text/html; charset=UTF-8',
  'Content-Transfer-Encoding: base64',
  '',
  'PHA+R3LDvMOfZSA8aW1nIHNyYz0iY2lkOmxvZ29AZXhhbXBsZSI+PC9wPg==',
  '--alter=native--',
  '',
  '--related',
  'Content-Type: image/png; name=logo.png',
  'Content-Transfer-Encoding: base64',
  'Content-ID: <logo@example>',
  'Content-Disposition: inline; filename=logo.png',
  '',
  'iVBORw0KGgo=',
  '--related--',
  '',
  '--mixed',
  'Content-Type: application/pdf',
  'Content-Transfer-Encoding: base64',
  "Content-Disposition: attachment; filename*0*=utf-8''%C3%9Cber; filename*1*=sicht%20; filename*2=2024.pdf",
  '',
  'JVBERi0xLjQK',
  '--mixed--',
  '',
)

/** A bounce (RFC 3464): every part is kept, and the first one is its text. */
export const report = mail(
  'From: MAILER-DAEMON@mx.example.net',
  'To: <ann@example.com>',
  'Subject: Undelivered Mail Returned to Sender',
  'Date: 1 Jan 2024 10:00:00 GMT',
  'Message-ID: <bounce@mx.example.net>',
  'Content-Type: multipart/report; report-type=delivery-status; boundary="r"',
  '',
  '--r',
  'Content-Type: text/plain',
  '',
  'This is the mail system at host mx.example.net.',
  '--r',
  'Content-Type: message/delivery-status',
  '',
  'Reporting-MTA: dns; mx.example.net',
  '--r',
  'Content-Type: message/rfc822',
  '',
  'Subject: original',
  'Content-Type: multipart/mixed; boundary=inner',
  '',
  '--inner',
  '',
  'text of the original',
  '--inner--',
  '--r--',
)

/** Only HTML, as in newsletters. */
export const htmlOnly = mail(
  'From: News <news@example.com>',
  'To: ann@example.net',
  'Subject: Offers',
  'Content-Type: text/html; charset=windows-1251',
  'Content-Transfer-Encoding: 8bit',
  '',
  '<p>hello</p>',
)

/** No MIME at all, and LF line endings, as from cron. */
export const plain = Buffer.from('From: root@localhost\nTo: root@localhost\nSubject: Cron\n\nok\nline 2\n')

/** Signed (RFC 1847): the signature is an attachment. */
export const signed = mail(
  'From: ann@example.com',
  'Content-Type: multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"; boundary=s',
  '',
  '--s',
  'Content-Type: text/plain; charset=utf-8; format=flowed; delsp=no',
  '',
  '> quoted text that ',
  '> flows',
  'a line that ',
  'flows on',
  '-- ',
  'Ann',
  '--s',
  'Content-Type: application/pgp-signature; name="signature.asc"',
  '',
  '-----BEGIN PGP SIGNATURE-----',
  '--s--',
)

/** An invitation: text, HTML and text/calendar as alternatives. */
export const invitation = mail(
  'From: ann@example.com',
  'Content-Type: multipart/alternative; boundary=i',
  '',
  '--i',
  'Content-Type: text/plain',
  '',
  'Lunch?',
  '--i',
  'Content-Type: text/html',
  '',
  '<p>Lunch?</p>',
  '--i',
  'Content-Type: text/calendar; method=REQUEST',
  '',
  'BEGIN:VCALENDAR',
  '--i--',
)

export const samples: Readonly<Record<string, Buffer>> = { nested, report, htmlOnly, plain, signed, invitation }
