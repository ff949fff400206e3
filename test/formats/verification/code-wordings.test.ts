/**
 * Messages that present a code in many different wordings, and messages with numbers that only look like codes: one per
 * row, in the languages of the keywords. A change that makes a row fail is probably not an improvement.
 */
import { expect, test } from 'vitest'
import { extractVerification } from './extract-verification.ts'

test.each<[code: string, subject: string, text: string]>([
  ['771204', 'Acme', 'Your code: 771204'],
  ['7712', 'Your Acme code', '7712'],
  ['771204', 'Din kode', 'Din kode er 771204'],
  ['551902', 'New code', 'The code 339201 no longer works, please use 551902 instead.'],
  ['551902', '', 'Dein alter Code 339201 ist nicht mehr gültig. Dein neuer Bestätigungscode: 551902'],
  ['551902', '', 'Le code 339201 a expiré. Voici le nouveau code de connexion : 551902'],
  ['551902', '', 'Код 339201 больше не действует. Новый код для входа: 551902'],
  ['551902', '', '验证码 339201 已失效,请使用新的验证码 551902。'],
  ['4821', 'Table ready', 'Show 4821 at the counter to pick up your parcel.'],
  [
    '93017',
    'Ihr Paket',
    'Zeigen Sie dem Boten die Zahl 93017.\n\nSendungsnummer: 00340434161094042557\nZustellung: 12.03.2026, 14:00-16:00',
  ],
  [
    '93017',
    'Votre colis est arrivé',
    'Présentez ce code au commerçant :\n\n93017\n\nRelais Presse du Port, 4 quai Nord, 13002 Marseille\nColis n° XY118822934FR',
  ],
  [
    '204911',
    'Tu pedido llega hoy',
    'Dile al repartidor esta clave cuando te entregue el paquete: 204911. Pedido 99182736.',
  ],
  ['204911', 'Il tuo ordine 99182', 'Comunica al corriere il PIN 204911 alla consegna.'],
  [
    '4417',
    'Odbierz paczkę',
    'Kod odbioru: 4417\nNumer paczki: 620999000111222333444555\nAutomat: WAW22M, ul. Prosta 2',
  ],
  ['4417', 'Balík k vyzvednutí', 'Pro výdej zadejte PIN 4417. Číslo zásilky DR1234567890C.'],
  ['88213', 'Посылка ждёт вас', 'Назовите сотруднику код 88213. Номер отправления 80084512345678.'],
  ['88213', 'Ваша посилка', 'Щоб отримати посилку, назвіть код видачі 88213. ТТН 20450123456789.'],
  ['88213', 'Kargonuz dağıtımda', 'Kuryeye söylemeniz gereken teslimat kodu: 88213. Takip no: 1122334455667.'],
  ['88213', 'お荷物', '宅配ボックスの暗証番号は 88213 です。伝票番号 1234-5678-9012'],
  ['88213', '快递到站', '您的包裹已到菜鸟驿站,请凭取件码 88213 领取。运单号 SF1234567890。'],
  ['8821', '取件通知', '凭 8821 取件。'],
  [
    '602118',
    'Subject: nothing',
    "Bonjour,\n\n602118\n\nVoilà le sésame pour entrer dans votre espace. Il ne marche qu'une fois.",
  ],
  ['602118', 'Confirm deletion', 'To delete your account for good, reply with the digits 602118.'],
  [
    '602118',
    'Zahlung freigeben',
    'Um die Zahlung von 1.204,50 EUR an Müller GmbH (IBAN DE89370400440532013000) freizugeben, nutzen Sie die TAN 602118.',
  ],
  ['602118', '3-D Secure', 'Compra de 89,90 EUR en TIENDA ONLINE con tarjeta *4417. Clave: 602118. No la comparta.'],
  ['602118', 'Pagamento', 'Acquisto di EUR 45,00 presso NEGOZIO con carta *1234. OTP 602118 valido 5 minuti.'],
  ['602118', '', 'Sayin musterimiz, 1.250,00 TL tutarindaki isleminiz icin onay kodunuz 602118. Kimseyle paylasmayin.'],
  ['602118', '', '[Acme]您正在登录,验证码602118,5分钟内有效,请勿泄露。'],
  ['602118', '', 'Acme: 인증번호 [602118]를 입력해 주세요.'],
  ['602118', '', '【Acme】認証番号:602118'],
  ['602118', '', 'Ma xac thuc cua ban la 602118. Khong chia se ma nay voi bat ky ai.'],
  ['602118', '', 'Kode OTP Anda 602118. JANGAN BERIKAN kepada siapa pun.'],
  ['602118', '', 'OTP for txn of INR 2,499.00 at SHOP on card XX4417 is 602118. Do not share.'],
  ['602118', '', '602118 adalah kode verifikasi Anda.'],
  ['602118', '', '602118 ist dein Code für Acme. Teile ihn mit niemandem.'],
  ['602118', '', '602118 è il codice per accedere.'],
  ['602118', '', '602118 είναι ο κωδικός σας για το Acme'],
  ['602118', '', '602118 — ваш код'],
  ['602118', '', 'Utilisez 602118 pour vous connecter à Acme.'],
  ['602118', '', 'Użyj 602118, aby zalogować się w Acme.'],
  ['602118', '', 'Usa 602118 para iniciar sesión en Acme.'],
  ['602118', '', 'Используйте 602118 для входа.'],
  ['602118', '', 'Acme girişi için 602118 kullanın.'],
  ['602118', '', 'استخدم 602118 لتسجيل الدخول.'],
  ['602118', '', 'השתמשו ב-602118 כדי להתחבר.'],
  [
    'K7Q-2MX',
    'Pair your TV',
    'On your TV you will be asked for a pairing code. It is K7Q-2MX and lasts fifteen minutes.',
  ],
  ['K7Q2MX', 'Gerät koppeln', 'Geben Sie am Fernseher K7Q2MX ein, um ihn zu koppeln.'],
  ['KVMTRW', 'Je inlogwoord', 'Typ dit over op de inlogpagina:\n\nKVMTRW\n\nNa een kwartier werkt het niet meer.'],
  [
    'mira-tolko-sabe',
    'Entrar',
    'Copia estas tres palabras en la página de acceso, con los guiones:\n\nmira-tolko-sabe\n\nCaducan en 10 minutos.',
  ],
  [
    '482913',
    'Verify',
    'Hi Ann,\n\nuse the following 6-digit number to finish logging in:\n\n482-913\n\nAcme, 1 Main St, 94103 San Francisco. Ref: 2026-03-0001',
  ],
  ['1999', 'Sign in', 'Enter this PIN to sign in: 1999\n\n© 2026 Acme'],
  ['2031', 'Code de retrait', 'Votre code de retrait est le 2031. Commande n° 2026-1188.'],
  ['20260312', 'Login', 'Dein Einmalpasswort lautet 20260312.'],
  ['482913', '', 'Votre code à 6 chiffres : 482 913'],
  [
    '482913 7741',
    '',
    'Code for the app: 482913\nCode for the website: 7741\nBoth are valid for 10 minutes. Enter them to sign in.',
  ],
  ['4829', 'Acme', 'Hej! Din PIN 4829 gäller i fem minuter. Slå in den i appen.'],
  [
    '551209',
    'Kirjautuminen',
    'Hei!\n\nKirjautumisnumerosi on 551209.\n\nÄlä välitä viestistä, jos et yrittänyt kirjautua.',
  ],
  [
    '551209',
    'Confirmez votre virement',
    "Pour confirmer le virement de 1 250,00 € vers FR76 3000 6000 0112 3456 7890 189, tapez dans l'application les six chiffres suivants :\n\n551 209\n\nService client : 09 69 32 20 04",
  ],
  [
    '551209',
    'Autorizzazione bonifico',
    'Il codice dispositivo per il bonifico di € 400,00 a Mario Rossi (rif. 88213) è: 551209\nValidità: 120 secondi',
  ],
  ['5512', 'Potwierdzenie', 'Podaj kurierowi PIN: 5512\nPrzesyłka 1000445566778\nPobranie: 129,90 zł'],
  ['551209', 'Přihlášení', 'Někdo (snad vy) se hlásí z prohlížeče Firefox. Pokud jste to vy, opište do okna 551209.'],
  ['551209', '', 'Ваш пароль для входа: 551209. Действует 5 минут. Никому его не сообщайте. Это одноразовый пароль.'],
  ['551209', '', 'Пароль: 551209. Никому не сообщайте. Подтверждение операции 1500 RUB, карта *4417.'],
  ['551209', 'Şifreniz', 'Tek kullanımlık şifreniz: 551209 (işlem no 99182). 180 saniye içinde giriniz.'],
  [
    '551209',
    'Σύνδεση',
    'Κάποιος προσπαθεί να συνδεθεί. Αν είστε εσείς, πληκτρολογήστε τα ψηφία\n\n551209\n\nστην οθόνη σύνδεσης.',
  ],
  ['551209', 'تأكيد الحساب', 'مرحبا،\n\nالأرقام التي تحتاجها لإكمال التسجيل:\n\n551209\n\nصالحة لربع ساعة.'],
  ['551209', 'אימות', 'כדי לסיים את ההרשמה יש להקליד את המספר 551209 בעמוד שנשאר פתוח.'],
  ['551209', 'पासवर्ड बदलें', 'पासवर्ड बदलने के लिए यह नंबर डालें: 551209\nयह 15 मिनट में समाप्त हो जाएगा।'],
  ['551209', 'Pendaftaran', 'Selesaikan pendaftaran dengan mengetik angka 551209 di aplikasi.'],
  ['551209', 'Đăng ký', 'Để hoàn tất đăng ký, vui lòng nhập dãy số 551209 vào ứng dụng.'],
  ['551209', 'สมัครสมาชิก', 'พิมพ์ตัวเลข 551209 ในหน้าสมัครเพื่อยืนยันตัวตน'],
  ['551209', '会員登録', '登録を続けるには、次の6桁の数字を入力してください。\n\n551209\n\n有効期限は1時間です。'],
  ['551209', '가입 확인', '가입을 계속하려면 아래 여섯 자리 숫자를 입력하세요.\n\n551209'],
  ['551209', '注册', '请在注册页面输入以下六位数字:\n\n551209\n\n一小时内有效。'],
  ['5X8-K2P', 'Finish in the app', 'Nearly done, Ann.\n\nBack in the app, punch in 5X8-K2P.\n\nThanks, Acme'],
  [
    'B7TR',
    'Bestellung abholen',
    'Abholcode B7TR\n\nBestellung 99182736, Filiale Lange Str. 12, 26122 Oldenburg, geöffnet 9-19 Uhr',
  ],
  ['0042', 'Locker', 'Your locker opens with 0042. Enter it on the screen within 48 hours.'],
  [
    '771204',
    'Re: access',
    'Hey, sorry for the trouble. The system sent it to me by mistake - it says 771204 is what you need to type in. Call me on 0301 5550 199 if not.',
  ],
  [
    '771204',
    'Fwd: Your code',
    '---------- Forwarded message ---------\nFrom: Acme <no-reply@acme.example>\nDate: Tue, 3 Mar 2026 at 10:44\nSubject: Your code\nTo: <ann@example.org>\n\nYour Acme login code is 771204\n',
  ],
  ['771204', 'Votre code', '> Bonjour,\n> Votre code de connexion : 771204\n> A bientôt'],
  ['771204', 'Sign in', 'Your code is:\n\n7 7 1 2 0 4\n\nOr 0 if you are on the phone.'],
  [
    '771204',
    'Your one-time code',
    'Code\t771204\nValid\tuntil 10:44\nDevice\tiPhone 15 Pro (iOS 17.4.1)\nIP\t203.0.113.200',
  ],
  ['771204', 'Login', '| Code | 771204 |\n| Request | 8821-443 |'],
  ['LMN-482', 'Zwei-Faktor', 'Ihr Sicherheitsschlüssel für diese Sitzung: LMN-482. Gültig bis 18 Uhr.'],
  [
    '771204',
    'Código de un solo uso',
    'Hola Ana:\n\nHemos recibido tu solicitud n.º 118822.\n\n771204\n\nes tu código de un solo uso.',
  ],
  ['9931', 'Verificação', 'Seu código expira às 14:22.\n\n9931\n\nSe não foi você, ignore.'],
])('%s is found in "%s"', (code, subject, text) => {
  expect(codesOf({ subject, text })).toBe(code)
})

