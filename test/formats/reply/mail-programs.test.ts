/** Tests replies as about fifty mail programs and languages write them: their quotes go, the text above them stays. */
import { describe, expect, test } from 'vitest'
import { extractReply } from '../../../src/formats/reply/reply-text.ts'

const REPLY = { subject: 'Re: Lunch', inReplyTo: ['<1@example.com>'] }
const OWN = 'Fine with me.\n\nSee you there.'

/** Name of the program, with language or variant, and its quote. */
const TEXTS: readonly (readonly [string, string])[] = [
  [
    'Samsung',
    '-------- Original message --------\nFrom: Ann Lee <ann@example.com> \nDate: 3/12/26  2:05 PM  (GMT-05:00) \nTo: Bob <bob@x.org> \nSubject: Re: Lunch \n\nTuesday?',
  ],
  [
    'Samsung, de',
    '-------- Ursprüngliche Nachricht --------\nVon: Ann Lee <ann@example.com> \nDatum: 12.03.26  14:05  (GMT+01:00) \nAn: Bob <bob@x.org> \nBetreff: Re: Lunch \n\nTuesday?',
  ],
  [
    'Samsung, one line',
    '-------- Original message --------From: Ann Lee <ann@example.com> Date: 3/12/26  2:05 PM To: Bob Subject: Lunch \n\nTuesday?',
  ],
  ['Outlook, prefixed', '> -----Original Message-----\n> From: Ann <ann@x.org>\n> Sent: x\n>\n> Tuesday?'],
  [
    'Yahoo, old',
    '--- On Thu, 3/12/26, Ann Lee <ann@example.com> wrote:\n\nFrom: Ann Lee <ann@example.com>\nSubject: Lunch\n\nTuesday?',
  ],
  ['Notes', 'Ann Lee/Example wrote on 12.03.2026 14:05:33:\n\n> From: Ann\n> Tuesday?'],
  [
    'Notes (header)',
    'From:        Ann Lee <ann@x.org>\nTo:        Bob <bob@x.org>\nDate:        12/03/2026 14:05\nSubject:        Lunch\n________________________________\n\nTuesday?',
  ],
  ['a line break before the verb', 'On Thu, Mar 12, 2026 at 2:05 PM Ann Lee <ann@example.com>\nwrote:\n\n> Tuesday?'],
  [
    'md, link',
    'On Thursday, March 12th, 2026 at 2:05 PM, Ann <[ann@example.com](mailto:ann@example.com)> wrote:\n\nTuesday?',
  ],
  [
    'Outlook, mailto',
    'From: Ann Lee <ann@example.com<mailto:ann@example.com>>\nSent: Thursday, March 12, 2026 2:05 PM\nTo: Bob <bob@x.org<mailto:bob@x.org>>\nSubject: Re: Lunch\n\nTuesday?',
  ],
  [
    'Outlook, mailto attr',
    'On Mar 12, 2026, at 2:05 PM, Ann Lee <ann@example.com<mailto:ann@example.com>> wrote:\n\nTuesday?',
  ],
  [
    'hebrew, ios',
    'נשלח מה-iPhone שלי\n\n‫ב-12 במרץ 2026, בשעה 14:05, ‏Ann Lee ‏<ann@example.com> כתב/ה:‬\n\n‏> Tuesday\n‏> x',
  ],
  [
    'hebrew, outlook',
    '________________________________\nמאת: Ann Lee <ann@example.com>\n‏‏נשלח: יום חמישי 12 מרץ 2026 14:05\n‏‏אל: Bob <b@x.org>\n‏‏נושא: Lunch\n\nTuesday',
  ],
  [
    'QQ',
    '------------------&nbsp;原始邮件&nbsp;------------------\n发件人:                                                                                                                        "Ann"                                                                                    <ann@x.org&gt;;\n发送时间:&nbsp;2026年3月12日(星期四) 下午2:05\n收件人:&nbsp;"Bob"<bob@x.org&gt;;\n\n主题:&nbsp;Lunch\n\n\n\nTuesday?',
  ],
  [
    'QQ, en',
    '------------------ Original ------------------\nFrom: "Ann" <ann@x.org>;\nDate: Thu, Mar 12, 2026 02:05 PM\nTo: "Bob"<bob@x.org>;\n\nSubject: Lunch\n\nTuesday?',
  ],
  ['QQ, new', '"Ann Lee"<ann@example.com> 在 2026年3月12日 周四 14:05 写道：\n\nTuesday?'],
  [
    'Aliyun',
    '------------------------------------------------------------------\n发件人：Ann Lee <ann@x.org>\n日　期：2026年03月12日 14:05:33\n收件人：Bob<bob@x.org>\n主　题：Lunch\n\nTuesday',
  ],
  [
    'Daum',
    '--------- 원본 메일 ---------\n보낸사람 : Ann Lee <ann@x.org>\n받는사람 : Bob <b@x.org>\n날짜: 2026년 3월 12일 목요일, 14시 05분 33초 +0900\n제목: Lunch\n\nTuesday',
  ],
  [
    'Naver',
    '-----Original Message-----\nFrom: "Ann Lee"<ann@x.org>\nTo: "Bob"<b@x.org>;\nCc:\nSent: 2026-03-12 (목) 14:05:33 (GMT+09:00)\nSubject: Lunch\n\nTuesday',
  ],
  [
    'Yahoo, jp',
    '----- Original Message -----\nFrom: "Ann" <ann@x.org>\nTo: bob@x.org\nDate: 2026/3/12, Thu 14:05\nSubject: Lunch\n\nTuesday',
  ],
  ['Becky', 'On Thu, 12 Mar 2026 14:05:33 +0900\nAnn Lee <ann@x.org> wrote:\n\n> Tuesday?'],
  ['a Japanese message', '2026年3月12日(木) 14:05、Ann Lee さん(ann@example.com)のメッセージ:\n>Tuesday'],
  [
    'GMX',
    'Gesendet: Donnerstag, 12. März 2026 um 14:05 Uhr\nVon: "Ann Lee" <ann@x.org>\nAn: bob@x.org\nBetreff: Lunch\n\nTuesday',
  ],
  [
    'T-Online',
    '-----Original-Nachricht-----\nBetreff: Lunch\nDatum: 2026-03-12T14:05:33+0100\nVon: "Ann" <ann@x.org>\nAn: bob@x.org\n\nTuesday',
  ],
  [
    'Libero',
    '----Messaggio originale----\nDa: ann@x.org\nData: 12-mar-2026 14.05\nA: bob@x.org\nOgg: Lunch\n\nTuesday',
  ],
  ['Orange', '> Message du 12/03/26 14:05\n> De : "Ann" <ann@x.org>\n> A : bob@x.org\n> Objet : Lunch\n>\n> Tuesday'],
  ['Mail.ru', 'Четверг, 12 марта 2026, 14:05 +03:00 от Ann Lee <ann@x.org>:\n \n>Tuesday?\n>x'],
  ['Yandex', '12.03.2026, 14:05, "Ann Lee" <ann@x.org>:\n\n> Tuesday?'],
  [
    'Seznam',
    '---------- Původní e-mail ----------\nOd: Ann <ann@x.org>\nKomu: bob@x.org\nDatum: 12. 3. 2026 14:05:33\nPředmět: Lunch\n\nTuesday',
  ],
  ['Onet', 'Dnia 12 marca 2026 14:05 Ann Lee <ann@x.org> napisał(a):\n\nTuesday'],
  ['WP', 'W dniu 2026-03-12 14:05:33 użytkownik Ann Lee <ann@x.org> napisał:\n\nTuesday'],
  ['Hotmail', 'Date: Thu, 12 Mar 2026 14:05:33 +0100\nFrom: ann@x.org\nTo: bob@x.org\nSubject: Lunch\n\nTuesday'],
  ['Gmail, android', 'On Thu, 12 Mar 2026, 14:05 Ann Lee, <ann@example.com> wrote:\n\n> Tuesday?'],
  ['Gmail, android de', 'Ann Lee <ann@x.org> schrieb am Do., 12. März 2026, 14:05:\n\n> Tuesday?'],
  ['KMail', 'On Thursday 12 March 2026, 14:05:33 CET Ann Lee wrote:\n\n> Tuesday?'],
  ['SeaMonkey', 'Ann Lee wrote on 3/12/26 14:05:\n> Tuesday?'],
  ['iPhone', '> On Mar 12, 2026, at 2:05 PM, Ann <ann@x.org> wrote:\n> \n> \ufeffTuesday'],
  [
    'Outlook, ios de',
    'Outlook für iOS beziehen<https://aka.ms/o0ukef>\n________________________________\nVon: Ann Lee <ann@x.org>\nGesendet: Donnerstag, März 12, 2026 2:05 PM\nAn: Bob <bob@x.org>\nBetreff: Re: Lunch\n\nTuesday',
  ],
  [
    'Yahoo, de',
    'Gesendet mit der Yahoo Mail App\n\nAm Donnerstag, 12. März 2026 um 14:05:33 MEZ hat Ann <ann@x.org> Folgendes geschrieben: \n\n Tuesday?',
  ],
  ['Apple Mail, pt', 'No dia 12/03/2026, às 14:05, Ann Lee <ann@x.org> escreveu:\n\n> Tuesday'],
  ['Apple Mail, es', 'El 12 mar 2026, a las 14:05, Ann Lee <ann@x.org> escribió:\n\nTuesday'],
  ['Apple Mail, it', 'Il giorno 12 mar 2026, alle ore 14:05, Ann Lee <ann@x.org> ha scritto:\n\nTuesday'],
  ['Apple Mail, nl', 'Op 12 mrt 2026, om 14:05 heeft Ann Lee <ann@x.org> het volgende geschreven:\n\nTuesday'],
  ['Apple Mail, sv', '12 mars 2026 kl. 14:05 skrev Ann Lee <ann@x.org>:\n\nTuesday'],
  ['Apple Mail, da', 'Den 12. mar. 2026 kl. 14.05 skrev Ann Lee <ann@x.org>:\n\nTuesday'],
  ['Apple Mail, no', '12. mar. 2026 kl. 14:05 skrev Ann Lee <ann@x.org>:\n\nTuesday'],
  ['Apple Mail, pl', 'Wiadomość napisana przez Ann Lee <ann@x.org> w dniu 12 mar 2026, o godz. 14:05:\n\nTuesday'],
  ['Apple Mail, cs', '12. 3. 2026 v 14:05, Ann Lee <ann@x.org>:\n\n> Tuesday'],
  ['Apple Mail, uk', '12 бер. 2026 р. о 14:05 Ann Lee <ann@x.org> написав(-ла):\n\nTuesday'],
  ['Apple Mail, ro', 'Pe 12 mar. 2026, la 14:05, Ann Lee <ann@x.org> a scris:\n\nTuesday'],
  ['Apple Mail, el', 'Στις 12 Μαρ 2026, στις 2:05 μ.μ., ο χρήστης Ann Lee <ann@x.org> έγραψε:\n\nTuesday'],
  ['Apple Mail, tr', 'Ann Lee <ann@x.org> şunları yazdı (12 Mar 2026 14:05):\n\nTuesday'],
  ['Apple Mail, hu', 'Ann Lee <ann@x.org> írta (2026. márc. 12. dátummal, 14:05 időpontban):\n\nTuesday'],
  ['Apple Mail, id', 'Pada 12 Mar 2026, pukul 14.05, Ann Lee <ann@x.org> menulis:\n\nTuesday'],
  ['Apple Mail, vi', 'Vào 12 thg 3, 2026, lúc 14:05, Ann Lee <ann@x.org> đã viết:\n\nTuesday'],
  ['Apple Mail, th', 'เมื่อ 12 มี.ค. 2569 เวลา 14:05 Ann Lee <ann@x.org> เขียนว่า:\n\nTuesday'],
  ['Apple Mail, zh-tw', 'Ann Lee <ann@x.org> 於 2026年3月12日 下午2:05 寫道：\n\nTuesday'],
  ['Apple Mail, ca', 'El 12 març 2026, a les 14:05, Ann Lee <ann@x.org> va escriure:\n\nTuesday'],
  ['Apple Mail, ko', '2026. 3. 12. 오후 2:05, Ann Lee <ann@x.org> 작성:\n\nTuesday'],
  ['Apple Mail, ja', '2026/03/12 14:05、Ann Lee <ann@x.org>のメール：\n\nTuesday'],
  ['Thunderbird, fi', 'Ann Lee kirjoitti 12.3.2026 klo 14.05:\n> Tuesday'],
  ['Thunderbird, no', 'Den 12.03.2026 14:05, skrev Ann Lee:\n> Tuesday'],
  ['Thunderbird, da', 'Den 12.03.2026 kl. 14.05 skrev Ann Lee:\n> Tuesday'],
  ['Thunderbird, tr', '12.03.2026 14:05 tarihinde Ann Lee yazdı:\n> Tuesday'],
  ['Thunderbird, uk', '12.03.26 14:05, Ann Lee пише:\n> Tuesday'],
  ['Thunderbird, he', 'ב-12/03/2026 14:05, Ann Lee כתב:\n> Tuesday'],
  ['Thunderbird, ja', 'On 2026/03/12 14:05, Ann Lee wrote:\n> Tuesday'],
  ['Thunderbird, ja2', 'Ann Lee さんは書きました (2026/03/12 14:05):\n> Tuesday'],
  ['Thunderbird, zh', '在 2026/3/12 14:05, Ann Lee 写道:\n> Tuesday'],
  ['Thunderbird, zh-tw', 'Ann Lee 於 2026/3/12 下午 2:05 寫道:\n> Tuesday'],
  ['Thunderbird, ko', '2026-03-12 오후 2:05에 Ann Lee 이(가) 쓴 글:\n> Tuesday'],
  ['Thunderbird, hu', '2026. 03. 12. 14:05 keltezéssel, Ann Lee írta:\n> Tuesday'],
  ['Thunderbird, sk', 'Dňa 12. 3. 2026 o 14:05 Ann Lee napísal(a):\n> Tuesday'],
  ['Thunderbird, bg', 'На 12.03.26 г. в 14:05 ч., Ann Lee написа:\n> Tuesday'],
  ['Thunderbird, hr', 'Dana 12. 03. 2026. u 14:05, Ann Lee je napisao/la:\n> Tuesday'],
  ['Thunderbird, lt', '2026-03-12 14:05, Ann Lee rašė:\n> Tuesday'],
  ['Thunderbird, ar', 'في 12/3/2026 14:05، كتب Ann Lee:\n> Tuesday'],
  ['Thunderbird, vi', 'Vào lúc 14:05 ngày 12/03/2026, Ann Lee đã viết:\n> Tuesday'],
  ['Thunderbird, id', 'Pada tanggal 12/03/26 14:05, Ann Lee menulis:\n> Tuesday'],
  ['Thunderbird, is', 'Þann 12.3.2026 kl. 14:05, skrifaði Ann Lee:\n> Tuesday'],
  ['Thunderbird, ca', 'El 12/3/26 a les 14:05, Ann Lee ha escrit:\n> Tuesday'],
  ['ProtonMail, fr', 'Le jeudi 12 mars 2026 à 14:05, Ann Lee <ann@x.org> a écrit :\n\n> Tuesday'],
  ['ProtonMail, de', 'Am Donnerstag, 12. März 2026 um 14:05 schrieb Ann Lee <ann@x.org>:\n\n> Tuesday'],
  [
    'ProtonMail, orig',
    'Sent with Proton Mail secure email.\n\n-------- Original Message --------\nOn 3/12/26 2:05 PM, Ann <ann@x.org> wrote:\n\n>  Tuesday?',
  ],
  [
    'ProtonMail, mobile',
    'Sent from Proton Mail Android\n\n\n-------- Original Message --------\nOn Thursday, 03/12/26 at 14:05 Ann Lee <ann@x.org> wrote:\nTuesday?',
  ],
  ['Zoho, text', '---- On Thu, 12 Mar 2026 14:05:33 +0530 Ann Lee <ann@x.org> wrote ----\n\n > Tuesday?\n > x'],
  [
    'Gmail, wrapped fr',
    'Le jeu. 12 mars 2026 à 14:05, Anne-Charlotte de la Tour <\nanne@x.org> a écrit :\n\n> Tuesday',
  ],
  [
    'Gmail, wrapped pl',
    'czw., 12 mar 2026 o 14:05 Ktoś O Bardzo Długim Nazwisku <ann@x.org>\nnapisał(a):\n\n> Tuesday',
  ],
  ['Gmail, wrapped hu', 'Ann Lee <ann@x.org> ezt írta (időpont: 2026. márc. 12., Cs,\n14:05):\n\n> Tuesday'],
  ['Gmail, wrapped tr', 'Ann Lee <ann@x.org>, 12 Mar 2026 Per, 14:05 tarihinde şunu\nyazdı:\n\n> Tuesday'],
  ['Gmail, wrapped ko', '2026년 3월 12일 (목) 오후 2:05, Ann Lee <ann@x.org>님이\n작성:\n\n> Tuesday'],
  ['Gmail, wrapped ru', 'чт, 12 мар. 2026 г. в 14:05, Somebody <\nann@x.org>:\n\n> Tuesday'],
  ['Gmail, fa', 'در تاریخ پنجشنبه ۱۲ مارس ۲۰۲۶،‏ ۱۴:۰۵ Ann Lee <ann@x.org> نوشت:\n\n> Tuesday'],
  ['Gmail, de with kl', 'Am Do., 12. März 2026 um 14:05 Uhr schrieb Ann Lee via Team <team@x.org>:\n\n> Tuesday'],
  ['HEY', 'On March 12, 2026, Ann Lee <ann@x.org> wrote:\n\nTuesday'],
  ['Fastmail', 'On Thu, Mar 12, 2026, at 2:05 PM, Ann Lee wrote:\n> Tuesday'],
  ['Front', 'On March 12, 2026 at 2:05 PM EST Ann Lee <ann@x.org> wrote:\n\nTuesday'],
  ['Mailspring', 'On Mar 12 2026, at 2:05 pm, Ann Lee <ann@x.org> wrote:\n\n> Tuesday'],
  ['BlueMail', 'On Mar 12, 2026, 14:05, at 14:05, Ann Lee <ann@x.org> wrote:\n>Tuesday\n>x'],
  [
    'Outlook, mac',
    'From: Ann Lee <ann@x.org>\nDate: Thursday, 12 March 2026 at 14:05\nTo: Bob <bob@x.org>\nSubject: Re: Lunch\n\nTuesday',
  ],
  [
    'Outlook, cc',
    'From: Ann Lee <ann@x.org>\nSent: 12 March 2026 14:05\nTo: Bob <bob@x.org>\nCc: Eve <e@x.org>; Carl <c@x.org>\nSubject: RE: Lunch\nImportance: High\n\nTuesday',
  ],
  ['Exchange', 'From: Lee, Ann\nSent: Thursday, March 12, 2026 2:05 PM\nTo: Stone, Bob\nSubject: RE: Lunch\n\nTuesday'],
  [
    'Exchange, with attachments',
    'From: Lee, Ann\nSent: Thursday, March 12, 2026 2:05 PM\nTo: Stone, Bob; Carl\nCc: Eve\nSubject: RE: Lunch\nAttachments: a.pdf\n\nTuesday',
  ],
  [
    'Exchange, rule, other subject',
    '________________________________\nFrom: Lee, Ann\nSent: Thursday, March 12, 2026 2:05 PM\nTo: Stone, Bob\nSubject: Something else\n\nTuesday',
  ],
  [
    'Outlook, a meeting',
    '-----Original Appointment-----\nFrom: Ann Lee <ann@x.org>\nSent: Thursday, March 12, 2026 2:05 PM\nTo: Bob\nSubject: Lunch\nWhen: x\n\nTuesday',
  ],
  [
    'wide, block nb',
    'De :\u00a0Ann Lee <ann@x.org>\nEnvoyé :\u00a0jeudi 12 mars 2026 14:05\nÀ :\u00a0Bob <bob@x.org>\nObjet :\u00a0Re: Lunch\n\nTuesday',
  ],
  [
    'a header with blank lines',
    'From: Ann Lee <ann@x.org>\n\nSent: Thursday, March 12, 2026 2:05 PM\n\nTo: Bob <bob@x.org>\n\nSubject: RE: Lunch\n\nTuesday',
  ],
  [
    'md, block',
    '**From:** Ann Lee <ann@x.org>  \n**Sent:** Thursday, March 12, 2026 2:05 PM  \n**To:** Bob <bob@x.org>  \n**Subject:** Lunch\n\nTuesday',
  ],
  ['Open-Xchange, de', 'Ann Lee <ann@x.org> hat am 12.03.2026 14:05 CET geschrieben:\n\n \nTuesday'],
  ['Open-Xchange, en', '> On 03/12/2026 2:05 PM CET Ann Lee <ann@x.org> wrote:\n> \n> Tuesday'],
  ['an attribution in bold', '*On Thu, Mar 12, 2026 at 2:05 PM Ann Lee <ann@x.org> wrote:*\n\nTuesday'],
  ['Apple Mail, el', '12 Μαρ 2026, 2:05 μ.μ., ο χρήστης «Ann Lee <ann@x.org>» έγραψε:\n\nTuesday'],
  ['Apple Mail, hr', 'Dana 12. 3. 2026., u 14:05, osoba Ann Lee <ann@x.org> napisala je sljedeće:\n\nTuesday'],
  ['Apple Mail, sk', 'Dňa 12. 3. 2026, o 14:05, používateľ Ann Lee <ann@x.org> napísal:\n\nTuesday'],
  ['Gmail, ta', 'வியா., 12 மார்., 2026, பிற்பகல் 2:05 அன்று, Ann Lee <ann@x.org> எழுதியது:\n\n> Tuesday'],
  ['Gmail, bn', 'বৃহস্পতি, 12 মার্চ, 2026 তারিখে 2:05 PM টায় তারিখে Ann Lee <ann@x.org> লিখেছেন:\n\n> Tuesday'],
  ['Gmail, fil', 'Noong Huw, Mar 12, 2026 nang 2:05 PM, isinulat ni Ann Lee <ann@x.org> ang:\n\n> Tuesday'],
  ['Gmail, ms', 'Pada Kha, 12 Mac 2026 pada 2:05 PTG, Ann Lee <ann@x.org> menulis:\n\n> Tuesday'],
  ['Gmail, is', 'Þann fim., 12. mar. 2026 kl. 14:05 skrifaði Ann Lee <ann@x.org>:\n\nTuesday'],
  [
    'Outlook, el',
    'Από: Ann Lee <ann@x.org>\nΕστάλη: Πέμπτη, 12 Μαρτίου 2026 2:05 μμ\nΠρος: Bob <b@x.org>\nΚοιν.: Eve <e@x.org>\nΘέμα: Re: Lunch\n\nTuesday',
  ],
  [
    'Outlook, id',
    'Dari: Ann Lee <ann@x.org>\nDikirim: Kamis, 12 Maret 2026 14:05\nKe: Bob <b@x.org>\nSubjek: Re: Lunch\n\nTuesday',
  ],
  [
    'Mail.ru, hdr',
    '-------- Исходное сообщение --------\nОт кого: Ann Lee <ann@x.org>\nДата: чт, 12 мар. 2026 г. 14:05\nКому: b@x.org\nТема: Lunch\n\nTuesday',
  ],
  [
    'Huawei',
    '-------- 原始邮件 --------\n发件人： Ann <ann@x.org>\n日期： 2026年3月12日周四 14:05\n收件人： b@x.org\n主　题： Lunch\n\nTuesday',
  ],
  ['Xiaomi', 'Ann Lee <ann@x.org>于 2026年3月12日周四 下午2:05写道：\n\nTuesday'],
  [
    'Japanese, outlook fullwidth',
    '差出人： Ann <ann@x.org>\n送信日時： 2026年3月12日 木曜日 14:05\n宛先： b@x.org\n件名： Re: Lunch\n\nTuesday',
  ],
  ['Japanese, names', '差出人: 鈴木 花子\n送信日時: 2026年3月12日 14:05\n宛先: 田中\n件名: Re: Lunch\n\nTuesday'],
  [
    'Japanese, outlook mob',
    'Outlook for iOS を入手<https://aka.ms/o0ukef>\n________________________________\n差出人: Ann <ann@x.org>\n送信日時: Thursday, March 12, 2026 2:05 PM\n宛先: b\n件名: Re: Lunch\n\nTuesday',
  ],
  [
    'Outlook, android fr',
    'Obtenez Outlook pour Android<https://aka.ms/AAb9ysg>\n________________________________\nDe: Ann Lee <ann@x.org>\nEnvoyé: jeudi, mars 12, 2026 14:05\nÀ: Bob <b@x.org>\nObjet: Re: Lunch\n\nTuesday',
  ],
  [
    'Outlook, android es',
    'Obtener Outlook para Android<https://aka.ms/AAb9ysg>\n________________________________\nFrom: Ann Lee <ann@x.org>\nSent: Thursday, March 12, 2026 2:05:33 PM\nTo: Bob <b@x.org>\nSubject: Re: Lunch\n\nTuesday',
  ],
  [
    'Outlook, web no rule',
    'From: Ann Lee <ann@x.org>\nSent: 12 March 2026 14:05\nTo: Bob Stone <b@x.org>\nSubject: Re: Lunch\n \nTuesday',
  ],
  [
    'Yahoo, fr',
    'Envoyé depuis Yahoo Mail pour Android\n\n  Le jeu. 12 mars 2026 à 14:05, Ann Lee<ann@x.org> a écrit :   Tuesday',
  ],
  [
    'Yahoo, es',
    'Enviado desde Yahoo Mail para Android\n\n  El jue, 12 de mar de 2026 a las 14:05, Ann Lee<ann@x.org> escribió:   Tuesday',
  ],
  [
    'Yahoo, pt',
    'Enviado do Yahoo Mail no Android\n\n  Em qui., 12 de mar. de 2026 às 14:05, Ann Lee<ann@x.org> escreveu:   Tuesday',
  ],
  [
    'Yahoo, de mobile',
    'Gesendet von Yahoo Mail auf Android\n\n  Am Do., Mär 12, 2026 at 14:05 schrieb Ann Lee<ann@x.org>:   Tuesday',
  ],
  [
    'Yahoo, it',
    'Inviato da Yahoo Mail su Android\n\n  Il gio, 12 mar 2026 alle 14:05, Ann Lee<ann@x.org> ha scritto:   Tuesday',
  ],
  [
    'Samsung, fr',
    "Envoyé de mon appareil Galaxy\n\n-------- Message d'origine --------\nDe : Ann <ann@x.org>\nDate : 12/03/2026 14:05 (GMT+01:00)\nÀ : b@x.org\nObjet : Re: Lunch\n\nTuesday",
  ],
  [
    'Samsung, es',
    'Enviado desde mi Galaxy\n\n-------- Mensaje original --------\nDe: Ann <ann@x.org>\nFecha: 12/3/26 14:05 (GMT+01:00)\nPara: b@x.org\nAsunto: Re: Lunch\n\nTuesday',
  ],
  [
    'Samsung, it',
    'Inviato da smartphone Samsung Galaxy.\n\n-------- Messaggio originale --------\nDa: Ann <ann@x.org>\nData: 12/03/26 14:05 (GMT+01:00)\nA: b@x.org\nOggetto: Re: Lunch\n\nTuesday',
  ],
  [
    'Samsung, pl',
    'Wysłane z telefonu Galaxy\n\n-------- Oryginalna wiadomość --------\nOd: Ann <ann@x.org>\nData: 12.03.2026 14:05 (GMT+01:00)\nDo: b@x.org\nTemat: Re: Lunch\n\nTuesday',
  ],
  [
    'Samsung, nl',
    'Verzonden vanaf mijn Galaxy\n\n-------- Oorspronkelijk bericht --------\nVan: Ann <ann@x.org>\nDatum: 12-03-2026 14:05 (GMT+01:00)\nAan: b@x.org\nOnderwerp: Re: Lunch\n\nTuesday',
  ],
  [
    'Samsung, ru',
    'Отправлено с моего Galaxy\n\n-------- Исходное сообщение --------\nОт: Ann <ann@x.org>\nДата: 12.03.2026 14:05 (GMT+03:00)\nКому: b@x.org\nТема: Re: Lunch\n\nTuesday',
  ],
  [
    'Samsung, ko',
    '내 Galaxy에서 보냄\n\n-------- 원본 이메일 --------\n발신: Ann <ann@x.org>\n날짜: 26/3/12 오후 2:05 (GMT+09:00)\n받은 사람: b@x.org\n제목: Re: Lunch\n\nTuesday',
  ],
  [
    'Naver, ko',
    '-----Original Message-----\nFrom: "Ann"<ann@x.org>\nTo: "Bob"<b@x.org>;\nCc:\nSent: 2026-03-12 (목) 14:05:33 (GMT+09:00)\nSubject: Re: Lunch\n\nTuesday',
  ],
  ['Thunderbird, he', 'בתאריך 12/03/2026 14:05, \u200fAnn Lee כתב:\n> Tuesday\n> x'],
  [
    'Gmail, he rtl',
    '\u202bבתאריך יום ה׳, 12 במרץ 2026 ב-14:05 מאת \u202aAnn Lee\u202c\u200f <\u202aann@x.org\u202c\u200f>:\u202c\n\n\u202b> Tuesday\u202c\n\u202b> x\u202c',
  ],
  [
    'Gmail, ar',
    'في الخميس، ١٢ مارس ٢٠٢٦ في ٢:٠٥ م تمت كتابة ما يلي بواسطة \u202aAnn\u202c\u200f\n<\u202aann@x.org\u202c\u200f>:\n\n> Tuesday',
  ],
  [
    'Outlook, ar',
    '________________________________\nمن: Ann Lee <ann@x.org>\n\u200f\u200fتم الإرسال: 12/رمضان/1447 02:05 م\n\u200f\u200fإلى: Bob <b@x.org>\n\u200f\u200fالموضوع: Re: Lunch\n\nTuesday',
  ],
  [
    'ProtonMail, es',
    'Enviado con Proton Mail.\n\nEl jueves, 12 de marzo de 2026 a las 14:05, Ann Lee <ann@x.org> escribió:\n\n> Tuesday',
  ],
  [
    'ProtonMail, it',
    "Inviato con l'email sicura Proton Mail.\n\nIl giovedì 12 marzo 2026 14:05, Ann Lee <ann@x.org> ha scritto:\n\n> Tuesday",
  ],
  ['ProtonMail, angle', 'On Thursday, March 12th, 2026 at 2:05 PM, ann@x.org <ann@x.org> wrote:\n\n> Tuesday'],
  ['Gmail, list', "On Thu, Mar 12, 2026 at 2:05 PM 'Ann Lee' via Team <team@x.org> wrote:\n\n> Tuesday"],
  [
    'Gmail, long addr',
    'On Thu, Mar 12, 2026 at 2:05 PM\n<notifications-with-a-long-name@reply.some-long-host.example.com> wrote:\n\n> Tuesday',
  ],
  ['Gmail, nl wrap', 'Op do 12 mrt 2026 om 14:05 schreef Iemand Met Een Heel Lange Naam <\nann@x.org>:\n\n> Tuesday'],
  [
    'Gmail, ru wrap',
    'чт, 12 мар. 2026 г. в 14:05, Очень Длинное Имя Человека <ann@very-long-host.example.org\n>:\n\n> Tuesday',
  ],
  ['Gmail, uk wrap', 'чт, 12 бер. 2026 р. о 14:05 Дуже Довге Ім’я <ann@x.org>\nпише:\n\n> Tuesday'],
  ['Gmail, zh wrap', 'Ann Lee <ann@x.org> 于2026年3月12日周四\n14:05写道：\n\n> Tuesday'],
  [
    'Outlook, pipes',
    'From: Ann Lee <ann@x.org> \nSent: Thursday, March 12, 2026 2:05 PM\nTo: Bob Stone <b@x.org>; Carl <c@x.org>; Dora <d@x.org>;\n Eve <e@x.org>\nCc: Fred\nSubject: [EXTERNAL] Re: Lunch\n\nTuesday',
  ],
  [
    'date, first',
    'Date: Thu, 12 Mar 2026 14:05:33 +0100\nFrom: Ann Lee <ann@x.org>\nTo: b@x.org\nSubject: Lunch\n\nTuesday',
  ],
  [
    'to, first',
    'To: b@x.org\nFrom: Ann Lee <ann@x.org>\nDate: Thu, 12 Mar 2026 14:05:33 +0100\nSubject: Lunch\n\nTuesday',
  ],
]

