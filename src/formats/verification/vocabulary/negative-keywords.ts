/** Keywords that say that a number or word is not a one-time code. Notation: see keyword-finder.ts. */
import { words } from './code-keywords.ts'

/**
 * Things that have numbers and codes of their own. Before a number they label it; beside "code" they label the code.
 */
export const OTHER_TERMS = words(
  'visa | mastercard | master card | amex | american express | maestro | paypal | payment method | zahlungsart | betaalmethode | betalningssätt | betalingsmåte | maksutapa | mode de paiement | moyen de paiement | método de pago | forma de pago | forma de pagamento | metodo di pagamento | metoda płatności | způsob platby | способ оплаты | спосіб оплати | ödeme yöntemi | τρόπος πληρωμής | طريقة الدفع | אמצעי תשלום | भुगतान विधि | metode pembayaran | phương thức thanh toán | วิธีชำระ | 支払方法 | 支払い方法 | 결제수단 | 결제 수단 | 付款方式 | 支付方式',
  'event | incident* | listing | listing no | ad number | inserat* | anzeige* | annonce* | anuncio* | annuncio* | ogłoszeni* | объявлен* | ilan no | tin đăng | mã tin | 证号 | 證號 | 用水號碼 | 用電號碼 | 户号 | 戶號 | 銷帳* | 会員番号 | 회원번호',
  // English
  'order | orders | booking* | reservation* | ticket* | tracking | shipment* | invoice* | receipt* | bill | billing | customer | client | member id | membership',
  'member | members | case no | case number | case id | case # | request id | request no | request number | support id | account | acct | iban | bic | swift | sort code | routing | card | cards | cvv | cvc',
  'phone | tel | telephone | fax | call | hotline | helpline | reference | ref | refs | transaction id | transaction no | transaction number',
  'confirmation number | confirmation no | confirmation # | coupon* | voucher* | discount* | promo* | gift card* | gift code* | gift | redeem* | referral | invite code',
  'zip | zip code* | postal | postcode* | area code | country code | dial-in | amount | total | price | balance | sum | fee | ending in | ending | ends in | last four | last 4',
  'version | build | http | error | errors | status code | exit code | licen* key | licen* no | license | licence | serial* | policy | contract | matter no | matter number | application no | application number | application id | flight | train',
  'coach | seat | room | gate | po box | p.o. box | box | suite | ste | flat | floor | meeting id | meeting | webinar id | conference | door code | door | entry code | lockbox | key box | keypad',
  'alarm | wi-fi | wifi | network | vat | tax | passport | patient | mrn | student | employee | staff | extension | ext | article | item | sku | model | isbn | job | run',
  'commit | pull request no. | request # | batch | barcode* | bar code | qr code | qr-code* | qr | dress code | source code | colour code | color code | code of conduct | code review | promo code | tracking code',
  'session id | device id | request | user id | username | user name | user | netid | id | ids | ip | port | pin pad | parcel | package | consignment | waybill | awb | folio | docket | claim',
  'loyalty | points | registration number | company no | reg no | registered | plate | work order | year | recovery code* | backup code* | back-up code* | street | building | apartment | apt',
  'appointment | survey | raffle | prize | participant | competition | invoice no | invitation code | product code | product key | rate code | style code | unlock code | vin | imei | merchant | terminal | auth code | approval code | mandate | direct debit | statement | deposit | locker no',
  // German
  'termin* | teilnahme* | teilnehmer* | gewinnspiel* | umfrage* | einladungscode* | bestell* | auftrag* | auftragsnummer* | buchung* | reservierung* | rechnung* | kunde* | sendung* | sendungsverfolg* | vorgang* | ticketnummer | aktenzeichen | konto | kontonummer',
  'kontonr | kto | blz | karte | kartennummer | telefon | tel | rufnummer | handynummer | durchwahl | gutschein* | rabatt* | aktionscode* | geschenk* | postleitzahl | plz | vorwahl | betrag | summe',
  'preis | endet auf | endziffern | endend | endziffer | version* | fehler* | lizenz* | serien* | police | versicherung* | vertrag* | zug | wagen | platz | zimmer | türcode | tür | haustür',
  'steuer* | ust-id | referenz* | verwendungszweck | mandats* | mitglied* | personal* | matrikel* | artikel* | postfach | paketnummer | pakets | paket | quittung* | beleg* | nutzer* | benutzer*',
  'kennung | hrb | station | fax | wlan* | strichcode* | qr-code* | barcode* | promocode* | buchungscode* | fallnummer | vorgangsnummer | geräte-id | bankleitzahl | sendungsnummer | wiederherstellungscode*',
  'anruf* | hotline | zählerstand | zähler* | bic | meeting-id | schließfach | schlüsselbox',
  // Dutch
  'bestel* | order* | ordernummer* | boeking* | reserver* | factuur* | klant* | zending* | track* | trace-code* | trace code* | dossier* | zaaknummer | rekening* | rekeningnummer | kaart* | telefoon* | bel | kortingscode*',
  'korting* | cadeau* | postcode* | bedrag | totaal | prijs | eindigend op | eindigt op | foutcode* | fout* | licentie* | serienummer* | polis* | contract* | trein | stoel | kamer | deurcode* | kvk | btw',
  'referentie* | kenmerk | lidnummer* | personeels* | artikel* | pakket* | bonnummer | gebruiker* | meldingsnummer | afspraak* | deelname* | enquête* | kenteken | incasso* | betalingskenmerk | actiecode* | tegoed* | barcode',
  // Nordic
  'besök* | tävling* | enkät* | deltag* | deltak* | konkurrence* | konkurranse* | undersøg* | beställ* | ordern* | order* | bokning* | bokad* | faktura* | kund* | försändelse* | sändning* | ärende* | konto* | kort* | kortnummer | telefon* | tfn | ring | rabatt* | presentkort* | postnummer | belopp',
  'summa | pris | slutar på | som slutar | felkod* | serienummer* | försäkring* | avtal* | vagn | plats | rum | portkod* | dörrkod* | org.nr* | orgnr* | organisationsnummer | referens* | ocr | medlem*',
  'personnummer | artikel* | kolli* | paket* | paketnummer | spårning* | kvitto* | användar* | kampanjkod* | värdekod* | streckkod* | biljett* | bankgiro | mätar*',
  'ordre* | bestilling* | booking* | reservation* | reservasjon* | kunde* | forsendelse* | sending* | pakke* | pakkenummer | sagsnummer | saksnummer | sak | konto | kontonr | reg | reg.nr | tlf | telefon* | ring*',
  'rabat* | gavekort* | postnr | beløb | beløp | i alt | totalt | ender på | slutter på | som ender | fejlkode* | feilkode* | police* | polise* | kontrakt* | tog | plads | sæde | værelse | cvr | lånerkort | lånekort',
  'medlems* | vare* | varenummer | kvittering* | billet* | sporing* | bruger* | bruker* | brukernavn | kampagne* | verdikode* | stregkode* | strekkode* | dørkode* | kid | fødselsnummer | cpr | referanse* | reference*',
  'ajanvaraus* | kilpailu* | osallistu* | kysely* | tilaus* | varaus* | lasku* | asiakas* | lähety* | seuranta* | tapahtumanumero* | tili | tilin* | tilinumero* | kortti* | kortin | puh | puhelin* | soita | alennus* | lahjakort* | postinumero* | summa | yhteensä',
  'hinta | päättyv* | virhe* | sopimus* | vakuutus* | juna | vaunu | paikka | huone | ovikoodi* | y-tunnus | viite | viitenumero* | jäsen* | tuote* | pakett* | käyttäjä* | käyttäjätunnus | kuitti* | kampanjakood*',
  'etukood* | viivakood* | qr-kood* | henkilötunnus | matkalip* | lippu*',
  // French
  'rendez-vous | rdv | sondage | enquête | concours | participation | commande* | réservation* | dossier | facture* | reçu n* | client* | colis | suivi | expédition | envoi | référence* | réf | compte | carte | téléphone | tél | appelez | appeler | remise | réduction | promo*',
  'bon d’achat | cadeau | code postal | code promo* | montant | total | prix | finissant par | se terminant par | terminant | version | erreur* | licence | série | police | train | vol | voiture | siège | chambre',
  'digicode | porte | portail | siret | siren | rcs | tva | naf | ape | adhérent* | matricule | article | billet* | utilisateur | identifiant | incident | demande n* | ticket | code-barres | parrainage | fidélité | boîte à clés | mandat',
  'opposition | iban | bp | cedex | interphone | wifi | bâtiment | guichet | abonné',
  // Spanish, Portuguese
  'cita | citas | encuesta* | sorteo* | participa* | consulta | sondaggio | concorso | partecipa* | appuntamento | inquérito | pesquisa | pedido* | reserva* | localizador | factura* | recibo* | cliente* | envío | envio | seguimiento | rastreo | rastre* | guía | guia | expediente | cuenta | tarjeta | teléfono | telefono | tel | llame | llama al | descuento',
  'cupón* | cupom | promoc* | regalo* | código postal | importe | monto | total | precio | terminad* en | que termina* | con final | final en | finaliza en | acabada en | acabado en | versión | error* | licencia | serie | póliza | contrato | tren | vuelo',
  'asiento | coche | puerta | habitación | nif | cif | rfc | dni | curp | socio | matrícula | artículo | billete* | entrada | usuario | ticket | boleto | folio | factura | referencia | trámite | póliz* | código de barras | historia clínica',
  'mediador | transacción n* | número de operación | número de código de error | n.º de cita n* | código de área',
  'encomenda* | fatura* | nota fiscal | protocolo | atendimento | conta | cartão | telefone | ligue | ligar | desconto | vale-presente | vale-compra* | presente | cep | valor | preço | terminad* em | terminado | versão | erro | licença | apólice | trem | voo',
  'assento | poltrona | quarto | nif | nipc | cnpj | cpf | inscrição | sócio | artigo | bilhete* | usuário | utente | chamado | referência | código postal | código promocional | boleto | pix | agência | ramal | processo | remessa | entidade | porta',
  // Italian
  'ordine | ordini | prenotazion* | fattura* | ricevuta* | scontrino | cliente | spedizion* | tracciamento | tracking | pratica | conto | carta | telefono | tel | chiam* | sconto | coupon | buono | promozional* | regalo | codice postale | cap',
  'importo | totale | prezzo | che termina | terminante | finale della carta | versione | errore | licenza | serie | polizza | contratto | treno | volo | posto | carrozza | camera | fiscale | p. iva | p.iva | partita iva | tessera | socio | articolo',
  'biglietto | utente | segnalazione | riferimento | rif | pnr | matricola | codice a barre | citofono | portone | porta | codice cliente | abbonamento | colli | protocollo | lettera di vettura | rea',
  // Polish, Czech, Slovak
  'wizyt* | ankiet* | konkurs* | termin | schůzk* | soutěž* | dotazník* | zamówieni* | rezerwacj* | faktur* | paragon* | klient* | przesyłk* | przesyłki | list* przewoz* | śledzeni* | sprawa | sprawy | zgłoszeni* | rachun* | konta | konto | kart* | telefon* | tel | infolini* | zadzwoń | rabat* | zniżk* | kupon*',
  'bony | pocztowy | kod pocztowy | kwot* | suma | razem | cena | końcówk* | kończą* | wersja | błąd | błęd* | licencj* | seryjn* | polis* | umow* | pociąg | wagon | miejsce | pokój | domofon* | drzwi | regon | nip | krs | pesel',
  'członk* | legitymacj* | bilet* | użytkownik* | wniosek | wniosku | referencyj* | operacja | operacji | paczka | paczki nr | paczka nr | automacie | skrytce | kod kreskowy | kod qr | kod promocyj* | identyfikator | reklamacj*',
  'objednávk* | objednávky | rezervac* | faktur* | účtenk* | zákazní* | zásilk* | zásielk* | sledován* | balík* | balíku | účet | účtu | kart* | telefon* | zavolejte | volejte | slev* | sleva | kupón* | poukaz* | psč | částk* | celkem | cena | dobírka',
  'končící | končí na | verze | chyb* | licenc* | výrobní | pojist* | smlouv* | vlak | vůz | sedadlo | pokoj | ičo | dič | člensk* | jízdenk* | vstupenk* | uživatel* | žádost* | variabilní | čárov* | kód* slevov* | přístavek | řidič | dveř*',
  'zľav* | čiarov* | objednávka | jednací',
  // Russian, Ukrainian, Bulgarian
  'запис* на | опрос* | конкурс* | участник* | прийом* | опитув* | заказ* | брон* | счет* | счёт* | чек | чека | клиент* | посылк* | отправлен* | трек* | накладн* | отслежив* | обращен* | заявк* | заявлен* | карт* | карта лояльности | телефон* | тел | звоните | позвоните | скидк* | промокод* | купон* | сертификат*',
  'индекс* | сумм* | итого | цена | стоимость | оканчива* | заканчива* | верси* | ошибк* | лиценз* | серийн* | полис* | договор* | поезд* | вагон | место | номер заказа | номер брони | инн | кпп | огрн | снилс | абонент* | билет* | пользовател*',
  'добавочн* | референс | домофон* | подъезд* | штрихкод* | штрих-код* | артикул* | лицев* | тикет* | квитанц* | операция № | договора | рейс* | логин | бонус* | переносн*',
  'відстеж* | замовлен* | бронюв* | рахун* | чек* | клієнт* | посилк* | відправлен* | накладн* | звернен* | заявк* | картк* | знижк* | сертифікат* | сума | разом | ціна | вартість | закінчу* | версі* | помилк* | ліценз* | серійн* | поїзд* | місце | єдрпоу',
  'квит* | користувач* | довідк* | відділен* | під’їзд* | поръчк* | фактура | пратк* | резервац* | сметк* | стойност | отстъпк*',
  // Turkish, Greek
  'randevu* | anket* | çekiliş* | yarışma* | ραντεβού | έρευνα* | διαγωνισμ* | sipariş* | rezervasyon* | fatura* | fiş* | müşteri* | gönderi* | kargo* | takip* | talep* | hesap | hesab* | kart | kartı* | telefon* | tel | arayın | indirim* | kupon* | hediye* | posta kodu | posta kodunuz | tutar* | toplam | fiyat* | ile biten | biten',
  'son dört | sürüm* | hata* | lisans* | seri no | seri numara* | poliçe* | sözleşme* | tren | vagon | koltuk | oda | kapı* | mersis | vergi | üye no | üye numara* | bilet* | kullanıcı* | referans* | dekont* | pnr | barkod* | karekod* | kampanya* | işlem no | başvuru*',
  'parsel* | abone* | dosya* | makbuz* | plaka*',
  'παραγγελί* | κράτησ* | τιμολόγι* | απόδειξ* | πελάτ* | αποστολ* | δέμα* | λογαριασμ* | κάρτα* | τηλ | τηλέφων* | καλέστε | έκπτωσ* | εκπτωτικ* | κουπόνι* | δώρ* | τ.κ | ταχυδρομικ* | ποσό | ποσού | σύνολο | τιμή | λήγει σε | έκδοση',
  'σφάλμα* | άδεια* | σειριακ* | συμβόλαι* | θέση | δωμάτιο | αφμ | γεμη | μέλος | εισιτήρι* | χρήστη | αναφορά* | αριθμός πρωτοκόλλου | πρωτόκολλ* | αίτημα* | αποστολής | παρακολούθησ* | πόρτα*',
  // Other languages in Latin script
  'comandă | comenzii | factură | rezervare | client | colet | telefon | rendelés* | számla* | foglalás* | ügyfél* | csomag* | telefonszám* | összeg | narudžb* | račun*',
  'pesanan | pemesanan | booking | tagihan | faktur | resi | pengiriman | pelanggan | lacak | rekening | kartu | telepon | telp | hubungi | layanan | diskon | promo | voucher | kode pos | jumlah | total | harga | berakhiran | berakhir dengan',
  'versi | kesalahan | lisensi | seri | polis | kontrak | kereta | kursi | kamar | pintu | npwp | nik | anggota | tiket | pengguna | referensi | laporan | transfer | kode unik | invois | kode promo | kode booking | kode pemesanan | kode referral',
  'đơn hàng | mã đơn | đặt chỗ | đặt vé | hóa đơn | khách hàng | vận đơn | mã khách | tài khoản | số thẻ | thẻ số đuôi | điện thoại | hotline | tổng đài | giảm giá vé | giá tiền | khuyến mãi | ưu đãi | quà tặng | bưu chính | số tiền | tổng cộng | tổng tiền | giá | kết thúc bằng | đuôi | phiên bản | mã lỗi',
  'bản quyền | hợp đồng | tàu số | số tàu | toa số | số ghế | số phòng | mã cửa | mở cửa | mã số thuế | mst | thành viên | tham chiếu | mã vé | mã giao dịch | yêu cầu số | hồ sơ | mã đặt | voucher | biên lai',
  // Arabic, Persian, Hebrew, Hindi
  'موعد | الموعد | استبيان | مسابقة | תור | סקר | הגרלה | طلب | الطلب | طلبك | حجز | الحجز | فاتورة | الفاتورة | إيصال | العميل | عميل | شحنة | الشحنة | التتبع | تتبع | المرجع | مرجع | مرجعي | الحساب | حساب | بطاقة | البطاقة | هاتف | الهاتف | اتصل | خصم | الخصم | كوبون | قسيمة | هدية | البريدي | بريدي',
  'المبلغ | مبلغ | الإجمالي | السعر | المنتهية | ينتهي بـ | المنتهي | إصدار | خطأ | ترخيص | تسلسلي | وثيقة | عقد | رحلة | مقعد | غرفة | الباب | ضريبي | عضوية | تذكرة | التذكرة | المعاملة | بوليصة | جوال | الجوال | سجل تجاري | ص.ب | سفارش | پیگیری | تخفیف',
  'הזמנה | הזמנת | הזמנתך | חשבונית | קבלה | לקוח | משלוח | מעקב | פנייה | חשבון | כרטיס | טלפון | טל | התקשר | הנחה | קופון | שובר | מתנה | מיקוד | סכום | סה"כ | מחיר | מסתיים | המסתיים | המסתיימת | גרסה | שגיאה | רישיון | סידורי | פוליסה | חוזה',
  'רכבת | טיסה | מושב | חדר | דלת | ח.פ | ח"פ | ע.מ | חבר מועדון | אסמכתא | סימוכין | תיק | חבילה | אינטרקום',
  'ऑर्डर | बुकिंग | आरक्षण | पीएनआर | बिल | रसीद | चालान | ग्राहक | उपभोक्ता | शिपमेंट | ट्रैकिंग | पार्सल | शिकायत | खाता | खाते | कार्ड | फ़ोन | फोन | कॉल | टोल-फ्री | छूट | कूपन | वाउचर | उपहार | गिफ्ट | पिनकोड | पिन कोड | राशि | कुल | मूल्य | कीमत',
  'समाप्त होने वाले | अंतिम चार | संस्करण | त्रुटि | लाइसेंस | सीरियल | पॉलिसी | ट्रेन | सीट | कमरा | दरवाज | जीएसटी | सदस्य | टिकट | संदर्भ | प्रोमो | डिस्काउंट | आवेदन | हेल्पलाइन',
  // Thai, Japanese, Korean, Chinese
  'คำสั่งซื้อ | การจอง | ใบแจ้งหนี้ | ใบเสร็จ | ลูกค้า | พัสดุ | ติดตาม | อ้างอิง | บัญชี | บัตร | โทร | ส่วนลด | คูปอง | ของขวัญ | ไปรษณีย์ | จำนวนเงิน | ยอด | ราคา | ลงท้าย | เวอร์ชัน | ข้อผิดพลาด | สัญญา | ขบวน | ที่นั่ง | ห้อง | ประตู | ภาษี',
  'สมาชิกเลข | เลขสมาชิก | สมาชิก | ตั๋ว | ผู้ใช้ | คำร้อง | รหัสสินค้า | รหัสจอง | รหัสการจอง | รหัสผ่านชั่วคราว | เลขที่ | เลขที่ใบ | คิว | ใบสั่ง',
  '注文 | ご注文 | 予約 | 請求 | 領収 | お客様番号 | 会員番号 | 顧客 | 伝票 | 追跡 | お問い合わせ | 問合せ | 受付番号 | 受付 | 口座 | カード | 電話 | tel | 割引 | クーポン | ギフト | 優待 | 郵便 | 〒 | 金額 | 合計 | 価格 | 料金 | 下4桁 | 末尾 | 下四桁',
  'バージョン | エラー | ライセンス | シリアル | 製造 | 証券 | 契約 | 号車 | 便名 | 座席 | 部屋 | ドア | 玄関 | 登録番号 | 社員 | 学籍 | 商品 | 品番 | 管理番号 | 整理番号 | 参照 | ミーティング | 会議 | 取引番号 | 振込先 | 店舗 | 紹介 | 招待コード | qrコード | バーコード',
  '法人番号 | 荷物 | 問い合わせ番号 | 搭乗 | 便 | 内線 | 支店 | プロモ | キャンペーン | プロモーション | 郵便番号 | 市外局番',
  '주문 | 예약 | 예매 | 청구 | 영수증 | 고객번호 | 고객 번호 | 회원번호 | 회원 번호 | 송장 | 운송장 | 배송 조회 | 문의 | 접수 | 계좌 | 카드 | 전화 | 고객센터 | 할인 | 쿠폰 | 상품권 | 기프트 | 우편 | 금액 | 합계 | 가격 | 총액 | 끝자리 | 끝 번호 | 버전 | 오류',
  '라이선스 | 시리얼 | 일련 | 증권 | 계약 | 열차 | 호차 | 좌석 | 객실 | 현관 | 출입문 | 도어록 | 사업자 | 참조 | 티켓 | 품번 | 상품코드 | 프로모션 | 조회번호 | 택배 | 관리번호 | 학번 | 사번 | 회의 id | 추천 | 발권 | 통신판매 | 대표번호',
  '订单 | 訂單 | 预订 | 預訂 | 訂位 | 订座 | 发票 | 發票 | 收据 | 收據 | 客户 | 客戶 | 会员 | 會員 | 运单 | 運單 | 快递 | 物流 | 追踪 | 单号 | 單號 | 工单 | 案件 | 账号 | 帐号 | 賬號 | 帳號 | 账户 | 帳戶 | 卡号 | 卡號 | 尾号 | 尾號 | 末四 | 后四位 | 後四碼 | 末四碼',
  '末碼 | 电话 | 電話 | 手机号 | 热线 | 客服 | 折扣 | 优惠 | 優惠 | 兑换 | 兌換 | 礼品 | 禮品 | 禮物 | 邮编 | 邮政 | 郵遞 | 郵政 | 金额 | 金額 | 合计 | 合計 | 总计 | 總計 | 价 | 价格 | 價格 | 票價 | 版本 | 错误 | 錯誤 | 许可 | 授权书 | 序列 | 序號 | 序号',
  '保单 | 保單 | 合同 | 合約 | 车次 | 車次 | 航班 | 座位 | 房间 | 房間 | 门禁 | 門禁 | 门锁 | 税号 | 稅號 | 統編 | 統一編號 | 信用代码 | 编号 | 編號 | 參考 | 参考 | 二维码 | 二維碼 | 条码 | 條碼 | 推薦碼 | 推荐码 | 邀请码 | 会议号 | 會議 | 会议 | 票号 | 票號',
  '订位 | 代號 | 流水号 | 备案 | 备号 | icp备 | 区号 | 區號 | 號碼牌 | 用户id | 案號 | 申请单 | 申請編號 | 包裹 | 取票号 | 取票 | 受理',
)

