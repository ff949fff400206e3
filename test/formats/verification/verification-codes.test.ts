import { describe, expect, test } from 'vitest'
import { plainText } from '../../../src/formats/verification/keyword-text.ts'
import { extractVerification } from './extract-verification.ts'

const codesOf = (text: string, subject = '') => extractVerification({ subject, text }).codes.map(({ code }) => code)
const codesOfHtml = (html: string, subject = '') => extractVerification({ subject, html }).codes.map(({ code }) => code)
const lines = (...each: string[]) => each.join('\n\n')

describe('in 32 languages', () => {
  test.each([
    ['en', 'Your Acme security code is 482913. It expires in 10 minutes.'],
    ['de', 'Ihr Sicherheitscode lautet 482913. Er ist 10 Minuten gültig.'],
    ['nl', 'Je inlogcode is 482913. Deze code is 10 minuten geldig.'],
    ['sv', 'Din säkerhetskod är 482913. Den gäller i 10 minuter.'],
    ['da', 'Din bekræftelseskode er 482913. Den udløber om 10 minutter.'],
    ['no', 'Engangskoden din er 482913. Den utløper om 10 minutter.'],
    ['fi', 'Kirjautumiskoodisi on 482913. Se vanhenee 10 minuutin kuluttua.'],
    ['fr', 'Votre code de sécurité est 482913. Il expire dans 10 minutes.'],
    ['es', 'Tu código de seguridad es 482913. Caduca en 10 minutos.'],
    ['pt', 'O seu código de segurança é 482913. Expira em 10 minutos.'],
    ['it', 'Il tuo codice di sicurezza è 482913. Scade tra 10 minuti.'],
    ['pl', 'Twój kod bezpieczeństwa to 482913. Wygaśnie za 10 minut.'],
    ['cs', 'Váš bezpečnostní kód je 482913. Platí 10 minut.'],
    ['ru', 'Ваш код безопасности: 482913. Он истекает через 10 минут.'],
    ['uk', 'Ваш код безпеки: 482913. Він дійсний 10 хвилин.'],
    ['tr', 'Güvenlik kodunuz 482913. Kod 10 dakika içinde geçersiz olur.'],
    ['el', 'Ο κωδικός ασφαλείας σας είναι 482913. Λήγει σε 10 λεπτά.'],
    ['ar', 'رمز الأمان الخاص بك هو 482913. تنتهي صلاحيته خلال 10 دقائق.'],
    ['he', 'קוד האבטחה שלך הוא 482913. הקוד תקף ל-10 דקות.'],
    ['hi', 'आपका सुरक्षा कोड 482913 है। यह 10 मिनट तक मान्य है।'],
    ['id', 'Kode keamanan Anda adalah 482913. Berlaku 10 menit.'],
    ['vi', 'Mã bảo mật của bạn là 482913. Mã hết hạn sau 10 phút.'],
    ['th', 'รหัสความปลอดภัยของคุณคือ 482913 ใช้ได้ภายใน 10 นาที'],
    ['ja', 'セキュリティコードは482913です。10分以内に入力してください。'],
    ['ko', '보안 코드는 482913입니다. 10분 후 만료됩니다.'],
    ['zh', '您的安全验证码是482913,10分钟内有效。'],
    ['zh-Hant', '您的安全驗證碼為482913,10分鐘內有效。'],
    ['ro', 'Codul de verificare este 482913. Este valabil 10 minute.'],
    ['hu', 'Az ellenőrző kódja: 482913. 10 percig érvényes.'],
    ['sk', 'Váš overovací kód je 482913. Platí 10 minút.'],
    ['bg', 'Вашият код за потвърждение е 482913.'],
    ['fa', 'کد تأیید شما ۴۸۲۹۱۳ است.'],
  ])('a code in a sentence is found: %s', (_, text) => {
    expect(codesOf(text)).toEqual(['482913'])
  })

  test.each([
    ['en', 'Signing in to Acme', 'Type 4829 into the app to sign in.'],
    ['de', 'Anmeldung bei Acme', 'Tippen Sie 4829 in der App ein, um sich anzumelden.'],
    ['nl', 'Inloggen bij Acme', 'Vul 4829 in om in te loggen.'],
    ['sv', 'Logga in på Acme', 'Skriv 4829 i appen för att logga in.'],
    ['da', 'Log ind på Acme', 'Indtast 4829 i appen for at logge ind.'],
    ['no', 'Logg inn på Acme', 'Tast 4829 i appen for å logge inn.'],
    ['fi', 'Kirjaudu Acmeen', 'Syötä 4829 sovellukseen kirjautuaksesi.'],
    ['fr', 'Connexion à Acme', 'Saisissez 4829 dans l’application pour vous connecter.'],
    ['es', 'Inicio de sesión en Acme', 'Escribe 4829 en la app para iniciar sesión.'],
    ['pt', 'Acesso à Acme', 'Digite 4829 no app para entrar.'],
    ['it', 'Accesso ad Acme', 'Digita 4829 nell’app per accedere.'],
    ['pl', 'Logowanie do Acme', 'Wpisz 4829 w aplikacji, aby się zalogować.'],
    ['cs', 'Přihlášení do Acme', 'Pro přihlášení zadejte v aplikaci 4829.'],
    ['ru', 'Вход в Acme', 'Введите 4829 в приложении, чтобы войти.'],
    ['uk', 'Вхід до Acme', 'Введіть 4829 у застосунку, щоб увійти.'],
    ['tr', 'Acme girişi', 'Giriş yapmak için uygulamaya 4829 yazın.'],
    ['el', 'Σύνδεση στο Acme', 'Πληκτρολογήστε 4829 στην εφαρμογή για να συνδεθείτε.'],
    ['ar', 'تسجيل الدخول إلى Acme', 'أدخل 4829 في التطبيق لتسجيل الدخول.'],
    ['he', 'התחברות ל-Acme', 'הקלידו 4829 באפליקציה כדי להתחבר.'],
    ['hi', 'Acme में लॉगिन', 'लॉगिन करने के लिए ऐप में 4829 डालें।'],
    ['id', 'Masuk ke Acme', 'Masukkan 4829 di aplikasi untuk masuk.'],
    ['vi', 'Đăng nhập Acme', 'Nhập 4829 vào ứng dụng để đăng nhập.'],
    ['th', 'เข้าสู่ระบบ Acme', 'กรอก 4829 ในแอปเพื่อเข้าสู่ระบบ'],
    ['ja', 'Acmeへのログイン', 'ログインするにはアプリに4829と入力してください。'],
    ['ko', 'Acme 로그인', '로그인하려면 앱에 4829를 입력하세요.'],
    ['zh', '登录 Acme', '请在应用中输入4829完成登录。'],
  ])('a code without a word for "code" is found: %s', (_, subject, text) => {
    expect(codesOf(text, subject)).toEqual(['4829'])
  })

  test.each([
    [
      'en',
      'Your sign-in',
      'Here is the code that you asked for:',
      'Paste it into the window you left open. Do not share it.',
    ],
    [
      'de',
      'Ihre Anmeldung',
      'Hier ist der angeforderte Code:',
      'Fügen Sie ihn im offenen Fenster ein. Geben Sie ihn nicht weiter.',
    ],
    [
      'nl',
      'Je aanmelding',
      'Hier is de code die je hebt aangevraagd:',
      'Plak hem in het venster dat nog openstaat. Deel hem met niemand.',
    ],
    ['sv', 'Din inloggning', 'Här är koden du bad om:', 'Klistra in den i fönstret. Dela den inte med någon.'],
    ['da', 'Dit login', 'Her er koden, du bad om:', 'Sæt den ind i vinduet. Del den ikke med nogen.'],
    ['no', 'Påloggingen din', 'Her er koden du ba om:', 'Lim den inn i vinduet. Ikke del den med noen.'],
    [
      'fi',
      'Kirjautumisesi',
      'Tässä on pyytämäsi koodi:',
      'Liitä se avoinna olevaan ikkunaan. Älä kerro sitä kenellekään.',
    ],
    [
      'fr',
      'Votre connexion',
      'Voici le code que vous avez demandé :',
      'Collez-le dans la fenêtre restée ouverte. Ne le partagez pas.',
    ],
    ['es', 'Tu acceso', 'Aquí tienes la clave que pediste:', 'Pégala en la ventana abierta. No la compartas.'],
    ['pt', 'O seu acesso', 'Aqui está o código que pediu:', 'Cole-o na janela aberta. Não o partilhe com ninguém.'],
    [
      'it',
      'Il tuo accesso',
      'Ecco il codice che hai richiesto:',
      'Incollalo nella finestra aperta. Non condividerlo con nessuno.',
    ],
    ['pl', 'Twoje logowanie', 'Oto kod, o który prosisz:', 'Wklej go w otwartym oknie. Nikomu go nie podawaj.'],
    [
      'cs',
      'Vaše přihlášení',
      'Zde je kód, o který jste požádali:',
      'Vložte ho do otevřeného okna. Nikomu ho nesdělujte.',
    ],
    ['ru', 'Ваш вход', 'Вот код, который вы запросили:', 'Вставьте его в открытое окно. Никому его не сообщайте.'],
    ['uk', 'Ваш вхід', 'Ось код, який ви запросили:', 'Вставте його у відкрите вікно. Нікому його не повідомляйте.'],
    ['tr', 'Girişiniz', 'İstediğiniz kod:', 'Açık pencereye yapıştırın. Kimseyle paylaşmayın.'],
    [
      'el',
      'Η σύνδεσή σας',
      'Ο κωδικός που ζητήσατε:',
      'Επικολλήστε τον στο ανοιχτό παράθυρο. Μην τον δώσετε σε κανέναν.',
    ],
    ['ar', 'تسجيل دخولك', 'إليك الرمز الذي طلبته:', 'الصقه في النافذة المفتوحة. لا تشاركه مع أحد.'],
    ['he', 'הכניסה שלך', 'הנה הקוד שביקשת:', 'יש להדביק אותו בחלון הפתוח. אל תשתף אותו עם איש.'],
    ['hi', 'आपका लॉगिन', 'आपने जो कोड मांगा था वह यह है:', 'इसे खुली विंडो में डालें। किसी के साथ साझा न करें।'],
    [
      'id',
      'Proses masuk Anda',
      'Ini kode yang Anda minta:',
      'Tempel di jendela yang terbuka. Jangan bagikan kepada siapa pun.',
    ],
    ['vi', 'Đăng nhập của bạn', 'Đây là mã bạn đã yêu cầu:', 'Dán mã vào cửa sổ đang mở. Không chia sẻ với bất kỳ ai.'],
    ['th', 'การเข้าสู่ระบบของคุณ', 'นี่คือรหัสที่คุณขอ:', 'วางในหน้าต่างที่เปิดอยู่ ห้ามบอกใคร'],
    [
      'ja',
      'ログインについて',
      'ご依頼のコードはこちらです。',
      '開いている画面に貼り付けてください。他人に教えないでください。',
    ],
    ['ko', '로그인 안내', '요청하신 코드입니다.', '열려 있는 창에 붙여넣으세요. 타인에게 알려주지 마세요.'],
    ['zh', '登录提醒', '这是您申请的码:', '请粘贴到打开的窗口中。请勿告知他人。'],
  ])('a code on its own line below its label is found: %s', (_, subject, above, below) => {
    expect(codesOf(lines(above, '739104', below, 'Acme, 20, 10115'), subject)).toEqual(['739104'])
  })

  test.each([
    [
      'en',
      'Booking code: QX7TL2',
      'Order number: 739104',
      'Use discount code 739104 at the checkout.',
      'Tracking code 739104',
      'Your customer number is 739104.',
    ],
    [
      'de',
      'Buchungscode: QX7TL2',
      'Bestellnummer: 739104',
      'Mit dem Rabattcode 739104 sparen Sie 10 %.',
      'Sendungsnummer 739104',
      'Ihre Kundennummer lautet 739104.',
    ],
    [
      'nl',
      'Boekingscode: QX7TL2',
      'Bestelnummer: 739104',
      'Gebruik kortingscode 739104 bij het afrekenen.',
      'Track-and-trace-code 739104',
      'Je klantnummer is 739104.',
    ],
    [
      'sv',
      'Bokningskod: QX7TL2',
      'Ordernummer: 739104',
      'Använd rabattkoden 739104 i kassan.',
      'Spårningskod 739104',
      'Ditt kundnummer är 739104.',
    ],
    [
      'da',
      'Bookingkode: QX7TL2',
      'Ordrenummer: 739104',
      'Brug rabatkoden 739104 ved kassen.',
      'Sporingskode 739104',
      'Dit kundenummer er 739104.',
    ],
    [
      'no',
      'Bestillingskode: QX7TL2',
      'Ordrenummer: 739104',
      'Bruk rabattkoden 739104 i kassen.',
      'Sporingskode 739104',
      'Kundenummeret ditt er 739104.',
    ],
    [
      'fi',
      'Varauskoodi: QX7TL2',
      'Tilausnumero: 739104',
      'Käytä alennuskoodia 739104 kassalla.',
      'Seurantakoodi 739104',
      'Asiakasnumerosi on 739104.',
    ],
    [
      'fr',
      'Code de réservation : QX7TL2',
      'Numéro de commande : 739104',
      'Utilisez le code promo 739104 dans votre panier.',
      'Code de suivi 739104',
      'Votre numéro de client est 739104.',
    ],
    [
      'es',
      'Código de reserva: QX7TL2',
      'Número de pedido: 739104',
      'Usa el código de descuento 739104 al pagar.',
      'Código de seguimiento 739104',
      'Su número de cliente es 739104.',
    ],
    [
      'pt',
      'Código de reserva: QX7TL2',
      'Número do pedido: 739104',
      'Use o código de desconto 739104 no carrinho.',
      'Código de rastreio 739104',
      'O seu número de cliente é 739104.',
    ],
    [
      'it',
      'Codice di prenotazione: QX7TL2',
      'Numero ordine: 739104',
      'Usa il codice sconto 739104 alla cassa.',
      'Codice di tracciamento 739104',
      'Il suo codice cliente è 739104.',
    ],
    [
      'pl',
      'Kod rezerwacji: QX7TL2',
      'Numer zamówienia: 739104',
      'Użyj kodu rabatowego 739104 w koszyku.',
      'Kod śledzenia 739104',
      'Twój numer klienta to 739104.',
    ],
    [
      'cs',
      'Kód rezervace: QX7TL2',
      'Číslo objednávky: 739104',
      'V košíku zadejte slevový kód 739104.',
      'Kód zásilky 739104',
      'Vaše zákaznické číslo je 739104.',
    ],
    [
      'ru',
      'Код бронирования: QX7TL2',
      'Номер заказа: 739104',
      'Введите промокод 739104 в корзине.',
      'Код отслеживания 739104',
      'Ваш номер клиента 739104.',
    ],
    [
      'uk',
      'Код бронювання: QX7TL2',
      'Номер замовлення: 739104',
      'Введіть промокод 739104 у кошику.',
      'Код відстеження 739104',
      'Ваш номер клієнта 739104.',
    ],
    [
      'tr',
      'Rezervasyon kodu: QX7TL2',
      'Sipariş numarası: 739104',
      'Sepette 739104 indirim kodunu kullanın.',
      'Takip kodu 739104',
      'Müşteri numaranız 739104.',
    ],
    [
      'el',
      'Κωδικός κράτησης: QX7TL2',
      'Αριθμός παραγγελίας: 739104',
      'Χρησιμοποιήστε τον εκπτωτικό κωδικό 739104 στο καλάθι.',
      'Κωδικός αποστολής 739104',
      'Ο κωδικός πελάτη σας είναι 739104.',
    ],
    [
      'ar',
      'رمز الحجز: QX7TL2',
      'رقم الطلب: 739104',
      'استخدم كود الخصم 739104 عند الدفع.',
      'رمز التتبع 739104',
      'رقم العميل الخاص بك 739104.',
    ],
    [
      'he',
      'קוד הזמנה: QX7TL2',
      'מספר הזמנה: 739104',
      'השתמשו בקוד קופון 739104 בקופה.',
      'קוד מעקב 739104',
      'מספר הלקוח שלך 739104.',
    ],
    [
      'hi',
      'बुकिंग कोड: QX7TL2',
      'ऑर्डर नंबर: 739104',
      'चेकआउट पर कूपन कोड 739104 डालें।',
      'ट्रैकिंग कोड 739104',
      'आपकी ग्राहक संख्या 739104 है।',
    ],
    [
      'id',
      'Kode booking: QX7TL2',
      'Nomor pesanan: 739104',
      'Pakai kode promo 739104 saat membayar.',
      'Kode resi 739104',
      'Nomor pelanggan Anda 739104.',
    ],
    [
      'vi',
      'Mã đặt chỗ: QX7TL2',
      'Mã đơn hàng: 739104',
      'Nhập mã giảm giá 739104 khi thanh toán.',
      'Mã vận đơn 739104',
      'Mã khách hàng của bạn là 739104.',
    ],
    [
      'th',
      'รหัสการจอง: QX7TL2',
      'หมายเลขคำสั่งซื้อ: 739104',
      'ใช้รหัสส่วนลด 739104 ตอนชำระเงิน',
      'รหัสติดตามพัสดุ 739104',
      'รหัสลูกค้าของคุณคือ 739104',
    ],
    [
      'ja',
      '予約コード:QX7TL2',
      '注文番号:739104',
      'クーポンコード739104をご利用ください。',
      '追跡コード 739104',
      'お客様番号は739104です。',
    ],
    [
      'ko',
      '예약 코드: QX7TL2',
      '주문번호: 739104',
      '결제할 때 할인 코드 739104를 입력하세요.',
      '배송 조회 코드 739104',
      '고객번호는 739104입니다.',
    ],
    ['zh', '预订代码:QX7TL2', '订单号:739104', '结账时输入优惠码739104。', '物流码 739104', '您的客户编号为739104。'],
  ])('other codes and numbers are not returned: %s', (_, ...texts) => {
    for (const text of texts) {
      expect(codesOf(text)).toEqual([])
      expect(codesOf(text, text), 'also in the subject').toEqual([])
    }
  })
})

