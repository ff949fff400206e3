/**
 * Finds the charset that a label in mail means. Registries, operating systems and old programs have many names for each
 * charset: IANA names, WHATWG labels, code pages with a dozen prefixes, names of Java and of the Mac.
 *
 * The result is a charset that decodes the label's text and more: senders use the larger charset with the label of the
 * smaller one (WHATWG Encoding §4.2).
 */

/** Names without punctuation, as iconv-lite has them, and four that charset.ts decodes itself or detects. */
export type CharsetName = string

/** The label says nothing reliable about bytes above 127. */
export const UNRELIABLE = 'unreliable'
/** Labelled UTF-8. Mail of other charsets has this label too. */
export const UTF_8 = 'utf8'
export const ISO_2022_JP = 'iso2022jp'
export const ISO_2022_KR = 'iso2022kr'
export const HZ = 'hz'
export const UTF_7 = 'utf7'

const NAMES: Readonly<Record<CharsetName, string>> = {
  [UNRELIABLE]: `
    ascii usascii iso646us iso646irv ansix341968 ansix341986 us isoir6 646 ibm367 cp367 csascii 20127 unknown8bit unknown
    xunknown xuserdefined userdefined default defaultcharset none null 7bit 8bit binary text plain iso8859 ansi`,
  [UTF_8]: 'utf8n utf8mb3 utf8mb4 utf8bom utf8mac unicode11utf8 unicode20utf8 csutf8 65001 utf08 utf',
  [UTF_7]: 'unicode11utf7 unicode20utf7 csunicode11utf7 utf07 65000',
  utf16: 'utf16 unicode csunicode iso10646ucs2 ucs2 unicodefeff csutf16 iso10646',
  utf16le: '1200 csutf16le',
  utf16be: 'unicodefffe unicodebig csutf16be 1201',
  [ISO_2022_JP]:
    'iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jp2004 iso2022jpms windowsiso2022jp 50220 50221 50222',
  [ISO_2022_KR]: '50225',
  [HZ]: 'hzgb2312 hzgb 52936',
  shiftjis: 'shiftjis sjis mskanji 932 943 31j windows31j shiftjis2004 shiftjisx0213 macjapanese sjisdocomo sjiskddi',
  eucjp: 'eucjpms eucjpopen eucpkdfmtjapanese ujis 51932 20932 eucjis2004',
  gb18030: `
    gb2312 gb23121980 gb231280 gbk gb18030 chinese iso58gb231280 isoir58 cngb euccn 936 54936 20936 51936 1383 1386
    macsimpchinese macchinesesimp mscp936`,
  big5hkscs: 'big5 cnbig5 big5eten big5hkscs hkscs xbig5 950 951 mactradchinese macchinesetrad mswin950 etenb5',
  cp949: 'euckr ksc56011987 ksc56011989 ksc5601 korean isoir149 949 1363 51949 uhc mackorean',
  windows1252:
    'iso88591 latin1 l1 819 isoir100 iso885911987 28591 1252 8859 88591 isolatin1 westerneuropean windowslatin1',
  windows1254: 'iso88599 latin5 l5 isoir148 iso885991989 28599 1254 88599 isolatin5',
  windows874: 'iso885911 tis620 tis62025331 874 1162',
  iso88592: 'latin2 l2 isoir101 28592 88592 isolatin2',
  iso88593: 'latin3 l3 isoir109 28593 88593 isolatin3',
  iso88594: 'latin4 l4 isoir110 28594 88594 isolatin4',
  iso88595: 'cyrillic isolatincyrillic isoir144 28595 88595',
  iso88596: 'arabic asmo708 isolatinarabic ecma114 isoir127 28596 88596 iso88596e iso88596i 708',
  iso88597: 'greek greek8 isolatingreek ecma118 elot928 isoir126 suneugreek 28597 88597',
  // The letters are the same; the order of the text (visual or logical) differs. Windows-1255 adds vowel signs.
  windows1255: `
    1255 iso88598 iso88598e iso88598i hebrew logical visual isolatinhebrew isoir138 28598 38598 88598`,
  iso885910: 'latin6 l6 isolatin6 isoir157 28600',
  iso885913: 'latin7 l7 isoir179 28603',
  iso885914: 'latin8 l8 isoceltic isoir199 28604',
  iso885915: 'latin9 l9 isolatin9 latin0 isoir203 28605 923',
  iso885916: 'latin10 l10 isoir226 28606',
  koi8r: 'koi koi8 20866 878',
  koi8u: 'koi8ru 21866 1168',
  macroman: 'mac macintosh macos macosroman macroman 10000',
  maccenteuro: 'macce maccentraleurope maccentraleurroman maccenteuro 10029',
  maccyrillic: 'maccyrillic macukrainian macukraine 10007 10017',
  macgreek: 'macgreek 10006',
  macturkish: 'macturkish 10081',
  maciceland: 'maciceland macicelandic 10079',
  maccroatian: 'maccroatian 10082',
  macromania: 'macromania macromanian 10010',
  macthai: 'macthai 10021',
}

const CHARSETS: ReadonlyMap<string, CharsetName> = new Map(
  Object.entries(NAMES).flatMap(([charset, names]) =>
    [charset, ...names.trim().split(/\s+/)].map((name) => [name, charset] as const),
  ),
)

/** `cp`, `IBM`, `windows-` and others before the number of a code page; zeros may be before it. */
const CODE_PAGE = /^(?:cp|ibm|dos|win|windows|ms|mscp|mswin|oem|pc|codepage|ansi)0{0,3}(\d{3,5})$/
/** Prefixes of names outside registries (`x-`), of aliases in IANA's registry (`cs`), and of Java (`x-IBM…`). */
const PREFIX = /^(?:xx|x|cs)(?=.{2})/

/**
 * @param label as found; quotes, a language (RFC 2231 §5, `utf-8*en`) and text after the first word are ignored
 * @returns a charset of this file, or the label without punctuation
 */
export function charsetOfLabel(label: string): CharsetName {
  return USUAL_LABELS.get(label) ?? readLabel(label)
}

function readLabel(label: string): CharsetName {
  if (label === '') return UNRELIABLE
  const word = label
    .slice(0, LABEL_CHARS_MAX)
    .toLowerCase()
    .replace(/^\W*(?:charset\W+)?/, '')
  const name = (/^[\w:.+()-]*/.exec(word)?.[0] ?? '').replace(/:\d{4}$|[^a-z0-9]/g, '')
  if (name === '') return UNRELIABLE
  const short = name.replace(PREFIX, '')
  return find(name) ?? find(short) ?? (name.startsWith('x') ? short : name)
}

const LABEL_CHARS_MAX = 100

/** As they are written in most mail. */
const USUAL_LABELS: ReadonlyMap<string, CharsetName> = new Map(
  ['', 'utf-8', 'UTF-8', 'us-ascii', 'US-ASCII', 'iso-8859-1', 'ISO-8859-1', 'windows-1252'].map(
    (label) => [label, readLabel(label)] as const,
  ),
)

function find(name: string): CharsetName | undefined {
  const page = CODE_PAGE.exec(name)?.[1]
  return CHARSETS.get(name) ?? (page === undefined ? undefined : (CHARSETS.get(page) ?? windowsOrDos(page)))
}

/** Code pages that iconv-lite has under this name: 1250 to 1258 of Windows, the others of DOS and IBM. */
function windowsOrDos(page: string): CharsetName {
  return /^125\d$/.test(page) ? `windows${page}` : `cp${page}`
}