/** Goods, and keys that are used repeatedly: near one of these, "code" or "PIN" alone is not enough. */
export const GOODS = words(
  'front door | apartment code | self check-in | door lock | smart lock | puk | sim card | sim pin | haustür* | ferienwohnung* | türschloss* | sim-karte | voordeur* | ytterdörr* | inngangsdør* | hoveddør* | hoveddøren | ulkoove* | porte d’entrée | immeuble | puerta principal | puerta de entrada | puerta de la calle | apartamento | porta d’ingresso | portone | porta de entrada | porta do prédio',
  'drzwi wejściow* | vchodov* | входн* двер* | подъезд* | вхідн* двер* | під’їзд* | kapı şifre* | daire kapı* | διαμέρισμα* | باب الشقة | باب المبنى | דלת הכניסה | דירה | דלת הבניין | pintu depan | apartemen | cửa chính | căn hộ | ประตูห้อง | ห้องพัก | 玄関 | 部屋番号 | オートロック | 현관 | 출입문 | 도어락 | 도어록 | 门禁 | 大门 | 房门 | 門禁 | 門鎖 | 大樓 | 公寓',
  'gift card* | giftcard* | gift certificate* | e-gift | voucher* | coupon* | promo code* | discount code* | licen* key* | license key | licence key | product key*',
  'meeting id | webinar id | dial-in | join the meeting | video call | recovery codes | backup codes | back-up codes | door code | lockbox | key box | key safe | keypad | check-in instructions | wi-fi',
  'gutschein* | geschenkkarte* | rabattcode* | lizenzschlüssel* | produktschlüssel* | wiederherstellungscodes | backup-codes | notfallcodes | türcode* | schlüsselbox* | schlüsseltresor* | meeting-id | besprechungs-id',
  'cadeaubon* | cadeaukaart* | kortingscode* | licentiesleutel* | herstelcodes | back-upcodes | deurcode* | sleutelkluis* | vergadering-id | vergader-id | presentkort* | rabattkod* | licensnyckel* | reservkoder | återställningskoder | portkod*',
  'nyckelskåp* | gavekort* | rabatkode* | rabattkode* | licensnøgle* | lisensnøkkel* | gendannelseskoder | sikkerhetskopikoder | reservekoder | dørkode* | nøkkelboks* | nøgleboks* | lahjakort* | alennuskood* | lisenssiavain* | varakoodi* | palautuskoodi* | ovikoodi* | avainboks*',
  'carte cadeau | cartes cadeaux | bon d’achat | code promo* | clé de licence | codes de secours | codes de récupération | digicode* | boîte à clés | id de réunion | tarjeta regalo | tarjeta de regalo | código de descuento | cupón*',
  'clave de licencia | clave de producto | códigos de respaldo | códigos de recuperación | caja de llaves | cajetín | id de reunión | cartão-presente | cartão presente | vale-presente | cupom | código promocional | chave de licença | códigos de recuperação | códigos de backup',
  'códigos de reserva | carta regalo | buono regalo | codice sconto | chiave di licenza | codici di backup | codici di recupero | codici di riserva | id riunione | cassetta delle chiavi | karta podarunkowa | karty podarunkow* | kod rabatowy | kody zapasowe | kody odzyskiwania',
  'klucz licencyjny | kod do drzwi | skrytka na klucze | dárkov* | slevový kód | záložní kódy | licenční klíč | подарочн* | промокод* | лицензионн* ключ* | ключ активации | резервные коды | коды восстановления | резервных кодов | домофон* | подарунков* | промокод* | резервні коди',
  'hediye kart* | indirim kod* | lisans anahtar* | yedek kod* | kurtarma kod* | kapı kod* | toplantı kimliği | δωροκάρτ* | δωροεπιταγ* | εκπτωτικ* | κλειδί άδειας | εφεδρικοί κωδικοί | εφεδρικών κωδικών | κλειδοθήκη | بطاقة هدية | بطاقة الهدية | كود خصم | رمز الخصم | مفتاح الترخيص',
  'رموز احتياطية | الرموز الاحتياطية | رموز الاسترداد | معرف الاجتماع | שובר מתנה | גיפט קארד | קוד קופון | מפתח רישיון | קודי גיבוי | קודי שחזור | קוד לדלת | गिफ्ट कार्ड | कूपन | बैकअप कोड | रिकवरी कोड | लाइसेंस कुंजी | मीटिंग आईडी | kartu hadiah | kode voucher | kode promo | kode cadangan',
  'kode pemulihan | kunci lisensi | id rapat | thẻ quà tặng | mã giảm giá | mã khuyến mãi | mã dự phòng | mã khôi phục | khóa bản quyền | id cuộc họp | บัตรของขวัญ | คูปอง | รหัสส่วนลด | รหัสสำรอง | รหัสกู้คืน | ギフトカード | ギフト券 | ギフトコード | クーポン | バックアップコード | リカバリーコード',
  'ライセンスキー | プロダクトキー | ミーティングid | キーボックス | 기프트카드 | 기프트 카드 | 상품권 | 쿠폰 | 백업 코드 | 복구 코드 | 라이선스 키 | 제품 키 | 회의 id | 현관 비밀번호 | 도어록 | 礼品卡 | 禮品卡 | 优惠码 | 優惠碼 | 折扣码 | 折扣碼 | 兑换码 | 兌換碼 | 备用码 | 備用碼 | 恢复代码 | 备用代码',
  '许可证密钥 | 产品密钥 | 序列号 | 序號 | 会议号 | 會議 id | 门锁密码 | 門鎖密碼 | 点卡 | 點數卡 | 復原碼',
)

