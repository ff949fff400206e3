import { describe, expect, test } from 'vitest'
import { extractVerification } from './extract-verification.ts'

const T = 'token=Yx7hT2sV9qLw4ePzR31'
const linksOf = (text: string, subject = '') => extractVerification({ subject, text }).links.map(({ url }) => url)
const linksOfHtml = (html: string, subject = '') => extractVerification({ subject, html }).links.map(({ url }) => url)

test('a URL that is too long to be searched does not hide the next one', () => {
  const long = `https://x.test/?q=${'a'.repeat(5_000)}`
  const confirm = `https://shop.test/confirm?${T}`
  expect(linksOf(`See ${long}\n\nConfirm your email: ${confirm}`)).toEqual([confirm])
})

describe('in every language', () => {
  test.each([
    ['en', 'Confirm your email', 'Confirm email address', 'Unsubscribe', 'Track your order'],
    [
      'de',
      'Bitte bestätigen',
      'E-Mail-Adresse bestätigen',
      'Abmelden vom Newsletter: abbestellen',
      'Sendung verfolgen',
    ],
    ['nl', 'Bevestig je e-mailadres', 'E-mailadres bevestigen', 'Uitschrijven', 'Volg je zending'],
    ['sv', 'Bekräfta din adress', 'Bekräfta e-postadressen', 'Avregistrera dig', 'Spåra paketet'],
    ['da', 'Bekræft din e-mail', 'Bekræft e-mailadressen', 'Afmeld nyhedsbrevet', 'Følg din pakke'],
    ['no', 'Bekreft e-posten din', 'Bekreft e-postadressen', 'Meld deg av', 'Spor pakken'],
    ['fi', 'Vahvista sähköpostisi', 'Vahvista osoite', 'Peruuta tilaus', 'Seuraa lähetystä'],
    ['fr', 'Confirmez votre adresse', 'Confirmer mon adresse', 'Se désabonner', 'Suivre mon colis'],
    ['es', 'Confirma tu correo', 'Confirmar mi correo', 'Darse de baja', 'Seguir mi pedido'],
    ['pt', 'Confirme o seu e-mail', 'Confirmar e-mail', 'Cancelar inscrição', 'Rastrear encomenda'],
    ['it', 'Conferma il tuo indirizzo', 'Conferma l’indirizzo', 'Annulla iscrizione', 'Traccia la spedizione'],
    ['pl', 'Potwierdź adres', 'Potwierdź adres e-mail', 'Wypisz się', 'Śledź przesyłkę'],
    ['cs', 'Potvrďte e-mail', 'Potvrdit e-mail', 'Odhlásit odběr', 'Sledovat zásilku'],
    ['ru', 'Подтвердите адрес', 'Подтвердить адрес', 'Отписаться', 'Отследить посылку'],
    ['uk', 'Підтвердьте адресу', 'Підтвердити адресу', 'Відписатися', 'Відстежити посилку'],
    ['tr', 'E-postanı doğrula', 'E-postamı doğrula', 'Abonelikten çık', 'Siparişi takip et'],
    ['el', 'Επιβεβαίωση email', 'Επιβεβαιώστε το email σας', 'Απεγγραφή', 'Παρακολούθηση αποστολής'],
    ['ar', 'تأكيد بريدك', 'تأكيد البريد الإلكتروني', 'إلغاء الاشتراك', 'تتبع الشحنة'],
    ['he', 'אימות כתובת', 'אימות כתובת המייל', 'הסרה מרשימת התפוצה', 'מעקב משלוח'],
    ['hi', 'ईमेल सत्यापित करें', 'ईमेल सत्यापित करें', 'सदस्यता समाप्त करें', 'ऑर्डर ट्रैक करें'],
    ['id', 'Konfirmasi email', 'Konfirmasi email saya', 'Berhenti berlangganan', 'Lacak paket'],
    ['vi', 'Xác nhận email', 'Xác nhận địa chỉ email', 'Hủy đăng ký', 'Theo dõi đơn hàng'],
    ['th', 'ยืนยันอีเมล', 'ยืนยันอีเมล', 'ยกเลิกการรับข่าวสาร', 'ติดตามพัสดุ'],
    ['ja', 'メールアドレスの確認', 'メールアドレスを確認する', '配信停止', '荷物を追跡'],
    ['ko', '이메일 인증', '이메일 인증하기', '수신거부', '배송 조회'],
    ['zh', '验证邮箱', '验证邮箱地址', '退订', '查看物流订单'],
  ])('only the button is returned, with all links behind a tracker: %s', (_, subject, verify, leave, track) => {
    const tracker = (n: number) => `https://click.acme.example/ls/u0${n}8gQ2bT441Zk${n}`
    const html = `<p>Acme</p><a href="${tracker(1)}"><img src="logo.png" alt="Acme"></a>
      <table><tr><td><a href="${tracker(2)}">${verify}</a></td></tr></table>
      <a href="${tracker(3)}">${track}</a> <a href="${tracker(4)}">${leave}</a>`
    expect(linksOfHtml(html, subject)).toEqual([tracker(2)])
    expect(
      linksOf(`Acme\n\n${leave}: ${tracker(4)}\n${track}:\n${tracker(3)}\n\n${verify}:\n${tracker(2)}\n`, subject),
    ).toEqual([tracker(2)])
    expect(linksOf(`${leave}: ${tracker(4)}\n${track}:\n${tracker(3)}`)).toEqual([])
  })

  test.each([
    ['en', 'Reset your password', 'Set a new password', 'Sign in now', 'Accept invitation'],
    ['de', 'Passwort zurücksetzen', 'Neues Passwort festlegen', 'Jetzt anmelden', 'Einladung annehmen'],
    ['nl', 'Wachtwoord herstellen', 'Nieuw wachtwoord instellen', 'Nu inloggen', 'Uitnodiging accepteren'],
    ['sv', 'Återställ lösenordet', 'Välj nytt lösenord', 'Logga in', 'Acceptera inbjudan'],
    ['da', 'Nulstil adgangskoden', 'Vælg ny adgangskode', 'Log ind', 'Accepter invitationen'],
    ['no', 'Tilbakestill passordet', 'Velg nytt passord', 'Logg inn', 'Godta invitasjonen'],
    ['fi', 'Salasanan palautus', 'Aseta uusi salasana', 'Kirjaudu sisään', 'Hyväksy kutsu'],
    ['fr', 'Réinitialisation', 'Choisir un nouveau mot de passe', 'Me connecter', 'Accepter l’invitation'],
    ['es', 'Restablecer contraseña', 'Crear nueva contraseña', 'Iniciar sesión', 'Aceptar invitación'],
    ['pt', 'Redefinir senha', 'Criar nova senha', 'Entrar na conta: iniciar sessão', 'Aceitar convite'],
    ['it', 'Reimposta la password', 'Scegli una nuova password', 'Accedi', 'Accetta l’invito'],
    ['pl', 'Reset hasła', 'Ustaw nowe hasło', 'Zaloguj się', 'Przyjmij zaproszenie'],
    ['cs', 'Obnovení hesla', 'Nastavit nové heslo', 'Přihlásit se', 'Přijmout pozvánku'],
    ['ru', 'Сброс пароля', 'Задать новый пароль', 'Войти', 'Принять приглашение'],
    ['uk', 'Скидання пароля', 'Задати новий пароль', 'Увійти', 'Прийняти запрошення'],
    ['tr', 'Şifre sıfırlama', 'Yeni şifre belirle', 'Giriş yap', 'Daveti kabul et'],
    ['el', 'Επαναφορά κωδικού', 'Ορίστε νέο κωδικό', 'Σύνδεση', 'Αποδοχή πρόσκλησης'],
    ['ar', 'إعادة تعيين كلمة المرور', 'تعيين كلمة مرور جديدة', 'تسجيل الدخول', 'قبول الدعوة'],
    ['he', 'איפוס סיסמה', 'בחירת סיסמה חדשה', 'כניסה לחשבון', 'קבלת ההזמנה'],
    ['hi', 'पासवर्ड रीसेट', 'नया पासवर्ड सेट करें', 'लॉग इन करें', 'निमंत्रण स्वीकार करें'],
    ['id', 'Atur ulang kata sandi', 'Buat kata sandi baru', 'Masuk', 'Terima undangan'],
    ['vi', 'Đặt lại mật khẩu', 'Tạo mật khẩu mới', 'Đăng nhập', 'Chấp nhận lời mời'],
    ['th', 'รีเซ็ตรหัสผ่าน', 'ตั้งรหัสผ่านใหม่', 'เข้าสู่ระบบ', 'ตอบรับคำเชิญ'],
    ['ja', 'パスワード再設定', '新しいパスワードを設定', 'ログイン', '招待を承諾する'],
    ['ko', '비밀번호 재설정', '새 비밀번호 설정', '로그인', '초대 수락'],
    ['zh', '重置密码', '设置新密码', '立即登录', '接受邀请'],
  ])('links to reset, to sign in or to accept are returned: %s', (_, ...labels) => {
    for (const label of labels) {
      const url = `https://acme.example/a/9x71-4420?k=mZ8`
      expect(linksOfHtml(`<p>Acme</p><p><a href="${url}">${label}</a></p>`)).toEqual([url])
      expect(linksOfHtml(`<p>Acme</p><p><a href="https://acme.example/login">${label}</a></p>`), 'no token').toEqual([])
    }
  })
})

