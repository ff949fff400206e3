/** One rule decides which text of HTML is shown: each row is read by all readers, which must agree. */
import { describe, expect, test } from 'vitest'
import { linesOfHtml } from '../../../src/formats/html/html-lines.ts'
import { scanQuotedHtml } from '../../../src/formats/reply/quoted-html.ts'
import { visibleTextOfHtml } from '../../../src/formats/verification/visible-text.ts'
import { expectLinear, fill } from '../linear.ts'

const readers: Readonly<Record<string, (html: string) => string>> = {
  'lines (text_from_html, extracted_text, preview)': (html) => linesOfHtml(html, 1_000),
  'text for codes and links': (html) => visibleTextOfHtml(html, 1_000).text,
  'lines of a reply': (html) =>
    scanQuotedHtml(html)!
      .lines.map(({ text }) => text)
      .join('\n'),
}

/** Every text "secret" in these is hidden, and every "seen" is shown. */
const hidden: Readonly<Record<string, string>> = {
  'display:none': '<p style="display:none">secret</p>',
  'display:none in capitals, with spaces': '<p STYLE=" DISPLAY : NONE ">secret</p>',
  'display:none, last in a long attribute': `<p style="${'color:red;'.repeat(200)}display:none">secret</p>`,
  'display:none that a later declaration cannot undo': '<p style="display:none!important;display:block">secret</p>',
  'display:none with comments and escapes': '<p style="dis\\70lay:/* x */n\\6f ne">secret</p>',
  'visibility:hidden': '<p style="visibility:hidden">secret</p>',
  'the attribute hidden': '<p hidden>secret</p>',
  'elements inside of hidden ones': '<div style="display:none"><p style="display:block">secret</p></div>',
  'opacity:0': '<p style="opacity:0">secret</p><p style="opacity:2%">secret</p>',
  'font-size:0':
    '<p style="font-size:0">secret</p><p style="font-size:0.0em">secret</p><p style="font:0/0 a">secret</p>',
  'font-size:1px':
    '<p style="font-size:1px">secret</p><p style="font-size:2px">secret</p><p style="font-size:1%">secret</p>',
  'font-size:0, with a relative size inside': '<div style="font-size:0"><p style="font-size:1em">secret</p></div>',
  'max-height:0': '<p style="max-height:0px">secret</p>',
  'a box without a size':
    '<p style="height:0;overflow:hidden">secret</p><p style="width:1px;overflow:hidden">secret</p>',
  'a box that is clipped':
    '<p style="position:absolute;clip:rect(0,0,0,0)">secret</p><p style="clip-path:inset(50%)">secret</p>',
  'positions off the screen':
    '<p style="position:absolute;left:-9999px">secret</p><p style="text-indent:-999em">secret</p>',
  'margins off the screen': '<p style="margin:0 0 0 -9999px">secret</p><p style="margin-left:-200%">secret</p>',
  transforms: '<p style="transform:scale(0)">secret</p><p style="transform:translateX(-9999px)">secret</p>',
  'white text': '<p style="color:#fff">secret</p><p style="color:white">secret</p><font color="#fefefe">secret</font>',
  'text in the colour of its background':
    '<div style="background:#336699"><p style="color:rgb(51, 102, 153)">secret</p></div>',
  'the same, as attributes': '<table bgcolor="#222222"><tr><td><font color=222222>secret</font></table>',
  'the same, as HSL':
    '<div style="background-color:hsl(0, 0%, 100%)"><p style="color:rgba(100%,100%,100%,1)">secret</p></div>',
  'black on black': '<div style="background:#000">secret</div>',
  'transparent text':
    '<p style="color:transparent">secret</p><p style="color:rgba(0,0,0,0)">secret</p><p style="color:#0000">secret</p>',
  'white text in a link': '<a href="https://a.test/"><span style="color:#fff">secret</span></a>',
  'a class that a style sheet hides': '<style>.x{display:none}</style><p class="a x">secret</p>',
  'a style sheet below the text': '<p class=x>secret</p><style>\n/* } */ u , td.x, .x { DISPLAY: none }\n.y{}</style>',
  'an id, and a tag': '<style>#x{font-size:0}u{visibility:hidden}</style><p id=x>secret</p><u>secret</u>',
  'a later size than that of a font': '<p style="font:14px a;font-size:0">secret</p>',
  'a class that a rule for its tag cannot show':
    '<style>.x{display:none} p{display:block}</style><p class=x>secret</p>',
  'a style sheet for screens': '<style media="only screen, print">.x{display:none}</style><p class=x>secret</p>',
  'a class and a style that are together the class of another element':
    '<style>.x{top:0}</style><p class="x display:none" style=";">.</p><p class=x style=" display:none;">secret</p>',
  'a link with the colour of its white surroundings':
    '<p style="color:#fff"><a href="https://a.test/" style="color:inherit">secret</a></p>',
  'a tag with a class': '<style>@import "a"; p.x{color:#fff}</style><p class=x>secret</p>',
  'scripts, styles and titles':
    '<title>secret</title><style>secret</style><script>secret</script><template>secret</template>',
  'content for programs that do not know an element':
    '<iframe>secret</iframe><noembed>secret</noembed><noframes>secret</noframes><datalist><option>secret</datalist>',
}