const LABEL = 'Your verification code is'

describe('a code is returned as the user must type it', () => {
  test.each([
    ['four digits', '4829', '4829'],
    ['ten digits', '4829135507', '4829135507'],
    ['a blank between groups', '482 913', '482913'],
    ['a dash between groups', '482-913', '482913'],
    ['an en dash', '482–913', '482913'],
    ['pairs', '48 29 13', '482913'],
    ['single digits', '4 8 2 9 1 3', '482913'],
    ['no-break spaces', '4\u00a08\u00a02\u00a09\u00a01\u00a03', '482913'],
    ['middle dots', '4·8·2·9·1·3', '482913'],
    ['zero-width spaces', '4\u200b8\u200b2\u200b9\u200b1\u200b3', '482913'],
    ['soft hyphens', '48\u00ad29\u00ad13', '482913'],
    ['full-width digits', '４８２９１３', '482913'],
    ['Arabic digits', '٤٨٢٩١٣', '482913'],
    ['Persian digits', '۴۸۲۹۱۳', '482913'],
    ['Devanagari digits', '४८२९१३', '482913'],
    ['Thai digits', '๔๘๒๙๑๓', '482913'],
    ['mathematical digits', '𝟒𝟖𝟐𝟗𝟏𝟑', '482913'],
    ['key caps', '4️⃣8️⃣2️⃣9️⃣1️⃣3️⃣', '482913'],
    ['letters and digits', 'K7Q2MX', 'K7Q2MX'],
    ['letters and digits with a dash', 'ABCD-1234', 'ABCD-1234'],
    ['two triples', '7QZ-41P', '7QZ-41P'],
    ['three groups', 'RS4T-9KLM-22XA', 'RS4T-9KLM-22XA'],
    ['letters with a dash', 'WDJB-MJHT', 'WDJB-MJHT'],
    ['a prefix letter that the form shows', 'G-482913', '482913'],
    ['a prefix letter before two groups', 'G-551 927', '551927'],
    ['a prefix letter before three groups', 'G-551 927 308', '551927308'],
    ['a prefix letter and a typographic dash', 'G‑551 927', '551927'],
    ['a prefix letter before groups with dashes', 'G-551-927', '551927'],
    ['lower case', 'k7q2mx', 'k7q2mx'],
    ['quotes', '"482913"', '482913'],
    ['stars', '**482913**', '482913'],
    ['a full stop', '482913.', '482913'],
    ['words with dashes', 'lumo-vexal-brindi', 'lumo-vexal-brindi'],
  ])('written with %s', (_, written, typed) => {
    expect(codesOf(`${LABEL}: ${written}`)).toEqual([typed])
    expect(codesOf(lines(`${LABEL}:`, written, 'It expires in ten minutes.'))).toEqual([typed])
  })

  test('written with letters only', () => {
    expect(codesOf(lines(`${LABEL}:`, 'HTRKVW', 'It expires in ten minutes.'))).toEqual(['HTRKVW'])
    expect(codesOf(`${LABEL}: HTRKVW`)).toEqual(['HTRKVW'])
    expect(codesOfHtml(`<p>${LABEL} <b>hTrKvWx</b> today</p>`)).toEqual(['hTrKvWx'])
  })
})