test('a link whose label refuses is not returned', () => {
  const html = '<a href="https://l.acme.example/c/u0018gQ2bT">No, I did not sign in, do not approve</a>'
  expect(linksOfHtml(html, 'Approve your sign-in')).toEqual([])
})

describe('a URL is recognised', () => {
  const url = `https://acme.example/users/confirmation?${T}`
  test.each([
    ['alone', `Confirm your address:\n\n${url}\n`],
    ['before a full stop', `To confirm your address open ${url}.`],
    ['in brackets', `Confirm your address (${url})`],
    ['in spaced brackets', `Confirm your address ( ${url} )`],
    ['in square brackets', `Confirm your address [${url}]`],
    ['as Markdown', `[Confirm your address](${url})`],
    ['in angle brackets', `Confirm your address <${url}>`],
    ['in quotes', `Confirm your address "${url}"`],
    ['before Chinese', `请点击${url}确认您的邮箱`],
    ['before a Japanese full stop', `メールアドレスを確認してください ${url}。`],
  ])('%s', (_, text) => {
    expect(linksOf(text)).toEqual([url])
  })

  test('with decoded entities, and once if it is in both alternatives', () => {
    const both = extractVerification({
      subject: 'Confirm',
      text: 'Confirm: https://acme.example/confirm?a=1&token=9x71z',
      html: '<a href="https://acme.example/confirm?a=1&amp;token=9x71z">Confirm</a>',
    })
    expect(both.links.map(({ url }) => url)).toEqual(['https://acme.example/confirm?a=1&token=9x71z'])
    expect(both.links[0]!.context).toContain('Confirm')
  })

  test('with the scheme of an app', () => {
    expect(linksOfHtml('<a href="acme-app://login?token=9x71zQ">Log in</a>')).toEqual(['acme-app://login?token=9x71zQ'])
    expect(linksOfHtml('<a href="mailto:verify9x71@acme.example?token=9x71zQ">Verify</a>')).toEqual([])
    expect(linksOfHtml('<a href="javascript:verify(9x71)">Verify</a>')).toEqual([])
  })
})