const shown: Readonly<Record<string, string>> = {
  'the real size inside of font-size:0, as MJML writes it':
    '<td style="font-size:0px;padding:10px"><div style="font-size:13px;color:#000000">seen</div></td>',
  'a visible element in an invisible one':
    '<div style="visibility:hidden"><p style="visibility:visible">seen</p></div>',
  'a button that only Outlook does not show':
    '<a href="https://a.test/" style="background:#06c;color:#fff;mso-hide:all">seen</a>',
  'a button with its colour in a style sheet':
    '<style>.b{background:#06c}</style><a href="x" class=b style="color:#fff">seen</a>',
  'a button with its colour in a rule that is not evaluated':
    '<style>table td.b{background:#06c}</style><td class=b><a href="x" style="color:#fff">seen</a></td>',
  'a button with a colour that got lost': '<a href="x" class="btn"><span style="color:#fff">seen</span></a>',
  'white text on a dark cell': '<table bgcolor=black><tr><td style="color:#fff">seen</table>',
  'white text on an image': '<td background="a.png" style="color:#fff">seen</td>',
  'white text on a gradient': '<div style="background:linear-gradient(#000,#333)"><p style="color:#fff">seen</p></div>',
  'a link inside of white text': '<p style="color:#fff"><a href="https://a.test/">seen</a></p>',
  'grey text': '<p style="color:#bbb">seen</p>',
  'a class that is hidden only on phones':
    '<style>@media (max-width:600px){.x{display:none}}</style><p class=x>seen</p>',
  'a class that is hidden only in Outlook':
    '<!--[if mso]><style>.x{display:none}</style><![endif]--><p class=x>seen</p>',
  'a class that is hidden only in print, or on phones':
    '<style media=print>.x{display:none}</style><style media="screen and (max-width:600px)">.x{font-size:0}</style><p class=x>seen</p>',
  'text that a gradient fills':
    '<h1 style="background:linear-gradient(90deg,red,blue);-webkit-background-clip:text;-webkit-text-fill-color:transparent">seen</h1>',
  'a class that a later class undoes, in whatever order the element names them':
    '<style>.x{display:none;color:#fff}.y{display:block;color:#000}</style><p class="y x">seen</p>',
  'a background that replaces the colour of a class':
    '<style>.x{background-color:#fff}</style><p class=x style="background:#06c;color:#fff">seen</p>',
  'a background that replaces a colour': '<p style="background-color:#fff;background:#06c;color:#fff">seen</p>',
  'a font that replaces the size of a class':
    '<style>.x{font-size:0}</style><p class=x style="font:14px/1.5 a">seen</p>',
  'a computed size inside of font-size:0':
    '<td style="font-size:0"><p style="font-size:calc(13px + 1vw)">seen</p></td>',
  'a colour in a rule that is not evaluated, above that of its class':
    '<style>table td.b{background:#06c}td.b{background:#fff}</style><td class=b style="color:#fff">seen</td>',
  'an important colour in a rule that is not evaluated':
    '<style>div p{color:#000!important}</style><p style="color:#fff">seen</p>',
  'a colour in a rule for an attribute':
    '<style>[class="b"],td[title~="b"]{background:#06c}</style><table><td title=b><p style="color:#fff">seen</table>',
  'a cell whose long text ends with an ellipsis':
    '<table><td style="width:100%;max-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap">seen</table>',
  'text above an image':
    '<div style="max-height:0;position:relative;opacity:0.999"><div style="display:inline-block">seen</div></div>',
  'an element that undoes its class': '<style>.x{display:none}</style><p class=x style="display:block">seen</p>',
  'sizes and opacities that are normal':
    '<p style="font-size:.9em;opacity:.8;max-height:0.9em;font:14px/1.5 a">seen</p>',
  'small negative margins': '<p style="margin:-10px;text-indent:-2em;position:relative;left:-20px">seen</p>',
  'a body that is hidden until a script shows it': '<body style="display:none;opacity:0"><p>seen</p></body>',
}