describe('the layout of HTML', () => {
  test.each([
    ['one cell per digit', '<table><tr><td>4</td><td>8</td><td>2</td><td>9</td><td>1</td><td>3</td></tr></table>'],
    [
      'one cell per digit, nested in tables',
      '<table><tr><td><table><tr> <td>4</td> <td>8</td> <td>2</td> <td>9</td> <td>1</td> <td>3</td> </tr></table></td></tr></table>',
    ],
    ['one cell per group', '<table><tr><td>482</td><td>913</td></tr></table>'],
    ['one cell per group, and a dash', '<table><tr><td>482</td><td>-</td><td>913</td></tr></table>'],
    [
      'one span per digit',
      '<div><span>4</span><span>8</span><span>2</span><span>9</span><span>1</span><span>3</span></div>',
    ],
    ['one block per digit', '<div>4</div><div>8</div><div>2</div><div>9</div><div>1</div><div>3</div>'],
    ['comments between digits', '<p>48<!-- x -->29<!-- y -->13</p>'],
    ['character references', '<p>&#52;&#x38;&#50;&#57;&#49;&#51;</p>'],
    ['zero-width references', '<p>4&#8203;8&zwnj;2&#8203;9&shy;1&#8288;3</p>'],
    ['a list item', '<ul><li>482913</li></ul>'],
    ['a field', '<input type="text" value="482913" readonly>'],
    ['preformatted', '<pre>\n  482913\n</pre>'],
  ])('does not hide a code: %s', (_, html) => {
    expect(codesOfHtml(`<html><body><p>${LABEL}:</p>${html}<p>It expires soon.</p></body></html>`)).toEqual(['482913'])
  })

  test('does not make a code of invisible content', () => {
    const html = `<style>.a482913{color:#112233}</style><script>var code = 482913</script><!-- code: 482913 -->
      <p>Your verification code is in the app.</p><img src="482913.png" alt="">`
    expect(codesOfHtml(html)).toEqual([])
  })

  test('can have a code in the preheader', () => {
    expect(codesOfHtml(`<div style="display:none">482913 is your login code</div><p>Hello</p>`)).toEqual(['482913'])
  })
})