describe('links that verify nothing', () => {
  test.each([
    ['denying', '<a href="https://acme.example/devices/deny?t=a61f08c2">No, block it</a>'],
    ['"not me"', '<a href="https://acme.example/report?event=30118842&k=af01">This wasn’t me</a>'],
    ['an order', '<a href="https://acme.example/orders/918824?key=wc_5Hq201">View your order</a>'],
    ['an invoice', '<a href="https://acme.example/f/60418827">Pay invoice</a>'],
    ['an appointment', '<a href="https://acme.example/appointment/330917">Confirm or reschedule your appointment</a>'],
    ['a meeting', '<a href="https://acme.example/j/88214409371?pwd=Q2xPbjN4">Join meeting</a>'],
    ['a help page', '<a href="https://acme.example/help/verify-email?article=204981">How to verify your email</a>'],
    ['an article', '<a href="https://acme.example/314/otp-scams?utm_id=314">Read the whole article</a>'],
    ['a page without a token', '<a href="https://acme.example/verify">Enter your code to verify</a>'],
    [
      'only the address of the recipient as a parameter',
      '<a href="https://acme.example/verify?email=ann%40example.org&utm_source=mail88">Verify</a>',
    ],
  ])('are not returned: %s', (_, html) => {
    expect(linksOfHtml(`<p>Acme</p>${html}`)).toEqual([])
  })
})

test('a link that approves is returned, and the link that denies is not', () => {
  const link = (name: string) => `https://acme.example/devices/${name}?t=a61f08c2d3b94e17`
  const text = `A new device wants in.\n\nApprove this device:\n${link('approve')}\n\nNo, block it:\n${link('deny')}\n`
  expect(linksOf(text, 'Approve new device?')).toEqual([link('approve')])
})

test('a link without a label of its own is scored by the words around it', () => {
  const html = `<p>We were asked to reset your password. Click <a href="https://acme.example/r/6T0x-ZqP81">here</a> to choose another one.</p>`
  expect(linksOfHtml(html, 'Reset your password')).toEqual(['https://acme.example/r/6T0x-ZqP81'])
})

const TRACKER = 'https://l.acme.example/c/u0018gQ2bT441Zk'

