/** Writes text as HTML. Linear in the size of the text, which may be a whole message. */
import { replaceEach } from '../mime/text-builder.ts'

const REFERENCES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' } // "&" must be first

/** @returns text for an element or a quoted attribute */
export function escapeHtml(text: string): string {
  return Object.entries(REFERENCES).reduce((html, [char, reference]) => replaceEach(html, char, reference), text)
}
