/**
 * Tests the lines that mail programs write above quotes, in their languages, and lines of people that resemble them.
 * A line that is not recognised stays in the text; a line of a person that is recognised would be lost.
 */
import { describe, expect, test } from 'vitest'
import { extractReply } from '../../../src/formats/reply/reply-text.ts'

const REPLY = { subject: 'Re: Lunch', inReplyTo: ['<1@example.com>'] }
const OWN = 'Fine with me.\n\nSee you there.'

function extract(text: string, header = {}): string | undefined {
  return extractReply({ text }, header).extractedText
}

/** Lines above quotes that are evidence enough without marks: name of program and language, and the lines. */
const STRONG: readonly (readonly [string, string])[] = [
  ['Gmail, English', 'On Thu, Mar 12, 2026 at 2:05\u202fPM Ann Lee <ann@example.com> wrote:'],
  ['Gmail, British', 'On Thu, 12 Mar 2026 at 14:05, Ann Lee <ann@example.com> wrote:'],
  ['Gmail, German', 'Am Do., 12. März 2026 um 14:05 Uhr schrieb Ann Lee <ann@example.com>:'],
  ['Gmail, French', 'Le jeu. 12 mars 2026 à 14:05, Ann Lee <ann@example.com> a écrit :'],
  ['Gmail, Canadian French', 'Le jeu. 12 mars 2026, à 14 h 05, Ann Lee <ann@example.com> a écrit :'],
  ['Gmail, Spanish', 'El jue, 12 mar 2026 a las 14:05, Ann Lee (<ann@example.com>) escribió:'],
  ['Gmail, Italian', 'Il giorno gio 12 mar 2026 alle ore 14:05 Ann Lee <ann@example.com> ha scritto:'],
  ['Gmail, Portuguese', 'Em qui., 12 de mar. de 2026 às 14:05, Ann Lee <ann@example.com> escreveu:'],
  ['Gmail, Dutch', 'Op do 12 mrt 2026 om 14:05 schreef Ann Lee <ann@example.com>:'],
  ['Gmail, Swedish', 'Den tors 12 mars 2026 kl 14:05 skrev Ann Lee <ann@example.com>:'],
  ['Gmail, Norwegian', 'tor. 12. mars 2026 kl. 14:05 skrev Ann Lee <ann@example.com>:'],
  ['Gmail, Danish', 'Den tors. 12. mar. 2026 kl. 14.05 skrev Ann Lee <ann@example.com>:'],
  ['Gmail, Finnish', 'to 12. maalisk. 2026 klo 14.05 Ann Lee (ann@example.com) kirjoitti:'],
  ['Gmail, Polish', 'czw., 12 mar 2026 o 14:05 Ann Lee <ann@example.com> napisał(a):'],
  ['Gmail, Czech', 'čt 12. 3. 2026 v 14:05 odesílatel Ann Lee <ann@example.com> napsal:'],
  ['Gmail, Slovak', 'št 12. 3. 2026 o 14:05 Ann Lee <ann@example.com> napísal(a):'],
  ['Gmail, Hungarian', 'Ann Lee <ann@example.com> ezt írta (időpont: 2026. márc. 12., Cs, 14:05):'],
  ['Gmail, Romanian', 'În joi, 12 mar. 2026 la 14:05, Ann Lee <ann@example.com> a scris:'],
  ['Gmail, Greek', 'Στις Πέμ 12 Μαρ 2026 στις 2:05 μ.μ., ο χρήστης Ann Lee <ann@example.com> έγραψε:'],
  ['Gmail, Turkish', 'Ann Lee <ann@example.com>, 12 Mar 2026 Per, 14:05 tarihinde şunu yazdı:'],
  ['Gmail, Ukrainian', 'чт, 12 бер. 2026 р. о 14:05 Ann Lee <ann@example.com> пише:'],
  ['Gmail, Bulgarian', 'На чт, 12.03.2026 г. в 14:05 ч. Ann Lee <ann@example.com> написа:'],
  ['Gmail, Serbian', 'чет, 12. мар 2026. у 14:05 Ann Lee <ann@example.com> је написао/ла:'],
  ['Gmail, Croatian', 'čet, 12. ožu 2026. u 14:05 Ann Lee <ann@example.com> napisao je:'],
  ['Gmail, Slovenian', 'V V čet., 12. mar. 2026 ob 14:05 je oseba Ann Lee <ann@example.com> napisala:'],
  ['Gmail, Arabic', 'في الخميس، 12 مارس 2026 في 2:05 م تمت كتابة ما يلي بواسطة ‪Ann Lee‬‏ <‪ann@example.com‬‏>:'],
  ['Gmail, Hindi', 'गुरु, 12 मार्च 2026 को 2:05 pm बजे को Ann Lee <ann@example.com> ने लिखा:'],
  ['Gmail, Thai', 'ในวันที่ พฤ. 12 มี.ค. 2569 เวลา 14:05 Ann Lee <ann@example.com> เขียนว่า:'],
  ['Gmail, Vietnamese', 'Vào Th 5, 12 thg 3, 2026 vào lúc 14:05 Ann Lee <ann@example.com> đã viết:'],
  ['Gmail, Indonesian', 'Pada Kam, 12 Mar 2026 pukul 14.05 Ann Lee <ann@example.com> menulis:'],
  ['Gmail, Chinese', 'Ann Lee <ann@example.com> 于2026年3月12日周四 14:05写道：'],
  ['Gmail, traditional Chinese', 'Ann Lee <ann@example.com> 於 2026年3月12日 週四 下午2:05寫道：'],
  ['Gmail, Korean', '2026년 3월 12일 (목) 오후 2:05, Ann Lee <ann@example.com>님이 작성:'],
  ['Apple Mail, English', 'On Mar 12, 2026, at 2:05 PM, Ann Lee <ann@example.com> wrote:'],
  ['Apple Mail without an address', 'On Mar 12, 2026, at 2:05 PM, Ann Lee wrote:'],
  ['Apple Mail, German', 'Am 12.03.2026 um 14:05 schrieb Ann Lee <ann@example.com>:'],
  ['Apple Mail, French', 'Le 12 mars 2026 à 14:05, Ann Lee <ann@example.com> a écrit :'],
  ['Apple Mail, Turkish', 'Ann Lee <ann@example.com> şunları yazdı (12 Mar 2026 14:05):'],
  ['Apple Mail, Russian', '12 марта 2026 г., в 14:05, Ann Lee <ann@example.com> написал(а):'],
  ['Apple Mail, Japanese', '2026/03/12 14:05、Ann Lee <ann@example.com>のメール:'],
  ['Apple Mail, Chinese', '2026年3月12日 14:05，Ann Lee <ann@example.com> 写道：'],
  ['Apple Mail, Korean', '2026. 3. 12. 오후 2:05, Ann Lee <ann@example.com> 작성:'],
  ['Apple Mail, Hebrew', 'ב-12 במרץ 2026, בשעה 14:05, ‏‪Ann Lee‬‏ <‪ann@example.com‬‏> כתב/ה:'],
  ['Apple Mail, Arabic', 'في ١٢ مارس ٢٠٢٦، الساعة ٢:٠٥ م، كتب Ann Lee <ann@example.com>:'],
  ['Apple Mail, Finnish', 'Ann Lee <ann@example.com> kirjoitti 12.3.2026 kello 14.05:'],
  ['Apple Mail, Hungarian', '2026. márc. 12. dátummal, 14:05 időpontban Ann Lee <ann@example.com> írta:'],
  ['Thunderbird, English', 'On 3/12/26 14:05, Ann Lee wrote:'],
  ['Thunderbird, German', 'Am 12.03.26 um 14:05 schrieb Ann Lee:'],
  ['Thunderbird, French', 'Le 12/03/2026 à 14:05, Ann Lee a écrit :'],
  ['Thunderbird, Spanish', 'El 12/3/26 a las 14:05, Ann Lee escribió:'],
  ['Thunderbird, Italian', 'Il 12/03/2026 14:05, Ann Lee ha scritto:'],
  ['Thunderbird, Polish', 'W dniu 12.03.2026 o 14:05, Ann Lee pisze:'],
  ['Thunderbird, Czech', 'Dne 12. 03. 26 v 14:05 Ann Lee napsal(a):'],
  ['Thunderbird, Swedish', 'Den 2026-03-12 kl. 14:05, skrev Ann Lee:'],
  ['Thunderbird, Portuguese', 'Em 12/03/2026 14:05, Ann Lee escreveu:'],
  ['Thunderbird, Dutch', 'Op 12-03-2026 om 14:05 schreef Ann Lee:'],
  ['Thunderbird, Russian', '12.03.2026 14:05, Ann Lee пишет:'],
  ['Thunderbird, Greek', 'Στις 12/3/2026 2:05 μ.μ., ο/η Ann Lee έγραψε:'],
  ['Thunderbird, Romanian', 'La 12.03.2026 14:05, Ann Lee a scris:'],
  ['Yahoo, English', '    On Thursday, March 12, 2026 at 02:05:33 PM GMT+1, Ann Lee <ann@example.com> wrote:  '],
  [
    'Yahoo, German',
    'Am Donnerstag, 12. März 2026 um 14:05:33 MEZ hat Ann Lee <ann@example.com> Folgendes geschrieben:',
  ],
  [
    'Yahoo, Dutch',
    'Op donderdag 12 maart 2026 om 14:05:33 CET heeft Ann Lee <ann@example.com> het volgende geschreven:',
  ],
  ['Yahoo, French', 'Le jeudi 12 mars 2026 à 14:05:33 UTC+1, Ann Lee <ann@example.com> a écrit :'],
  ['Yahoo, Spanish', 'El jueves, 12 de marzo de 2026, 14:05:33 CET, Ann Lee <ann@example.com> escribió:'],
  ['Yahoo, Portuguese', 'Em quinta-feira, 12 de março de 2026 às 14:05:33 BRT, Ann Lee <ann@example.com> escreveu:'],
  ['ProtonMail', 'On Thursday, March 12th, 2026 at 2:05 PM, Ann Lee <ann@example.com> wrote:'],
  ['Zoho', '---- On Thu, 12 Mar 2026 14:05:33 +0100 Ann Lee <ann@example.com> wrote ----'],
  ['NetEase', '在 2026-03-12 14:05:33，"Ann Lee" <ann@example.com> 写道：'],
  ['NetEase, English', 'At 2026-03-12 14:05:33, "Ann Lee" <ann@example.com> wrote:'],
  ['AOL', 'In a message dated 3/12/2026 2:05:33 PM Eastern Standard Time, ann@example.com writes:'],
  ['Evolution, German', 'Am Donnerstag, dem 12.03.2026 um 14:05 +0100 schrieb Ann Lee:'],
  ['Mutt', 'On Thu, Mar 12, 2026 at 02:05:33PM +0100, Ann Lee wrote:'],
  ['Claws', 'On Thu, 12 Mar 2026 14:05:33 +0100\nAnn Lee <ann@example.com> wrote:'],
  ['Spark', 'On Mar 12, 2026 at 14:05 +0100, Ann Lee <ann@example.com>, wrote:'],
  ['K-9, German', 'Am 12. März 2026 14:05:33 MEZ schrieb Ann Lee <ann@example.com>:'],
  [
    'a line break before the address',
    'On Thu, Mar 12, 2026 at 2:05 PM Somebody With A Rather Long Name <\nann@example.com> wrote:',
  ],
  ['a line break in the date', 'El jueves, 12 de marzo de 2026,\n14:05:33 CET, Ann Lee <ann@example.com> escribió:'],
  [
    'three lines',
    'Le jeu. 12 mars 2026 à 14:05, Une Personne Au Nom Vraiment Très Long <\nann@une-organisation-au-nom-long.example.com> a\nécrit :',
  ],
  [
    'a line break before the address, and the date last',
    'Ann Lee <\nann@example.com> schrieb am Do., 12. März 2026, 14:05:',
  ],
  ['three lines, the name last', 'Am Donnerstag,\n12. März 2026 um 14:05 Uhr schrieb\nAnn Lee <ann@example.com>:'],
]