test.each<[subject: string, html: string]>([
  [
    'Is this you?',
    '<p>Someone is signing in from Lyon.</p><a href="$TRACKER1">Yes, it’s me</a> <a href="$TRACKER2">No, it’s not me</a>',
  ],
  [
    'Sign in to Acme',
    '<p>Use the button below to sign in. It works for ten minutes.</p><a href="$TRACKER1">Open Acme</a>',
  ],
  ['Ann hat dich eingeladen', '<p>Ann lädt dich in das Team Blau ein.</p><a href="$TRACKER1">Einladung ansehen</a>'],
  [
    'Unlock your account',
    '<p>Too many attempts. Your account is locked.</p><a href="https://acme.example/u/unlock/77ab01f9">Unlock account</a>',
  ],
  [
    'Neues Gerät',
    '<p>Ein neues Gerät möchte sich anmelden.</p><a href="$TRACKER1">Ja, das bin ich</a><a href="$TRACKER2">Nein, Konto sperren</a>',
  ],
  [
    'Newsletter',
    '<p>Bitte noch kurz bestätigen:</p><a href="$TRACKER1">Ja, ich möchte den Newsletter</a><p>Falls nicht, einfach ignorieren.</p>',
  ],
  [
    'Подтверждение подписки',
    '<p>Чтобы получать письма, подтвердите подписку.</p><a href="$TRACKER1">Да, подписаться</a>',
  ],
  ['メール認証', '<p>下記のボタンを押して認証を完了してください。</p><a href="$TRACKER1">こちら</a>'],
  ['Votre lien magique', '<p>Voici votre lien pour vous connecter.</p><a href="$TRACKER1">Ouvrir Acme</a>'],
  ['Potwierdź', '<p>Kliknij przycisk, by aktywować konto.</p><a href="$TRACKER1">Gotowe, działamy</a>'],
  ['重設密碼', '<p>請點擊以下連結重設密碼:</p><p>https://acme.example/r?k=9x71zQ</p>'],
  [
    'Authorise the payment app',
    '<p>Allow Budget Buddy to read your account?</p><a href="https://bank.example/consent/approve?c=9x71zQ04">Allow</a> <a href="https://bank.example/consent/reject?c=9x71zQ04">Reject</a>',
  ],
])('the first link is returned: %s', (subject, html) => {
  const source = html.replaceAll('$TRACKER', TRACKER)
  expect(linksOfHtml(source, subject)).toEqual([/https:[^"<]*/.exec(source)![0]])
})

test.each<[subject: string, html: string]>([
  [
    'Your password was changed',
    '<p>If this was not you, <a href="https://acme.example/recover?t=9x71zQ04">secure your account</a>.</p>',
  ],
  ['New sign-in', '<p>Was this you? If not, <a href="https://acme.example/report/9x71zQ04">let us know</a>.</p>'],
  [
    'Confirm your appointment',
    '<p>12 March, 10:44</p><a href="https://clinic.example/a/330917/confirm">Confirm</a> <a href="https://clinic.example/a/330917/cancel">Cancel</a>',
  ],
  ['Bestätigung Ihrer Bestellung', '<a href="https://shop.example/orders/918824?key=wc5Hq">Bestellung ansehen</a>'],
  ['Rate your stay', '<a href="https://hotel.example/s/9x71zQ04">Rate now</a>'],
  ['Your invoice', '<a href="https://shop.example/i/9x71zQ04">Sign in to pay your invoice</a>'],
  ['Ann shared a file', '<a href="https://docs.example/d/9x71zQ04AbCdEfGh">Open document</a>'],
  [
    'Invitation: lunch',
    '<p>Ann invites you to an event.</p><a href="https://cal.example/e/9x71zQ04?r=yes">Accept</a> <a href="https://cal.example/e/9x71zQ04?r=no">Decline</a>',
  ],
  [
    'Tu pedido',
    '<a href="https://tienda.example/p/8812/seguimiento">Seguir pedido</a> <a href="https://tienda.example/p/8812/confirmar-entrega">Confirmar entrega</a>',
  ],
  ['Weekly digest', '<p>5 stories</p><a href="$TRACKER1">How to verify sources</a> <a href="$TRACKER2">More</a>'],
  ['Votre colis', '<a href="https://poste.example/c/6C1180">Confirmer la livraison</a>'],
  ['Your card expires', '<p>Log in and update your card.</p><a href="https://acme.example/billing">Update card</a>'],
  ['Webinar', '<p>You are registered.</p><a href="https://w.example/join/88214409?tk=9x71zQ04">Join webinar</a>'],
  ['Your code', '<p>Your code: 482913</p><a href="https://acme.example/help/982713">Trouble signing in?</a>'],
  ['Vaša rezervácia', '<a href="https://h.example/rez/8812ab">Potvrdiť rezerváciu</a>'],
  ['Ваш заказ', '<a href="https://s.example/o/8812ab">Подтвердить получение заказа</a>'],
])('no link is returned: %s', (subject, html) => {
  expect(linksOfHtml(html.replaceAll('$TRACKER', TRACKER), subject)).toEqual([])
})
