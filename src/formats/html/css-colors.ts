/** Reads CSS colours, as far as is needed to find text that has the colour of its background. Pure. */

/** Red, green and blue from 0 to 255; alpha from 0 (transparent) to 1. */
export interface Color {
  readonly red: number
  readonly green: number
  readonly blue: number
  readonly alpha: number
}

/** The 16 names of HTML 4, and those of colours that look like white. */
const NAMED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ black: '000', silver: 'c0c0c0', gray: '808080', grey: '808080', white: 'fff', maroon: '800000', red: 'f00' },
    ...{ purple: '800080', fuchsia: 'f0f', green: '008000', lime: '0f0', olive: '808000', yellow: 'ff0' },
    ...{ navy: '000080', blue: '00f', teal: '008080', aqua: '0ff', snow: 'fffafa', ivory: 'fffff0' },
    ...{ azure: 'f0ffff', mintcream: 'f5fffa', ghostwhite: 'f8f8ff', whitesmoke: 'f5f5f5', floralwhite: 'fffaf0' },
    ...{ honeydew: 'f0fff0', aliceblue: 'f0f8ff', seashell: 'fff5ee', lightyellow: 'ffffe0', lightcyan: 'e0ffff' },
    ...{ gainsboro: 'dcdcdc', lightgray: 'd3d3d3', lightgrey: 'd3d3d3', transparent: '0000' },
  }),
)
const VALUE_CHARS_MAX = 64
/** The largest difference in each channel at which two colours count as the same: #f0f0f0 on white is hidden, #eeeeee is not. */
const DISTANCE_MAX = 16
/** Text with less than this is not seen, and neither is a background. */
const ALPHA_MIN = 0.1

export const BLACK: Color = { red: 0, green: 0, blue: 0, alpha: 1 }
export const WHITE: Color = { red: 255, green: 255, blue: 255, alpha: 1 }
/** Links have this colour unless a style says otherwise. */
export const LINK_BLUE: Color = { red: 0, green: 0, blue: 238, alpha: 1 }

/** @returns undefined for what is not a colour, and for most names */
export function parseColor(value: string): Color | undefined {
  if (value.length > VALUE_CHARS_MAX) return undefined
  const text = value.trim().toLowerCase()
  const hex = /^#?((?:[0-9a-f]{3,4}){1,2})$/.exec(NAMED.get(text) ?? text)?.[1]
  if (hex !== undefined) return ofHex(hex)
  const [, name, values] = /^(rgb|hsl)a?\(([^)]*)\)$/.exec(text) ?? []
  if (name === undefined) return undefined
  const [first = Number.NaN, second = Number.NaN, third = Number.NaN, alpha = 1] = values!
    .split(/[\s,/]+/)
    .filter((each) => each !== '')
    .map((each, index) => numberOf(each, name === 'rgb' && index < 3 ? 255 : 1))
  if (![first, second, third, alpha].every(Number.isFinite)) return undefined
  if (name === 'rgb') return { red: first, green: second, blue: third, alpha }
  return { ...ofHsl(first, second, third), alpha }
}

export function isTransparent({ alpha }: Color): boolean {
  return alpha < ALPHA_MIN
}

/** Whether text of one colour cannot be seen on the other. */
export function isAlike(one: Color, other: Color): boolean {
  return (['red', 'green', 'blue'] as const).every((channel) => Math.abs(one[channel] - other[channel]) <= DISTANCE_MAX)
}

function ofHex(hex: string): Color {
  const width = hex.length > 4 ? 2 : 1
  const channel = (index: number) => {
    const digits = hex.slice(index * width, (index + 1) * width)
    return digits === '' ? 255 : Number.parseInt(width === 1 ? digits + digits : digits, 16)
  }
  return { red: channel(0), green: channel(1), blue: channel(2), alpha: channel(3) / 255 }
}

/** @param whole what 100 % is */
function numberOf(text: string, whole: number): number {
  const value = Number.parseFloat(text)
  return text.endsWith('%') ? (value / 100) * whole : value
}

/** @param hue in degrees @param saturation from 0 to 1 @param lightness from 0 to 1 */
function ofHsl(hue: number, saturation: number, lightness: number): Omit<Color, 'alpha'> {
  const range = saturation * Math.min(lightness, 1 - lightness)
  const channel = (offset: number) => {
    const place = (offset + hue / 30) % 12
    return 255 * (lightness - range * Math.max(-1, Math.min(place - 3, 9 - place, 1)))
  }
  return { red: channel(0), green: channel(8), blue: channel(4) }
}