test.each<[code: string, html: string]>([
  [
    '482913',
    '<p>Your code</p><table><tr><td><p>4</p></td><td><p>8</p></td><td><p>2</p></td><td><p>9</p></td><td><p>1</p></td><td><p>3</p></td></tr></table>',
  ],
  ['482913', '<p>Enter this:</p><div style="font-size:32px">482<span style="color:#fff"> </span>913</div>'],
  [
    '482913',
    '<table><tr><th>Order</th><th>Code</th></tr><tr><td>771204</td><td>482913</td></tr></table><p>Show the code when you pick up the order.</p>',
  ],
  ['482913', '<h2>Sign in</h2><div>482913</div><div>Copy code</div><p>Never share it.</p>'],
  [
    '482913',
    '<p>Verification code</p><p><span>4</span> <span>8</span> <span>2</span> <span>9</span> <span>1</span> <span>3</span></p>',
  ],
  ['482913', '<p>Code de vérification&nbsp;:<b>482913</b></p>'],
  ['482913', '<p>Your passcode</p><p>482<br>913</p>'],
  ['AB12CD', '<p>Type this into the app</p><p><font size="7">AB12CD</font></p><p>Order reference: ZX99QW</p>'],
  [
    '482913',
    '<div>Ihr Code</div><div style="letter-spacing:8px;font-weight:700">482913</div><div>Artikelnummer 771204</div>',
  ],
  [
    '482913',
    '<p>Guten Tag,</p><p>die Zahl für Ihre Anmeldung:</p><table><tr><td>48</td><td>29</td><td>13</td></tr></table>',
  ],
])('%s is found in HTML', (code, html) => {
  expect(codesOf({ subject: 'Sign in', html })).toBe(code)
})