/** Words of offers whose code gives a discount. */
export const OFFERS = words(
  'other offers | per customer | while stocks last',
  'off your | % off | at checkout | at the checkout | sale | deal | deals | offer ends | free shipping | save up | discount* | promotion* | promo | loyalty card | your next order | off everything | redeem* | shop now | exclusive offer',
  'rabatt* | angebot* | an der kasse | im warenkorb | sparen | gratisversand | nachlass | einlös* | korting* | aanbieding* | bij het afrekenen | winkelmand | rea | erbjudande* | i kassan | tilbud* | tilbuddet | ved kassen | i kassen | alennu* | tarjou* | kassalla | ostoskori*',
  'de réduction | remise | soldes | offre* | au moment de payer | panier | descuento* | oferta* | rebaja* | al pagar | tu compra | carrito | desconto* | promoção | no carrinho | na finalização | sconto | sconti | offerta | offerte | alla cassa | al carrello | saldi | rabat* | zniżk* | promocj* | w koszyku | oferta | slev* | akce | v košíku | nabídk*',
  'скидк* | акци* | распродаж* | в корзин* | при оформлении | знижк* | акці* | розпродаж* | у кошику | indirim* | kampanya* | sepet* | fırsat* | έκπτωσ* | προσφορ* | καλάθι | خصم | عرض | عروض | تخفيض | عند الدفع | הנחה | מבצע | בקופה | छूट | ऑफर | सेल | diskon | promo | penawaran | keranjang | giảm giá | khuyến mãi | ưu đãi | giỏ hàng',
  'ส่วนลด | โปรโมชัน | โปรโมชั่น | ลดราคา | ตะกร้า | 割引 | オフ | セール | クーポン | お買い物 | キャンペーン | 할인 | 세일 | 쿠폰 | 장바구니 | 프로모션 | 折扣 | 优惠 | 優惠 | 促销 | 促銷 | 满减 | 購物車 | 购物车 | 特价',
)

