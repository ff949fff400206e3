import { expect, test } from 'vitest'
import { linesOfHtml } from '../../../src/formats/html/html-lines.ts'

test.each([
  ['paragraphs', '<p>One\n  line.</p><p>Two.</p>', 'One line.\n\nTwo.'],
  ['lines', 'a<br>b<br><br>c<br><br><br>d', 'a\nb\n\nc\n\nd'],
  ['blocks', '<div>a</div><div>b<div>c</div></div>d', 'a\nb\nc\nd'],
  ['words in inline elements', 'gr<b>ü</b>&szlig;e <i>an</i> <span>alle</span>', 'grüße an alle'],
  ['lists', 'You need:<ul><li>salt<li>an <b>egg</b></ul>Then', 'You need:\n\n- salt\n- an egg\n\nThen'],
  ['tables', '<table><tr><td>Total<td>5 €</tr><tr><th>Tax</th><td>1 €</td></tr></table>', 'Total 5 €\nTax 1 €'],
  ['preformatted text', 'Log:<pre>a  b\n  c\n\n</pre>End', 'Log:\n\na  b\n  c\n\nEnd'],
  ['links', 'Click <a href="https://a.test/?t=1">here</a>.', 'Click here.'],
  ['headings and quotes', '<h1>Hi</h1>x<blockquote>y</blockquote>z', 'Hi\n\nx\n\ny\n\nz'],
  ['no-break spaces', 'a&nbsp;b', 'a b'],
  ['hidden text', '<div style="display: none">preheader</div><p hidden>x</p>seen', 'seen'],
  [
    'hidden text in other ways',
    '<p style="font-size:0">a</p><p style="max-height:0px">b</p><p style="font-size:1px">c</p>d',
    'd',
  ],
  [
    'text of a normal size',
    '<body style="font-size:1em"><p style="max-height:0.9em">a</p><p style="opacity:0.8">b</p>',
    'a\n\nb',
  ],
  ['the body, even if it is hidden until a script shows it', '<body style="display:none"><p>a</p></body>', 'a'],
  ['the head, scripts and styles', '<head><title>t</title></head><style>p{}</style><script>x</script>seen', 'seen'],
  ['unclosed elements', '<div><p>a<b>b', 'ab'],
  ['unmatched end tags', '</div></p>a</b>b', 'ab'],
  ['only an image', '<p><img src="cid:x" alt="logo"></p>', ''],
  ['nothing', '', ''],
])('%s', (_, html, text) => {
  expect(linesOfHtml(html, 1_000)).toBe(text)
})

test('the text ends at the limit, and never inside a surrogate pair', () => {
  expect(linesOfHtml('<p>abc</p><p>def</p>', 6)).toBe('abc\n\nd')
  expect(linesOfHtml('ab😀', 3)).toBe('ab')
})
