/**
 * Keywords by which one-time codes are recognised, in the languages of large senders. Keywords that speak against a
 * code are in negative-keywords.ts. To add a language, add it to these two files, to link-keywords.ts and to the tables
 * of the tests; no other file depends on languages.
 *
 * Notation: see keyword-finder.ts. Accents and case do not matter. A word that is also a common word of another language
 * (the Vietnamese "mã") is listed only as part of phrases.
 */

/** Splits rows of keywords at " | ". */
export function words(...rows: string[]): string[] {
  return rows.flatMap((row) => row.split(' | '))
}

/** Terms for one-time codes and passwords. They need no other keyword beside them. */
export const ONE_TIME_TERMS = words(
  'tac | one-off key | one-off code* | one-off password* | one-off pin | one-time key',
  'otp | otps | otac | *-otp | motp | mtan | pushtan | smstan | chiptan | phototan | verification pin | security pin | login pin',
  'one-time pin | one-time passcode* | one time passcode* | onetime passcode* | one-time password* | one time password*',
  'one-time code* | one time code* | single-use code* | single use code* | verification code* | login code* | log-in code*',
  'sign-in code* | signin code* | security code* | confirmation code* | authentication code* | authorization code*',
  'authorisation code* | activation code* | access code* | pairing code* | passphrase for this sign-in',
  'einmalcode* | einmal-code* | einmalpasswort* | einmal-passwort* | einmalkennwort* | einmal-pin | einmalpin | einmal-tan',
  'bestätigungscode* | sicherheitscode* | verifizierungscode* | anmeldecode* | zugangscode* | freischaltcode* | prüfcode*',
  'aktivierungscode* | abholcode* | einmalschlüssel* | legitimationscode*',
  'eenmalige code* | bevestigingscode* | verificatiecode* | beveiligingscode* | inlogcode* | toegangscode* | activatiecode*',
  'eenmalig wachtwoord | afhaalcode* | ophaalcode* | aanmeldcode* | tancode* | tan-code*',
  'engångskod* | verifieringskod* | bekräftelsekod* | säkerhetskod* | inloggningskod* | aktiveringskod* | engångslösenord*',
  'engangskode* | engangspassord* | engangsadgangskode* | engangspin* | bekræftelseskode* | bekreftelseskode*',
  'verifikationskode* | verifiseringskode* | sikkerhedskode* | sikkerhetskode* | loginkode* | log ind-kode* | innloggingskode*',
  'påloggingskode* | aktiveringskode* | godkendelseskode* | godkjenningskode* | afhentningskode* | hentekode*',
  'vahvistuskoodi* | turvakoodi* | kertakäyttökoodi* | kertakoodi* | kirjautumiskoodi* | varmennuskoodi* | tarkistuskoodi*',
  'kertasalasana* | kertakäyttöi* | kertatunnus* | noutokoodi* | aktivointikoodi* | todennuskoodi* | kertakäyttösalasana*',
  'à usage unique | usage unique | un solo uso | uso único | unico uso | único uso | de uso unico | monouso | usa e getta',
  'código de verificación | código de confirmación | código de seguridad | código de acceso | clave dinámica | clave temporal',
  'clave de un solo | clave de verificación | clave de seguridad | clave de operaciones | clave de confirmación',
  'código de verificação | código de confirmação | código de segurança | código de acesso | código de uso | senha de uso',
  'codice di verifica | codice di conferma | codice di sicurezza | codice di accesso | codice temporaneo | codice otp',
  'code de vérification | code de confirmation | code de sécurité | code de validation | code de connexion | code d’accès',
  'kod weryfikacyjn* | kod jednorazow* | hasło jednorazow* | hasła jednorazow* | jednorazowe hasło | kod sms | kod bezpieczeństwa',
  'ověřovací kód* | jednorázov* heslo | jednorázový kód | overovací kód | jednorazové heslo | potvrzovací kód | autorizační kód',
  'одноразовый код | одноразовый пароль | одноразовым паролем | одноразового пароля | код подтверждения | проверочный код',
  'одноразовий код | одноразовий пароль | код підтвердження | перевірочний код | еднократна парола | код за потвърждение',
  'tek kullanımlık* | doğrulama kod* | onay kod* | güvenlik kod* | giriş kod* | aktivasyon kod* | teslimat kod*',
  'μίας χρήσης | μιας χρήσης | κωδικός επαλήθευσης | κωδικό επαλήθευσης | κωδικός επιβεβαίωσης | κωδικός ασφαλείας',
  'jednokratn* lozink* | cod de verificare | cod de confirmare | parolă unică | ellenőrző kód* | egyszeri jelszó | megerősítő kód*',
  'egyszer használatos | codi de verificació | jednokratni kod',
  'رمز التحقق | رمز التأكيد | رمز الدخول | رمز الأمان | كود التحقق | رمز التفعيل | رمز لمرة واحدة | لمرة واحدة | رمز المصادقة',
  'رمز المرور المؤقت | كلمة مرور لمرة واحدة | كود التفعيل | رمز الاستلام | رمز التسليم | کد تأیید | کد تایید | رمز یکبار مصرف | رمز پویا',
  'קוד אימות | קוד האימות | קוד חד | סיסמה חד | קוד אישור | קוד האישור | קוד כניסה | קוד הכניסה | קוד אבטחה | קוד גישה | חד-פעמי | חד פעמי',
  'ओटीपी | ओ.टी.पी | सत्यापन कोड | वेरिफिकेशन कोड | वन टाइम पासवर्ड | वन-टाइम पासवर्ड | सुरक्षा कोड | पुष्टि कोड | एकबारगी | एक बार इस्तेमाल',
  'kode otp | kode verifikasi | kode konfirmasi | kode keamanan | kode akses | kode masuk | kode aktivasi | sandi sekali pakai',
  'kod pengesahan | nombor tac | kod tac | sekali pakai | sekali guna',
  'mã xác thực | mã xác nhận | mã xác minh | mã otp | mã bảo mật | mã đăng nhập | mã kích hoạt | mật khẩu một lần | mã dùng một lần',
  'mã kiểm tra | mã truy cập | ma xac thuc | ma xac nhan | ma xac minh | ma otp | ma dang nhap | ma kich hoat | sử dụng một lần | mã nhận hàng',
  'รหัสยืนยัน | รหัสใช้ครั้งเดียว | ครั้งเดียว | รหัสโอทีพี | โอทีพี | รหัสตรวจสอบ | รหัสความปลอดภัย | รหัสเข้าสู่ระบบ | รหัสรับ',
  '認証コード | 確認コード | 認証番号 | 確認番号 | ワンタイム | 検証コード | 本人確認コード | ログインコード | セキュリティコード | 二段階認証',
  'アクセスコード | 承認コード | 認証キー | 認証用コード | 一時コード | 使い捨て | 受け取りコード | 受取コード | 暗証番号 | 認証用の番号 | パスコード',
  '인증번호 | 인증 번호 | 인증코드 | 인증 코드 | 일회용 | 확인 코드 | 확인코드 | 보안 코드 | 보안코드 | 로그인 코드 | 승인번호 | 접속 코드 | 1회용 | 확인번호',
  '验证码 | 驗證碼 | 校验码 | 校驗碼 | 动态码 | 動態碼 | 动态密码 | 動態密碼 | 一次性 | 激活码 | 啟用碼 | 啟動碼 | 取件码 | 取件碼 | 取货码 | 取貨碼 | 提货码',
  '登录码 | 登入碼 | 安全码 | 安全碼 | 确认码 | 確認碼 | 授权码 | 授權碼 | 配对码 | 配對碼 | 认证码 | 認證碼 | 动态口令 | 簡訊密碼 | 短信口令 | 驗證代碼 | 验证代码',
)

