/**
 * Reads the declarations of CSS that can hide text: those of `style` attributes, and of the `<style>` elements of a
 * message as far as their selectors name one element by tag, class or id. Pure, in time linear in the length.
 *
 * Rules in @media and other at-rules are ignored, and so are `<style>` elements for other media than a screen: a message
 * must be readable without them. A selector with several elements, an attribute or a pseudo-class is not evaluated
 * either, so it hides nothing; but what it colours has an unknown colour.
 */

/** The value of each property, in lower case. `font` and `background` are given as the properties that they set. */
export type Declarations = ReadonlyMap<string, Declaration>

interface Declaration {
  readonly value: string
  readonly isImportant: boolean
  /** Decides between two declarations that are equally important: the one with the higher number applies. */
  readonly order: number
}

const PROPERTIES: ReadonlySet<string> = new Set(
  (
    'display visibility opacity content-visibility font font-size color -webkit-text-fill-color background ' +
    'background-color background-image background-clip -webkit-background-clip width height max-width max-height ' +
    'overflow overflow-x overflow-y position left right top bottom text-indent margin margin-left margin-top ' +
    'transform clip clip-path'
  ).split(' '),
)
const COLOR_PROPERTIES = ['color', '-webkit-text-fill-color', 'background-color', 'background-image', 'background-clip']

/** The value of a colour that depends on a selector which is not evaluated. */
const UNKNOWN = 'unknown'
const VALUE_CHARS_MAX = 200
/** Characters of all `<style>` elements of a message that are read. */
const SHEET_CHARS_MAX = 200_000
const SELECTORS_MAX = 5_000
/** Elements of which a sheet remembers the declarations. A sheet can be kept for long. */
const REMEMBERED_MAX = 200
/** Characters of `id`, `class` and `style` of such an element. */
const SHORT_CHARS_MAX = 1_000
/** Classes of one element that are compared with the rules. */
const CLASSES_MAX = 20
/** Declarations of one specificity are numbered below this. */
const ORDERS = 1e9
/** A `style` attribute applies before any selector. */
const STYLE_ORDER = 6 * ORDERS

const NONE: Declarations = new Map()

type StyledAttributes = Readonly<Record<string, string>>

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
    for (const [name, set] of longhands(property, (isImportant ? value.slice(0, bang) : value).trim()))
      put(found, name, { value: set, isImportant, order: STYLE_ORDER })
  }
  return found
}

