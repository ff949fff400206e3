/**
 * The numbers in SECURITY.md are those of src/config/limits. That the server keeps to them is tested by the files in the
 * table of that page, with smaller numbers.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withLimits } from '../src/config/limits.ts'

const limits = withLimits({})
const { access, delivery, http, jobs, messages, parsing, sending, smtp, sockets, store, streams, webhooks } = limits

const kib = (bytes: number) => `${bytes / 1024} KiB`
const mib = (bytes: number) => `${bytes / 1024 / 1024} MiB`
const ki = (count: number) => `${count / 1024} Ki`
const mi = (count: number) => `${count / 1024 / 1024} Mi`
const count = (number: number) => number.toLocaleString('en')
const seconds = (ms: number) => `${ms / 1_000} s`
const time = (ms: number) =>
  ({ 60000: 'a minute', 120000: '2 minutes', 1800000: '30 minutes', 3600000: 'an hour' })[ms] ?? seconds(ms)

const SENTENCES = [
  `work without a key for ${time(messages.downloadUrlMs)}`,
  `up to ${parsing.smallThreadsMax} for messages up to ${kib(parsing.smallBytesMax)}, one for larger ones`,
  `exceeds its time or ${mib(parsing.heapBytesMax)} of heap ends only its thread; it is tried once more alone, with ${seconds(parsing.timeoutMs)}, and`,
  `Above ${count(parsing.waitingMax)} large messages that wait, ${parsing.waitingPerSenderMax} of one peer, ${time(parsing.waitMs)} of waiting, or ${count(parsing.smallWaitingMax)} small messages that wait`,
  `up to ${mib(http.bodyBytesMax)}, or ${mib(http.sendBodyBytesMax)} for requests that send a message`,
  `a body with more than ${count(http.bodyTokensMax)} is rejected`,
  `at most ${count(http.listItemsMax)} items, an object ${count(http.objectMembersMax)} members, a string ${count(http.textCharsMax)} characters`,
  `text and HTML (${mi(sending.textCharsMax)} characters each)`,
  `subject, addresses and headers have ${ki(sending.headerCharsMax)} characters together`,
  `returned in pages of ${mib(limits.lists.threadPageBytesMax)}`,
  `use at most ${mib(http.largeBodiesBytesMax)} together, and small ones (up to ${kib(http.smallBodyBytesMax)}) another ${mib(http.smallBodiesBytesMax)}`,
  `complete within ${time(http.requestMs)}`,
  `end at ${mib(parsing.bodyJsonBytesMax)} of JSON`,
  `above ${kib(http.smallResponseBytesMax)} use at most ${mib(http.responsesBytesMax)} together`,
  `use at most ${mib(limits.sending.composedBytesMax)} together for their attachments`,
  `for ${seconds(http.responseWaitMs)} at most, and then get 503. At most ${count(http.responsesWaitingMax)} requests wait, ${count(http.responsesWaitingPerKeyMax)} of one key`,
  `reads nothing of a response or download for ${time(http.responseStallMs)} is disconnected, and while requests of other keys wait for its memory, after ${seconds(http.responseStallBusyMs)}`,
  `without progress (${kib(smtp.progressBytes)}, or an accepted message) for ${time(smtp.stalledMs)}`,
  `that has sent no MAIL is closed after ${time(smtp.idleBeforeMailMs)} of silence`,
  `have at most ${mib(sockets.bufferBytesMax)} or ${sockets.bufferFramesMax} frames buffered each`,
  `event streams of a server together ${mib(limits.events.backlogBytesMax)}`,
  `at most ${count(sockets.perKeyMax)} WebSockets and ${count(streams.perKeyMax)} event streams`,
  `${{ 10: 'ten' }[sockets.framesPerSecondMax]} per second after a burst of ${sockets.framesBurstMax}`,
  `each ${kib(sockets.frameUnitBytes)} of a frame counts as one`,
  `of the ${webhooks.concurrencyMax} requests to webhooks, the ${delivery.concurrencyMax} deliveries to other servers, the ${delivery.localConcurrencyMax} to local inboxes, the ${webhooks.testsMax} test requests and the ${webhooks.replayCountsMax} counts for replays`,
  `it reads at most ${count(limits.webhooks.replayRowsMax)} events, with pauses`,
  `some of their requests (${seconds(webhooks.timeoutMs)}) or deliveries (${time(delivery.attemptMs)} at most) end`,
  `at most ${webhooks.perPodMax} webhooks and ${count(access.apiKeysPerPodMax)} API keys`,
  `at most ${count(http.waitsPerKeyMax)} requests waiting for a message or event`,
  `adds at most ${messages.participantsMax} participants to its thread`,
  `more than about ${messages.shortFilingRowsMax} rows is committed apart`,
  `Above about ${count(messages.transactionRowsMax)} rows`,
  `A transaction lets other work run after ${store.turnMs} ms`,
  `in steps of at most ${count(jobs.removalStepRows)} addresses and attachments`,
  `set aside and reported after ${{ 3: 'three' }[jobs.interruptionsMax]} attempts`,
  `use its ${delivery.relayConnectionsMax} connections`,
  `the ${{ 4: 'four' }[delivery.destinationConcurrencyMax]} deliveries to one domain at a time`,
]

test('the numbers in SECURITY.md are those of the limits', () => {
  const page = readFileSync(new URL('../SECURITY.md', import.meta.url), 'utf8').replace(/\s+/g, ' ')
  expect(SENTENCES.filter((sentence) => !page.includes(sentence))).toEqual([])
})
