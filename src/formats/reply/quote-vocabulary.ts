/**
 * The words by which quotes, forwards, signatures and bounces are recognised, in the languages of the large mail
 * programs. All are in lower case, without bidirectional marks, and with plain spaces. To add a language, add it here
 * and to the tables in test/formats/reply/; no other file depends on languages. Names of months are in month-names.ts.
 */

/** Splits rows of words at " | ". */
function words(...rows: string[]): string[] {
  return rows.flatMap((row) => row.split(' | '))
}

/** The first words of attributions: "On Monday, Ann wrote:". */
export const ATTRIBUTION_OPENERS = [
  ...words(
    'on | at | in a message dated | le | el | il | em | a | am | op | den | på | pe | dne | dňa | w dniu | dnia',
  ),
  ...words('in data | la | în | vào | pada | dana | v'),
  ...words('в | во | на | от | у | στις | σε | في | در | ב | בתאריך | ביום | ในวันที่ | เมื่อ | को'),
].map((opener) => `${opener} `)
ATTRIBUTION_OPENERS.push('在', '于', '於', 'ב-') // written without a space

/** The verbs of attributions, in the third person. */
export const WROTE = words(
  'wrote | writes | a écrit | a ecrit | écrit | escribió | escribio | va escriure | ha escrit | ha scritto | scrive',
  'escreveu | schrieb | geschrieben | schreef | geschreven | skrev | skrifaði | kirjoitti | napisał | napisała | napisana przez | pisze',
  'napsal | napsala | napísal | napísala | píše | написал | написала | пишет | писал | написав | написала | пише',
  'написа | написао | napisao | napisala | napisao je | je napisal | je napisala | rašė | rakstīja | kirjutas',
  'yazdı | yazmış | a scris | scria | írta | έγραψε | έγραψαν | đã viết | menulis | tulis | skrifaði | escribiu | idatzi du | shkroi | напиша | het geskryf | isinulat ni | sumulat | aliandika',
  'เขียนว่า | เขียน | ने लिखा | लिखा | نوشت | نے لکھا | লিখেছেন | எழுதியது | लिहिले | రాశారు | كتب | كتبت | تمت كتابة ما يلي بواسطة | כתב | כתבה | כתב/ה | מאת',
  'のメッセージ | のメール | さんは書きました | 書きました | 写道 | 寫道 | 작성 | 님이 작성 | 님이 쓴 글 | 쓴 글 | 님이 다음을 작성함',
)

/** First words of attributions that have no date: "Quoting Ann <ann@example.com>:". */
export const QUOTING = words(
  'quoting | zitat von | citando | citando a | cita de | quoting from | citazione | citerar | missatge de',
)

/**
 * Words in sentences about a message that mail programs do not write: "On page 3 you wrote:", "I wrote:".
 * The Bat! writes "you wrote" below a complete date and time.
 */
export const PERSONAL = new Set(
  words(
    'i | you | we | they | he | she | my | your | our | his | her | their | mein | meiner | meinem | ihr | ihrer | ihrem | unser | seiner | votre | notre | ich | du | wir | sie | tu | nous | vous | yo | usted | ustedes | eu | você',
    'vocês | io | lei | noi | voi | ik | jij | wij | jag | ni | vi | jeg | minä | sinä | wy',
    'já | jste | jsi | вы | ты | я | мы | он | она | ви | ти | ми | εσείς | εγώ | siz | ön | dumneavoastră',
    '您 | 你 | 我 | あなた | 私 | 당신 | אתה | את | אני | أنت | أنا | saya | anda | bạn | tôi | คุณ | आप | मैं',
  ),
)
/** The same as parts of a line: phrases, and words of scripts without spaces. */
export const PERSONAL_PHRASES = words('schreef je | je schreef | je hebt | 您 | 你 | 我 | あなた | คุณ')