describe('a code is found', () => {
  test('in the subject only', () => {
    expect(codesOf('Please see the subject of this mail.', '482913 is your Acme login code')).toEqual(['482913'])
  })

  test('far above the words that label it', () => {
    const text = lines(
      '482913',
      'Acme Health',
      'You opened the portal on Tuesday, 3 March 2026, from Lyon.',
      'Type the number at the top of this mail where the portal asks for the verification code.',
    )
    expect(codesOf(text)).toEqual(['482913'])
  })

  test('beside numbers with labels of their own', () => {
    const rows = [
      ['Order', '730194'],
      ['Case', '448120'],
      ['Customer', '602811'],
      ['Amount', '1290.00'],
    ]
    const table = rows.map(([name, value]) => `<tr><td>${name}</td><td>${value}</td></tr>`).join('')
    expect(codesOfHtml(`<p>Enter this confirmation code:</p><p>195537</p><table>${table}</table>`)).toEqual(['195537'])
  })

  test('after an order number', () => {
    expect(codesOf('Your pick-up code for order 730194 is 5588. Show it at the counter.')).toEqual(['5588'])
  })

  test('twice, if both codes have a label', () => {
    expect(
      codesOf(
        'First confirmation code: 417-PLUM\nSecond confirmation code: 580-FERN\nEnter both within 20 minutes.',
      ).sort(),
    ).toEqual(['417-PLUM', '580-FERN'])
  })
})