/** Nouns for a code of any kind. */
export const CODE_NOUNS = words(
  'कूट | अंक | second factor | zweiter faktor | tweede factor | second facteur | segundo factor | segundo fator | secondo fattore | drugi składnik | второй фактор | ikinci faktör',
  'cifra di controllo | cifra de control | chiffre de contrôle | kontrollziffer*',
  'verification number | security number | login number | sign-in number | *schlüssel | anmeldenummer | sicherheitsnummer | inlognummer | inloggningsnummer | kirjautumisnumero* | vahvistusnumero* | numéro de vérification | número de verificación | numero di verifica | numer weryfikacyjny',
  'code | codes | *code | pin | pins | *-pin | pin-code | passcode* | pass code* | ihre tan | die tan | eine tan | diese tan | der tan | tan: | tan lautet | *-tan | token | sign-in word | magic word',
  'login word | secret word | cvc2 | kennziffer | kennzahl | losungswort | kodewort | codewort | passwort-code | schlüsselwort | pincode*',
  'kod | koden | kodens | kods | *kod | *koden | kode | kodene | koder | *kode | *kodene | *koder | pinkod* | pinkode*',
  'koodi* | *koodi | *koodin | *koodia | *koodisi | *koodilla | tunnusluku* | tunnusluvu* | koden* | tunnuksesi | tunnus',
  'codes | clé | clef | clés | numéro secret | sésame',
  'código | códigos | codigo | clave | claves | contraseña dinámica | codi | codis',
  'senha temporária | contrassenha | chave de acesso | chave de segurança | codice | codici | codicino | parola chiave',
  'kod | kodu | kodem | kody | kodów | kodzie | kodowi | pinu | pinem | kód | kódu | kódem | kódom | kódy | kódot | kódja | kódod | kódját | *kód',
  'код | кода | коду | кодом | коде | коды | кодов | кодам | код* доступа | пин-код* | пін-код* | пин | пін | пинкод* | кодове | кодът | кодово* слово',
  'kodu | kodun | kodunu | kodunuz | kodunuzu | kodunuzla | kodum | koda | kodla | koduyla | kodlar* | parola | parolan* | şifreniz | şifre | şifreyi',
  'şifren | şifrenizi | κωδικός | κωδικό | κωδικού | κωδικοί | κωδικούς | κωδικών | cod | codul | cod-ul | codului | kodot | kodja',
  'رمز | رموز | كود | الرقم السري | رقم التحقق | رقم سري | کد | קוד | קודים | סיסמת',
  'कोड | पिन | पासकोड | kode* | kod anda | nombor pin',
  'mã này | mã sau | mã dưới | mã bên dưới | mã là | mã của bạn | mã của quý | mã pin | nhập mã | điền mã | gõ mã | mã số bí mật | mã gồm | mã:',
  'mã số sau | mã trên | mã mới | dùng mã | sử dụng mã | mã hết hạn | mã có hiệu lực | lấy mã | ma cua ban | mã một lần | đây là mã | là mã',
  'รหัส | โค้ด | พิน | コード | ピン | 番号コード | 合言葉 | 合い言葉 | 코드 | 핀번호 | 핀 번호 | 암호 | 码 | 碼 | 口令',
)