/** The text between dashes above the original message of a reply. */
export const ORIGINAL_MESSAGE = words(
  'original | original message | original email | original mail | reply message | replied message | ursprüngliche nachricht',
  'originalnachricht | original-nachricht | ursprüngliche mail | antwort nachricht | message original | originalmail',
  "message d'origine | message d’origine | message initial | courriel original | courrier d'origine | mensaje original",
  'mensaje de origen | correo original | missatge original | mensagem original | mensaje original del correo',
  'messaggio originale | messaggio di origine | oorspronkelijk bericht | oorspronkelijke bericht | origineel bericht',
  'oprindelig meddelelse | oprindelig besked | original meddelelse | opprinnelig melding | opprinnelig e-post',
  'ursprungligt meddelande | originalmeddelande | originalmeddelelse | alkuperäinen viesti | upprunaleg skilaboð',
  'oryginalna wiadomość | wiadomość oryginalna | původní zpráva | původní e-mail | pôvodná správa | eredeti üzenet',
  'mesaj original | mesajul original | mesaj inițial | αρχικό μήνυμα | orijinal mesaj | özgün ileti | asıl mesaj',
  'orijinal ileti | исходное сообщение | оригинальное сообщение | первоначальное сообщение | початкове повідомлення',
  'вихідне повідомлення | оригінальне повідомлення | оригинално съобщение | оригинална порука | izvorna poruka',
  'originalna poruka | izvirno sporočilo | pradinis laiškas | sākotnējais ziņojums | algne kiri | algne sõnum',
  'הודעה מקורית | ההודעה המקורית | الرسالة الأصلية | رسالة أصلية | پیام اصلی | मूल संदेश | pesan asli | mesej asal',
  'thư gốc | tin nhắn gốc | ข้อความต้นฉบับ | ข้อความเดิม | 原始邮件 | 原始郵件 | 原邮件 | 原郵件 | 原始讯息 | 原始訊息',
  '元のメッセージ | 元のメール | オリジナルメッセージ | 원본 메시지 | 원본 메일 | 원본메일 | 원본 이메일 | 원래 메시지',
)

/** The text between dashes above a forwarded message. */
export const FORWARDED = words(
  'forwarded message | forwarded email | forwarded mail | forwarded by | weitergeleitete nachricht | weitergeleitet von',
  'weitergeleitete mail | message transféré | message transmis | courriel transféré | mensaje reenviado',
  'mensaje enviado | missatge reenviat | missatge transferit | mensagem encaminhada | mensagem reencaminhada',
  'messaggio inoltrato | inoltrato da | doorgestuurd bericht | vidarebefordrat meddelande | vidarebefordrat brev',
  'videresendt melding | videresendt e-post | videresendt besked | videresendt meddelelse | välitetty viesti',
  'edelleenlähetetty viesti | framsend skilaboð | przekazana wiadomość | treść przekazanej wiadomości',
  'wiadomość przekazana | přeposlaná zpráva | předaná zpráva | preposlaná správa | továbbított üzenet',
  'továbbított levél | mesaj redirecționat | mesaj redirectionat | mesaj înaintat | mesaj transmis',
  'προωθημένο μήνυμα | iletilen mesaj | yönlendirilmiş mesaj | iletilmiş mesaj | yönlendirilen ileti | iletilen ileti',
  'пересылаемое сообщение | пересланное сообщение | перенаправленное сообщение | пересылаемое письмо',
  'перенаправлене повідомлення | переслане повідомлення | пересилання повідомлення | препратено съобщение',
  'препратено писмо | прослеђена порука | proslijeđena poruka | prosleđena poruka | posredovano sporočilo',
  'persiųstas laiškas | pārsūtītā ziņa | pārsūtīts ziņojums | edastatud kiri | edastatud sõnum',
  'הודעה שהועברה | הודעה מועברת | رسالة معاد توجيهها | الرسالة المعاد توجيهها | رسالة مُعاد توجيهها | پیام بازارسال شده',
  'अग्रेषित संदेश | अग्रेषित किया गया संदेश | pesan terusan | pesan yang diteruskan | mesej dimajukan',
  'thư đã chuyển tiếp | thư chuyển tiếp | tin nhắn đã chuyển tiếp | ข้อความที่ส่งต่อ | 转发的邮件 | 转发邮件 | 轉寄的郵件',
  '轉寄郵件 | 转发邮件信息 | 轉寄訊息 | 转发的消息 | 轉寄信件 | 転送メッセージ | 転送されたメッセージ | 転送メール',
  '전달된 메시지 | 전달된 메일 | 전달 메시지 | 전달된 이메일',
)