test.each<[subject: string, text: string]>([
  ['Order 482913 shipped', 'Your order 482913 has shipped. Tracking: 1Z999AA10123456784. Delivery PIN is not needed.'],
  ['Ticket 482913', 'We received your request. Your ticket number is 482913. Please quote it when you call us.'],
  ['Bestellung', 'Ihre Kundennummer 482913 brauchen Sie bei der Anmeldung. Abholnummer gibt es keine.'],
  ['Rechnung', 'Rechnungsnummer: 482913\nBitte geben Sie die Rechnungsnummer bei der Überweisung an.'],
  ['Your boarding pass', 'Confirmation code: QX7TL2\nFlight BA 0482, 12 Mar 2026, seat 14C, gate B22'],
  ['Check-in', 'Check in at the kiosk with your booking code K7Q2MX.'],
  ['Cita médica', 'Su cita es el 12/03/2026. Código de cita: 482913. Preséntelo en recepción.'],
  ['Appointment', 'Your queue number is A482. Show it at the desk. Case 482913.'],
  ['Rabatt', 'Dein Code: SOMMER20\n20 % auf alles. Gib ihn im Warenkorb ein.'],
  ['-15 % pour vous', 'Saisissez le code PRINT15 au moment de payer.'],
  ['Ваш промокод', 'Введите ВЕСНА или SALE2026 в корзине и получите скидку 15%.'],
  ['Gutschein', 'Ihr Gutscheincode: 4829-1377-5501\nEinlösbar bis 31.12.2026.'],
  ['Licence', 'Product key: ABCDE-12345-FGHIJ-67890-KLMNO'],
  ['Your Wi-Fi', 'Network: Acme-Guest\nPassword: 48291377'],
  ['Dein Aufenthalt', 'Der Code für die Haustür lautet 4829. Check-in ab 15 Uhr.'],
  ['Your stay', 'The lockbox code is 4829 and works during your whole stay.'],
  ['Besprechung', 'Meeting-ID: 882 144 093\nKenncode: 604419\nhttps://parley.example/j/882144093'],
  ['회의 초대', '회의 ID: 882 1440 9371\n비밀번호: 604419'],
  ['会议邀请', '会议号:882-144-093\n密码:604419'],
  ['Your account', 'Your user name is ann482 and your temporary password is Xk29pQ71.'],
  ['Neues Konto', 'Ihr Initialpasswort: Xk29pQ71. Bitte ändern Sie es bei der ersten Anmeldung.'],
  ['Backup codes', 'Store these backup codes:\n1. 4829-1377\n2. 5501-2288\n3. 9917-3344'],
  ['Códigos de respaldo', 'Guarda tus códigos de respaldo:\n\n48291377\n55012288\n99173344'],
  ['Build failed', 'Build #482913 failed with error code 5512 (exit status 1).'],
  ['Security tip', 'Scammers ask for "your six-digit code", for example 123456. Never share a code.'],
  ['Payment received', 'We received 482.90 EUR. Transaction number: 48291377. Auth code 551920.'],
  [
    'New sign-in',
    'New sign-in from 203.0.113.7, Lyon, at 10:44. If it was you, do nothing. Support: 0800 555 0199, case 482913.',
  ],
  ['Password changed', 'Your password was changed on 12 March 2026. Incident 482913.'],
  ['Votre RDV', 'Rappel : RDV le 12 mars 2026 à 10h44, 69002 Lyon. Digicode 4829B, 2e étage.'],
  ['PIN', 'Your SIM PIN is 4829 and the PUK is 88213377.'],
  ['Zmiana adresu', 'Kod pocztowy: 00950\nTelefon: 600 100 200'],
  ['Bilet', 'Kod biletu: 482913\nPeron 3, wagon 12, miejsce 44'],
  ['Your invoice', 'Enter payment reference 482913 in your banking app so that we can match your payment.'],
  ['Survey', 'Enter the survey code 482913 at acme.example/survey and win.'],
  ['Referral', 'Share your invite code K7Q2MX with friends and earn $10.'],
  ['Umfrage', 'Ihr Teilnahmecode: 482913'],
  ['Event', 'Your ticket code is K7Q2MX. Show the QR code at the entrance.'],
  ['Støtte', 'Ditt saksnummer er 482913. Oppgi det når du ringer oss.'],
  ['予約', '予約番号 482913 を受付でお伝えください。'],
  ['客服', '您的工单号为 482913,请在来电时提供。'],
  ['예약', '예약번호 482913을 프런트에 보여 주세요.'],
  ['Zahlenschloss', 'Der Code Ihres Schließfachs im Fitnessstudio bleibt 4829.'],
])('no code is found in "%s"', (subject, text) => {
  expect(codesOf({ subject, text })).toBe('')
})

function codesOf(mail: { subject: string; text?: string; html?: string }): string {
  return extractVerification(mail)
    .codes.map(({ code }) => code)
    .sort()
    .join(' ')
}
