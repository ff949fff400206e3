// A client of Martlet for programs that were written for Assmbl; index.d.ts documents it.
import { createHmac, timingSafeEqual } from 'node:crypto'

export class AgentMailError extends Error {
  constructor(statusCode, body) {
    const message = body.message ?? `The server answered with status ${statusCode}`
    super(body.fix ? `${message}. ${body.fix}` : message)
    this.name = 'AgentMailError'
    this.statusCode = statusCode
    this.code = body.error ?? 'unknown'
    this.body = body
  }
}

export class AgentMailClient {
  #baseUrl
  #token
  #timeoutMs

  constructor({ baseUrl, token, timeoutMs = 60_000 } = {}) {
    const url = baseUrl ?? process.env.AGENTMAIL_API_BASE_URL
    this.#token = token ?? process.env.AGENTMAIL_TOKEN
    if (!url || !/^https?:\/\//i.test(url)) throw new TypeError('baseUrl must be an http or https URL')
    if (!this.#token) throw new TypeError('token must be an API key of an inbox')
    this.#baseUrl = url.replace(/\/+$/, '')
    this.#timeoutMs = timeoutMs
  }

  async sendMail({ to, subject = '', body = '', attachments, ...options }) {
    const uploaded = []
    for (const each of attachments ?? []) uploaded.push(await this.#uploaded(each))
    const request = {
      ...{ to, subject, body, usage: options.usage, headers: options.headers },
      correlation_id: options.correlationId,
      idempotency_key: options.idempotencyKey,
      marketplace_request_id: options.marketplaceRequestId,
      encrypt_body: options.encryptBody || undefined,
      encrypt_attachments: options.encryptAttachments || undefined,
      peer_agent_id: options.peerAgentId,
      attachments: uploaded.length > 0 ? uploaded : undefined,
    }
    return this.#call('POST', '/send', request)
  }

  listInbox({ limit, verifiedOnly, cursor, q, label, isRead, includeArchived } = {}) {
    const query = { limit, verified_only: verifiedOnly, cursor, q, label, is_read: isRead }
    return this.#call('GET', `/inbox${queryOf({ ...query, include_archived: includeArchived })}`)
  }

  async *iterInboxPages({ pageSize = 50, ...filter } = {}) {
    let cursor
    do {
      const page = await this.listInbox({ ...filter, limit: pageSize, cursor })
      yield page
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined)
  }

  async *iterInbox(filter = {}) {
    for await (const page of this.iterInboxPages(filter))
      for (const item of page.items) yield await this.fetchMessage(item.MessageID)
  }

  getUnreadCount() {
    return this.#call('GET', '/inbox/unread_count')
  }

  getMessage(messageId) {
    return this.#call('GET', pathOf(messageId))
  }

  async fetchMessage(messageId, { includeAttachments = true } = {}) {
    const message = await this.getMessage(messageId)
    const downloaded = []
    for (const { index, file_name, content_type, status } of includeAttachments ? message.Attachments : []) {
      const entry = { index, filename: file_name, content_type, status, encrypted: false, decrypted: false }
      const { url } = await this.requestInboundAttachmentDownload(messageId, index)
      downloaded.push({ ...entry, bytes: await this.#request(url, { method: 'GET' }) })
    }
    return { ...message, body_text_decrypted: null, downloaded_attachments: downloaded }
  }

  deleteMessage(messageId) {
    return this.#call('DELETE', pathOf(messageId))
  }

  patchMessageLabels(messageId, { add = [], remove = [] }) {
    return this.#call('PATCH', `${pathOf(messageId)}/labels`, { add, remove })
  }

  patchMessageRead(messageId, isRead = true) {
    return this.#call('PATCH', `${pathOf(messageId)}/read`, { is_read: isRead })
  }

  patchMessageArchive(messageId, archived = true) {
    return this.#call('PATCH', `${pathOf(messageId)}/archive`, { archived })
  }

  getInboundAttachmentStatus(messageId, index) {
    return this.#call('GET', `${pathOf(messageId)}/attachments/${index}`)
  }

  requestInboundAttachmentDownload(messageId, index) {
    return this.#call('POST', `${pathOf(messageId)}/attachments/${index}/download`)
  }

  requestAttachmentUpload({ fileName, contentType, maxBytes }) {
    const request = { file_name: fileName, content_type: contentType, max_bytes: maxBytes }
    return this.#call('POST', '/attachments/upload', request)
  }

  requestAttachmentDownload(objectKey) {
    return this.#call('POST', '/attachments/download', { object_key: objectKey })
  }

  putWebhook({ url, enabled = true, rotateSecret = false }) {
    return this.#call('PUT', '/webhook', { url, enabled, rotate_secret: rotateSecret })
  }

  getWebhook() {
    return this.#call('GET', '/webhook')
  }

  deleteWebhook() {
    return this.#call('DELETE', '/webhook')
  }

  getNotifications() {
    return this.#call('GET', '/notifications')
  }

  putNotifications(rules) {
    return this.#call('PUT', '/notifications', { rules })
  }

  static verifyWebhookSignature({ signingSecret, timestamp, rawBody, signatureHeader, maxSkewSeconds = 300 }) {
    const seconds = Number(timestamp)
    if (!Number.isInteger(seconds) || Math.abs(Date.now() / 1_000 - seconds) > maxSkewSeconds) return false
    const hash = createHmac('sha256', signingSecret).update(`${seconds}.`).update(rawBody).digest('hex')
    const [expected, given] = [Buffer.from(`v1=${hash}`), Buffer.from(signatureHeader)]
    return expected.length === given.length && timingSafeEqual(expected, given)
  }

  async #uploaded(attachment) {
    if ('object_key' in attachment) return attachment
    const { fileName, contentType = 'application/octet-stream', content } = attachment
    const file = new Blob([content], { type: contentType })
    const ticket = await this.requestAttachmentUpload({ fileName, contentType, maxBytes: file.size })
    const { url, ...fields } = ticket.upload
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.append(name, value)
    form.append('file', file, fileName)
    await this.#request(url, { method: 'POST', body: form })
    return { object_key: ticket.object_key, file_name: fileName, content_type: contentType }
  }

  async #call(method, path, body) {
    const headers = { authorization: `Bearer ${this.#token}`, accept: 'application/json' }
    if (body !== undefined) headers['content-type'] = 'application/json'
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const bytes = await this.#request(this.#baseUrl + path, init)
    return bytes.length === 0 ? {} : JSON.parse(Buffer.from(bytes).toString())
  }

  async #request(url, init) {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(this.#timeoutMs) })
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (response.ok) return bytes
    throw new AgentMailError(response.status, errorBody(bytes))
  }
}

function pathOf(messageId) {
  return `/messages/${encodeURIComponent(messageId)}`
}

function queryOf(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`
}

function errorBody(bytes) {
  try {
    const body = JSON.parse(Buffer.from(bytes).toString())
    return typeof body === 'object' && body !== null ? body : {}
  } catch {
    return {} // a proxy answered
  }
}