describe('numbers that are not codes', () => {
  test.each([
    ['an amount', `${LABEL} worth $4829.00`],
    ['a date', `${LABEL} sent on 2026-03-12 at 10:44`],
    ['a telephone number', 'To get a verification code call +1 212 555 0133.'],
    ['digits of a card', 'Enter the verification code for your card ending in 4829.'],
    ['masked digits', 'We sent a verification code to ****4829.'],
    ['a ticket number', '#51822: verification codes could be reused'],
    ['an address', 'You need no verification code.\nAcme Inc., 2261 Market Street, San Francisco, CA 94114'],
    ['a year', 'Never share a verification code.\n© 2026 Acme'],
    ['an old code', 'The verification code 339201 from our last message no longer works.'],
    ['an example', 'A verification code looks like 482913, for example.'],
    ['digits of an address', 'Get your code: https://acme.example/code/482913'],
    ['an exit code', 'The test failed with exit code 4829.'],
    ['a meeting passcode', 'Meeting ID: 882 1440 9371\nPasscode: 604419'],
    ['a gift card', 'Your gift card of $40\nCard number: 6006 4912 8840 2217\nPIN: 5093'],
    [
      'a temporary password',
      'Your account was created.\nTemporary password: Tq7vLm2Zr9\nYou choose another one at the first login.',
    ],
    [
      'backup codes',
      'Your new recovery codes, each can be used once:\n8203-1194\n5507-9920\n6618-2043\n1390-7752\n4481-0067',
    ],
    ['a door code', 'The door code of the building is 4829.'],
    ['a licence key', 'Your licence key: RS4T-9KLM-22XA'],
  ])('%s is not returned', (_, text) => {
    expect(codesOf(text)).toEqual([])
  })
})

