/** A message with a text and a small attachment. */

export interface MailWithAttachment {
  readonly inbox: string
  readonly subject: string
  /** Without angle brackets. */
  readonly messageId: string
  /** Without angle brackets. */
  readonly inReplyTo?: string
  readonly text: string
  /** The name of the attachment, and its content. */
  readonly file: string
}

export function mailWithAttachment({ inbox, subject, messageId, inReplyTo, text, file }: MailWithAttachment): Buffer {
  return Buffer.from(
    [
      'From: Ann Example <ann@example.test>',
      `To: ${inbox}@mail.localhost`,
      `Subject: ${subject}`,
      `Message-ID: <${messageId}>`,
      ...(inReplyTo === undefined ? [] : [`In-Reply-To: <${inReplyTo}>`]),
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      '',
      text,
      '--b',
      `Content-Disposition: attachment; filename="${file}.txt"`,
      'Content-Type: text/plain',
      '',
      file,
      '--b--',
      '',
    ].join('\r\n'),
  )
}
