/**
 * Reads one HTML text once for several scans: its tokens, and which of its text a person sees, are the same for all of
 * them, and cost more than what the scans do with them.
 */
import { HtmlReader, resultOf } from './html-reader.ts'
import { HtmlVisibility } from './html-visibility.ts'

export type HtmlAttributes = Readonly<Record<string, string>>

/** What one purpose needs of the tokens. During a call, the pass says where the token is and what is shown. */
export interface HtmlScan {
  /** An opening tag, also of an element without content, before it changes what is shown. */
  beforeOpen?(name: string): void
  /** The same, after that. */
  open(name: string, attributes: HtmlAttributes): void
  text(text: string): void
  /** A closing tag, after it has changed what is shown. */
  close(name: string, isImplied: boolean): void
  /** Called before each slice (html-reader.ts): true when the scan needs no more. */
  isEnough?(): boolean
}

export class HtmlPass {
  readonly visibility: HtmlVisibility
  readonly #reader: HtmlReader
  readonly #scans: HtmlScan[] = []
  /** Scans that need no more, although others read on. */
  readonly #left = new Set<HtmlScan>()
  #active: readonly HtmlScan[] = []

  /** @param message the whole HTML of the message, of which a part is read: its styles apply to each part */
  constructor(message: string) {
    const visibility = new HtmlVisibility(message)
    this.visibility = visibility
    this.#reader = new HtmlReader(
      {
        onopentag: (name, attributes) => {
          for (const scan of this.#active) scan.beforeOpen?.(name)
          visibility.open(name, attributes)
          for (const scan of this.#active) scan.open(name, attributes)
        },
        ontext: (text) => {
          for (const scan of this.#active) scan.text(text)
        },
        onclosetag: (name, isImplied) => {
          visibility.close()
          for (const scan of this.#active) scan.close(name, isImplied)
        },
      },
      // Without character references, which most short messages of programs do not have, the parser skips text faster.
      { decodeEntities: message.includes('&'), lowerCaseTags: true },
    )
  }

  /** Start of the current token in the HTML, in UTF-16 units. */
  get startIndex(): number {
    return this.#reader.startIndex
  }

  /** End of the current token, exclusive. */
  get endIndex(): number {
    return this.#reader.endIndex + 1
  }

  /** Adds a scan before the HTML is read. */
  add<Scan extends HtmlScan>(scan: Scan): Scan {
    this.#scans.push(scan)
    this.#active = this.#scans
    return scan
  }

  /**
   * Reads the HTML; see HtmlReader.read. When all scans have enough, reading ends and open elements are closed, as for
   * a scan that is alone. A scan that has enough before others is incomplete: its elements are not closed.
   */
  read(html: string): 'done' | 'too_deep' {
    return resultOf(this.readInSlices(html))
  }

  /** The same, in slices that take a few milliseconds each. */
  readInSlices(html: string): Generator<void, 'done' | 'too_deep'> {
    return this.#reader.readInSlices(html, () => this.#isEnough())
  }

  /** Whether the scan has read as much as it would have read alone. */
  isComplete(scan: HtmlScan): boolean {
    return !this.#left.has(scan)
  }

  #isEnough(): boolean {
    const enough = this.#active.filter((scan) => scan.isEnough?.())
    if (enough.length === 0) return false
    if (enough.length === this.#active.length) return true
    for (const scan of enough) this.#left.add(scan)
    this.#active = this.#active.filter((scan) => !this.#left.has(scan))
    return false
  }
}
