/** Finds the charset that an HTML document names in itself (HTML Standard, "prescan a byte stream"). */
import { charsetOfLabel, UTF_8 } from './charset-labels.ts'

/** The HTML Standard searches only the first 1,024 bytes. */
const PRESCAN_BYTES = 1_024
/** `<meta charset=…>`, and `<meta http-equiv=… content="text/html; charset=…">` with its attributes in any order. */
const META = /<meta[\s/][^>]*?charset\s*=\s*["']?\s*([^\s"'/>;]+)/i

/** XHTML names it before the first tag. */
const XML_DECLARATION = /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)/i

/**
 * @returns the label in the document, or undefined. A document that could be searched is not UTF-16, whatever it says.
 */
export function charsetInHtml(bytes: Buffer): string | undefined {
  const head = bytes.toString('latin1', 0, PRESCAN_BYTES).replace(/<!--[\s\S]*?(?:-->|$)/g, '')
  const label = META.exec(head)?.[1] ?? XML_DECLARATION.exec(head)?.[1]
  if (label === undefined) return undefined
  return charsetOfLabel(label).startsWith('utf16') ? UTF_8 : label
}