/** Words for travel: near them, a "confirmation code" is usually a booking code. */
export const TRAVEL_TERMS = words(
  'flight | boarding | itinerary | hotel | airline | departure | check-in | stay | flug | abflug | hotel | reise | vlucht | flyg | fly | flygning | lento | vol | embarquement | séjour | vuelo | embarque | estancia | voo | volo | imbarco | soggiorno | lot nr | wylot | odlot | let č | odlet | рейс* | вылет* | рейс | виліт | uçuş* | πτήση* | رحلة | טיסה | उड़ान | penerbangan | chuyến bay | เที่ยวบิน | フライト | 搭乗 | 항공 | 탑승 | 航班 | 登机 | 登機',
)

/** Words for a password. It is a code only if the message calls it one-time or short-lived. */
export const PASSWORDS = words(
  'password* | passwort* | passwörter* | kennwort* | wachtwoord* | lösenord* | adgangskode* | kodeord* | passord* | salasana* | mot de passe | contraseña* | senha* | palavra-passe | parola d’accesso | hasło | hasła | hasłem | heslo | hesla | heslem',
  'пароль | пароля | паролем | пароли | пароли | парола | şifre* | parola* | κωδικός πρόσβασης | κωδικό πρόσβασης | συνθηματικό | كلمة المرور | كلمة السر | סיסמה | סיסמתך | הסיסמה | पासवर्ड | kata sandi | kata laluan | mật khẩu | รหัสผ่าน | パスワード | 비밀번호',
  '密码 | 密碼 | jelszó* | lozink* | parolă',
)