describe.each(Object.entries(readers))('%s', (_, read) => {
  test.each(Object.entries(hidden))('hidden: %s', (_name, html) => {
    const text = read(`<p>seen above</p>${html}<p>seen below</p>`)
    expect(text).not.toContain('secret')
    expect(text).toMatch(/seen above[\s\S]*seen below/)
  })

  test.each(Object.entries(shown))('shown: %s', (_name, html) => {
    expect(read(`<p>above</p>${html}<p>below</p>`)).toMatch(/above[\s\S]*seen[\s\S]*below/)
  })
})

test.each(Object.entries(readers))('a style sheet far below the text hides it: %s', (_, read) => {
  // Text for codes used only the styles in the first 200,000 characters.
  const html = `<p>seen</p><p class=x>secret</p><!--${fill('far ', 1_100_000)}--><style>.x{display:none}</style>`
  expect(read(html)).toContain('seen')
  expect(read(html)).not.toContain('secret')
})

test('a link is not found if its content is hidden', () => {
  const urls = (html: string) => visibleTextOfHtml(html, 1_000).links.map(({ url }) => url)
  expect(urls('<p hidden><a href="https://a.test/1">verify</a></p>')).toEqual([])
  expect(urls('<a href="https://a.test/1"><span style="font-size:0">verify</span></a>')).toEqual([])
  expect(urls('<td style="font-size:0"><a href="https://a.test/1"><img alt="verify"></a></td>')).toEqual([
    'https://a.test/1',
  ])
})

test('only the beginning of hidden text above all other text is a preheader, in which codes are found', () => {
  const text = (html: string) => visibleTextOfHtml(html, 1_000).text
  expect(text('<p hidden>first</p><p>seen</p><p hidden>later</p>')).toBe('seen\nfirst\n')
  expect(text(`<p hidden>${'long '.repeat(1_000)}</p><p>seen</p>`)).toHaveLength('seen\n'.length + 200)
})

describe('styles that are made to be slow take linear time', () => {
  const shapes: Readonly<Record<string, (size: number) => string>> = {
    'style elements that never end': (size) => fill('<style>', size),
    'style tags that never end': (size) => fill('<style ', size),
    'comments above a style': (size) => `${fill('<!---->', size)}<style>p{}</style>`,
    'comments that never end': (size) => `<style></style>${fill('<!--', size)}`,
    'comments in a style': (size) => `<style>${fill('/*', size)}</style>`,
    'rules, and classes': (size) =>
      `<style>${fill('.a{color:red}', size / 2)}</style>${fill('<b class="a a a a a">', size / 2)}`,
    'many rules': (size) => `<style>${Array.from({ length: size / 16 }, (_, i) => `.a${i}{top:0}`).join('')}</style>x`,
    'rectangles with much white space': (size) =>
      `<style>.a{clip:rect(${['0', '0', '0', '0', 'x'].join(' '.repeat(45))})}</style>${fill('<b class=a>', 5_000)}${fill('<i class=a></i>', size)}`,
    'one rule with many selectors': (size) => `<style>${fill('p,', size)}p{display:none}</style>`,
    'selectors that are not evaluated': (size) => `<style>${fill('a>', size)}{color:red}</style>`,
    'blocks in blocks': (size) => `<style>${fill('@media{', size)}`,
    'at-rules that never end': (size) => `<style>${fill('@a;', size)}`,
    declarations: (size) => `<p style="${fill('color:red;', size)}">x`,
    'exclamation marks': (size) => `<p style="${fill('color:! ! ! ;', size)}">x`,
    backslashes: (size) => `<p style="${fill('\\', size)}">x`,
    'one long class': (size) => `<style>.a{top:0}</style><p class="${fill('a ', size)}">x`,
    'rules that apply to every element': (size) =>
      `<style>*,b{display:block;color:red;font-size:1em;margin:0 0 0 0}</style>${fill('<b>', 1_000)}${fill('<i></i>', size)}`,
  }
  test.each(Object.entries(shapes))('%s', (name, shape) => {
    expectLinear(name, shape, (html) => linesOfHtml(html, 200_000))
    expectLinear(name, shape, (html) => scanQuotedHtml(html))
  })
})