/** Nouns for any number or word. Some messages call their code by its shape: "the six digits", "the number above". */
export const NUMBER_NOUNS = words(
  'words | wörter | worte | woorden | orden | ordene | sanat | sanaa | mots | palabras | palavras | parole | słowa | slova | слова | kelime* | λέξεις | كلمات | מילים | शब्द | kata-kata | các từ | 言葉 | 単語 | 단어 | 单词 | 單字',
  'digit | digits | six-digit | four-digit | 6-digit | 4-digit | 8-digit | 5-digit | 7-digit | number | numbers | characters | letters | figures',
  'zahl | zahlen | ziffern | sechsstellig* | vierstellig* | *stellige | *stelligen | nummer | zeichenfolge | zeichen | buchstaben | zahlenfolge',
  'cijfer* | getal | getallen | tekens | siffror | siffrorna | sifror | cifre | cifrene | tal | tallet | siffer | sifrene | tegn | numeron | numero*',
  'luku | lukusarja* | merkkijono* | merkit | chiffres | caractères | nombre | numéro | cifras | dígitos | número | números | carácter* | caracteres',
  'algarismos | cifre | cifra | numeri | numero | caratteri | cyfry | cyfr | numer | znaki | znaków | ciąg | číslo | čísla | číslice | číslic | znaků',
  'цифры | цифр | цифрами | число | номер | символы | символов | цифри | символи | rakam | rakamı | rakamlar* | haneli | sayı | sayıyı | numara*',
  'ψηφία | ψηφίων | ψήφιο* | αριθμός | αριθμό | χαρακτήρες | الأرقام | ارقام | الرقم | أرقام | رقم | ספרות | הספרות | מספר | המספר | תווים | अंक | अंकों | संख्या | नंबर',
  'angka | digit | số sau | chữ số | dãy số | con số | số này | ký tự | ตัวเลข | หลัก | หมายเลข | 数字 | 桁 | 文字 | 番号 | 숫자 | 자리 | 번호 | 文字列 | 數字 | 数字 | 位数 | 號碼 | 号码',
)