/** Words for an initial password, which remains valid until it is changed. */
export const INITIAL_PASSWORDS = words(
  'temporary password | initial password | default password | new password is | password has been set | startpasswort* | initialpasswort* | vorläufiges | temporäres passwort | tijdelijk wachtwoord | tillfälligt lösenord | midlertidig* | väliaikai*',
  'mot de passe provisoire | mot de passe temporaire | mot de passe initial | contraseña provisional | contraseña temporal | contraseña inicial | senha provisória | senha temporária | senha inicial | palavra-passe provisória | password provvisoria | password temporanea',
  'hasło tymczasowe | hasło startowe | hasło początkowe | tymczasowe hasło | dočasné heslo | počáteční heslo | временный пароль | начальный пароль | тимчасовий пароль | початковий пароль | geçici şifre* | ilk şifre* | geçici parola* | προσωρινός κωδικός | προσωρινό* κωδικ*',
  'كلمة مرور مؤقتة | كلمة المرور المؤقتة | סיסמה זמנית | סיסמה ראשונית | अस्थायी पासवर्ड | प्रारंभिक पासवर्ड | kata sandi sementara | kata sandi awal | mật khẩu tạm thời | mật khẩu ban đầu | mật khẩu mặc định | รหัสผ่านชั่วคราว | รหัสผ่านเริ่มต้น',
  '仮パスワード | 初期パスワード | 임시 비밀번호 | 초기 비밀번호 | 临时密码 | 初始密码 | 臨時密碼 | 初始密碼 | 默认密码 | 預設密碼',
)