test('a result has its context and its confidence, and the best is first', () => {
  const { codes } = extractVerification({
    subject: 'Your login code',
    text: lines('Hello', `${LABEL}:`, '482913', 'Bye'),
  })
  expect(codes).toEqual([{ code: '482913', context: `${LABEL}: 482913`, confidence: expect.any(Number) }])
  expect(codes[0]!.confidence).toBeGreaterThan(0.9)
  const long = extractVerification({
    subject: '',
    text: `${'word '.repeat(500)}your login code is 482913 ${'and on '.repeat(500)}`,
  })
  expect(long.codes[0]!.context.length).toBeLessThanOrEqual(160)
  expect(long.codes[0]!.context).toContain('482913')
})

test('a message without bodies has no codes and no links', () => {
  expect(extractVerification({ subject: '' })).toEqual({ codes: [], links: [] })
})

describe('in a message about a code', () => {
  const about = (...each: string[]) =>
    lines('Verify your sign-in. Your verification code expires in 10 minutes.', ...each)
  test.each([
    ['a list of similar numbers', about('48291377', '55012288', '99173344', '10417729')],
    ['a year in a date', about('You asked for it on 3 March 2026, we think.')],
    ['a postal code', about('Acme, Lange Reihe 88, 20099 Hamburg')],
    ['a country followed by digits', about('Acme, San Jose, USA 951120')],
    ['a number below its label', about('Order number', '482913', 'Thank you!')],
    ['a number above its label', about('Hello Ann,', '482913', 'Order number')],
    ['a temporary password', 'Your temporary password is 482913. It expires in 10 minutes. Do not share it.'],
  ])('%s is not returned', (_, text) => {
    expect(codesOf(text)).toEqual([])
  })

  test('the replacement of an old code is returned, the old one is not', () => {
    expect(codesOf('482913 replaces the code 339201 that we sent before. Enter it to sign in.')).toEqual(['482913'])
  })

  test('the device where a code is entered is not read as its label', () => {
    expect(codesOf('Type this on your phone: 482913', 'Sign in')).toEqual(['482913'])
  })

  test('the line for browsers (@host #code) is read', () => {
    expect(codesOf('Only use it on the page that asked.\n@acme.example #482913', 'Your login code')).toEqual(['482913'])
  })
})

test('text that normalisation leaves alone is the same as text that it rewrites', () => {
  // A character without width makes `plainText` rewrite the whole text; without one, most text is returned as it is.
  const units = Array.from({ length: 0xd800 }, (_, code) => String.fromCharCode(code))
  const changed = units.filter((unit) => plainText(unit) === unit && plainText(`${unit}\u200b`) !== unit)
  expect(changed).toEqual([])
  expect(plainText('Grüße, Код 验证码 인증 コード')).toBe(plainText('Grüße, Код 验证码 인증 コード\u200b'))
})
