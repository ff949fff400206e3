/**
 * Names of months and their short forms, from Unicode CLDR, in lower case and without a final dot. A word that an
 * earlier language has is not repeated. Chinese, Japanese, Korean and Vietnamese write months as numbers.
 */
export const MONTHS: ReadonlySet<string> = new Set(
  [
    // English
    'january february march april may june july august september october november december jan feb mar apr',
    'jun jul aug sep oct nov dec',
    // German
    'januar februar märz mai juni juli oktober dezember mär mrz okt dez sept',
    // Dutch
    'januari februari maart mei augustus mrt',
    // Swedish
    'mars maj augusti',
    // Norwegian
    'desember des',
    // Danish
    'marts',
    // Finnish
    'tammikuu helmikuu maaliskuu huhtikuu toukokuu kesäkuu heinäkuu elokuu syyskuu lokakuu marraskuu joulukuu',
    'tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta',
    'lokakuuta marraskuuta joulukuuta tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu',
    'tammik helmik maalisk huhtik toukok kesäk heinäk elok syysk lokak marrask jouluk',
    // French
    'janvier février avril juin juillet août septembre octobre novembre décembre janv févr avr juil déc',
    // Spanish
    'enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre ene abr ago dic',
    // Portuguese
    'janeiro fevereiro março maio junho julho setembro outubro novembro dezembro fev set out',
    // Italian
    'gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre gen mag giu lug ott',
    // Catalan
    'gener febrer març maig juny juliol agost setembre desembre febr ag',
    // Polish
    'styczeń luty marzec kwiecień czerwiec lipiec sierpień wrzesień październik listopad grudzień stycznia',
    'lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia sty lut kwi',
    'cze lip sie wrz paź lis gru',
    // Czech
    'leden únor březen duben květen červen červenec srpen září říjen prosinec ledna února března dubna května',
    'června července srpna října listopadu prosince led úno bře dub kvě čvn čvc srp zář říj pro',
    // Slovak
    'január február marec apríl máj jún júl október januára februára apríla mája júna júla augusta septembra',
    'októbra novembra decembra',
    // Hungarian
    'március április május június július augusztus szeptember márc ápr szept',
    // Romanian
    'ianuarie februarie martie aprilie iunie iulie septembrie octombrie noiembrie decembrie ian iun iul',
    // Greek
    'ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου',
    'δεκεμβρίου ιαν φεβ μαρ απρ μαΐ ιουν ιουλ αυγ σεπ οκτ νοε δεκ',
    // Turkish
    'ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık oca şub nis haz tem ağu eyl',
    'eki kas ara',
    // Russian
    'январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь января февраля марта',
    'апреля мая июня июля августа сентября октября ноября декабря янв февр апр авг сент окт нояб дек мар июн',
    'июл',
    // Ukrainian
    'січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень січня',
    'лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня січ лют бер квіт трав',
    'черв лип серп вер жовт лист груд',
    // Bulgarian
    'януари февруари април юни юли септември октомври ноември декември ян фев ное',
    // Serbian
    'јануар фебруар мај јун јул септембар октобар новембар децембар јан феб сеп нов дец',
    // Serbian
    'avgust septembar oktobar novembar decembar avg',
    // Croatian
    'siječanj veljača ožujak travanj svibanj lipanj srpanj kolovoz rujan studeni prosinac siječnja veljače',
    'ožujka travnja svibnja lipnja srpnja kolovoza rujna studenoga prosinca sij velj ožu tra svi kol ruj stu',
    'studenog',
    // Slovenian
    'junij julij',
    // Lithuanian
    'sausis vasaris kovas balandis gegužė birželis liepa rugpjūtis rugsėjis spalis lapkritis gruodis sausio',
    'vasario kovo balandžio gegužės birželio liepos rugpjūčio rugsėjo spalio lapkričio gruodžio',
    // Latvian
    'janvāris februāris aprīlis maijs jūnijs jūlijs augusts septembris oktobris novembris decembris jūn jūl',
    // Estonian
    'jaanuar veebruar märts aprill juuni juuli oktoober detsember jaan veebr dets',
    // Arabic
    'يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر ابريل اغسطس اكتوبر',
    // Arabic
    'كانون شباط آذار نيسان أيار حزيران تموز آب أيلول تشرين',
    // Hebrew
    'ינואר פברואר מרץ אפריל מאי יוני יולי אוגוסט ספטמבר אוקטובר נובמבר דצמבר ינו פבר אפר אוג ספט אוק נוב דצמ',
    'בינואר בפברואר במרץ באפריל במאי ביוני ביולי באוגוסט בספטמבר באוקטובר בנובמבר בדצמבר מרס',
    // Persian
    'ژانویه فوریه آوریل مه ژوئن ژوئیه اوت سپتامبر اکتبر نوامبر دسامبر ژانویهٔ فوریهٔ مهٔ ژوئیهٔ فروردین',
    'اردیبهشت خرداد تیر مرداد شهریور مهر آبان آذر دی بهمن اسفند',
    // Hindi
    'जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर जन फ़र जुल अग सित अक्टू नव दिस',
    // Indonesian
    'maret agustus agu agt ags nop peb',
    // Malay
    'mac julai ogos disember ogo dis',
    // Thai
    'มกราคม กุมภาพันธ์ มีนาคม เมษายน พฤษภาคม มิถุนายน กรกฎาคม สิงหาคม กันยายน ตุลาคม พฤศจิกายน ธันวาคม ม.ค',
    'ก.พ มี.ค เม.ย พ.ค มิ.ย ก.ค ส.ค ก.ย ต.ค พ.ย ธ.ค',
    // Icelandic
    'janúar febrúar maí júní júlí ágúst nóvember ágú nóv',
  ].flatMap((row) => row.split(' ')),
)