/** Words that say that a code is no longer valid. */
export const STALE_PHRASES = words(
  'no longer | old code | earlier code | previous code | last code | expired | has expired | superseded | not work anymore | won’t work any more | invalidated | used to be',
  'nicht mehr | abgelaufen | ungültig | alte code | alten code | bisherige* | vorherige* | niet meer | verlopen | vorige code | oude code | inte längre | gått ut | förra | tidigare kod* | gamla koden',
  'ikke længere | ikke lenger | udløbet | utløpt | forrige | tidligere kode* | gamle kode* | ei enää | vanhentunut | aiempi | edellinen | vanha koodi | aikaisempi | n’est plus | ne fonctionne plus | expiré | ancien code | précédent',
  'ya no | caducó | caducado | ha caducado | anterior | anteriores | expiró | já não | não vale mais | não é mais | não funciona mais | expirou | expirado | antigo | non è più | non vale più | non funziona più | scaduto | precedente',
  'już nie | nie działa | nieważny | wygasł | poprzedni* | stary kod | starego kodu | už neplatí | neplatí | již neplatí | předchozí* | starý kód | nefunguje | vypršel | больше не | недействит* | прежн* | предыдущ* | старый код | истек | устарел',
  'більше не | недійсн* | попередн* | старий код | застарі* | artık geçerli değil | geçersiz | önceki | eski kod* | süresi doldu | süresi dolmuş | δεν ισχύει πια | δεν ισχύει πλέον | έληξε | προηγούμεν* | παλιός | παλιό | لم يعد | منتهي | السابق | القديم',
  'אינו תקף | כבר לא | פג תוקפו | הקודם | הישן | अब मान्य नहीं | समाप्त हो चुका | पिछला | पुराना | tidak berlaku lagi | sudah tidak | kedaluwarsa | sebelumnya | kode lama | không còn | hết hiệu lực | mã cũ | trước đó | ใช้ไม่ได้แล้ว | หมดอายุแล้ว | รหัสเดิม | รหัสเก่า',
  '無効に | 無効です | 無効とな | 以前の | 前回 | 古い | 使えません | ご利用いただけません | 더 이상 | 만료된 | 만료되었 | 이전 | 기존 | 已失效 | 已过期 | 已過期 | 不再 | 作废 | 作廢 | 上一 | 之前的 | 旧的 | 舊的 | 旧验证码 | 舊驗證碼 | 先前',
)