const HTMLS: readonly (readonly [string, string])[] = [
  [
    'Samsung',
    '<div style="font-size:100%;color:#000"><!-- originalMessage --><div>-------- Original message --------</div><div>From: Ann &lt;ann@x.org&gt; </div><div>Date: 3/12/26  2:05 PM  (GMT-05:00) </div><div>To: Bob &lt;b@x.org&gt; </div><div>Subject: Re: Lunch </div><div><br></div></div><div>Tuesday?</div>',
  ],
  ['Yandex', '<div>12.03.2026, 14:05, "Ann Lee" &lt;ann@x.org&gt;:</div><blockquote><p>Tuesday?</p></blockquote>'],
  [
    'Mail.ru',
    '<blockquote style="border-left:1px solid #0857A6; margin:10px; padding:0 0 0 10px;">Четверг, 12 марта 2026, 14:05 +03:00 от Ann Lee &lt;<a href="//e.mail.ru/compose/?mailto=mailto%3aann@x.org">ann@x.org</a>&gt;:<br><br><div id=""><div class="js-helper">Tuesday?</div></div></blockquote>',
  ],
  [
    'GMX',
    '<div><div name="quote" style="margin:10px 5px 5px 10px; border-left:2px solid #C3D9E5;"><div style="margin:0 0 10px 0;"><b>Gesendet:</b>&nbsp;Donnerstag, 12. März 2026 um 14:05 Uhr<br/><b>Von:</b>&nbsp;"Ann Lee" &lt;ann@x.org&gt;<br/><b>An:</b>&nbsp;b@x.org<br/><b>Betreff:</b>&nbsp;Lunch</div><div name="quoted-content">Tuesday?</div></div></div>',
  ],
  [
    'Roundcube',
    '<p id="reply-intro">On 2026-03-12 14:05, Ann Lee wrote:</p><blockquote type="cite" style="padding: 0 0.4em; border-left: #1010ff 2px solid; margin: 0"><div>Tuesday</div></blockquote>',
  ],
  [
    'Zimbra',
    '<hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__"><blockquote style="border-left:2px solid #1010FF;margin-left:5px;padding-left:5px;"><b>From: </b>"Ann" &lt;ann@x.org&gt;<br><b>To: </b>"Bob" &lt;b@x.org&gt;<br><b>Sent: </b>Thursday, March 12, 2026 2:05:33 PM<br><b>Subject: </b>Lunch<br></blockquote></div><div data-marker="__QUOTED_TEXT__"><blockquote style="border-left:2px solid #1010FF">Tuesday?<br></blockquote></div>',
  ],
  [
    'Spark',
    '<div name="messageReplySection">On Mar 12, 2026, 14:05 +0100, Ann Lee &lt;<a href="mailto:ann@x.org">ann@x.org</a>&gt;, wrote:<br/><blockquote type="cite" style="border-left-color: grey; border-left-width: thin; border-left-style: solid;margin: 5px 5px;padding-left: 10px;">Tuesday</blockquote></div>',
  ],
  [
    'AOL',
    '<div style="font-family:arial">-----Original Message-----<br>From: Ann &lt;ann@x.org&gt;<br>To: b &lt;b@x.org&gt;<br>Sent: Thu, Mar 12, 2026 2:05 pm<br>Subject: Lunch<br><br><div>Tuesday</div></div>',
  ],
  [
    'Outlook, mac',
    '<span id="OLK_SRC_BODY_SECTION"><div style="font-family:Calibri; font-size:11pt; text-align:left; color:black; BORDER-BOTTOM: medium none; BORDER-LEFT: medium none; PADDING-BOTTOM: 0in; BORDER-TOP: #b5c4df 1pt solid;"><span style="font-weight:bold">From: </span> Ann &lt;ann@x.org&gt;<br><span style="font-weight:bold">Date: </span> Thursday, 12 March 2026 at 14:05<br><span>To: </span>Bob &lt;b@x.org&gt;<br><span>Subject: </span>Lunch<br></div><div>Tuesday</div></span>',
  ],
  [
    'Outlook, p',
    '<p class="MsoNormal"><b>Von:</b> Ann Lee &lt;ann@x.org&gt; </p><p class="MsoNormal"><b>Gesendet:</b> Donnerstag, 12. März 2026 14:05</p><p class="MsoNormal"><b>An:</b> Bob &lt;b@x.org&gt;</p><p class="MsoNormal"><b>Betreff:</b> AW: Lunch</p><p class=MsoNormal><o:p>&nbsp;</o:p></p><p>Tuesday</p>',
  ],
  [
    'Outlook, names mso',
    "<div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal><b><span lang=EN-US>From:</span></b><span lang=EN-US> Lee, Ann <br><b>Sent:</b> Thursday, 12 March 2026 14:05<br><b>To:</b> Stone, Bob<br><b>Subject:</b> RE: Lunch<o:p></o:p></span></p></div></div><p class=MsoNormal>Tuesday</p>",
  ],
  [
    'Outlook, blue names',
    "<div style='border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p><b>De :</b> Lee Ann <br><b>Envoyé :</b> jeudi 12 mars 2026 14:05<br><b>À :</b> Bob<br><b>Objet :</b> RE: Lunch</p></div><p>Tuesday</p>",
  ],
  [
    'Notes',
    '<br><br><br><font size=1 color=#5f5f5f>From: &nbsp; &nbsp; &nbsp; &nbsp;</font><font size=1>Ann Lee &lt;ann@x.org&gt;</font><br><font>To: &nbsp; &nbsp; &nbsp; &nbsp;</font><font>Bob &lt;b@x.org&gt;</font><br><font>Date: &nbsp;</font><font>12/03/2026 14:05</font><br><font>Subject: &nbsp;</font><font>Lunch</font><br><hr noshade><br>Tuesday',
  ],
  [
    'Outlook on the web, table',
    '<div id="divRplyFwdMsg"><table><tr><td>From:</td><td>Ann Lee &lt;ann@x.org&gt;</td></tr><tr><td>Sent:</td><td>12 March 2026 14:05</td></tr><tr><td>To:</td><td>Bob &lt;b@x.org&gt;</td></tr><tr><td>Subject:</td><td>Lunch</td></tr></table></div><p>Tuesday</p>',
  ],
  [
    'Thunderbird, pl',
    '<div class="moz-cite-prefix">W dniu 12.03.2026 o&nbsp;14:05, Ann Lee pisze:<br></div><blockquote type="cite" cite="mid:x"><p>Tuesday</p></blockquote>',
  ],
  [
    'Gmail, inline attr multi',
    '<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">El jue, 12 mar 2026 a las 14:05, Ann Lee (&lt;<a href="mailto:ann@x.org">ann@x.org</a>&gt;) escribió:<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex"><div>Tuesday</div><br clear="all"><div><br></div><span class="gmail_signature_prefix">-- </span><br><div class="gmail_signature">Ann</div></blockquote></div>',
  ],
  [
    'Gmail, mobile',
    '<div dir="auto"></div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">Le jeu. 12 mars 2026, 14:05, Ann Lee &lt;<a href="mailto:ann@x.org">ann@x.org</a>&gt; a écrit :<br></div><blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px #ccc solid;padding-left:1ex"><div>Tuesday</div></blockquote></div>',
  ],
  [
    'Apple Mail, sig',
    '<br id="lineBreakAtBeginningOfSignature"><div dir="ltr">Von meinem iPhone gesendet</div><div dir="ltr"><br><blockquote type="cite">Am 12.03.2026 um 14:05 schrieb Ann Lee &lt;ann@x.org&gt;:<br><br></blockquote></div><blockquote type="cite"><div dir="ltr">Tuesday</div></blockquote>',
  ],
  [
    'Yahoo, android',
    '<br> <br> <div id="ymail_android_signature"><a href="https://x">Sent from Yahoo Mail on Android</a></div> <br> <blockquote style="margin: 0 0 20px 0;"> <div style="font-family:Roboto, sans-serif; color:#6D00F6;"> <div>On Thu, Mar 12, 2026 at 14:05, Ann Lee</div><div>&lt;ann@x.org&gt; wrote:</div> </div> <div style="padding: 10px 0 0 20px; margin: 10px 0 0 0; border-left: 1px solid #6D00F6;"> Tuesday </div> </blockquote>',
  ],
  [
    'QQ 2',
    '<div><includetail><div>&nbsp;</div><div style="font:Verdana normal 14px;color:#000;"><div style="FONT-SIZE: 12px;padding:2px 0;">------------------&nbsp;Original&nbsp;------------------</div><div style="background:#efefef;"><div id="menu_sender"><b>From: </b>&nbsp;"Ann"&lt;ann@x.org&gt;;</div><div><b>Date: </b>&nbsp;Thu, Mar 12, 2026 02:05 PM</div><div><b>To: </b>&nbsp;"Bob"&lt;b@x.org&gt;; <wbr></div><div></div><div><b>Subject: </b>&nbsp;Lunch</div></div><div>&nbsp;</div><div>Tuesday</div></div></includetail></div>',
  ],
  [
    'QQ 3',
    '<hr style="margin: 0 0 10px 0;border: 0;border-bottom:1px solid #E4E5E6;"><div style="font-size:14px">Ann Lee&lt;ann@x.org&gt;&nbsp;在 2026年3月12日 周四 14:05 写道：</div><div>Tuesday</div>',
  ],
  [
    'NetEase',
    '<div id="divNeteaseMailCard"></div><br><div style="position:relative;zoom:1"></div><p style="margin:0">在 2026-03-12 14:05:33，"Ann Lee" &lt;<a href="mailto:ann@x.org">ann@x.org</a>&gt; 写道：<br></p><blockquote id="isReplyContent" style="PADDING-LEFT: 1ex; MARGIN: 0px 0px 0px 0.8ex; BORDER-LEFT: #ccc 1px solid"><div>Tuesday</div></blockquote>',
  ],
  [
    'Aliyun',
    '<div class="__aliyun_previous_body_wrap"><div style="clear:both;"><br></div><div>------------------------------------------------------------------</div><div style="margin-left:20px"><span>发件人：</span><span>Ann &lt;ann@x.org&gt;</span></div><div>日　期：2026年03月12日 14:05:33</div><div>收件人：Bob&lt;b@x.org&gt;</div><div>主　题：Lunch</div><div><br></div><div>Tuesday</div></div>',
  ],
  [
    'Naver',
    '<div style="font-size:10pt"><p><br></p><div style="border-top:1px solid #ccc"><p>-----Original Message-----<br><b>From:</b>&nbsp;"Ann"&lt;ann@x.org&gt;&nbsp;<br><b>To:</b>&nbsp;"Bob"&lt;b@x.org&gt;;&nbsp;<br><b>Cc:</b>&nbsp;<br><b>Sent:</b>&nbsp;2026. 3. 12. (목) 오후 2:05 (GMT+09:00)<br><b>Subject:</b>&nbsp;Lunch<br></p></div><p>Tuesday</p></div>',
  ],
  [
    'Daum',
    '<div class="txc-textbox">--------- <b>원본 메일</b> ---------<div><b>보낸사람</b> : Ann &lt;ann@x.org&gt;</div><div><b>받는사람</b> : b@x.org</div><div><b>날짜</b>: 2026년 3월 12일</div><div><b>제목</b>: Lunch</div></div><p>Tuesday</p>',
  ],
  [
    'Tutanota',
    '<br><br>12. Mar 2026, 14:05 by ann@x.org:<br><blockquote class="tutanota_quote" style="border-left: 1px solid #93A3B8; padding-left: 10px; margin-left: 5px;"><div>Tuesday</div></blockquote>',
  ],
  [
    'iCloud',
    '<div><br><blockquote type="cite" class="">On Mar 12, 2026, at 2:05 PM, Ann wrote:<br><br>Tuesday</blockquote></div>',
  ],
  [
    'HEY',
    '<div class="trix-content"><br></div><details><summary>…</summary><div>On March 12, 2026, Ann Lee &lt;ann@x.org&gt; wrote:</div><blockquote><div>Tuesday</div></blockquote></details>',
  ],
  [
    'Outlook, ios new de',
    '<div id="ms-outlook-mobile-body-separator-line"><br></div><div id="ms-outlook-mobile-signature">Outlook für iOS beziehen</div><div id="mail-editor-reference-message-container"><div class="ms-outlook-mobile-reference-message skipProofing"><hr><div style="padding: 3pt 0in 0in;border-width: 1pt medium medium; border-style: solid none none;"><b>Von: </b>Lee, Ann<br><b>Gesendet: </b>Donnerstag, 12. März 2026 14:05<br><b>An: </b>Stone, Bob<br><b>Betreff: </b>Re: Lunch<br></div><br></div><div>Tuesday</div></div>',
  ],
  [
    'Outlook, fr unknown subj',
    '<div id="appendonsend"></div><hr><div id="divRplyFwdMsg" dir="ltr"><font><b>De :</b> Ann Lee<br><b>Envoyé :</b> jeudi 12 mars 2026 14:05<br><b>À :</b> Bob<br><b>Objet :</b> Autre</font></div><div>Tuesday</div>',
  ],
  [
    'Intercom',
    '<div>On 12/03/2026 14:05, Ann Lee wrote:</div><div><blockquote style="margin:0">Tuesday</blockquote></div>',
  ],
]