/** Lines above quotes that need quoted lines below: they have no verb, or no time, or no date. */
const WITH_MARKS: readonly (readonly [string, string])[] = [
  ['Gmail, Russian', 'чт, 12 мар. 2026 г. в 14:05, Ann Lee <ann@example.com>:'],
  ['Gmail, Japanese', '2026年3月12日(木) 14:05 Ann Lee <ann@example.com>:'],
  ['Gmail, Hebrew', '‫בתאריך יום ה׳, 12 במרץ 2026 ב-14:05 מאת ‪Ann Lee‬‏ <‪ann@example.com‬‏>:‬'],
  ['Gmail, Estonian', 'Kasutaja Ann Lee (<ann@example.com>) kirjutas kuupäeval N, 12. märts 2026 kell 14:05:'],
  ['Gmail, Lithuanian', '2026-03-12, kt, 14:05 Ann Lee <ann@example.com> rašė:'],
  ['Gmail, Latvian', 'ceturtd., 2026. g. 12. marts, plkst. 14:05 — lietotājs Ann Lee (<ann@example.com>) rakstīja:'],
  ['Gmail, Catalan', 'Missatge de Ann Lee <ann@example.com> del dia dj., 12 de març 2026 a les 14:05:'],
  ['no verb, no-break spaces', '2026-03-12\u00a014:05 GMT+02:00 Ann Lee <ann@example.com>:'],
  [
    'no verb, and a line break in the brackets',
    '2026-02-05 13:29 GMT+02:00 Somebody With A Rather Long Name <\nnotifications@a-rather-long-host-name.example.com>:',
  ],
  ['Tutanota', '12. Mar 2026, 14:05 by ann@example.com:'],
  ['Alpine', 'On Thu, 12 Mar 2026, Ann Lee wrote:'],
  ['Gnus', 'Ann Lee <ann@example.com> writes:'],
  ['Horde', 'Zitat von Ann Lee <ann@example.com>:'],
  ['a name', 'Ann Lee wrote:'],
  ['Yandex without an address', '12.03.2026, 14:05, "Ann Lee":'],
  ['The Bat!', 'Thursday, March 12, 2026, 2:05:33 PM, you wrote:'],
]