/** The same without dashes, as Apple Mail writes it: the whole line, except for its colon. */
export const BEGIN_FORWARDED = words(
  'begin forwarded message | anfang der weitergeleiteten nachricht | anfang der weitergeleiteten e-mail',
  'début du message réexpédié | début du message transféré | inicio del mensaje reenviado | inici del missatge reenviat',
  'início da mensagem encaminhada | início da mensagem reenviada | inizio messaggio inoltrato',
  'inizio del messaggio inoltrato | begin doorgestuurd bericht | begin van doorgestuurd bericht',
  'vidarebefordrat brev | börjar vidarebefordrat meddelande | start på videresendt besked | start på videresendt',
  'videresendt melding | begynnelse på videresendt melding | välitetty viesti alkaa | välitetty viesti',
  'początek przekazywanej wiadomości | początek przekazanej wiadomości | začátek přeposílané zprávy',
  'začiatok preposlanej správy | továbbított levél kezdete | început mesaj redirecționat | αρχή προωθημένου μηνύματος',
  'iletilen mesajın başlangıcı | yönlendirilen ileti başlangıcı | начало переадресованного сообщения',
  'начало пересылаемого сообщения | початок переадресованого листа | תחילת ההודעה שהועברה | תחילת הודעה מועברת',
  'بداية الرسالة المعاد توجيهها | بدء الرسالة المُعاد توجيهها | awal pesan yang diteruskan | bắt đầu thư được chuyển tiếp',
  '开始转发的邮件 | 开始转发邮件 | 開始轉寄郵件 | 轉寄郵件開始 | 転送されたメッセージ | 다음은 전달된 메시지입니다 | 전달된 메시지 시작',
)

/** The fields of a copied header. `other` fields count as part of the block, but are not evidence. */
export type CopiedField = 'from' | 'date' | 'to' | 'cc' | 'subject' | 'other'

