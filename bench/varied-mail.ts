/**
 * Messages with varied text for benches: words of this repository's documents, as frequent as there, some of them in other
 * languages and scripts; text and HTML, replies with quotes, and every tenth with an attachment. The same seed gives the
 * same messages.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { seededRandom } from '../test/support/seeded-random.ts'

/** Words in other languages, mixed into every fifth message. */
const FOREIGN = `der die und das nicht über würde können Größe Straße Rechnung Bestellung Lieferung Woche
  le la les des vous êtes déjà réponse équipe facture livraison semaine merci prière où garçon
  el los para usted mañana señor pedido factura entrega gracias también después año corazón
  и в не на что вы это как счёт заказ доставка спасибо неделя сегодня хорошо письмо ответ
  я также можно сообщение встреча завтра`.split(/\s+/)
const IDEOGRAPHS =
  '的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏怕验证码'

export interface VariedMail {
  readonly raw: Buffer
  readonly subject: string
}

/** @param textChars approximate length of the text; the message is about 2.2 times as large */
export function createVariedMail(seed: number, textChars: number): (index: number, to: string) => VariedMail {
  const random = seededRandom(seed)
  const words = documentWords()
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const ideographs = [...IDEOGRAPHS]

  return function variedMail(index, to) {
    const subject = sentence(6, false)
    const isReply = index > 10 && random() < 0.2
    const own = paragraphs(isReply ? textChars / 2 : textChars, random() < 0.2)
    const quoted = isReply ? paragraphs(textChars / 2, false) : []
    const text = [...own, ...quoted.map((each) => `> ${each}`)].join('\r\n\r\n')
    const html = [
      '<html><head><style>body { font-family: sans-serif; color: #222 } p { margin: 0 0 1em }</style></head><body>',
      ...own.map((each) => `<p style="margin:0 0 16px">${each}</p>`),
      ...(isReply ? [`<blockquote>${quoted.map((each) => `<p>${each}</p>`).join('')}</blockquote>`] : []),
      '</body></html>',
    ].join('\r\n')
    const parts = [
      ['Content-Type: text/plain; charset=utf-8', text],
      ['Content-Type: text/html; charset=utf-8', html],
    ]
    const body =
      index % 10 === 0
        ? multipart('mixed', 'm', [
            multipart(
              'alternative',
              'a',
              parts.map(([head, content]) => `${head}\r\n\r\n${content}`),
            ),
            attachment(index),
          ])
        : multipart(
            'alternative',
            'a',
            parts.map(([head, content]) => `${head}\r\n\r\n${content}`),
          )
    const from = Math.floor(random() * 200)
    const raw = [
      `Received: from relay${from}.example (relay${from}.example [192.0.2.${from}]) by mx.example; Sun, 29 Nov 2026 10:00:00 +0000`,
      `From: ${capitalised(pick(words))} ${capitalised(pick(words))} <sender${from}@example${from % 20}.test>`,
      `To: ${to}`,
      `Subject: =?utf-8?B?${Buffer.from(subject).toString('base64')}?=`,
      `Message-ID: <${seed}.${index}.${Math.floor(random() * 1e9)}@example${from % 20}.test>`,
      ...(isReply ? [`In-Reply-To: <${seed}.${index - 5}@example.test>`] : []),
      'Date: Sun, 29 Nov 2026 10:00:00 +0000',
      'MIME-Version: 1.0',
      body,
      '',
    ].join('\r\n')
    return { raw: Buffer.from(raw), subject }
  }

  function paragraphs(chars: number, isForeign: boolean): string[] {
    const found: string[] = []
    for (let length = 0; length < chars; ) {
      const paragraph = Array.from({ length: 1 + Math.floor(random() * 4) }, () => sentence(14, isForeign)).join(' ')
      found.push(paragraph)
      length += paragraph.length
    }
    return found
  }

  function sentence(length: number, isForeign: boolean): string {
    if (isForeign && random() < 0.3)
      return `${Array.from({ length: 12 }, () => ideographs[Math.floor(random() ** 2 * ideographs.length)]).join('')}。`
    const count = 3 + Math.floor(random() * length)
    const list = Array.from({ length: count }, () => (isForeign && random() < 0.6 ? pick(FOREIGN) : pick(words)))
    if (random() < 0.2) list.push(String(Math.floor(random() * 1e6)))
    return `${capitalised(list.join(' '))}.`
  }

  function attachment(index: number): string {
    const bytes = Buffer.from(Array.from({ length: 1_500 }, () => Math.floor(random() * 256)))
    return `Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="${index}.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n${bytes
      .toString('base64')
      .replace(/.{76}/g, '$&\r\n')}`
  }
}

function multipart(kind: string, boundary: string, parts: readonly string[]): string {
  const inner = parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')
  return `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n${inner}--${boundary}--`
}

function documentWords(): string[] {
  const files = readdirSync('docs/adr').map((name) => `docs/adr/${name}`)
  const text = [...files, 'ARCHITECTURE.md', 'docs/operations.md', 'docs/events.md']
    .map((file) => readFileSync(file, 'utf8'))
    .join(' ')
  return text.match(/\p{L}[\p{L}'’-]+/gu) ?? []
}

function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