/** Nouns for things that are counted: a number before one of them is a quantity. */
export const COUNTED_NOUNS = words(
  'views | readers | reads | users | times | people | downloads | comments | questions | answers | items | results | points | followers | members | customers | messages | steps | stars | likes | visitors | visits | subscribers',
  'aufrufe | leser | nutzer | mal | personen | leute | downloads | kommentare | fragen | ergebnisse | punkte | mitglieder | kunden | nachrichten | lezers | keer | weergaven | personen | reacties | punten | visningar | läsare | gånger | visninger | læsere | lesere | gange | ganger | kertaa | lukijaa',
  'vues | lecteurs | fois | personnes | commentaires | points | vistas | lectores | veces | personas | comentarios | puntos | visualizações | leitores | vezes | pessoas | comentários | pontos | visualizzazioni | lettori | volte | persone | commenti | punti | wyświetleń | czytelników | osób | razy | komentarzy | punktów',
  'zobrazení | čtenářů | lidí | просмотр* | читател* | человек | раз | комментари* | балл* | очк* | перегляд* | читач* | людей | коментар* | görüntülenme | okur | kişi | kez | yorum | puan | προβολές | αναγνώστες | άτομα | φορές | مشاهدة | قارئ | شخص | نقطة | צפיות | קוראים | אנשים | נקודות',
  'बार | लोग | अंक मिले | kali | orang | pembaca | poin | lượt xem | người | lần | điểm | ครั้ง | คน | คะแนน | 回 | 人 | 件 | ポイント | 명 | 회 | 건 | 점 | 次 | 人次 | 位 | 积分 | 積分',
)