/** Field names of copied headers. Some name two fields in different languages; the first one applies. */
const FIELD_NAMES: Readonly<Record<CopiedField, readonly string[]>> = {
  from: words(
    'from | sender | von | absender | de | expéditeur | expediteur | remitente | remetente | da | mittente | van | afzender',
    'från | avsändare | fra | avsender | afsender | frá | lähettäjä | od | nadawca | odesílatel | odosielateľ | feladó | küldő',
    'од | de la | expeditor | από | αποστολέας | kimden | gönderen | от | от кого | отправитель | від | від кого | відправник | изпратено от | подател',
    'шаље | šalje | pošiljatelj | pošiljatelj | nuo | siuntėjas | no | sūtītājs | kellelt | saatja | מאת | من | المرسل | از | فرستنده',
    'प्रेषक | से | द्वारा | dari | pengirim | daripada | từ | người gửi | จาก | ผู้ส่ง',
    '发件人 | 寄件者 | 寄件人 | 發件人 | 发自 | 差出人 | 送信者 | 送信元 | from 差出人 | 보낸 사람 | 보낸사람 | 보낸이 | 발신자 | 발신',
  ),
  date: words(
    'sent | date | sent on | gesendet | gesendet am | datum | envoyé | envoyé le | date d’envoi | enviado | enviado el | enviado em',
    'enviada | enviada em | fecha | data | enviat | inviato | data invio | verzonden | verstuurd | verzonden op | skickat | sendt | gestuur | sent dato',
    'dato | sendt den | lähetetty | päivämäärä | päiväys | pvm | wysłano | wysłane | odesláno | odoslané | dátum | küldve | elküldve',
    'küldés dátuma | trimis | trimis la | dată | στάλθηκε | εστάλη | ημερομηνία | ημ/νία | gönderilme tarihi | gönderildi | gönderme tarihi',
    'gönderilen | tarih | отправлено | дата | дата отправки | надіслано | відправлено | дата надсилання | изпратено | послато | датум',
    'poslano | poslato | poslana | datum slanja | išsiųsta | data ir laikas | nosūtīts | datums | saadetud | kuupäev | saatmisaeg',
    'נשלח | תאריך | נשלח בתאריך | تم الإرسال | أُرسلت | أرسلت | مرسل | تاريخ | تاريخ الإرسال | التاريخ | تاریخ | ارسال شده | ارسالشده | ارسال | भेजा गया | दिनांक | तारीख | dikirim | tanggal | tgl | terkirim',
    'dihantar | tarikh | đã gửi | ngày | ngày gửi | thời gian | ส่ง | ส่งเมื่อ | วันที่',
    '发送时间 | 發送時間 | 日期 | 发送日期 | 寄件日期 | 傳送時間 | 傳送日期 | 已傳送 | 已发送 | 时间 | 時間 | 送信日時 | 日時 | 日付 | 送信日 | 보낸 날짜 | 보낸날짜 | 날짜 | 보낸 시간 | 일시 | 발송일',
  ),
  to: words(
    'to | recipient | an | empfänger | à | a | destinataire | para | destinatario | destinatário | per a | aan | till | til | mottagare',
    'vastaanottaja | do | adresat | komu | pre | címzett | către | catre | la | προς | kime | alıcı | кому | получатель | до | за | получател',
    'коме | prima | za | kam | gavėjas | kam/kas | saņēmējs | kellele | saaja | adressaat | אל | עבור | לכבוד | إلى | الى | به | گیرنده | प्रति | सेवा में | को',
    'kepada | ke | untuk | đến | tới | người nhận | ถึง | ผู้รับ',
    '收件人 | 收件者 | 發送至 | 宛先 | 受信者 | 받는 사람 | 받는사람 | 받는이 | 수신자 | 수신',
  ),
  cc: words(
    'cc | bcc | kopie | kopie an | copie | copie à | con copia | com cópia | cópia | copia | copia per conoscenza | kopia | kopi | kopi til',
    'kopio | tiedoksi | dw | do wiadomości | kópia | másolat | másolatot kap | copie la | κοιν | κοινοποίηση | bilgi | копия | копія | ас',
    'kopija | עותק | העתק | نسخة | نسخة إلى | رونوشت | प्रतिलिपि | tembusan | salinan | đồng gửi | สำเนา | สำเนาถึง',
    '抄送 | 副本 | 密送 | cc 抄送 | 同報 | 참조 | 숨은 참조',
  ),
  subject: words(
    'subject | betreff | objet | sujet | asunto | assunto | assumpte | oggetto | ogg | onderwerp | ämne | emne | efni | aihe | otsikko',
    'temat | předmět | predmet | tárgy | subiect | subiectul | θέμα | konu | тема | предмет | относно | naslov | zadeva | tema | tēma | temats',
    'teema | נושא | הנדון | الموضوع | موضوع | विषय | subjek | perihal | subyek | judul | chủ đề | tiêu đề | เรื่อง | ชื่อเรื่อง | หัวข้อ',
    '主题 | 主旨 | 主題 | 标题 | 標題 | 件名 | 題名 | 제목',
  ),
  other: words(
    'reply-to | reply to | organization | organisation | importance | priority | attachments | attachment | sensitivity | antwort an',
    'wichtigkeit | priorität | anlagen | anhang | répondre à | importance | pièces jointes | responder a | importancia | prioridad | adjuntos | datos adjuntos',
    'responder para | prioridade | importância | anexos | rispondi a | priorità | allegati | urgentie | prioriteit | bijlagen | prioritet',
    'svara till | bilagor | vedlegg | vedhæftede filer | tärkeys | liitteet | ważność | załączniki | důležitost | přílohy | fontosság | mellékletek',
    'ответить | важность | вложения | ek | ekler | önem | σημασία | συνημμένα | 附件 | 重要性 | 返信先 | 添付ファイル | 첨부 | 첨부파일 | 중요도',
  ),
}

/** Field names of copied headers, with the field that each names. */
export const HEADER_LABELS: ReadonlyMap<string, CopiedField> = new Map(
  (['other', 'subject', 'cc', 'to', 'date', 'from'] as const).flatMap((field) =>
    FIELD_NAMES[field].map((name) => [name, field] as const),
  ),
)

/** Prefixes of subjects of replies. */
export const REPLY_PREFIXES = words(
  're | reply | aw | antw | antwort | sv | svar | respuesta | resposta | réponse | risposta | vastaus | odpowiedź | odpověď | odpoveď | odp | ref | res | resp | r | rif | rép | réf | rép. | vs | vá | válasz | ynt | yan | yanıt | cevap',
  'απ | απάντηση | σχετ | răsp | rasp | отв | ответ | відп | отг | одг | odg | ats | atb | bls | balas | trả lời | tl | ตอบ | ตอบกลับ',
  'תשובה | השב | رد | پاسخ | उत्तर | 回复 | 回覆 | 答复 | 答覆 | 回信 | 返信 | 회신 | 답장 | 답글',
)

