/**
 * Tests the check before a JSON body is parsed: how many values the body may have, and that counting them is cheap for
 * any input.
 */

import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { parseInTurns, parseJsonBody } from '../../../src/edges/http/server/requests/json-body.ts'
import { MailError } from '../../../src/errors.ts'
import { expectBounded } from '../../formats/bounded.ts'

const limits = withLimits({ http: { bodyTokensMax: 10, bodyDepthMax: 4 } })

function parse(text: string): unknown {
  try {
    return parseJsonBody({}, Buffer.from(text), limits)
  } catch (error) {
    if (error instanceof MailError) return error.code
    throw error
  }
}

test.each<[string, unknown]>([
  ['[1,2,3,4,5,6,7,8,9,10]', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  ['[1,2,3,4,5,6,7,8,9,10,11]', 'body_too_complex'],
  ['{"a":"b","c":"d","e":"f"}', { a: 'b', c: 'd', e: 'f' }],
  ['{"a":"b","c":"d","e":"f","g":"h"}', 'body_too_complex'],
  ['[[[[]]]]', [[[[]]]]],
  ['[[[[[]]]]]', 'invalid_json'],
  ['""""""""""""""""""""""', 'body_too_complex'],
  ['{"a":",,,,,,,,,,,,,[[[[[[[[[[{{{{{{{{{{"}', { a: ',,,,,,,,,,,,,[[[[[[[[[[{{{{{{{{{{' }],
  ['{"a":"\\",,,,,,,,,,,,,\\"","b":"\\\\"}', { a: '",,,,,,,,,,,,,"', b: '\\' }],
  ['{"a":"\\\\","b":[1,2,3]}', { a: '\\', b: [1, 2, 3] }],
  ['{"a":{"b":"\\u0000"}}', 'validation_error'],
  ['{"a":[{"\\u0000":"b"}]}', 'validation_error'],
  ['{"a":"\\\\u0000"}', { a: '\\u0000' }],
  ['{"a":[[{}]]}', { a: [[{}]] }],
  ['{"a":[[{"b":{}}]]}', 'invalid_json'],
  ['[[],[],[],[],{}]', [[], [], [], [], {}]],
  ['{"a":"never closed', 'invalid_json'],
  ['{"a":"never closed\\', 'invalid_json'],
])('a body is parsed or refused by its number of tokens: %s', (text, result) => {
  expect(parse(text)).toEqual(result)
})

test.each<[string, number]>([
  ['invalid', 0],
  ['{"a": x}', 6],
  ['{"a": [true, tru ]}', 16],
  ['{"a":1,}', 7],
  ['[1] x', 4],
])('the error for %s gives the position', (text, position) => {
  expect(() => parseJsonBody({}, Buffer.from(text), withLimits({}))).toThrow(
    new RegExp(`^The body is not valid JSON: .* at position ${position}$`),
  )
})

test('a large body is checked, decoded and parsed in different turns of the event loop', async () => {
  let turns = 0
  const nextTurn = async () => {
    turns += 1
  }
  const parseIt = (text: string, oneTurnBodyBytesMax: number) =>
    parseInTurns({}, Buffer.from(text), withLimits({ http: { oneTurnBodyBytesMax } }), nextTurn)
  expect(await parseIt('{"a":"b"}', 9)).toEqual({ a: 'b' })
  expect(turns).toBe(0)
  expect(await parseIt('\uFEFF{"a":"\\ud800","b":1}', 8)).toEqual({ a: '\ufffd', b: 1 })
  expect(turns).toBe(4)
  turns = 0
  expect(await parseIt(`{${' '.repeat(3 * 1024 * 1024)}}`, 8)).toEqual({})
  expect(turns).toBe(4 + 3) // its tokens are counted a megabyte at a time
  await expect(parseIt('{"a":"b"', 7)).rejects.toMatchObject({ code: 'invalid_json' })
})

const LENGTH = 8 * 1024 * 1024

test.each<[string, string]>([
  ['objects without end', `{"to":[${'{},'.repeat(LENGTH / 3)}{}]}`],
  ['escaped quotes', `{"a":"${'\\"'.repeat(LENGTH / 2)}"}`],
  ['escaped backslashes', `{"a":"${'\\\\'.repeat(LENGTH / 2)}"}`],
  ['half an escape', `"${'\\'.repeat(LENGTH)}`],
  ['spaces', `{${' '.repeat(LENGTH)}}`],
])('a body of eight megabytes of %s is read in bounded time', (_what, text) => {
  expectBounded(() => parse(text))
})