/** Words before a code that is no longer valid, in a sentence about its replacement. */
export const REPLACEMENT_VERBS = words(
  'replaces | replaced | instead of | supersedes | ersetzt | anstelle | anstatt | vervangt | in plaats van | ersätter | istället för | erstatter | i stedet for | i stedet | korvaa | remplace | au lieu de | à la place de | sustituye | reemplaza | en lugar de | en vez de | substitui | em vez de | no lugar de | sostituisce | invece di | al posto di',
  'zastępuje | zamiast | nahrazuje | místo kódu | заменяет | вместо | замінює | замість | yerine geçer | αντικαθιστά | αντί για | بدلا من | بدلاً من | يحل محل | במקום | מחליף | के बजाय | की जगह | menggantikan | thay thế cho | thay cho | แทนรหัส | に代わ | 대체 | 取代 | 代替 | 替换 | 替換',
)

/** Words that introduce an example: the code is invented. */
export const EXAMPLE_PHRASES = words(
  'say, ',
  'for example | for instance | e.g. | example | something like | such as | looks like | look like | imagine | says something',
  'zum beispiel | beispiel | z. b. | z.b. | etwa so | bijvoorbeeld | bijv. | till exempel | t.ex. | exempel | for eksempel | f.eks. | eksempel | esimerkiksi | esim. | esimerkki',
  'par exemple | p. ex. | exemple | du genre | por ejemplo | p. ej. | ejemplo | por exemplo | p. ex. | exemplo | per esempio | ad esempio | esempio | na przykład | np. | przykład* | například | např. | příklad',
  'например | пример | к примеру | вроде | наприклад | приклад | örneğin | örnek* | mesela | για παράδειγμα | π.χ. | παράδειγμα | مثلا | مثلاً | على سبيل المثال | مثال | לדוגמה | לדוגמא | למשל | דוגמה | उदाहरण | misalnya | contohnya | contoh | ví dụ | ตัวอย่าง | เช่น',
  '例えば | たとえば | 例： | 예를 들어 | 예시 | 예: | 例如 | 比如 | 示例 | 範例',
)