/** Lines of people that resemble the lines of mail programs. */
const TRAPS = [
  'From: Bergen\nTo: Oslo\nDate: 12 July 2026',
  'Von: Köln\nNach: Berlin\nDatum: 12.07.2026 14:05',
  'On page 3 you wrote:\nThe price is 100.',
  'Am 12. März schrieben Sie:\nDas geht nicht.',
  'Le 12 mars, vous avez écrit :\nnon',
  '--\nPlease call me',
  'Sent via DHL yesterday.',
  'Please send it to Eve <eve@example.com>:',
  'We meet on 12.03.2026 at 14:05:',
  'I wrote to eve@example.com on 12 March 2026 at 14:05',
  'Das habe ich am 12.03.2026 um 14:05 Uhr an Eve <eve@example.com> geschrieben:',
  'Name: Bob\nDate: 12.03.2026 14:05\nEmail: bob@example.com',
  '________________\nPlease read this.',
  '--- Original message ---\nwas wrong',
  'Subject: change it to Dinner',
  'Cc: Eve please',
  'PS: bring the keys',
]

test.each(TEXTS)('%s', (_, quote) => {
  expect(extractReply({ text: `${OWN}\n\n${quote}` }, REPLY).extractedText).toBe(OWN)
})

test.each(HTMLS)('HTML of %s', (_, quote) => {
  const rest = extractReply({ html: `<p>Fine.</p>${quote}` }, REPLY).extractedHtml
  expect(rest).toContain('<p>Fine.</p>')
  expect(rest).not.toMatch(/Tuesday|ann@|2026|Lunch|12\.03|Original|wrote/)
})

describe('directly above a quote, no line of a person is lost:', () => {
  /** Each program is tried with some of the lines, so that the test stays short. */
  const some = <T>(all: readonly T[], trap: string) => all.filter((_, i) => (i + TRAPS.indexOf(trap)) % 4 === 0)

  test.each(TRAPS)('%j', (trap) => {
    for (const [program, quote] of some(TEXTS, trap)) {
      for (const gap of ['\n', '\n\n']) {
        const rest = extractReply({ text: `Hello,\n\n${trap}${gap}${quote}` }, REPLY).extractedText
        for (const line of trap.split('\n')) expect(rest, program).toContain(line)
      }
    }
    const shown = `<div>${trap.replaceAll('<', '&lt;').split('\n').join('</div><div>')}</div>`
    for (const [program, quote] of some(HTMLS, trap)) {
      const above = extractReply({ html: `<p>Hello,</p>${shown}${quote}` }, REPLY).extractedHtml
      const below = extractReply({ html: `${quote}${shown}` }, REPLY).extractedHtml
      for (const line of trap.replaceAll('<', '&lt;').split('\n')) {
        expect(above, program).toContain(line)
        expect(below, program).toContain(line)
      }
    }
  })
})