describe('above quoted lines, this is part of the quote:', () => {
  test.each([...STRONG, ...WITH_MARKS])('%s', (_, attribution) => {
    expect(extract(`${OWN}\n\n${attribution}\n\n> Tuesday?\n> Ann`, REPLY)).toBe(OWN)
    expect(extract(`${OWN}\n\n${attribution}\n> Tuesday?`, REPLY)).toBe(OWN)
    expect(extract(`${OWN}\n${attribution}\n> Tuesday?\n> Ann`, REPLY)).toBe(OWN)
    expect(extract(`${attribution}\n\n> Tuesday?\n> Ann\n\n${OWN}`, REPLY)).toBe(OWN)
  })
})

describe('above text without marks, this begins the quote:', () => {
  test.each(STRONG)('%s', (_, attribution) => {
    expect(extract(`${OWN}\n\n${attribution}\n\nTuesday?\n\nAnn`)).toBe(OWN)
  })

  test('Yahoo Mail on phones, which writes the quote on the same line', () => {
    const quote = 'On Thu, Mar 12, 2026 at 14:05, Ann Lee<ann@example.com> wrote:   Tuesday?\n\nAnn'
    expect(extract(`${OWN}\n\nSent from Yahoo Mail on Android \n \n  ${quote}`, REPLY)).toBe(OWN)
  })
})

