/**
 * Decides which text of HTML a person sees. All code that reads the text of a message's HTML uses it, so that
 * `text_from_html`, `extracted_text`, `preview`, search, and codes and links agree.
 *
 * Text is hidden if it, or an element around it, is not displayed, invisible, transparent, smaller than 3 pixels, cut off
 * to nothing, moved off the screen, or has about the colour of its background; and if it is in an element that is never
 * shown (a script). Inner elements can show themselves again where CSS says so: MJML writes `font-size:0` on each cell,
 * and the real size inside of it.
 *
 * `mso-hide:all` alone hides nothing: it is on buttons that every mail program but one shows.
 */
import { BLACK, type Color, isAlike, isTransparent, LINK_BLUE, parseColor, WHITE } from './css-colors.ts'
import { CELL_TAGS, IGNORED_TAGS } from './html-elements.ts'
import { copyOf, type Declarations, hasShortStyles, StyleSheet, styleTexts } from './style-sheet.ts'

/** `ignored`: inside of an element that is not text, such as a script. */
export type Visibility = 'shown' | 'hidden' | 'ignored'

/** What an element hands down to those inside of it. */
interface Inherited {
  readonly isIgnored: boolean
  /** Nothing inside of it can be shown. */
  readonly isRemoved: boolean
  readonly isInvisible: boolean
  readonly isTiny: boolean
  /** undefined: unknown */
  readonly color: Color | undefined
  readonly background: Color | undefined
  readonly visibility: Visibility
}

const ROOT: Inherited = {
  ...{ isIgnored: false, isRemoved: false, isInvisible: false, isTiny: false },
  ...{ color: BLACK, background: WHITE, visibility: 'shown' },
}
const IGNORED: Inherited = { ...ROOT, isIgnored: true, visibility: 'ignored' }
/** The most that is not readable. */
const FONT_PX_MAX = 2
const RELATIVE_FONT_MAX = 0.1
const OPACITY_MAX = 0.1
/** Elements that are moved this far, or further, are off the screen. */
const OFF_SCREEN_PX = 500
const OFF_SCREEN_SHARE = 100

/** What is kept of earlier messages. All of it together takes at most about 20 MB, if a stranger fills it. */
const RECENT_MAX = 10
const KNOWN_MAX = 500
const SHARED_CHARS_MAX = 16_000
/** No content of a `<style>` element contains it, so contents that are joined by it can be told apart. */
const STYLE_END = '</style'

type Attributes = Readonly<Record<string, string>>

/** Follows the open elements of one HTML text. */
export class HtmlVisibility {
  readonly #inheritance: Inheritance
  readonly #open: Inherited[] = [ROOT]

  /** @param html the whole message: its `<style>` elements apply to each part of it */
  constructor(html: string) {
    this.#inheritance = inheritanceOf(html)
  }

  /** How text at this point is shown. */
  get current(): Visibility {
    return this.#open.at(-1)!.visibility
  }

  get isShown(): boolean {
    return this.current === 'shown'
  }

  /** Whether an image at this point is shown; it has neither a font size nor a colour. */
  get isBoxShown(): boolean {
    const { isIgnored, isRemoved, isInvisible } = this.#open.at(-1)!
    return !isIgnored && !isRemoved && !isInvisible
  }

  /** Call it for each opening tag, those of elements without content too. */
  open(name: string, attributes: Attributes): void {
    const outer = this.#open.at(-1)!
    this.#open.push(outer.isIgnored ? outer : this.#inheritance.inside(outer, name, attributes))
  }

  /** Call it for each closing tag, also for those that the parser adds. */
  close(): void {
    if (this.#open.length > 1) this.#open.pop()
  }
}

/** What elements hand down in messages with the same `<style>` elements, and no others. */
class Inheritance {
  readonly #sheet: StyleSheet
  /** What is handed down by elements that differ in nothing that counts: most of a message are alike. */
  readonly #known = new Map<Inherited, Map<Declarations, Inherited>[]>()
  #knownCount = 0

  /** @param styles the contents of the `<style>` elements */
  constructor(styles: readonly string[]) {
    this.#sheet = new StyleSheet(styles)
  }

  inside(outer: Inherited, name: string, attributes: Attributes): Inherited {
    if (IGNORED_TAGS.has(name)) return IGNORED
    const css = this.#sheet.declarationsOf(name, attributes)
    const isLink = name === 'a' && 'href' in attributes
    if (name === 'font' || hasShowingAttribute(attributes) || !hasShortStyles(attributes))
      return inside(outer, css, name, attributes)
    if (css.size === 0 && !isLink) return outer
    const kind = isLink ? ('class' in attributes ? 1 : 2) : isPage(name) ? 3 : CELL_TAGS.has(name) ? 4 : 0
    const known = this.#known.get(outer)?.[kind]?.get(css)
    if (known !== undefined) return known
    const inner = inside(outer, css, name, attributes)
    this.#remember(outer, kind, css, inner)
    return inner
  }