/** Words for the purpose of a code: verifying an address, signing in, approving a change, handing over a parcel. */
export const PURPOSES = words(
  'verif* | confirm* | authenticat* | authoriz* | authoris* | login | logins | log-in | log in | logging in | logged in | sign in | sign-in',
  'signing in | signin | signs in | sign up | sign-up | signup | signing up | secure | security | one-time | one time | onetime | single-use | activat*',
  'access | two-factor | two-step | 2fa | mfa | 3-d secure | 3ds | second factor | second step | registration | register | registering | approv*',
  'pairing | pair | unlock* | reset* | identity | it’s you | it is you | prove | new device | recogni* | pick-up | pickup | pick up | collect | collection',
  'hand over | handover | hand-over | locker | driver | courier | enrol* | temporary | let you in | transfer | transaction | payout | payment | purchase | e-sign | to sign',
  'bestätig* | verifizier* | freischalt* | freigabe | freigeb* | anmeld* | einlogg* | login* | sicherheit* | zugang* | zugriff | registrier* | aktivier*',
  'melden sie sich | melde dich | meld dich | loggen sie sich | logg dich | einzulogg* | anzumeld* | freizugeb* | freizuschalt* | einmal* | legitim* | identität* | authentifizier* | autorisier* | abhol* | überweisung* | auftrag freigeben | zwei-faktor* | zwei-schritt* | gerät',
  'verknüpf* | koppel* | zurücksetz* | entsperr* | ausweis* | zustell* | bote* | prüf*',
  'bevestig* | verific* | verifieer* | inlog* | in te loggen | loggen | aan te melden | aanmeld* | beveiliging* | toegang* | registr* | activer* | eenmalig* | identiteit* | afhaal* | ophaal* | afhalen',
  'ophalen | toestel | apparaat | herstel* | koppel* | goedkeur* | tweestaps* | bezorg*',
  'bekräft* | verifier* | inlogg* | logga in | loggar in | säkerhet* | engång* | aktiver* | registrer* | legitimer* | identifier* | godkänn* | utlämning* | hämt* | transaktion* | behörighet*',
  'bekræft* | bekreft* | verifikation* | verifiser* | log ind | logge ind | logger ind | logg inn | logge inn | innlogg* | pålogg* | sikkerhed* | sikkerhet* | engang*',
  'godkend* | godkjenn* | adgang* | tilgang* | afhent* | hent* | henting* | udlever* | utlever* | gendan* | nulstil*',
  'vahvist* | kirjautu* | kirjaudu* | turva* | tunnist* | todenn* | varmenn* | kerta* | rekisteröi* | aktivo* | nouto* | noutaa | nouda | hyväksy* | palautt*',
  'vérifi* | confirm* | valid* | connexion | connect* | identif* | authentifi* | sécuri* | accès | accéder | inscri* | activ* | usage unique | retrait | retirer',
  'livreur | virement | débloque* | déverrouill* | réinitialis* | associer | jumel* | paiement | signer | signature',
  'verific* | acced* | acceso | iniciar sesión | inicio de sesión | inicie sesión | inicia sesión | segur* | regist* | activ* | autoriz* | autent* | identi* | validar',
  'validación | transferencia | entrega | repartidor | recog* | retir* | desbloque* | restablec* | firmar | vincul* | un solo uso | dispositivo | entrar',
  'acess* | iniciar sessão | login | cadastr* | autentic* | valid* | aprov* | entreg* | retira* | levant* | redefin* | desbloque* | uso único | assin* | celular',
  'verifica* | conferm* | access* | acced* | sicur* | registra* | attiva* | autorizza* | autentica* | ritir* | conseg* | corriere | monouso | temporane* | sbloc*',
  'bonifico | reimposta* | identità',
  'weryfik* | potwierdz* | logowan* | zalog* | zaloguj* | bezpiecz* | jednoraz* | autoryz* | rejestrac* | aktywac* | aktywuj* | dostęp* | odbior* | odbierz* | odbiór*',
  'przelew* | kurier* | uwierzyteln* | tożsamoś* | odblok* | reset* | parow* | urządzen*',
  'ověři* | ověřo* | ověře* | ověřu* | potvr* | přihláš* | přihlaš* | bezpečn* | jednoráz* | jednoraz* | autoriz* | registr* | aktiv* | vyzved* | vydej* | výdej* | doruč* | přístup* | odemk*',
  'overen* | overov* | prihlás* | vyzdvih* | obnov* | spárov*',
  'подтвер* | провер* | вход* | войти | авториз* | безопас* | одноразов* | регистрац* | зарегистр* | активац* | активир* | доступ* | получен* | выдач* | курьер*',
  'перевод* | подпис* | восстан* | привяз* | аутентиф* | идентиф* | личност* | оплат* | смен* | удостовер*',
  'підтвер* | перевір* | вхід* | вход* | увійти | авториз* | безпек* | реєстрац* | активац* | активув* | отриман* | видач* | переказ* | відновл* | прив’яз* | автентиф*',
  'потвърж* | влизане | достъп* | сигурност* | еднократ*',
  'doğrula* | onay* | giriş* | oturum* | güvenlik* | tek kullan* | aktivasyon* | etkinleştir* | kayıt* | kaydı* | üyeli* | teslim* | kurye* | erişim* | sıfırla* | kimlik*',
  'eşleştir* | havale* | ödeme*',
  'επαλήθευσ* | επαληθεύ* | επιβεβαίωσ* | επιβεβαιώσ* | επιβεβαιών* | σύνδεσ* | συνδεθ* | είσοδο* | είσοδος | ασφάλεια* | ασφαλεί* | εγγραφ* | ενεργοποί* | πρόσβασ*',
  'ταυτοποί* | ταυτότητ* | παραλαβ* | μεταφορά* | έγκρισ* | εγκρίν*',
  'verificare | confirma* | autentificar* | conectar* | securitate | ellenőrz* | megerősít* | bejelentkez* | belép* | biztonság* | belépés* | potvrd* | prijav* | sigurn*',
  'verificaci* | iniciar la sessi*',
  'التحقق | تحقق | تأكيد | تاكيد | تفعيل | تسجيل | الدخول | دخول | أمان | المصادقة | مصادقة | توثيق | لمرة واحدة | استلام | تسليم | المندوب | تحويل | هويتك | إعادة تعيين | تأیید | ورود',
  'אימות | לאמת | אישור | לאשר | כניסה | להיכנס | התחבר* | התחברות | להתחבר | אבטחה | חד-פעמי | הרשמה | הפעלה | גישה | איסוף | שליח | העברה | זיהוי | איפוס | נכנס',
  'सत्यापन | सत्यापित | पुष्टि | लॉगिन | लॉग इन | साइन इन | सुरक्षा | प्रमाण | पंजीकरण | रजिस्ट | सक्रिय | डिलीवरी | भुगतान | वेरिफ | पहचान | लेनदेन | लेन-देन | रीसेट',
  'verifikasi | konfirmasi | masuk | keamanan | login | aktivasi | mengaktifkan | daftar | pendaftaran | akses | autentikasi | otorisasi | transaksi | pengambilan | kurir | pengesahan',
  'xác thực | xác nhận | xác minh | đăng nhập | bảo mật | kích hoạt | đăng ký | truy cập | giao dịch | nhận hàng | chuyển khoản | khôi phục | đặt lại | mở khóa',
  'ยืนยัน | เข้าสู่ระบบ | เข้าใช้งาน | ความปลอดภัย | ครั้งเดียว | ล็อกอิน | สมัคร | ลงทะเบียน | เปิดใช้ | ธุรกรรม | รับพัสดุ | รับสินค้า | ตรวจสอบ | โอนเงิน | ตัวตน | รีเซ็ต | ตั้งรหัสผ่าน',
  '認証 | 確認 | ログイン | サインイン | セキュリティ | 本人 | ワンタイム | 登録 | 有効化 | アクセス | 承認 | 受け取り | 受取 | 解除 | 再設定 | 振込 | 二段階 | 連携 | 検証 | ペアリング',
  '인증 | 확인 | 로그인 | 보안 | 본인 | 일회용 | 가입 | 등록 | 승인 | 수령 | 이체 | 접속 | 재설정 | 결제 | 잠금 | 연동',
  '验证 | 驗證 | 确认 | 確認 | 登录 | 登入 | 登錄 | 安全 | 一次性 | 注册 | 註冊 | 激活 | 啟用 | 启用 | 授权 | 授權 | 身份 | 身分 | 取件 | 取货 | 取貨 | 提货 | 支付 | 转账 | 轉帳 | 动态 | 動態',
  '绑定 | 綁定 | 解锁 | 解鎖 | 重置 | 重設 | 重设 | 配对 | 配對 | 找回',
)