describe('a person wrote this, and it stays with the text below:', () => {
  test.each([
    ['On page 3 you wrote:'],
    ['On page 3 of the contract of 12 March 2026 you wrote:'],
    ['On 12 March you wrote:'],
    ['In your last message you wrote:'],
    ['As Ann wrote:'],
    ['Ann wrote:'],
    ['On Monday, Ann wrote:'],
    ['On 12 March 2026, Ann wrote:'],
    ['Am 12. März schrieben Sie:'],
    ['Auf Seite 3 schrieb Ann:'],
    ['Le 12 mars, vous avez écrit :'],
    ['A la página 3, usted escribió:'],
    ['Op pagina 3 schreef je:'],
    ['Na stronie 3 pan napisał:'],
    ['На странице 3 вы написали:'],
    ['您在第3页写道：'],
    ['The meeting with Ann <ann@example.com> on 12 March 2026 at 14:05 has these topics:'],
    ['On 12 March 2026 at 14:05 please call Ann at ann@example.com:'],
    ['Please send this to Ann Lee <ann@example.com>:'],
    ['On 12 March 2026 at 14:05 we decided:'],
    ['In her mail of 12 March 2026, 14:05, Ann wrote:'],
    ['In the minutes of 12 March 2026, 14:05, the board wrote:'],
    ['Das habe ich am 12.03.2026 um 14:05 Uhr an Ann <ann@example.com> geschrieben:'],
    ['In my mail to Ann <ann@example.com> of 12.03.2026, I wrote:'],
  ])('%s', (line) => {
    for (const header of [{}, REPLY]) {
      const text = `Hello,\n\n${line}\n\nThe price is 100 euros.\n\nIs that still right?`
      expect(extract(text, header)).toBe(text)
    }
  })

  test.each([
    ['On page 3 you wrote:'],
    ['As you wrote on 12 March:'],
    ['In the contract of 12 March 2026, the landlord wrote:'],
    ['Please read what Ann Lee, of the board, <ann@example.com> wrote:'],
    ['Your terms say:'],
  ])('%s, with the quoted lines directly below it', (line) => {
    const text = `${line}\n> The price is\n> 100 euros.\n\nIs that still right?`
    expect(extract(text, REPLY)).toBe(text)
    expect(extract(text.replace('\n>', '\n\n>'), REPLY)).toBe(`${line}\n\nIs that still right?`)
  })

  test('a sentence with a date directly above the attribution', () => {
    const attribution = 'Ann Lee <ann@example.com> wrote:\n> Tuesday?\n> Ann'
    for (const own of ['We meet on 12.03.2026 at 14:05.', 'Lunch starts on 12.03.2026 at 14:05'])
      expect(extract(`${own}\n${attribution}`, REPLY)).toBe(own)
  })
})