  #remember(outer: Inherited, kind: number, css: Declarations, inner: Inherited): void {
    if (this.#knownCount >= KNOWN_MAX) {
      this.#known.clear()
      this.#knownCount = 0
    }
    this.#knownCount += 1
    let byKind = this.#known.get(outer)
    if (byKind === undefined) {
      byKind = []
      this.#known.set(outer, byKind)
    }
    byKind[kind] ??= new Map()
    byKind[kind].set(css, inner)
  }
}

/** By the `<style>` elements, oldest first: messages of one sender often have the same, and many have none. */
const recent = new Map<string, Inheritance>()

function inheritanceOf(html: string): Inheritance {
  const styles = styleTexts(html)
  const key = styles.join(STYLE_END)
  if (key.length > SHARED_CHARS_MAX) return new Inheritance(styles)
  const known = recent.get(key)
  if (known !== undefined) return known
  const own = copyOf(key)
  const inheritance = new Inheritance(own.split(STYLE_END))
  if (recent.size >= RECENT_MAX) recent.delete(recent.keys().next().value!)
  recent.set(own, inheritance)
  return inheritance
}

/** Whether an attribute decides what is shown, beside those of the style sheet and of links. */
function hasShowingAttribute(attributes: Attributes): boolean {
  return (
    'hidden' in attributes ||
    'bgcolor' in attributes ||
    'color' in attributes ||
    'background' in attributes ||
    'text' in attributes
  )
}

/** Some senders hide the page until a script shows it. Mail programs put their own element in the place of these. */
function isPage(name: string): boolean {
  return name === 'body' || name === 'html'
}

function inside(outer: Inherited, css: Declarations, name: string, attributes: Attributes): Inherited {
  const isLink = name === 'a' && 'href' in attributes
  const ofPage = isPage(name)
  const inner = {
    isIgnored: false,
    isRemoved: outer.isRemoved || (!ofPage && ('hidden' in attributes || isRemoved(css, CELL_TAGS.has(name)))),
    isInvisible: ofPage ? outer.isInvisible : isInvisible(css, outer.isInvisible),
    isTiny: ofPage ? outer.isTiny : isTiny(css, name === 'font' && 'size' in attributes ? false : outer.isTiny),
    color: colorOf(css, attributes, { outer: outer.color, own: isLink ? LINK_BLUE : outer.color }),
    // A link with a class is a button, whose background can be in a rule that is not evaluated, or got lost.
    background: backgroundOf(css, attributes, isLink && 'class' in attributes ? undefined : outer.background),
  }
  return { visibility: isHidden(inner) ? 'hidden' : 'shown', ...inner }
}

function isHidden({ isRemoved, isInvisible, isTiny, color, background }: Omit<Inherited, 'visibility'>): boolean {
  if (isRemoved || isInvisible || isTiny) return true
  if (color === undefined) return false
  return isTransparent(color) || (background !== undefined && isAlike(color, background))
}

function isRemoved(css: Declarations, isCell: boolean): boolean {
  const of = (property: string) => css.get(property)?.value ?? ''
  if (of('display') === 'none' || of('content-visibility') === 'hidden') return true
  const opacity = of('opacity')
  if (opacity !== '' && Number.parseFloat(opacity) / (opacity.endsWith('%') ? 100 : 1) < OPACITY_MAX) return true
  return isCutOff(of, isCell) || isOffScreen(of)
}

/**
 * Whether nothing of it is left. `max-height:0` counts alone, as preheaders have it; with `position:relative` it puts
 * text above an image. A cell is as large as its text: `max-width:0` only makes a long line end with an ellipsis.
 */