/** Prefixes of subjects of forwards. */
export const FORWARD_PREFIXES = words(
  'fw | fwd | forward | wg | wtr | weitergeleitet | tr | rv | rm | reenv | enc | i | inoltro | vb | vl | vid | vs | doorst | pd | fs',
  'továbbítás | tovább | továbbítva | ilt | iletilen | προωθ | πρθ | redir | redirecționat | пересл | перес | fwd пересл | пер | препр | прослеђено',
  'proslijeđeno | posr | prsl | pārs | ed | trs | fwd: trs | teruskan | chuyển tiếp | ct | ส่งต่อ | העברה | הועבר | العادة التوجيه | إعادة توجيه | توجيه | बढ़ाया | अग्रेषित',
  '转发 | 轉寄 | 轉發 | 转寄 | 転送 | 전달',
)

/**
 * A prefix that means "reply" in some languages and "forward" in others, and the From labels of the languages in which
 * it means "reply": VS is "vastaus" in Finnish and Estonian, and "videresendt" in Danish and Norwegian.
 */
export const AMBIGUOUS_PREFIX = { prefix: 'vs', replyLabels: ['lähettäjä', 'saatja', 'kellelt'] }

/** Phrases with which phones and mail programs begin or end their signature. */
export const DEVICE_PHRASES = words(
  'sent from | sent via | sent with | sent using | sent by | get | this message was sent from | this email was sent from',
  'gesendet | versendet | geschickt | diese nachricht wurde | holen sie sich | hol dir | herunterladen | beziehen | laden | abrufen | envoyé | envoyé depuis | envoyé de | envoyé avec | obtenez | obtenir | télécharger | enviado | enviat | obtener',
  'descargar | obtenga | obter | obtenha | baixar | inviato | scarica | ottieni | verzonden | verstuurd | gestuurd | download | downloaden | skickat | skickades | hämta | sendt | sent fra | send fra | hent | få',
  'lähetetty | hanki | lataa | wysłane | wysłano | pobierz | odesláno | odoslané | získejte | stáhnout | küldve | elküldve | letöltés | trimis | obțineți | descărcați | στάλθηκε | εστάλη | λήψη | απόκτηση',
  'gönderildi | edinin | indirin | отправлено | получить | скачать | надіслано | отримати | изпратено | poslano | poslato | נשלח | أرسلت | أُرسلت | dikirim | dapatkan | được gửi | gửi từ | ส่งจาก | भेजा गया',
  '发自 | 來自 | 从我的 | 從我的 | 傳送自 | 傳送 | 发送 | 获取 | から送信 | を入手 | 에서 보냄 | 에서 보낸 | 다운로드',
)

/** Names of devices and mail programs. A signature contains one. */
export const DEVICE_NAMES = words(
  'iphone | ipad | ipod | mac | macbook | apple watch | samsung | galaxy | android | huawei | xiaomi | redmi | oppo | vivo | oneplus | pixel | nokia | xperia | motorola | blackberry',
  'windows phone | windows | outlook | yahoo | proton | protonmail | gmail | aol | gmx | web.de | mail.ru | mail.com | spark | bluemail | k-9 | k-9 mail | fairemail | thunderbird | tutanota | tuta | zoho | superhuman',
  'airmail | newton | edison | hotmail | icloud | iphonu | ipadu | qq邮箱 | qq | foxmail | 网易邮箱 | naver | 네이버 | smartphone | smart phone | mobile phone | mobile device | mobile | handy | mobiltelefon | android-gerät | android-mobiltelefon | téléphone | móvil | celular | telefono | telefoon | telefon | puhelimesta | 手机',
)