/** Words for entering, showing or saying a code. */
export const ENTRY_VERBS = words(
  'tap it | tap this | lets you in | gets you in | tipp | tippt | bringt dich rein | bringt sie rein | lässt dich rein | लिखिए | भरिए | डाल | दीजिए | 쓸 | 써 주 | 쓰세요',
  'enter | entering | type | typing | key in | punch in | input | use | copy | paste | fill in | fill out | put in | insert | submit | tell | show | read out',
  'present | say | quote | reply with | give the | give this | give them | give him | give her | provide | pop | tap in | dial',
  'eingeben | eingabe | geben sie | gib | gebe | eintippen | tippen | tippe | eintragen | tragen sie | trage | trag | verwende* | nutze* | benutze* | übertrag* | kopier*',
  'einfüg* | nenne* | zeige* | zeig | nimm | nehmen | einzugeben | einzutragen | eingegeben | vorzeig* | angeben | mitteilen',
  'vul | invul* | invoer* | voer | typ | typt | toets | intoets* | gebruik* | kopieer* | plak | neem | toon | tik | tikt | noem | laat zien | geef',
  'ange | anger | skriv | skriver | mata | använd* | knappa | fyll | kopiera | klistra | uppge | visa | slå in | indtast* | brug | bruger | angiv | tast | taster | kopier',
  'vis | oplys | opgiv | bruk | bruker | oppgi | angi | legg inn | sett inn | indsæt | inntast* | skrive | syötä | syöttä* | kirjoita | kirjoitta* | käytä | käyttä* | anna | näppäile',
  'kopioi | näytä | liitä | naputtele | saisi* | saisir | entrez | entrer | tapez | taper | utilise* | copie* | recopie* | renseigne* | indique* | compose*',
  'présente* | donne* | reporte* | colle* | introduisez | inscrivez | rentre* | notez | dictez',
  'introdu* | ingres* | escrib* | utilic* | utiliz* | usa | use | usar | usarla | úsalo | úsala | úselo | úsela | teclee | teclea | tecle* | digit* | copi* | pega | pegue',
  'usa este | usa esta | usa el | usa la | usa il | usa questo | usa questa | anota | anote | indica* | indique* | muestr* | diga | dile | dígale | díselo | pon | ponga | ponlo | marque | insir* | inser* | utilize | informe | cole | mostre | escrev*',
  'preench* | coloque | apresent* | inseri* | digita* | usalo | usare | usi | utilizza* | copia* | incolla* | riporta* | immett* | scriv* | mostra* | batt* | inserisci*',
  'wpisz* | wpisać | podaj* | podać | wprowadź* | użyj* | przepisz* | skopiuj* | wklej* | pokaż* | wklep* | wstuk* | przedyktuj*',
  'zadejte | zadej | zadat | opište | opiš | vložte | vlož | napište | napiš | použijte | použij | zkopírujte | vyplňte | přepište | přepiš | ukažte | naťukejte | zadajte',
  'použite | napíšte | opíšte | uveďte | řekněte',
  'введите | введи | ввести | вводите | введения | используйте | укажите | наберите | вставьте | скопируйте | впишите | назовите | покажите | напишите | ввода | продиктуйте',
  'введіть | уведіть | введи | ввести | використайте | вкажіть | скопіюйте | вставте | назвіть | покажіть | наберіть | впишіть | въведете | използвайте | впишете',
  'gir | girin* | giriniz | girerek | yaz | yazın* | yazarak | kullan* | kopyala* | yapıştır* | tuşla* | söyle* | göster*',
  'εισαγάγ* | εισάγ* | εισαγωγ* | πληκτρολογ* | χρησιμοποι* | γράψτε | γράψε | αντιγρά* | καταχωρ* | συμπληρώ* | δώστε | βάλτε | βάλε | δείξτε | πείτε | πατήστε',
  'introduceți | introdu | folosiți | tastați | írja be | adja meg | használja | gépelje | másolja | unesite | upišite',
  'أدخل | ادخل | إدخال | ادخال | استخدم | اكتب | أكتب | انسخ | الصق | اعرض | أعطِ | وارد کنید | הזן | הזינו | הזיני | הקלד | הקליד | השתמש | הקישו | הקש | להזין | העתיק | העתק | הכניסו',
  'הציגו | הצג | מסרו | דर्ज | दर्ज | डालें | डालिए | उपयोग | इस्तेमाल | प्रयोग | टाइप | भरें | लिखें | बताएं | बताएँ | दिखाएं',
  'mengetik* | memasukkan | menggunakan | masukkan | masukan | ketik* | gunakan | pakai | salin | isi | isikan | tunjukkan | sebutkan | tempel | taip | nhập | nhap | sử dụng | dùng | điền | gõ mã | gõ vào | đọc mã | cung cấp mã cho',
  'กรอก | ใส่ | ป้อน | ใช้ | พิมพ์ | แจ้ง | แสดง | นำ | 入力 | ご利用 | 使用 | 貼り付け | 打ち込 | お伝え | 提示 | 記入 | 入れて | 打って | ご記入',
  '입력 | 사용 | 적어 | 넣어 | 붙여 | 보여 | 알려 주 | 쳐 | 输入 | 輸入 | 填写 | 填寫 | 填入 | 出示 | 键入 | 鍵入 | 回填 | 贴上 | 凭 | 憑',
)

