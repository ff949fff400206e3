/**
 * The words by which quotes, forwards, signatures and bounces are recognised, in the languages of the large mail
 * programs. All are in lower case. To add a language, add it here and to the table in
 * test/formats/reply/reply-text.test.ts; no other file depends on languages.
 */

/** Splits rows of words at " | ". */
function words(...rows: string[]): string[] {
  return rows.flatMap((row) => row.split(' | '))
}

/** The first words of attributions: "On Monday, Ann wrote:". */
export const ATTRIBUTION_OPENERS = [
  ...words('on | le | el | il | em | am | op | den | på | pe | dne | w dniu | dnia | in data | a | la | vào | pada'),
  ...words('в | во | от | у | στις | في'),
].map((opener) => `${opener} `)
ATTRIBUTION_OPENERS.push('在', '于', '於') // written without a space

/** The verbs of attributions. */
export const WROTE = words(
  'wrote | a écrit | a ecrit | escribió | ha scritto | escreveu | schrieb | schreef | geschreven | skrev | kirjoitti',
  'napisał | pisze | napsal | napísal | написал | пишет | написав | yazdı | a scris | írta | έγραψε | đã viết | menulis',
  '写道 | 寫道 | 작성 | のメッセージ | 書きました | كتب | כתב',
)

/** The text between dashes above the original message of a reply. */
export const ORIGINAL_MESSAGE = words(
  'original message | reply message | ursprüngliche nachricht | originalnachricht | original-nachricht',
  "antwort nachricht | message d'origine | message d’origine | message original | mensaje original",
  'mensagem original | messaggio originale | oorspronkelijk bericht | oprindelig meddelelse | oprindelig besked',
  'opprinnelig melding | ursprungligt meddelande | alkuperäinen viesti | oryginalna wiadomość | исходное сообщение',
  '原始邮件 | 原始郵件 | 元のメッセージ | 원본 메시지',
)

/** The text between dashes above a forwarded message. */
export const FORWARDED = words(
  'forwarded message | weitergeleitete nachricht | message transféré | mensaje reenviado | mensagem encaminhada',
  'messaggio inoltrato | doorgestuurd bericht | vidarebefordrat meddelande | videresendt melding | videresendt besked',
  'przekazana wiadomość | пересылаемое сообщение | 转发的邮件 | 轉寄的郵件 | 転送メッセージ | 전달된 메시지',
)

/** The same without dashes, as Apple Mail writes it. */
export const BEGIN_FORWARDED = words(
  'begin forwarded message | anfang der weitergeleiteten | début du message réexpédié | 开始转发的邮件',
)

/** Field names that begin a copied header. */
export const FROM_LABELS = new Set(
  words('from | von | de | van | da | från | fra | od | от | 发件人 | 寄件者 | 差出人 | 보낸 사람 | من'),
)

/** Field names that follow in a copied header. */
export const OTHER_LABELS = new Set(
  words(
    'sent | date | to | cc | subject | gesendet | datum | an | betreff | envoyé | à | objet | enviado | fecha | para',
    'asunto | data | enviada | assunto | inviato | a | oggetto | verzonden | aan | onderwerp | skickat | till | ämne',
    'sendt | til | emne | wysłano | do | temat | отправлено | дата | кому | тема',
    '发送时间 | 收件人 | 主题 | 日期 | 抄送 | 寄件日期 | 收件者 | 主旨 | 送信日時 | 宛先 | 件名 | 보낸 날짜 | 받는 사람 | 제목',
  ),
)

/** The beginnings of signatures that phones and mail programs add. */
export const DEVICE_SIGNATURES = words(
  'sent from my | sent from mail for | sent from outlook | sent from yahoo | sent via | sent with proton',
  'get outlook for | von meinem | gesendet von | gesendet mit | envoyé de mon | envoyé depuis | envoyé à partir',
  'enviado desde | enviado do meu | inviato da | verzonden vanaf | verstuurd vanaf | skickat från | sendt fra',
  'wysłane z | отправлено с | 发自我的 | 從我的 | iphoneから送信',
)

/** The first words of bounces. Bounces quote the message that failed, and this quote is part of their content. */
export const REPORT_OPENINGS = words(
  'this is the mail system at host | this message was created automatically by mail | delivery status notification',
  'undelivered mail returned | mail delivery failed | delivery has failed | returned mail | address not found',
  "your message could not be delivered | your message couldn't be delivered | message not delivered | message blocked",
  "i'm sorry to have to inform you | reporting-mta: | final-recipient: | delivery to the following recipient",
)