/** Words between them. A line with any other word was written by a person. */
export const DEVICE_FILLERS = words(
  'my | the | a | an | for | con | med | su | utilisant | appareil | sicura | seguro | segura | correo | messagerie | courriel | sécurisé | sécurisée | beveiligde | säker | sikker | защищенной | dispositivo | apparaat | устройства | enhet | on | from | via | with | using | by | mail | app | email | e-mail | secure | mobile | phone | device | wireless | handheld | network | powered | verizon | t-mobile | at t | ios | ipados | wear | os | 4g | 5g | lte | pro | max | plus | mini | ultra | note | tab | s | search | organize | organise | conquer',
  'von | vom | aus | mit | der | dem | den | meinem | meiner | mein | ihr | für | auf | gerät | gesendet | versendet | geschickt | wurde | nachricht | mobilen | sicheren | sichere | de | du | mon | ma | d | depuis | mi | desde | meu | minha | do | da | no | dal | dallo | dalla | mio | tramite | con | un | à | partir | l | application | pour | avec | sur | para | el | la | le | los | il | per | mijn | vanaf | voor | met | een | toestel',
  "från | min | mit | mitt | fra | til | för | laitteesta | iphonesta | ipadista | puhelimesta | iphonu | ipadu | ul | мобильной | мобільної | почти | omasta | minun | z | ze | mojego | mojej | telefonu | urządzenia | systemu | aplikację | aplikacji | dla | na | aplikaci | aplikácie | pro | pre | z mého | mého | môjho | zařízení | az | az én | iphone-omról | de pe | pe | meu | din | από | το | μου | για | τη | συσκευή | benim | iphone umdan | iphone’umdan | iphone'umdan | için | dan | den | с | со | из | моего | моей | мого | моєї | з | для | почты | пошты | почта | сообщение | от | моя | mog | s | sa | za | uređaja",
  'מה | שלי | של | מ | من | الـ | جهاز | هاتفي | dari | saya | saya dari | untuk | perangkat | từ | của tôi | tôi | của | cho | จาก | ของฉัน | मेरे | से | 我的 | 的 | から | 送信 | 용 | 나의 | 내 | 메일 | 앱 | 에서 | 보냄',
)

/** Phrases that announce answers inside of the quoted text. */
export const ANSWERS_BELOW = words(
  'inline | in-line | in line below | in the text below | answers below | my answer below | answered below | answers are below | comments below',
  'comments are below | responses below | replies below | my notes below | see below in',
  'answers in red | comments in red | answers in blue | comments in blue | replies in red | replies in blue | between the lines',
  'antworten unten | antworten im text | antworten weiter unten | im text unten | unten im text | direkt im text',
  'antworten in rot | antworten in blau | zwischen den zeilen | réponses ci-dessous | réponses dans le texte',
  'réponses en rouge | mes réponses en bleu | respuestas abajo | respuestas en rojo | respuestas en azul | entre líneas',
  'respostas abaixo | respostas em vermelho | respostas em azul | risposte sotto | risposte in rosso | risposte in blu',
  'antwoorden hieronder | antwoorden in het rood | svar nedan | svar i rött | svar nedenfor | svar i rødt | svar med rødt',
  'vastaukset alla | vastaukset punaisella | odpowiedzi poniżej | odpowiedzi na czerwono | odpovědi níže | odpovede nižšie',
  'válaszok lent | válaszaim lent | răspunsuri mai jos | απαντήσεις παρακάτω | yanıtlar aşağıda | ответы ниже | ответы в тексте',
  'відповіді нижче | תשובות למטה | תשובות בגוף | الإجابات أدناه | ردودي أدناه | jawaban di bawah | câu trả lời bên dưới',
  '回复在下面 | 见下文红字 | 見下文紅字 | インライン | 以下に回答 | 赤字で | 아래에 답변',
)

/** The first words of a postscript. It is text of the sender also below a signature. */
export const POSTSCRIPTS = words(
  'ps | p.s | p.s. | pps | p.p.s. | pd | p.d. | nb | n.b. | p.s | post scriptum | psst | 追伸 | 又及 | 추신',
)

/** The first words of bounces. Bounces quote the message that failed, and this quote is part of their content. */
export const REPORT_OPENINGS = words(
  'this is the mail system at host | this message was created automatically by mail | delivery status notification',
  'undelivered mail returned | mail delivery failed | delivery has failed | returned mail | address not found',
  "your message could not be delivered | your message couldn't be delivered | message not delivered | message blocked",
  "i'm sorry to have to inform you | reporting-mta: | final-recipient: | delivery to the following recipient",
)