function isCutOff(of: (property: string) => string, isCell: boolean): boolean {
  const isClipped = ['overflow', 'overflow-x', 'overflow-y'].some((each) => /hidden|clip/.test(of(each)))
  if (isNothing(of('max-height'), 0) && (isClipped || of('position') !== 'relative')) return true
  const sizes = isCell ? [] : ['width', 'height', 'max-width', 'max-height']
  if (isClipped && sizes.some((each) => isNothing(of(each), 1))) return true
  if (isEmptyRectangle(of('clip')) && /absolute|fixed/.test(of('position'))) return true
  return /^(?:inset\(\s*(?:[5-9]\d|100)%|circle\(\s*0)/.test(of('clip-path'))
}

function isOffScreen(of: (property: string) => string): boolean {
  const isFar = (property: string) => /^-/.test(of(property)) && isFarAway(of(property).slice(1))
  if (['text-indent', 'margin-left', 'margin-top'].some(isFar)) return true
  if (
    of('margin')
      .split(/\s+/)
      .some((each) => each.startsWith('-') && isFarAway(each.slice(1)))
  )
    return true
  const isMoved = /absolute|fixed|relative/.test(of('position'))
  if (isMoved && ['left', 'right', 'top', 'bottom'].some(isFar)) return true
  const [, moved] = /translate(?:x|y|3d)?\(\s*-([\d.]+[a-z%]*)/.exec(of('transform')) ?? []
  return (moved !== undefined && isFarAway(moved)) || /scale(?:x|y|3d)?\(\s*0(?:\.0\d*)?\s*[,)]/.test(of('transform'))
}

function isInvisible(css: Declarations, outer: boolean): boolean {
  const value = css.get('visibility')?.value
  if (value === 'visible' || value === 'initial') return false
  return value === 'hidden' || value === 'collapse' || outer
}

/** Sizes in `em` and per cent are parts of the outer size; all others replace it, also those that are computed. */
function isTiny(css: Declarations, outer: boolean): boolean {
  const value = css.get('font-size')?.value
  if (value === undefined) return outer
  const [, digits, unit = ''] = /^([\d.]+)([a-z%]*)$/.exec(value) ?? []
  if (digits === undefined) return outer && !/^(?:x+-)?(?:small|large)$|medium|initial|[a-z]\(/.test(value)
  const size = Number.parseFloat(digits)
  if (unit === '%' || unit === 'em' || unit === 'ex' || unit === 'ch')
    return outer || size / (unit === '%' ? 100 : 1) < RELATIVE_FONT_MAX
  return unit === 'rem' || unit === 'vw' || unit === 'in' || unit === 'cm'
    ? size < RELATIVE_FONT_MAX
    : size <= FONT_PX_MAX
}

/** Text that its background fills is usually transparent, and has the colours of an image or gradient. */
function colorOf(
  css: Declarations,
  attributes: Attributes,
  inherited: { readonly outer: Color | undefined; readonly own: Color | undefined },
): Color | undefined {
  if (css.get('background-clip')?.value === 'text') return undefined
  const value =
    css.get('-webkit-text-fill-color')?.value ?? css.get('color')?.value ?? attributes.color ?? attributes.text
  if (value === undefined) return inherited.own
  if (value === 'inherit') return inherited.outer
  return value === 'initial' ? BLACK : parseColor(value)
}

/** Text is on the nearest background that is not transparent. One with an image is unknown. */
function backgroundOf(css: Declarations, attributes: Attributes, outer: Color | undefined): Color | undefined {
  const image = css.get('background-image')?.value ?? 'none'
  if ('background' in attributes || image !== 'none') return undefined
  const value = css.get('background-color')?.value ?? attributes.bgcolor
  if (value === undefined || /^(?:none|inherit|initial|unset|0)$/.test(value)) return outer
  if (/url\(|gradient\(|unknown/.test(value)) return undefined
  const color = parseColor(value) ?? parseColor(/^[^\s(]+(?:\([^)]*\))?/.exec(value)?.[0] ?? '')
  if (color === undefined) return undefined
  if (isTransparent(color)) return outer
  return color.alpha < 1 ? undefined : color
}

/** Not one pattern with white space before and after each number, which takes cubic time. */
function isEmptyRectangle(clip: string): boolean {
  const [, sides] = /^rect\(([^)]*)\)$/.exec(clip) ?? []
  return sides?.split(/[\s,]+/).every((side) => /^(?:[01](?:px)?)?$/.test(side)) ?? false
}

function isNothing(value: string, pxMax: number): boolean {
  const [, digits, unit = ''] = /^([\d.]+)([a-z%]*)$/.exec(value) ?? []
  if (digits === undefined) return false
  return Number.parseFloat(digits) <= (unit === '' || unit === 'px' || unit === 'pt' ? pxMax : 0)
}

/** @param length without its sign */
function isFarAway(length: string): boolean {
  const [, digits, unit = ''] = /^([\d.]+)([a-z%]*)$/.exec(length) ?? []
  if (digits === undefined) return false
  const isInPixels = unit === '' || unit === 'px' || unit === 'pt'
  return (
    Number.parseFloat(digits) >=
    (isInPixels ? OFF_SCREEN_PX : unit === '%' || unit.startsWith('v') ? OFF_SCREEN_SHARE : 50)
  )
}