/** Words for a short validity. */
export const EXPIRY_PHRASES = words(
  'expire | expires | expiring | valid for | valid until | good for | lasts | only works | works for | works until | lapses | minutes | minute | min | mins | once',
  'gültig | gilt | läuft ab | verfällt | minuten | geldig | verloopt | vervalt | minuten | giltig | gäller | minuter | gyldig | gælder | gjelder | udløber | utløper | minutter',
  'voimassa | vanhenee | minuuttia | minuutin | expire dans | valable | minutes | caduca | válido | válida | vence | expira | minutos | scade | valido | valida | minuti | dura',
  'ważny | wygasa | traci ważność | minut | minuty | platí | platnost | vyprší | minut | действует | действителен | действительн* | истекает | минут | минуты | діє | дійсний | хвилин | хвилини',
  'geçerli* | dakika | ισχύει | λήγει | λεπτά | λεπτών | صالح | ينتهي | دقائق | دقيقة | בתוקף | תקף | דקות | मान्य | मिनट | वैध | berlaku | menit | minit | hiệu lực | hết hạn | phút | นาที | หมดอายุ',
  '有効 | 分間 | 分以内 | 期限 | 유효 | 분 동안 | 분간 | 분 이내 | 有效 | 分钟 | 分鐘 | 失效 | 过期 | 過期 | perc | érvényes | valabil | minute',
)

/** Words of warnings: do not share the code; ignore the message if you did not ask for it. */
export const WARNINGS = words(
  'share | anyone | nobody | no one | never ask | did not request | didn’t request | didn’t ask | ignore | disregard | didn’t try | not you | wasn’t you',
  'niemand* | weiterge* | nicht angefordert | ignorier* | deel | negeer | dela | aldrig | ignorer* | del ikke | kenellekään | partage* | ignorez | personne | comparta* | compart* | nadie',
  'ignora | ninguém | compartilh* | partilh* | nessuno | condivid* | ignora* | nikomu | nie udostępniaj | zignoruj* | nesděluj* | ignorujte | никому | не сообщайте | проигнорир* | нікому',
  'paylaş* | kimse* | dikkate alma* | μην τον | κανέναν | αγνοήσ* | تشارك | تجاهل | تتجاهل | לאיש | אל תשתף | התעלמ* | साझा | अनदेखा | jangan | abaikan | không chia sẻ | cung cấp | bỏ qua',
  'ห้าม | อย่า | 他人 | 破棄 | 心当たり | 공유 | 타인 | 무시 | 告知他人 | 泄露 | 洩漏 | 忽略 | 不必理會 | 透露 | 转发 | 勿',
)