/** Returns what a declaration sets. So `font` and `font-size` replace each other, whichever is last. */
function longhands(property: string, value: string): (readonly [property: string, value: string])[] {
  if (property === '-webkit-background-clip') return [['background-clip', value]]
  if (property === 'font') {
    const size = value.split(/\s+/).find((each) => /^[\d.]|[a-z]\(/.test(each) && !/^\d00$/.test(each))
    return size === undefined ? [] : [['font-size', size.replace(/\/.*/, '')]]
  }
  if (property !== 'background') return [[property, value]]
  return [
    ['background-color', value],
    ['background-image', /url\(|gradient\(/.test(value) ? value : 'none'],
    ['background-clip', /\btext\b/.test(value) ? 'text' : 'border-box'],
  ]
}

export class StyleSheet {
  readonly #rules = new Map<string, Map<string, Declaration>>()
  /** By all that the rules look at: most elements of a message have the same few styles and classes. */
  readonly #remembered = new Map<string, Declarations>()
  #ruleCount = 0

  /** @param texts from `styleTexts` */
  constructor(texts: readonly string[]) {
    for (const css of texts) this.#read(withoutComments(css))
  }

  /** Returns what applies to an element, by the cascade: rules for tags, then classes, ids and the attribute `style`. */
  declarationsOf(name: string, attributes: StyledAttributes): Declarations {
    const { style = '', class: classNames = '', id = '' } = attributes
    if (this.#rules.size === 0 && style === '') return NONE
    if (!hasShortStyles(attributes)) return this.#merge(name, classNames, id, parseDeclarations(style))
    // With the lengths, because "a" with "b c" must not be "a b" with "c".
    const key = this.#rules.size === 0 ? style : `${name} ${id.length} ${classNames.length} ${id}${classNames}${style}`
    const known = this.#remembered.get(key)
    if (known !== undefined) return known
    const declarations = this.#merge(name, classNames, id, parseDeclarations(copyOf(style)))
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear()
    this.#remembered.set(copyOf(key), declarations)
    return declarations
  }

  #merge(name: string, classNames: string, id: string, own: Declarations): Declarations {
    if (this.#rules.size === 0) return own
    const classes = classNames.split(/\s+/, CLASSES_MAX)
    const keys = ['*', name, ...classes.flatMap((each) => [`.${each}`, `${name}.${each}`]), `#${id}`, `${name}#${id}`]
    const rules = keys.flatMap((key) => this.#rules.get(key) ?? [])
    if (rules.length === 0) return own
    const merged = new Map<string, Declaration>()
    for (const rule of [...rules, own]) for (const [property, declaration] of rule) put(merged, property, declaration)
    return merged
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
    const position = this.#ruleCount++
    for (const selector of new Set(selectors.split(',').map((each) => each.trim()))) {
      const isSimple = /^(?:\*|[a-z][a-z0-9]*)?(?:[.#][\w-]+)?$/i.test(selector)
      if (isSimple) this.#addTo(selector, declarations, position)
      // It is more specific than the part of it that is used, so it applies after the rules for that part.
      else this.#addTo(lastElement(selector), unknownColors(declarations), ORDERS - 1)
    }
  }

  #addTo(selector: string, declarations: Declarations, position: number): void {
    const key = selector.replace(/^\*(?=[.#])/, '').replace(/^[a-z][a-z0-9]*/i, (tag) => tag.toLowerCase())
    const order = specificityOf(key) * ORDERS + position
    let rule = this.#rules.get(key)
    if (rule === undefined) {
      if (key === '' || declarations.size === 0 || this.#rules.size >= SELECTORS_MAX) return
      rule = new Map()
      this.#rules.set(key, rule)
    }
    for (const [property, declaration] of declarations) put(rule, property, { ...declaration, order })
  }
}

function put(found: Map<string, Declaration>, property: string, declaration: Declaration): void {
  const known = found.get(property)
  if (known !== undefined && isStronger(known, declaration)) return
  found.set(property, declaration)
}

function isStronger(one: Declaration, other: Declaration): boolean {
  return one.isImportant === other.isImportant ? one.order > other.order : one.isImportant
}

/** From 0 for "*" to 5 for "td#a" (CSS Cascade §6.4.3). */
function specificityOf(selector: string): number {
  if (selector === '*') return 0
  const hasTag = /^[a-z]/.test(selector)
  const name = selector.includes('#') ? 4 : selector.includes('.') ? 2 : 0
  return name + (hasTag ? 1 : 0)
}

/**
 * Returns the part of a selector that names the element which it is for, without its state and attributes: "td.b" of
 * "a > td.b:hover".
 */
function lastElement(selector: string): string {
  const last = selector
    .slice(-VALUE_CHARS_MAX)
    .replace(/\[[^\]]*\]/g, '[]')
    .split(/[\s>+~]+/)
    .at(-1)!
  return last.startsWith('[') ? '*' : (/^(?:\*|[a-z][a-z0-9]*)?(?:[.#][\w-]+)?/i.exec(last)?.[0] ?? '')
}

function unknownColors(declarations: Declarations): Declarations {
  const colors = [...declarations].filter(([property]) => COLOR_PROPERTIES.includes(property))
  return new Map(colors.map(([property, declaration]) => [property, { ...declaration, value: UNKNOWN }]))
}

/** Returns the contents of the `<style>` elements of a message, wherever they are: they apply to all of it. */
export function styleTexts(html: string): string[] {
  const texts: string[] = []
  let charsLeft = SHEET_CHARS_MAX
  for (const css of styleElements(html)) {
    texts.push(css.slice(0, charsLeft))
    charsLeft -= css.length
    if (charsLeft <= 0) break
  }
  return texts
}

/** Whether what is derived from the attributes of an element is small enough to be remembered. */
export function hasShortStyles({ style = '', class: classNames = '', id = '' }: StyledAttributes): boolean {
  return style.length + classNames.length + id.length <= SHORT_CHARS_MAX
}

/** Returns the text in memory of its own. A part of a string keeps all of the string: here, the HTML of a message. */
export function copyOf(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
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
      if (isForScreens(html.slice(style, Math.min(open, style + VALUE_CHARS_MAX)))) yield html.slice(open + 1, close)
      start.lastIndex = close
      if (comment >= 0 && comment < close) comment = html.indexOf('<!--', close)
    }
    style = start.exec(html)?.index
  }
}

/** @param tag the opening tag of a `<style>`: as @media rules, one for other media hides nothing */
function isForScreens(tag: string): boolean {
  const [, media = ''] = /\smedia\s*=\s*["']?([^"'>]*)/i.exec(tag) ?? []
  return media.split(',').some((each) => /^(?:(?:only\s+)?(?:all|screen))?$/i.test(each.trim()))
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
