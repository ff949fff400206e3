/**
 * Reads the declarations of CSS that can hide text: those of `style` attributes, and of the `<style>` elements of a
 * message as far as their selectors name one element by tag, class or id. Pure, in time linear in the length.
 *
 * Rules in @media and other at-rules are ignored: a message must be readable without them. A selector with several
 * elements, an attribute or a pseudo-class is not evaluated either, so it hides nothing; but what it colours has an
 * unknown colour from then on.
 */

/** The value of each property, in lower case. */
export type Declarations = ReadonlyMap<string, Declaration>

interface Declaration {
  readonly value: string
  readonly isImportant: boolean
}

const PROPERTIES: ReadonlySet<string> = new Set(
  (
    'display visibility opacity content-visibility font font-size color -webkit-text-fill-color background ' +
    'background-color background-image width height max-width max-height overflow overflow-x overflow-y position ' +
    'left right top bottom text-indent margin margin-left margin-top transform clip clip-path'
  ).split(' '),
)
const COLOR_PROPERTIES = ['color', '-webkit-text-fill-color', 'background', 'background-color', 'background-image']

/** The value of a colour that depends on a selector which is not evaluated. */
const UNKNOWN: Declaration = { value: 'unknown', isImportant: false }
const VALUE_CHARS_MAX = 200
/** Of all `<style>` elements of a message. */
const SHEET_CHARS_MAX = 200_000
const SELECTORS_MAX = 5_000
const PARSED_MAX = 1_000
/** Of one element. */
const CLASSES_MAX = 20

const NONE: Declarations = new Map()

/** Returns the declarations of a `style` attribute. The last one of a property counts. */
export function parseDeclarations(style: string): Declarations {
  const found = new Map<string, Declaration>()
  for (const text of unescaped(withoutComments(style)).split(';')) {
    const colon = text.indexOf(':')
    if (colon < 0) continue
    const property = text.slice(0, colon).trim().toLowerCase()
    if (!PROPERTIES.has(property)) continue
    const value = text.slice(colon + 1, colon + 1 + VALUE_CHARS_MAX).toLowerCase()
    const bang = value.lastIndexOf('!')
    const isImportant = bang >= 0 && value.slice(bang + 1).trim() === 'important'
    put(found, property, { value: (isImportant ? value.slice(0, bang) : value).trim(), isImportant })
  }
  return found
}

export class StyleSheet {
  readonly #rules = new Map<string, Map<string, Declaration>>()
  /** By the text of a `style` attribute: most elements of a message have the same few. */
  readonly #parsed = new Map<string, Declarations>()

  /** Reads the `<style>` elements of a message, wherever they are: they apply to all of it. */
  constructor(html: string) {
    let charsLeft = SHEET_CHARS_MAX
    for (const css of styleElements(html)) {
      this.#read(withoutComments(css.slice(0, charsLeft)))
      charsLeft -= css.length
      if (charsLeft <= 0) return
    }
  }

  /** Returns what applies to an element, by the cascade: rules for tags, then classes, ids and the attribute `style`. */
  declarationsOf(name: string, attributes: Readonly<Record<string, string>>): Declarations {
    const own = this.#parse(attributes.style ?? '')
    if (this.#rules.size === 0) return own
    const classes = attributes.class?.split(/\s+/, CLASSES_MAX) ?? []
    const keys = [
      ...['*', name],
      ...classes.map((each) => `.${each}`),
      ...classes.map((each) => `${name}.${each}`),
      ...(attributes.id === undefined ? [] : [`#${attributes.id}`, `${name}#${attributes.id}`]),
    ]
    let all: Map<string, Declaration> | undefined
    for (const key of keys) {
      const rule = this.#rules.get(key)
      if (rule === undefined) continue
      all ??= new Map()
      for (const [property, declaration] of rule) put(all, property, declaration)
    }
    if (all === undefined) return own
    for (const [property, declaration] of own) put(all, property, declaration)
    return all
  }

  #parse(style: string): Declarations {
    if (style === '') return NONE
    const known = this.#parsed.get(style)
    if (known !== undefined) return known
    const declarations = parseDeclarations(style)
    if (this.#parsed.size < PARSED_MAX) this.#parsed.set(style, declarations)
    return declarations
  }

  #read(css: string): void {
    let from = 0
    for (;;) {
      const open = css.indexOf('{', from)
      if (open < 0) return
      const selectors = css.slice(from, open)
      // A statement such as @import ends with a semicolon.
      const isAtRule = selectors
        .slice(selectors.lastIndexOf(';') + 1)
        .trimStart()
        .startsWith('@')
      const close = isAtRule ? endOfBlock(css, open) : css.indexOf('}', open)
      if (close < 0) return
      if (!isAtRule) this.#add(selectors.slice(selectors.lastIndexOf(';') + 1), css.slice(open + 1, close))
      from = close + 1
    }
  }

  #add(selectors: string, block: string): void {
    const declarations = parseDeclarations(block)
    if (declarations.size === 0) return
    for (const each of selectors.split(',')) {
      const selector = each.trim()
      const isSimple = /^(?:\*|[a-z][a-z0-9]*)?(?:[.#][\w-]+)?$/i.test(selector)
      if (isSimple) this.#addTo(selector, declarations)
      else this.#addTo(lastElement(selector), colorsOf(declarations))
    }
  }

  #addTo(selector: string, declarations: Declarations): void {
    const key = selector.replace(/^\*(?=[.#])/, '').replace(/^[a-z][a-z0-9]*/i, (tag) => tag.toLowerCase())
    let rule = this.#rules.get(key)
    if (rule === undefined) {
      if (key === '' || declarations.size === 0 || this.#rules.size >= SELECTORS_MAX) return
      rule = new Map()
      this.#rules.set(key, rule)
    }
    for (const [property, declaration] of declarations) put(rule, property, declaration)
  }
}

function put(found: Map<string, Declaration>, property: string, declaration: Declaration): void {
  if (declaration.isImportant || !found.get(property)?.isImportant) found.set(property, declaration)
}

/** Returns the part of a selector that names the element which it is for, without its state: "td.b" of "a > td.b:hover". */
function lastElement(selector: string): string {
  const last = selector
    .slice(-VALUE_CHARS_MAX)
    .split(/[\s>+~]+/)
    .at(-1)!
  return /^(?:\*|[a-z][a-z0-9]*)?(?:[.#][\w-]+)?/i.exec(last)?.[0] ?? ''
}

function colorsOf(declarations: Declarations): Declarations {
  return new Map(COLOR_PROPERTIES.filter((each) => declarations.has(each)).map((each) => [each, UNKNOWN]))
}

/** Yields the contents of `<style>` elements that are not in a comment: Outlook's conditional comments have their own. */
function* styleElements(html: string): Generator<string> {
  const start = /<style(?=[\s>])/gi
  const end = /<\/style/gi
  let style = start.exec(html)?.index
  let comment = html.indexOf('<!--')
  while (style !== undefined) {
    if (comment >= 0 && comment < style) {
      const commentEnd = html.indexOf('-->', comment + 2) // "<!-->" is a whole comment
      if (commentEnd < 0) return
      comment = html.indexOf('<!--', commentEnd)
      if (commentEnd < style) continue // do not search it again: there can be many comments before one style
      start.lastIndex = commentEnd
    } else {
      const open = html.indexOf('>', style)
      if (open < 0) return
      end.lastIndex = open
      const close = end.exec(html)?.index ?? html.length
      yield html.slice(open + 1, close)
      start.lastIndex = close
      if (comment >= 0 && comment < close) comment = html.indexOf('<!--', close)
    }
    style = start.exec(html)?.index
  }
}

/** @returns -1 if the block does not end */
function endOfBlock(css: string, open: number): number {
  let depth = 0
  for (let at = open; at < css.length; at++) {
    const char = css[at]
    if (char === '{') depth++
    else if (char === '}' && --depth === 0) return at
  }
  return -1
}

/** CSS Syntax §4.3.2. The marks of HTML comments have no meaning in CSS. */
function withoutComments(css: string): string {
  if (!css.includes('/*') && !css.includes('<!--')) return css
  const kept: string[] = []
  let from = 0
  for (let start = css.indexOf('/*'); start >= 0; start = css.indexOf('/*', from)) {
    kept.push(css.slice(from, start))
    const end = css.indexOf('*/', start + 2)
    from = end < 0 ? css.length : end + 2
  }
  return (kept.join('') + css.slice(from)).replace(/<!--|-->/g, '')
}

/** CSS Syntax §4.3.7: "d\69 splay" is "display". */
function unescaped(css: string): string {
  if (!css.includes('\\')) return css
  return css.replace(/\\(?:([0-9a-f]{1,6})\s?|(.))/gi, (_, hex: string | undefined, char: string | undefined) => {
    const code = Number.parseInt(hex ?? '0', 16)
    return hex === undefined ? char! : code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
  })
}
